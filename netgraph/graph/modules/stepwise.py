"""Composite layers computed step by step in evaluation mode, so that every inner unit's value can be watched.

The numbers agree with torch's own to rounding; only sensitivities are measured this way.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netgraph.graph.modules.decompose import DECOMPOSED, Kwargs, Step, Steps, constructor_kwargs
from netgraph.graph.modules.labels import dotted
from netgraph.graph.modules.program import Program

#: Takes the name of inner units and their values, units along the last axis; returns the values to be used from there.
See = Callable[[str, Tensor], Tensor]


def decompose(program: Program, root: nn.Module, see: See) -> None:
    """Replace the composite layers of a rebuilt network by ones that compute in primitive steps, in place.

    Args:
        program: The network's program.
        root: The module that was built from it.
        see: Called with every inner unit's values.
    """
    for module in program.modules:
        if module.type in DECOMPOSED and module.alias is None:
            numbers, kwargs = Numbers(program, module.name, root, see), constructor_kwargs(module.kwargs)
            held: Any = root.get_submodule(module.name)
            held.forward = partial(DECOMPOSED[module.type], numbers, kwargs)


@dataclass(frozen=True)
class Numbers(Steps):
    """The primitive steps on tensors (the equations of torch's documentation)."""

    root: nn.Module
    see: See

    def _tensor(self, name: str) -> Any:
        return attrgetter(dotted(self.name, name))(self.root) if self.has(name) else None

    def _show(self, name: str, value: Tensor) -> Tensor:
        return self.see(dotted(self.name, name), value)

    def linear(
        self, name: str, x: Tensor, weight: str = "", bias: str = "", rows: slice | None = None, **kind: str
    ) -> Tensor:
        """Multiply by a weight, or some of its rows, along the last axis."""
        matrix, shift = self._tensor(weight or f"{name}.weight"), self._tensor(bias or f"{name}.bias")
        if rows is not None:
            matrix, shift = (
                matrix[rows] if len(matrix) > rows.stop - rows.start else matrix,
                None if shift is None else shift[rows],
            )
        return self._show(name, F.linear(x, matrix, shift))

    def norm(self, name: str, x: Tensor) -> Tensor:
        """Normalize over the last axis."""
        return self._show(name, self.root.get_submodule(dotted(self.name, name))(x))

    def activation(self, name: str, kind: str, x: Tensor) -> Tensor:
        """Apply an activation."""
        x = self._show(name, x)
        return F.relu(x) if kind == "ReLU" else F.gelu(x)

    def add(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """Add two values."""
        return self._show(name, x + y)

    def attend(self, kwargs: Kwargs, q: Tensor, k: Tensor, v: Tensor, masks: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Attend within each head; return the attended values, and the weights."""
        single, n_heads = q.ndim == 2, kwargs["num_heads"]
        swap = lambda x: x.unsqueeze(0) if single else x if kwargs["batch_first"] else x.transpose(0, 1)  # noqa: E731
        q, k, v = map(swap, (q, k, v))  # [B, T, E]
        mask = _mask(masks, n_heads, q)
        if self.has("bias_k"):
            k, v, mask = _extended(k, v, mask, self._tensor("bias_k"), self._tensor("bias_v"))
        if kwargs.get("add_zero_attn", False):
            zeros = k.new_zeros(1, 1, k.shape[-1])
            k, v, mask = _extended(k, v, mask, zeros, zeros)
        heads = [x.unflatten(-1, (n_heads, -1)).transpose(1, 2) for x in (q, k, v)]  # [B, heads, T, E / heads]
        scores = heads[0] @ heads[1].transpose(-2, -1) / math.sqrt(heads[0].shape[-1])
        weights = torch.softmax(scores if mask is None else scores + mask, -1)
        attended = self._show("attention", (weights @ heads[2]).transpose(1, 2).flatten(2))
        back = attended.squeeze(0) if single else swap(attended)
        return back, weights.squeeze(0) if single else weights

    def head_weights(self, weights: Tensor, average: bool) -> Tensor:
        """Return the weights of attention, a unit a head, or averaged over heads."""
        by_head = weights.mean(-3, keepdim=True) if average else weights
        shown = self._show("weights", by_head.movedim(-3, -1)).movedim(-1, -3)
        return shown.squeeze(-3) if average else shown

    def sequence(self, kwargs: Kwargs, x: Tensor, initial: Any) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return a sequence with time first, and the initial state of every layer and direction."""
        single, n = x.ndim == 2, kwargs["num_layers"] * (1 + kwargs["bidirectional"])
        x = x.unsqueeze(1) if single else x.transpose(0, 1) if kwargs["batch_first"] else x  # [T, B, features]
        if initial is None:
            sizes = (kwargs.get("proj_size") or kwargs["hidden_size"], kwargs["hidden_size"])
            h, c = (x.new_zeros(n, x.shape[1], size) for size in sizes)
        else:
            h, c = initial if isinstance(initial, tuple | list) else (initial, initial)
            h, c = (state.unsqueeze(1) if single else state for state in (h, c))
        return x, list(zip(h, c, strict=True))

    def scan(self, step: Step, x: Tensor, state: Any, backward: bool) -> tuple[Tensor, Any]:
        """Run a step over a sequence."""
        outs = []
        for one in x.flip(0) if backward else x:
            out, state = step(one, state)
            outs.append(out)
        sequence = torch.stack(outs)
        return sequence.flip(0) if backward else sequence, state

    def earlier(self, name: str, kwargs: Kwargs, state: tuple[Tensor, Tensor]) -> Tensor:
        """Return the hidden units of one step earlier."""
        return self._show(name, state[0])

    def cell(
        self, kind: str, suffix: str, kwargs: Kwargs, x: Tensor, earlier: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Compute a recurrent cell's hidden units, and its state."""
        a, b = (
            F.linear(value, self._tensor(f"weight_{what}{suffix}"), self._tensor(f"bias_{what}{suffix}"))
            for value, what in ((x, "ih"), (earlier, "hh"))
        )
        c = state[1]
        if kind == "LSTM":
            i, f, g, o = (a + b).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        elif kind == "GRU":
            (ar, az, an), (br, bz, bn) = a.chunk(3, -1), b.chunk(3, -1)
            z = torch.sigmoid(az + bz)
            h = (1 - z) * torch.tanh(an + torch.sigmoid(ar + br) * bn) + z * earlier
        else:
            h = (torch.tanh if kwargs["nonlinearity"] == "tanh" else torch.relu)(a + b)
        return self._show(f"hidden{suffix}", h), c

    def result(self, kind: str, kwargs: Kwargs, x: Tensor, states: Sequence[Any], like: Tensor) -> Any:
        """Return the sequence, and the last states of every layer and direction."""
        single = like.ndim == 2
        out = x.squeeze(1) if single else x.transpose(0, 1) if kwargs["batch_first"] else x
        h, c = (torch.stack(part).squeeze(1) if single else torch.stack(part) for part in zip(*states, strict=True))
        return out, (h, c) if kind == "LSTM" else h

    def concatenate(self, parts: Sequence[Tensor]) -> Tensor:
        """Concatenate along the last axis."""
        return torch.cat(list(parts), -1)


def _extended(k: Tensor, v: Tensor, mask: Tensor | None, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Any]:
    """Append a key and a value, [1, 1, E], which no mask hides."""
    k, v = (torch.cat([x, row.expand(len(x), 1, -1)], 1) for x, row in ((k, key), (v, value)))
    return k, v, None if mask is None else F.pad(mask, (0, 1))


def _mask(masks: Sequence[Any], heads: int, like: Tensor) -> Tensor | None:
    """Return the sum of both masks as numbers that are added to the scores, [B or 1, heads or 1, T or 1, S]."""
    joined: Tensor | None = None
    for i, mask in enumerate(masks):
        if mask is None:
            continue
        hidden = mask.dtype == torch.bool
        added = torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, -math.inf) if hidden else mask.to(like)
        if i:
            added = added.view(-1, 1, 1, added.shape[-1])
        else:
            added = added.view(-1, heads, *added.shape[1:]) if added.ndim == 3 else added[None, None]
        joined = added if joined is None else joined + added
    return joined
