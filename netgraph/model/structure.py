"""The structure decoder: an autoregressive transformer over tokens, under the mask of the grammar."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netgraph.graph.architecture import Architecture
from netgraph.model.attention import Block, Cache, FeatureEmbedding
from netgraph.model.batch import StructureBatch
from netgraph.model.config import VAEConfig
from netgraph.model.layout import N_TYPES
from netgraph.tokens import END, N_MOVES, START, STAY, Grammar


class StructureDecoder(nn.Module):
    """p(architecture | z): numbers of inputs and outputs, then moves and parents from left to right.

    Args:
        config: The model's sizes.
    """

    known_types: Tensor

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        width, nodes = config.width, config.max_nodes
        self.latent = nn.Linear(config.slot_size, width)
        self.slot = nn.Parameter(torch.randn(config.latent_slots, width) * 0.5)
        self.embed = FeatureEmbedding((N_MOVES, N_TYPES, nodes + 1, nodes, nodes), width)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.structure_layers))
        self.norm = nn.LayerNorm(width)
        self.counts = nn.Linear(config.latent_size + width, 2 * nodes)
        self.move = nn.Linear(width, N_MOVES)
        self.next_move = nn.Embedding(N_MOVES, width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.register_buffer("known_types", torch.zeros(N_TYPES, dtype=torch.bool))

    def prefix(self, z: Tensor, condition: Tensor) -> Tensor:
        """Turn a latent and a condition into the tokens that open every sequence, [B, K + 1, width]."""
        slots = self.latent(z.unflatten(1, (self.config.latent_slots, -1))) + self.slot
        return torch.cat([slots, condition[:, None, :]], dim=1)

    def count_logits(self, z: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Score the numbers of inputs and of outputs, 1 to max_nodes, each [B, max_nodes]."""
        inputs, outputs = self.counts(torch.cat([z, condition], dim=1)).chunk(2, dim=1)
        return inputs, outputs

    def losses(self, z: Tensor, condition: Tensor, batch: StructureBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Cross-entropies of index, type and parent, in nats a network; forced tokens cost nothing."""
        prefix = self.prefix(z, condition)
        hidden = self._run(torch.cat([prefix, self.embed(batch.steps[:, :-1])], dim=1), prefix.shape[1])
        target, free = batch.steps[:, 1:], batch.free[:, 1:].float()  # what follows each token
        logits = F.log_softmax(self.move(hidden), dim=-1)
        move = target[..., 0].clamp(min=0)
        stay, stays = logits[..., STAY], move == STAY
        advance = torch.log1p(-stay.exp().clamp(max=1 - 1e-6))
        index = -(torch.where(stays, stay, advance) * free).sum(dim=1)
        chosen = logits.gather(-1, move[..., None]).squeeze(-1) - advance
        type_ = -(torch.where(stays, torch.zeros_like(chosen), chosen) * free).sum(dim=1)
        counts = self._count_loss(z, condition, batch.steps[:, 0, 2:4] - 1)
        return (index + counts).mean(), type_.mean(), self._parent_loss(hidden, batch).mean()

    def _count_loss(self, z: Tensor, condition: Tensor, target: Tensor) -> Tensor:
        logits = self.count_logits(z, condition)
        return sum((F.cross_entropy(x, target[:, i], reduction="none") for i, x in enumerate(logits)), z.new_zeros(()))

    def _parent_loss(self, hidden: Tensor, batch: StructureBatch) -> Tensor:
        """Cross-entropy of the pointer at free tokens that have a parent, [B]."""
        target = batch.steps[:, 1:]
        vertex = batch.vertex_step.clamp(max=hidden.shape[1] - 1)
        known = torch.arange(hidden.shape[1], device=hidden.device)[None, :, None] >= vertex[:, None, :]
        scores = self._point(hidden, target[..., 0].clamp(min=0), hidden, vertex)
        scores = scores.masked_fill(~(known & batch.starts[:, None, :]), float("-inf"))
        parent = target[..., 3]
        counted = batch.free[:, 1:] & (parent >= 0) & (target[..., 0] != END)
        counted &= batch.starts.gather(1, parent.clamp(min=0, max=batch.starts.shape[1] - 1))
        log_p = F.log_softmax(scores[counted], dim=-1).gather(-1, parent[counted][:, None]).squeeze(-1)
        network = counted.nonzero()[:, 0]
        return hidden.new_zeros(len(batch)).index_add(0, network, -log_p)

    def _point(self, hidden: Tensor, move: Tensor, memory: Tensor, vertex: Tensor) -> Tensor:
        """Score vertices as parents: queries [B, T, width] against the tokens of the vertices, [B, T, N]."""
        keys = self.key(memory).gather(1, vertex[..., None].expand(-1, -1, memory.shape[-1]))
        query = self.query(hidden + self.next_move(move))
        return cast(Tensor, query @ keys.transpose(1, 2) / query.shape[-1] ** 0.5)

    def _run(self, tokens: Tensor, prefix: int) -> Tensor:
        length = tokens.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        causal[:prefix, :prefix] = True
        for block in self.blocks:
            tokens = block(tokens, causal)
        return cast(Tensor, self.norm(tokens[:, prefix:]))

    @torch.no_grad()
    def generate(
        self,
        z: Tensor,
        condition: Tensor,
        counts: Sequence[tuple[int, int]] | None = None,
        generator: torch.Generator | None = None,
    ) -> list[Architecture]:
        """Decode free-running.

        Args:
            z: Latents, [B, latent].
            condition: Embedded meta-features, [B, width].
            counts: Numbers of inputs and outputs, if they are to be given rather than decoded.
            generator: Draws every choice; the most likely one is taken when None.

        Returns:
            B architectures, each runnable.
        """
        if counts is None:
            counts = self._counts(z, condition, generator)
        types = frozenset(self.known_types.nonzero().flatten().tolist())
        grammars = [Grammar(i, o, self.config.max_nodes, types) for i, o in counts]
        caches = [Cache() for _ in self.blocks]
        self._advance(self.prefix(z, condition), caches)
        start = torch.tensor([[START, START, i, o, 0] for i, o in counts], device=z.device)
        memory = z.new_zeros(len(z), self.config.max_nodes, self.config.width)
        steps = start
        while not all(grammar.ended for grammar in grammars):
            hidden = self._advance(self.embed(steps)[:, None], caches)[:, 0]
            _remember(memory, hidden, steps)
            steps = self._step(hidden, memory, grammars, generator)
        return [grammar.architecture() for grammar in grammars]

    def _counts(self, z: Tensor, condition: Tensor, generator: torch.Generator | None) -> list[tuple[int, int]]:
        inputs, outputs = self.count_logits(z, condition)
        inputs[:, -1] = float("-inf")  # at least one vertex is left for an output
        n_inputs = _choose(inputs, generator) + 1
        room = torch.arange(self.config.max_nodes, device=z.device)[None] + n_inputs[:, None] < self.config.max_nodes
        n_outputs = _choose(outputs.masked_fill(~room, float("-inf")), generator) + 1
        return list(zip(n_inputs.tolist(), n_outputs.tolist(), strict=True))

    def _advance(self, tokens: Tensor, caches: list[Cache]) -> Tensor:
        mask = torch.ones(1, 1, dtype=torch.bool, device=tokens.device)
        for block, cache in zip(self.blocks, caches, strict=True):
            tokens = block(tokens, mask, cache)
        return cast(Tensor, self.norm(tokens))

    def _step(
        self, hidden: Tensor, memory: Tensor, grammars: list[Grammar], generator: torch.Generator | None
    ) -> Tensor:
        """Choose the next token of every network, push it, and give its features, [B, 5]."""
        allowed: list[dict[int, list[int]]] = [
            grammar.moves() if not grammar.ended else {END: []} for grammar in grammars
        ]
        mask = np.zeros((len(grammars), N_MOVES), dtype=bool)
        for row, moves in zip(mask, allowed, strict=True):
            row[list(moves)] = True
        legal = torch.from_numpy(mask).to(hidden.device)
        move = _choose(self.move(hidden).masked_fill(~legal, float("-inf")), generator)
        parents = np.zeros((len(grammars), self.config.max_nodes), dtype=bool)
        for row, moves, chosen in zip(parents, allowed, move.tolist(), strict=True):
            row[moves[chosen] if moves[chosen] and moves[chosen][0] >= 0 else [0]] = True
        vertices = torch.arange(memory.shape[1], device=memory.device).expand(len(memory), -1)
        scores = self._point(hidden[:, None], move[:, None], memory, vertices)[:, 0]
        parent = _choose(scores.masked_fill(~torch.from_numpy(parents).to(hidden.device), float("-inf")), generator)
        rows = [_push(*row) for row in zip(grammars, allowed, move.tolist(), parent.tolist(), strict=True)]
        return torch.tensor(rows, device=hidden.device)


def _remember(memory: Tensor, hidden: Tensor, steps: Tensor) -> None:
    """Keep the hidden state of each vertex's first token, where the pointer looks for it."""
    first = (steps[:, 0] != START) & (steps[:, 0] != STAY) & (steps[:, 0] != END)
    rows = first.nonzero().flatten()
    memory[rows, steps[rows, 2]] = hidden[rows]


def _push(grammar: Grammar, moves: dict[int, list[int]], move: int, parent: int) -> list[int]:
    if grammar.ended:
        return [END, END, 0, 0, 0]
    chosen = moves[move]
    if chosen == [-1]:
        parent = -1
    grammar.push(move, parent)
    if move == END:
        return [END, END, 0, 0, 0]
    index = grammar.num_nodes - 1
    return [move, grammar.last.code, index, parent, index - grammar.last.start]


def _choose(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    if generator is None:
        return logits.argmax(dim=-1)
    uniform = torch.rand(logits.shape, generator=generator, device=logits.device)
    return (logits - torch.log(-torch.log(uniform.clamp(1e-10, 1 - 1e-7)))).argmax(dim=-1)  # Gumbel-max
