"""The structure decoder: an autoregressive transformer over tokens, under the mask of the grammar."""

import json
from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netgraph.graph.architecture import Architecture
from netgraph.graph.layers import LAYER_TYPES
from netgraph.model.attention import Block, Cache, FeatureEmbedding
from netgraph.model.batch import StructureBatch
from netgraph.model.config import VAEConfig
from netgraph.model.coverage import Coverage, check_settings
from netgraph.model.layout import OPENINGS, STEP_LINEAR
from netgraph.model.slots import layout_slot, step_sizes
from netgraph.tokens import END, N_MOVES, START, STAY, Grammar, Limits

_LINEAR = LAYER_TYPES["Linear"].code


class StructureDecoder(nn.Module):
    """p(architecture | layout): numbers of inputs and outputs, then moves and parents from left to right.

    Args:
        config: The model's sizes.

    Attributes:
        coverage: The architectures that it was trained on.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config, self.coverage = config, Coverage()
        width, nodes = config.width, config.max_nodes
        self.latent = nn.Linear(config.slot_size, width)
        self.slot = nn.Parameter(torch.randn(config.layout_slots, width) * 0.1)
        self.embed = FeatureEmbedding(step_sizes(config), width)
        self.layer = nn.Linear(config.slot_size, width)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.structure_layers))
        self.norm = nn.LayerNorm(width)
        self.counts = nn.Linear(config.layout_size + width, 2 * nodes)
        self.move = nn.Linear(width, N_MOVES)
        self.biased = nn.Linear(width, 1)
        self.next_move = nn.Embedding(N_MOVES, width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)

    def know(self, architectures: Iterable[Architecture]) -> None:
        """Extend the coverage by training networks.

        Raises:
            NetGraphError: When a layer has a setting that cannot be decoded.
        """
        known = list(architectures)
        check_settings(known)
        self.coverage = self.coverage.merge(Coverage.of(known))

    @property
    def limits(self) -> Limits:
        """Limits of decoded networks."""
        return self.coverage.limits(self.config.max_nodes)

    def get_extra_state(self) -> Tensor:
        """Return the coverage as bytes, [n], so that it is part of the ``state_dict``."""
        return torch.tensor(list(json.dumps(self.coverage.to_record()).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Invert :meth:`get_extra_state`."""
        self.coverage = Coverage.from_record(json.loads(bytes(state.tolist())))

    def prefix(self, layout: Tensor, condition: Tensor) -> Tensor:
        """Turn the layout's slots, [B, G, slot], and a condition into opening tokens, [B, G + 1, width]."""
        return torch.cat([self.latent(layout) + self.slot, condition[:, None, :]], dim=1)

    def _tokens(self, steps: Tensor, layout: Tensor) -> Tensor:
        """Embed steps, [B, S, 6], each with the slot of the layer at hand, [B, S, width]."""
        slot = layout_slot(steps[..., STEP_LINEAR], self.config)
        at_hand = layout.gather(1, slot[..., None].expand(-1, -1, layout.shape[-1]))
        return cast(Tensor, self.embed(steps) + self.layer(at_hand))

    def count_logits(self, layout: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Score the numbers of inputs and of outputs, 1 to max_nodes, each [B, max_nodes]."""
        inputs, outputs = self.counts(torch.cat([layout.flatten(1), condition], dim=1)).chunk(2, dim=1)
        return inputs, outputs

    def losses(self, layout: Tensor, condition: Tensor, batch: StructureBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Cross-entropies of index, type and parent, in nats a network; forced tokens cost nothing."""
        prefix = self.prefix(layout, condition)
        hidden = self._run(torch.cat([prefix, self._tokens(batch.steps[:, :-1], layout)], dim=1), prefix.shape[1])
        target = batch.steps[:, 1:, 0]  # the move that follows each step
        given, move = (target >= 0).float(), target.clamp(min=0)
        logits = F.log_softmax(self.move(hidden), dim=-1)
        stay, stays = logits[..., STAY], move == STAY
        advance = torch.log1p(-stay.exp().clamp(max=1 - 1e-6))
        index = -(torch.where(stays, stay, advance) * given).sum(dim=1)
        chosen = logits.gather(-1, move[..., None]).squeeze(-1) - advance
        biased, logit = batch.biased[:, :-1], self.biased(hidden).squeeze(-1)
        bias = F.binary_cross_entropy_with_logits(logit, biased.clamp(min=0).float(), reduction="none")
        type_ = (bias * (biased >= 0)).sum(dim=1) - (chosen.masked_fill(stays, 0.0) * given).sum(dim=1)
        inputs, outputs = self.count_logits(layout, condition)
        counts = F.cross_entropy(inputs, batch.steps[:, 0, 2] - 1, reduction="none")
        counts = counts + F.cross_entropy(outputs, batch.steps[:, 0, 3] - 1, reduction="none")
        return (index + counts).mean(), type_.mean(), self._parent_loss(hidden, move, batch).mean()

    def _parent_loss(self, hidden: Tensor, move: Tensor, batch: StructureBatch) -> Tensor:
        """Cross-entropy of the pointer at steps whose parent is a choice, [B]."""
        step = batch.layer_step.clamp(min=0, max=hidden.shape[1] - 1)
        opened = hidden.gather(1, step[..., None].expand(-1, -1, hidden.shape[-1]))
        scores = self._point(hidden, move, self.key(opened))
        now = torch.arange(hidden.shape[1], device=hidden.device)
        known = (now[None, :, None] >= step[:, None, :]) & (batch.layer_step >= 0)[:, None, :]
        pointer = batch.pointer[:, 1:]
        counted = pointer >= 0
        log_p = F.log_softmax(scores.masked_fill(~known, float("-inf"))[counted], dim=-1)
        chosen = log_p.gather(-1, pointer[counted][:, None]).squeeze(-1)
        return hidden.new_zeros(len(batch)).index_add(0, counted.nonzero()[:, 0], -chosen)

    def _point(self, hidden: Tensor, move: Tensor, keys: Tensor) -> Tensor:
        """Score layers as parents: queries [B, S, width] against keys of the steps that opened them, [B, S, L]."""
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
        layout: Tensor,
        condition: Tensor,
        counts: Sequence[tuple[int, int]] | None = None,
        generator: torch.Generator | None = None,
    ) -> list[Architecture]:
        """Decode free-running.

        Args:
            layout: The layout's slots, [B, G, slot].
            condition: Embedded meta-features, [B, width].
            counts: Numbers of inputs and outputs, if they are to be given rather than decoded.
            generator: Draws every choice; the most likely one is taken when None.

        Returns:
            B architectures, each runnable.
        """
        if counts is None:
            counts = self._counts(layout, condition, generator)
        limits = self.limits
        grammars = [Grammar(i, o, limits) for i, o in counts]
        for grammar in grammars:
            push_forced(grammar)
        steps = torch.tensor([[START, START, i, o, 0, 0] for i, o in counts], device=layout.device)
        keys = layout.new_zeros(len(layout), limits.layers or limits.nodes, self.config.width)
        caches = [Cache() for _ in self.blocks]
        self._advance(self.prefix(layout, condition), caches)
        self._walk(grammars, steps, layout, keys, caches, generator)
        return [grammar.architecture() for grammar in grammars]

    def _walk(
        self,
        grammars: list[Grammar],
        steps: Tensor,
        layout: Tensor,
        keys: Tensor,
        caches: list[Cache],
        generator: torch.Generator | None,
    ) -> None:
        """Choose token after token until every network has ended; those that have are left behind."""
        while grammars:
            hidden = self._advance(self._tokens(steps[:, None], layout), caches)[:, 0]
            opened = torch.isin(steps[:, 0], steps.new_tensor([START, *OPENINGS])).nonzero().flatten()
            layers = torch.tensor([len(grammar.layers) - 1 for grammar in grammars], device=steps.device)
            keys[opened, layers[opened]] = self.key(hidden)[opened]  # where the pointer looks for the last layer
            biased = _choose(F.pad(self.biased(hidden), (1, 0)), generator)  # no, yes
            for i in (steps[:, 0] == _LINEAR).nonzero().flatten().tolist():
                grammars[i].last.bias = bool(biased[i])
            steps = self._step(hidden, keys, grammars, generator)
            going = [i for i, grammar in enumerate(grammars) if not grammar.ended]
            if 4 * len(going) <= 3 * len(grammars):
                kept = torch.tensor(going, dtype=torch.long, device=steps.device)
                grammars = [grammars[i] for i in going]
                steps, layout, keys = steps[kept], layout[kept], keys[kept]
                for cache in caches:
                    cache.keep(kept)

    def _counts(self, layout: Tensor, condition: Tensor, generator: torch.Generator | None) -> list[tuple[int, int]]:
        inputs, outputs = self.count_logits(layout, condition)
        inputs[:, -1] = float("-inf")  # at least one vertex is left for an output
        n_inputs = _choose(inputs, generator) + 1
        room = (
            torch.arange(self.config.max_nodes, device=layout.device)[None] + n_inputs[:, None] < self.config.max_nodes
        )
        n_outputs = _choose(outputs.masked_fill(~room, float("-inf")), generator) + 1
        return list(zip(n_inputs.tolist(), n_outputs.tolist(), strict=True))

    def _advance(self, tokens: Tensor, caches: list[Cache]) -> Tensor:
        for block, cache in zip(self.blocks, caches, strict=True):
            tokens = block(tokens, None, cache)
        return cast(Tensor, self.norm(tokens))

    def _step(self, hidden: Tensor, keys: Tensor, grammars: list[Grammar], generator: torch.Generator | None) -> Tensor:
        """Choose the next token of every network, push it, and give its features, [B, 6]."""
        allowed: list[dict[int, list[int]]] = [
            grammar.moves() if not grammar.ended else {END: []} for grammar in grammars
        ]
        mask = np.zeros((len(grammars), N_MOVES), dtype=bool)
        for row, moves in zip(mask, allowed, strict=True):
            row[list(moves)] = True
        legal = torch.from_numpy(mask).to(hidden.device)
        move = _choose(self.move(hidden).masked_fill(~legal, float("-inf")), generator)
        parents = np.zeros((len(grammars), keys.shape[1]), dtype=bool)
        for row, grammar, moves, chosen in zip(parents, grammars, allowed, move.tolist(), strict=True):
            row[[grammar.starts[p] for p in moves[chosen] if p in grammar.starts] or [0]] = True
        scores = self._point(hidden[:, None], move[:, None], keys)[:, 0]
        layer = _choose(scores.masked_fill(~torch.from_numpy(parents).to(hidden.device), float("-inf")), generator)
        rows = [push(*row) for row in zip(grammars, allowed, move.tolist(), layer.tolist(), strict=True)]
        return torch.tensor(rows, device=hidden.device)


def push(grammar: Grammar, moves: dict[int, list[int]], move: int, layer: int) -> list[int]:
    """Push a chosen move and all that it forces; give the features of the step."""
    if grammar.ended or move == END:
        grammar.push(END, -1)
        return [END, END, 0, 0, 0, 0]
    start = grammar.layers[layer].start
    parent = start if start in moves[move] else moves[move][0]
    grammar.push(move, parent)
    index = grammar.num_nodes - 1
    step = [move, grammar.last.code, index, parent, index - grammar.last.start, grammar.n_linear]
    push_forced(grammar)
    return step


def push_forced(grammar: Grammar) -> None:
    """Push all moves that leave no choice."""
    while grammar.forced:
        ((move, (parent,)),) = grammar.moves().items()
        grammar.push(move, parent)


def _choose(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    if generator is None:
        return logits.argmax(dim=-1)
    uniform = torch.rand(logits.shape, generator=generator, device=logits.device)
    return (logits - torch.log(-torch.log(uniform.clamp(1e-10, 1 - 1e-7)))).argmax(dim=-1)  # Gumbel-max
