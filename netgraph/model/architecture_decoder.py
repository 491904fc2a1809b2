"""The decoder of architectures: an autoregressive transformer over layers, under the mask of the grammar."""

import json
from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.layers import BY_CODE, LAYER_TYPES
from netgraph.model.attention import Block, Cache, FeatureEmbedding
from netgraph.model.batch import ArchitectureBatch
from netgraph.model.config import VAEConfig
from netgraph.model.coverage import Coverage, unknown_settings
from netgraph.model.features import MOVE, STEP_LINEAR, pool_of, pool_size, step_sizes
from netgraph.tokens import END, N_MOVES, START, Grammar, Limits

_INPUT, _LINEAR = (LAYER_TYPES[name].code for name in ("Input", "Linear"))


class ArchitectureDecoder(nn.Module):
    """p(architecture | a): layers and their operands from left to right, after numbers of inputs and outputs.

    Args:
        config: The model's sizes.

    Attributes:
        coverage: The architectures that it was trained on.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config, self.coverage = config, Coverage()
        width, nodes = config.width, config.max_nodes
        self.embed = FeatureEmbedding(step_sizes(config), width)
        self.whole = nn.Linear(config.architecture_size, width)
        self.pool = nn.Linear(pool_size(config), width)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)
        self.move = nn.Linear(width, N_MOVES)
        self.size = nn.Linear(width, nodes)
        self.biased = nn.Linear(width, 1)
        self.next_move = nn.Embedding(N_MOVES, width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)

    def cover(self, architectures: Iterable[Architecture]) -> None:
        """Extend the coverage by training networks.

        Raises:
            NetGraphError: When a layer has a setting that cannot be decoded.
        """
        covered = list(architectures)
        for i, architecture in enumerate(covered):
            for problem in unknown_settings(architecture):
                raise NetGraphError(f"network {i}{problem}")
        self.coverage = self.coverage.merge(Coverage.of(covered))

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

    def losses(self, a: Tensor, cond: Tensor, batch: ArchitectureBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the cross-entropies of index, type and parent under teacher forcing.

        Args:
            a: Architecture codes, [B, architecture_size].
            cond: Conditioning, [B, width].
            batch: The B architectures.

        Returns:
            Means over networks, in nats a network. Index: sizes of linear layers; type: layer types, biases and the
            end; parent: operands.
        """
        hidden = self._tokens(batch.steps[:, :-1], a, cond)
        causal = torch.ones(hidden.shape[1], hidden.shape[1], dtype=torch.bool, device=hidden.device).tril()
        for block in self.blocks:
            hidden = block(hidden, causal)
        hidden = self.norm(hidden)  # [B, S - 1, width]
        move = batch.steps[:, 1:, MOVE]
        index = _cross_entropy(self.size(hidden), batch.size[:, :-1], shift=1)
        biased = F.pad(self.biased(hidden), (1, 0))  # logits of no and yes
        type_ = _cross_entropy(self.move(hidden), move) + _cross_entropy(biased, batch.biased[:, :-1])
        return index, type_, self._parent_loss(hidden, move.clamp(min=0), batch)

    def _parent_loss(self, hidden: Tensor, move: Tensor, batch: ArchitectureBatch) -> Tensor:
        """Compute the cross-entropy of the pointer among the layers that were opened before."""
        step = batch.layer_step.clamp(min=0)
        opened = hidden.gather(1, step[..., None].expand(-1, -1, hidden.shape[-1]))
        scores = self._point(hidden, move, self.key(opened))
        now = torch.arange(hidden.shape[1], device=hidden.device)
        known = (now[None, :, None] >= step[:, None, :]) & (batch.layer_step >= 0)[:, None, :]
        return _cross_entropy(scores.masked_fill(~known, float("-inf")), batch.pointer[:, 1:])

    def _tokens(self, steps: Tensor, a: Tensor, cond: Tensor) -> Tensor:
        """Embed steps, [B, S, 5], each with the code and the numbers of the linear layer at hand, [B, S, width]."""
        size = pool_size(self.config)
        pools = a[:, : size * (self.config.depths + 1)].unflatten(1, (-1, size))
        pool = pool_of(steps[..., STEP_LINEAR].clamp(min=0), self.config)
        at_hand = pools.gather(1, pool[..., None].expand(-1, -1, size))
        return cast(Tensor, self.embed(steps) + self.pool(at_hand) + (self.whole(a) + cond)[:, None])

    def _point(self, hidden: Tensor, move: Tensor, keys: Tensor) -> Tensor:
        """Score layers as operands: queries [B, S, width] against keys of the steps that opened them, [B, S, L]."""
        query = self.query(hidden + self.next_move(move))
        return cast(Tensor, query @ keys.transpose(1, 2) / query.shape[-1] ** 0.5)

    @torch.no_grad()
    def generate(self, a: Tensor, cond: Tensor, counts: Sequence[tuple[int, int]]) -> list[Architecture]:
        """Decode free-running to B architectures, each runnable.

        Args:
            a: Architecture codes, [B, architecture_size].
            cond: Conditioning, [B, width].
            counts: Numbers of inputs and outputs of each network.
        """
        limits = self.limits
        grammars = [Grammar(n_inputs, n_outputs, limits) for n_inputs, n_outputs in counts]
        for grammar in grammars:
            grammar.choose(_INPUT)
        steps = torch.tensor([[START, START, *pair, 0] for pair in counts], device=a.device)
        keys = a.new_zeros(len(a), limits.layers or limits.nodes, self.config.width)
        self._walk(list(grammars), steps, a, cond, keys)
        return [grammar.architecture() for grammar in grammars]

    def _walk(self, grammars: list[Grammar], steps: Tensor, a: Tensor, cond: Tensor, keys: Tensor) -> None:
        """Choose layer after layer until every network has ended; complete ones leave the batch."""
        caches = [Cache() for _ in self.blocks]
        while grammars:
            tokens = self._tokens(steps[:, None], a, cond)
            for block, cache in zip(self.blocks, caches, strict=True):
                tokens = block(tokens, None, cache)
            hidden = self.norm(tokens)[:, 0]
            last = torch.tensor([len(grammar.layers) - 1 for grammar in grammars], device=a.device)
            opened = torch.isin(steps[:, MOVE], steps.new_tensor([START, *BY_CODE])).nonzero().flatten()
            keys[opened, last[opened]] = self.key(hidden)[opened]  # where the pointer looks for the last layer
            sizes = self.size(hidden).argmax(dim=1).tolist()
            biased = F.pad(self.biased(hidden), (1, 0)).argmax(dim=1).tolist()
            for i in (steps[:, MOVE] == _LINEAR).nonzero().flatten().tolist():
                grammars[i].extend(sizes[i] + 1)
                grammars[i].last.bias = bool(biased[i])
            steps = self._step(hidden, keys, grammars)
            going = [i for i, grammar in enumerate(grammars) if not grammar.ended]
            if 4 * len(going) <= 3 * len(grammars):
                kept = torch.tensor(going, dtype=torch.long, device=a.device)
                grammars = [grammars[i] for i in going]
                steps, a, cond, keys = steps[kept], a[kept], cond[kept], keys[kept]
                for cache in caches:
                    cache.keep(kept)

    def _step(self, hidden: Tensor, keys: Tensor, grammars: list[Grammar]) -> Tensor:
        """Take the most likely layer or operand that the grammar allows, and return the step's features, [B, 5]."""
        ranked = self.move(hidden).argsort(dim=1, descending=True).tolist()
        choices, layers = [], np.zeros((len(grammars), keys.shape[1]), dtype=bool)
        for row, grammar, moves in zip(layers, grammars, ranked, strict=True):
            options = ((move, grammar.readable(move)) for move in moves)
            move, readable = (END, [0]) if grammar.ended else next(option for option in options if option[1])
            choices.append(move)
            row[readable] = True
        scores = self._point(hidden[:, None], torch.tensor(choices, device=hidden.device)[:, None], keys)[:, 0]
        operands = scores.masked_fill(~torch.from_numpy(layers).to(hidden.device), float("-inf")).argmax(dim=1)
        rows = [take(*row) for row in zip(grammars, choices, operands.tolist(), strict=True)]
        return torch.tensor(rows, device=hidden.device)


def take(grammar: Grammar, choice: int, layer: int) -> list[int]:
    """Take a choice that reads a layer, and return the features of the step."""
    grammar.choose(choice, layer)
    if grammar.ended:
        return [END, END, 0, 0, 0]
    last = grammar.last
    return [choice, last.code, last.start, grammar.layers[layer].start, grammar.n_linear]


def _cross_entropy(logits: Tensor, target: Tensor, shift: int = 0) -> Tensor:
    """Sum the cross-entropies of logits [B, S, n] where a target, [B, S], is not negative; mean over networks."""
    given = target >= 0
    return F.cross_entropy(logits[given], target[given] - shift, reduction="sum") / len(logits)
