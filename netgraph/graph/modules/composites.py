"""The wiring of layers that are made of layers: attention, recurrent layers, torch's transformers.

Their inner vertices are named after the inner layers. A recurrent layer's own weights would close cycles, so its
hidden units stand twice: once as they are, once as they were one step earlier.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from netgraph.graph.modules import rules
from netgraph.graph.modules.builder import Builder
from netgraph.graph.modules.encoding import decode
from netgraph.graph.modules.labels import Value, along, compress
from netgraph.graph.modules.vocabulary import ATTENTION, EARLIER

Hyper = dict[str, Any]


def _full(name: str, tensor: str) -> str:
    return f"{name}.{tensor}" if name else tensor


def _projection(b: Builder, name: str, index: int, own: str, operand: Value, width: int) -> Tensor:
    packed = b.slots(_full(name, "in_proj_weight"))
    weight = packed[index * width : (index + 1) * width] if packed is not None else b.slots(_full(name, own))
    bias = b.slots(_full(name, "in_proj_bias"))
    part = None if bias is None else bias[index * width : (index + 1) * width]
    assert weight is not None  # noqa: S101 - the constructor makes one or the other
    return rules.dense(b, _full(name, own.removesuffix("_weight")), "Linear", operand, -1, weight, part, visible=False)


def _attention(b: Builder, name: str, hyper: Hyper, operands: list[Any]) -> Any:
    """Projections, attention within each head, and the output projection."""
    width, heads = hyper["embed_dim"], hyper["num_heads"]
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    q, k, v = (_projection(b, name, i, own, operands[i], width) for i, own in enumerate(names))
    made = b.add(ATTENTION, _full(name, "attention"), width, visible=False)
    for labels in (q, k):
        b.same_places(labels.view(heads, -1, 1), made.view(heads, 1, -1))
    b.same_places(v, made)
    weight, bias = b.slots(_full(name, "out_proj.weight")), b.slots(_full(name, "out_proj.bias"))
    assert weight is not None  # noqa: S101 - the constructor makes it
    attended = Value((width,), operands[0].dtype, made)
    out = rules.dense(b, name, "MultiheadAttention", attended, -1, weight, bias)
    # The weights that attention gives beside its output belong to the queries' and keys' heads.
    return along(-1, len(operands[0].shape), out), None


def _recurrent(gates: int) -> Callable[[Builder, str, Hyper, list[Any]], Any]:
    def rule(b: Builder, name: str, hyper: Hyper, operands: list[Any]) -> Any:
        value: Value = operands[0]
        ends: list[Tensor] = []
        directions = ("", "_reverse") if hyper["bidirectional"] else ("",)
        for layer in range(hyper["num_layers"]):
            last = layer + 1 == hyper["num_layers"]
            made = [_direction(b, name, hyper, value, f"_l{layer}{way}", gates, last) for way in directions]
            ends += made
            value = replace(value, labels=rules.last(value, torch.cat(made)), shape=(*value.shape[:-1], len(made[0]) * len(made)))
        state = torch.stack(ends)  # [layers * directions, units]
        state = state.view(len(ends), *[1] * (len(value.shape) - 2), -1)
        return value.labels, (state, state) if gates == 4 else state

    return rule


def _direction(b: Builder, name: str, hyper: Hyper, value: Value, suffix: str, gates: int, last: bool) -> Tensor:
    size = hyper["hidden_size"]
    kind = {4: "LSTM", 3: "GRU", 1: "RNN"}[gates]
    projected = hyper.get("proj_size", 0)
    weights = [b.slots(_full(name, f"weight_{what}{suffix}")) for what in ("ih", "hh")]
    earlier = b.add(EARLIER, _full(name, f"earlier{suffix}"), projected or size, visible=False)
    made = b.add(kind, _full(name, f"hidden{suffix}"), size, visible=last and not projected)
    operands = (value, Value((len(earlier),), value.dtype, earlier))
    for operand, weight in zip(operands, weights, strict=True):
        assert weight is not None  # noqa: S101 - the constructor makes it
        b.dense(operand, -1, weight.view(gates, size, -1).permute(1, 2, 0), made)
    if not projected:
        return made
    weight = b.slots(_full(name, f"weight_hr{suffix}"))
    assert weight is not None  # noqa: S101 - the constructor makes it
    return rules.dense(b, _full(name, f"projection{suffix}"), kind, Value((size,), value.dtype, made), -1, weight, None, last)


class _Layer:
    """One layer of torch's transformer while it is wired."""

    def __init__(self, b: Builder, name: str, hyper: Hyper) -> None:
        self.b, self.name, self.hyper = b, name, hyper
        self.attention = {"embed_dim": hyper["d_model"], "num_heads": hyper["nhead"]}

    def attend(self, attention: str, x: Value, memory: Value) -> Value:
        labels, _ = _attention(self.b, _full(self.name, attention), self.attention, [x, memory, memory])
        return replace(x, labels=labels)

    def feed_forward(self, x: Value) -> Value:
        for inner, kind in (("linear1", "Linear"), ("", {"relu": "ReLU", "gelu": "GELU"}[self.hyper["activation"]])):
            x = self.linear(inner, x) if inner else replace(x, labels=self.each(kind, x))
        return self.linear("linear2", x)

    def each(self, kind: str, x: Value) -> Tensor:
        return rules.each(self.b, _full(self.name, "activation"), kind, x)

    def linear(self, inner: str, x: Value) -> Value:
        weight, bias = (self.b.slots(_full(self.name, f"{inner}.{tensor}")) for tensor in ("weight", "bias"))
        assert weight is not None  # noqa: S101 - the constructor makes it
        labels = rules.dense(self.b, _full(self.name, inner), "Linear", x, -1, weight, bias)
        return replace(x, shape=(*x.shape[:-1], len(weight)), labels=rules.last(x, labels))

    def norm(self, inner: str, x: Value) -> Value:
        return replace(x, labels=_norm(self.b, _full(self.name, inner), x))

    def residual(self, inner: str, x: Value, function: Callable[[Value], Value]) -> Value:
        """x + f(norm(x)), or norm(x + f(x))."""
        first = self.hyper["norm_first"]
        out = function(self.norm(inner, x) if first else x)
        total = replace(x, labels=rules.join(self.b, _full(self.name, "add"), "Add", [x, out]))
        return total if first else self.norm(inner, total)


def _norm(b: Builder, name: str, x: Value) -> Tensor:
    return rules.norm(b, name, "LayerNorm", x, b.slots(_full(name, "weight")), b.slots(_full(name, "bias")))


def _inner(b: Builder, first: int, hidden: bool) -> None:
    """Mark the groups since ``first`` as inner ones, except the last."""
    stop = len(b.groups) if hidden else len(b.groups) - 1
    for position in range(first, stop):
        b.groups[position] = replace(b.groups[position], visible=False)


def _encoder_layer(b: Builder, name: str, hyper: Hyper, operands: list[Any]) -> Tensor:
    layer, first = _Layer(b, name, hyper), len(b.groups)
    x = layer.residual("norm1", operands[0], lambda y: layer.attend("self_attn", y, y))
    x = layer.residual("norm2", x, layer.feed_forward)
    _inner(b, first, hidden=False)
    return x.labels  # type: ignore[return-value]


def _decoder_layer(b: Builder, name: str, hyper: Hyper, operands: list[Any]) -> Tensor:
    layer, first = _Layer(b, name, hyper), len(b.groups)
    memory: Value = operands[1]
    x = layer.residual("norm1", operands[0], lambda y: layer.attend("self_attn", y, y))
    x = layer.residual("norm2", x, lambda y: layer.attend("multihead_attn", y, memory))
    x = layer.residual("norm3", x, layer.feed_forward)
    _inner(b, first, hidden=False)
    return x.labels  # type: ignore[return-value]


def _arguments(part: Any) -> Hyper:
    found: Hyper = decode(part[1], {"part": lambda inner: inner})
    return found


def _layers(key: str, rule: Callable[[Builder, str, Hyper, list[Any]], Tensor]) -> Any:
    def apply(b: Builder, name: str, hyper: Hyper, operands: list[Any]) -> Tensor:
        first, x = len(b.groups), operands[0]
        for i in range(hyper["num_layers"]):
            labels = rule(b, _full(name, f"layers.{i}"), _arguments(hyper[key]), [x, *operands[1:]])
            x = replace(x, labels=compress(labels))
        if hyper["norm"] is not None:
            x = replace(x, labels=_norm(b, _full(name, "norm"), x))
        _inner(b, first, hidden=False)
        return x.labels  # type: ignore[return-value, no-any-return]

    return apply


_encoder, _decoder = _layers("encoder_layer", _encoder_layer), _layers("decoder_layer", _decoder_layer)


def _transformer(b: Builder, name: str, hyper: Hyper, operands: list[Any]) -> Tensor:
    first = len(b.groups)
    encoded = _encoder(b, _full(name, "encoder"), _arguments(hyper["custom_encoder"]), [operands[0]])
    _inner(b, first, hidden=True)
    memory = replace(operands[0], labels=encoded)
    labels: Tensor = _decoder(b, _full(name, "decoder"), _arguments(hyper["custom_decoder"]), [operands[1], memory])
    return labels


COMPOSITES: Mapping[str, Callable[[Builder, str, Hyper, list[Any]], Any]] = MappingProxyType(
    {
        "MultiheadAttention": _attention,
        "LSTM": _recurrent(4),
        "GRU": _recurrent(3),
        "RNN": _recurrent(1),
        "TransformerEncoderLayer": _encoder_layer,
        "TransformerDecoderLayer": _decoder_layer,
        "TransformerEncoder": _encoder,
        "TransformerDecoder": _decoder,
        "Transformer": _transformer,
    }
)
