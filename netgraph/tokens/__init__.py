"""NetGraphs as token streams, and the grammar that makes every decoded stream a runnable network."""

from netgraph.tokens.builder import CONTINUE, STAY, Builder
from netgraph.tokens.grammar import N_MOVES, Grammar, Limits
from netgraph.tokens.stream import END, PAD, START, Stream, stream
from netgraph.tokens.tokenize import TokenBatch, detokenize, tokenize, tokenize_packed

__all__ = [
    "CONTINUE",
    "END",
    "N_MOVES",
    "PAD",
    "START",
    "STAY",
    "Builder",
    "Grammar",
    "Limits",
    "Stream",
    "TokenBatch",
    "detokenize",
    "stream",
    "tokenize",
    "tokenize_packed",
]
