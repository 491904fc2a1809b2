"""Composite layers computed step by step, so that every inner unit's value can be watched.

The numbers agree with torch's own to rounding; only sensitivities are measured this way.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netgraph.graph.modules.labels import dotted

#: Takes the name of inner units and their values, one tensor or several, units along the last axis; gives the values
#: with which to go on.
See = Callable[[str, Tensor], Tensor]


def make_explicit(root: nn.Module, see: See) -> None:
    """Replace the composite layers of a module by ones that compute step by step and show each step, in place."""
    for name, part in list(root.named_modules()):
        held: Any = part
        if isinstance(part, nn.MultiheadAttention):
            held.forward = _Attention(part, name, see).forward
        elif isinstance(part, nn.RNNBase):
            held.forward = _Recurrent(part, name, see).forward
        elif isinstance(part, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
            for inner, child in part.named_children():
                if isinstance(child, nn.Linear | nn.LayerNorm):
                    _show_output(child, dotted(name, inner), see)
            activation, shown = held.activation, dotted(name, "activation")
            held.activation = lambda x, compute=activation, shown=shown: compute(see(shown, x))
            forward = _encoder if isinstance(part, nn.TransformerEncoderLayer) else _decoder
            held.forward = forward(part, dotted(name, "add"), see)
        elif isinstance(part, nn.TransformerEncoder | nn.TransformerDecoder) and part.norm is not None:
            _show_output(part.norm, dotted(name, "norm"), see)


def _show_output(part: nn.Module, name: str, see: See) -> None:
    part.register_forward_hook(lambda module, inputs, output: see(name, output))


def _residual(part: Any, add: str, see: See, norm: nn.Module, x: Tensor, block: Callable[[Tensor], Tensor]) -> Tensor:
    if part.norm_first:
        return see(add, x + block(norm(x)))
    out: Tensor = norm(see(add, x + block(x)))
    return out


def _encoder(part: Any, add: str, see: See) -> Callable[..., Tensor]:
    def forward(src: Tensor, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Tensor:
        masks = (src_mask, src_key_padding_mask)
        x = _residual(part, add, see, part.norm1, src, lambda y: part._sa_block(y, *masks, is_causal=is_causal))
        return _residual(part, add, see, part.norm2, x, part._ff_block)

    return forward


def _decoder(part: Any, add: str, see: See) -> Callable[..., Tensor]:
    def forward(
        tgt: Tensor, memory: Tensor, tgt_mask: Any = None, memory_mask: Any = None, tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None, tgt_is_causal: bool = False, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        def attend(y: Tensor) -> Tensor:
            found: Tensor = part._mha_block(y, memory, memory_mask, memory_key_padding_mask, memory_is_causal)
            return found

        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        x = _residual(part, add, see, part.norm1, tgt, lambda y: part._sa_block(y, *own))
        x = _residual(part, add, see, part.norm2, x, attend)
        return _residual(part, add, see, part.norm3, x, part._ff_block)

    return forward


class _Attention:
    """Multi-head attention (Vaswani et al. 2017) in evaluation mode, step by step."""

    def __init__(self, part: Any, name: str, see: See) -> None:
        self.part, self.name, self.see = part, name, see

    def _show(self, inner: str, value: Tensor) -> Tensor:
        return self.see(dotted(self.name, inner), value)

    def _project(self, index: int, own: str, x: Tensor) -> Tensor:
        part, width = self.part, self.part.embed_dim
        rows = slice(index * width, (index + 1) * width)
        weight = part.in_proj_weight[rows] if part.in_proj_weight is not None else getattr(part, f"{own}_weight")
        bias = None if part.in_proj_bias is None else part.in_proj_bias[rows]
        return self._show(own, F.linear(x, weight, bias))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Compute what ``nn.MultiheadAttention`` does."""
        part, single = self.part, query.ndim == 2
        operands = [
            x.unsqueeze(0) if single else x if part.batch_first else x.transpose(0, 1) for x in (query, key, value)
        ]
        q, k, v = (self._project(i, own, x) for i, (own, x) in enumerate(zip(("q_proj", "k_proj", "v_proj"), operands)))  # noqa: B905
        mask = _mask(attn_mask, key_padding_mask, part.num_heads, q)
        k, v, mask = self._extended(k, v, mask)
        heads = [x.unflatten(-1, (part.num_heads, -1)).transpose(1, 2) for x in (q, k, v)]  # [B, heads, T, d]
        scores = heads[0] @ heads[1].transpose(-2, -1) / math.sqrt(heads[0].shape[-1])
        weights = torch.softmax(scores if mask is None else scores + mask, -1)
        attended = self._show("attention", (weights @ heads[2]).transpose(1, 2).flatten(2))
        out = self.see(self.name, F.linear(attended, part.out_proj.weight, part.out_proj.bias))
        out = out.squeeze(0) if single else out if part.batch_first else out.transpose(0, 1)
        return out, self._weights(weights, single, average_attn_weights) if need_weights else None

    def _weights(self, weights: Tensor, single: bool, average: bool) -> Tensor:
        """Show the weights with units along the last axis, as all values are."""
        by_head = weights.mean(1, keepdim=True) if average else weights
        shown = self._show("weights", by_head.movedim(1, -1)).movedim(-1, 1)
        shown = shown.squeeze(1) if average else shown
        return shown.squeeze(0) if single else shown

    def _extended(self, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Append the learned and the zero key and value, which no mask hides."""
        rows = [self.part.bias_k, self.part.bias_v] if self.part.bias_k is not None else []
        for k_row, v_row in [rows] * bool(rows) + [[k.new_zeros(1, 1, k.shape[-1])] * 2] * self.part.add_zero_attn:
            k, v = (torch.cat([x, row.expand(len(x), 1, -1)], 1) for x, row in ((k, k_row), (v, v_row)))
            mask = None if mask is None else F.pad(mask, (0, 1))
        return k, v, mask


def _mask(attention: Tensor | None, padding: Tensor | None, heads: int, like: Tensor) -> Tensor | None:
    """Join both masks as numbers that are added to the scores, [B or 1, heads or 1, T or 1, S]."""
    found = []
    for mask in (attention, padding):
        if mask is not None and mask.dtype == torch.bool:
            found.append(torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, float("-inf")))
        elif mask is not None:
            found.append(mask.to(like))
    if attention is not None:
        found[0] = found[0].view(-1, heads, *found[0].shape[1:]) if attention.ndim == 3 else found[0][None, None]
    if padding is not None:
        found[-1] = found[-1].view(-1, 1, 1, padding.shape[-1])
    return sum(found[1:], found[0]) if found else None


class _Recurrent:
    """LSTM, GRU and RNN in evaluation mode, step by step (the equations of torch's documentation)."""

    def __init__(self, part: Any, name: str, see: See) -> None:
        self.part, self.name, self.see = part, name, see

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """Compute what the layer does."""
        part, x, single = self.part, input, input.ndim == 2
        x = x.unsqueeze(1) if single else x.transpose(0, 1) if part.batch_first else x  # [T, B, features]
        states, ways, ends = self._initial(x, hx, single), 2 if part.bidirectional else 1, []
        for layer in range(part.num_layers):
            outs = []
            for way in range(ways):
                suffix = f"_l{layer}" + "_reverse" * way
                h, c = (None if s is None else s[layer * ways + way] for s in states)
                sequence, end = self._run(x.flip(0) if way else x, h, c, suffix)
                outs.append(sequence.flip(0) if way else sequence)
                ends.append(end)
            x = torch.cat(outs, -1)
        final = [None if parts[0] is None else torch.stack(parts) for parts in zip(*ends, strict=True)]
        final = [s.squeeze(1) if single and s is not None else s for s in final]
        out = x.squeeze(1) if single else x.transpose(0, 1) if part.batch_first else x
        return out, (tuple(final) if part.mode == "LSTM" else final[0])

    def _initial(self, x: Tensor, hx: Any, single: bool) -> list[Tensor | None]:
        part = self.part
        n = part.num_layers * (2 if part.bidirectional else 1)
        if hx is not None:
            given = list(hx) if part.mode == "LSTM" else [hx]
            given = [s.unsqueeze(1) if single else s for s in given]
        else:
            given = [
                x.new_zeros(n, x.shape[1], size) for size in (part.proj_size or part.hidden_size, part.hidden_size)
            ]
        return [given[0], given[1] if part.mode == "LSTM" else None]

    def _run(self, x: Tensor, h: Any, c: Any, suffix: str) -> tuple[Tensor, tuple[Tensor, Tensor | None]]:
        outs = []
        for step in x:
            earlier = self.see(dotted(self.name, f"earlier{suffix}"), h)
            h, c = self._step(step, earlier, c, suffix)
            h = self.see(dotted(self.name, f"hidden{suffix}"), h)
            if self.part.proj_size:
                h = F.linear(h, getattr(self.part, f"weight_hr{suffix}"))
                h = self.see(dotted(self.name, f"projection{suffix}"), h)
            outs.append(h)
        return torch.stack(outs), (h, c)

    def _step(self, x: Tensor, h: Tensor, c: Any, suffix: str) -> tuple[Tensor, Any]:
        bias = [getattr(self.part, f"bias_{what}{suffix}") if self.part.bias else None for what in ("ih", "hh")]
        a = F.linear(x, getattr(self.part, f"weight_ih{suffix}"), bias[0])
        b = F.linear(h, getattr(self.part, f"weight_hh{suffix}"), bias[1])
        if self.part.mode == "LSTM":
            i, f, g, o = (a + b).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            return torch.sigmoid(o) * torch.tanh(c), c
        if self.part.mode == "GRU":
            (ar, az, an), (br, bz, bn) = a.chunk(3, -1), b.chunk(3, -1)
            z = torch.sigmoid(az + bz)
            return (1 - z) * torch.tanh(an + torch.sigmoid(ar + br) * bn) + z * h, None
        return (torch.tanh if self.part.mode == "RNN_TANH" else torch.relu)(a + b), None
