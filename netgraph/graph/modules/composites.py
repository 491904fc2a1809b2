"""The wiring of layers that are made of layers: attention, recurrent layers, torch's transformers.

Their inner vertices are named after the inner layers. A recurrent layer's own weights would close cycles, so its
hidden units stand twice: once as they are, once as they were one step earlier.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from netgraph.graph.modules import rules
from netgraph.graph.modules.builder import Builder
from netgraph.graph.modules.encoding import decode
from netgraph.graph.modules.labels import Value, along, compress, dotted
from netgraph.graph.modules.parts import ATTENTION, EARLIER

Hyper = dict[str, Any]


def _projection(b: Builder, name: str, index: int, own: str, operand: Value, width: int) -> Tensor:
    rows, packed = slice(index * width, (index + 1) * width), dotted(name, "in_proj_weight")
    if packed in b.program.tensor_named:
        weight = b.weights(packed, lambda slots: slots[rows])
    else:
        weight = b.weights(dotted(name, own))
    bias = b.slots(dotted(name, "in_proj_bias"))
    part = None if bias is None else bias[rows]
    return rules.dense(b, dotted(name, own.removesuffix("_weight")), "Linear", operand, -1, weight, part)


def _attention(b: Builder, name: str, hyper: Hyper, operands: list[Any]) -> Any:
    """Projections, attention within each head, and the output projection."""
    width, heads = hyper["embed_dim"], hyper["num_heads"]
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    q, k, v = (_projection(b, name, i, own, operands[i], width) for i, own in enumerate(names))
    made = b.add(ATTENTION, dotted(name, "attention"), width)
    for labels in (q, k):
        b.same_places(labels.view(heads, -1, 1), made.view(heads, 1, -1))
    b.same_places(v, made)
    weight, bias = b.weights(dotted(name, "out_proj.weight")), b.slots(dotted(name, "out_proj.bias"))
    attended = Value((width,), operands[0].dtype, made)
    out = rules.dense(b, name, "MultiheadAttention", attended, -1, weight, bias)
    return along(-1, len(operands[0].shape), out), _attention_weights(b, name, heads, q, k)


def _attention_weights(b: Builder, name: str, heads: int, q: Tensor, k: Tensor) -> Tensor | None:
    """Wire the weights that attention gives beside its output where something reads them: a vertex a head, or one."""
    table = b.program.calls
    shape = table.nodes[b.row].shape
    chosen = ("tuple", ("node", b.row), 1)
    whole = ("node", b.row) in (table.output, *table.output) if isinstance(table.output, tuple) else False
    if shape[0] != "tuple" or shape[2] is None or not (whole or any(row.args == chosen for row in table.nodes)):
        return None
    ndim, out_ndim = len(shape[2]) - 2, len(shape[1]) - 2
    size = 1 if ndim == out_ndim else heads
    made = b.add(ATTENTION, dotted(name, "weights"), size)
    for labels in (q, k):
        b.same_places(labels.view(size, -1), made[:, None])
    return along(-3, ndim, made) if size > 1 else made.view([1] * ndim)


def _recurrent(gates: int) -> Callable[[Builder, str, Hyper, list[Any]], Any]:
    def rule(b: Builder, name: str, hyper: Hyper, operands: list[Any]) -> Any:
        value: Value = operands[0]
        ends: list[tuple[Tensor, Tensor]] = []
        directions = ("", "_reverse") if hyper["bidirectional"] else ("",)
        for layer in range(hyper["num_layers"]):
            made: list[tuple[Tensor, Tensor]] = []
            for way in directions:
                earlier = _earlier(b, name, hyper, operands[1:], f"_l{layer}{way}", len(ends) + len(made))
                made.append(_direction(b, name, hyper, value, earlier, f"_l{layer}{way}", gates))
            ends += made
            out = torch.cat([hidden for hidden, _ in made])
            value = replace(value, labels=along(-1, len(value.shape), out), shape=(*value.shape[:-1], len(out)))
        # [layers * directions, units], hidden states and cells
        h, c = (
            torch.stack(parts).view(len(ends), *[1] * (len(value.shape) - 2), -1) for parts in zip(*ends, strict=True)
        )
        return value.labels, (h, c) if gates == 4 else h

    return rule


def _earlier(b: Builder, name: str, hyper: Hyper, given: list[Any], suffix: str, position: int) -> Tensor:
    """Add the units of one step earlier, fed by the initial states where these depend on an input."""
    size = hyper.get("proj_size", 0) or hyper["hidden_size"]
    earlier = b.add(EARLIER, dotted(name, f"earlier{suffix}"), size)
    states = given[0] if given and isinstance(given[0], tuple | list) else given[:1]
    for state in states:
        if isinstance(state, Value) and state.labels is not None:
            own = state.labels[min(position, len(state.labels) - 1)]
            if own.shape[-1] in (1, size):
                b.same_places(own, earlier)
            else:  # a cell's state is wider than what is projected from it
                b.same_places(own.reshape(-1, 1), earlier)
    return earlier


def _direction(
    b: Builder, name: str, hyper: Hyper, value: Value, earlier: Tensor, suffix: str, gates: int
) -> tuple[Tensor, Tensor]:
    """Wire one direction of one layer: the labels of what it gives, and those of its cells."""
    size = hyper["hidden_size"]
    kind = {4: "LSTM", 3: "GRU", 1: "RNN"}[gates]
    projected = hyper.get("proj_size", 0)
    made = b.add(kind, dotted(name, f"hidden{suffix}"), size)
    operands = (value, Value((len(earlier),), value.dtype, earlier))
    for operand, what in zip(operands, ("ih", "hh"), strict=True):
        full = dotted(name, f"weight_{what}{suffix}")
        b.dense(operand, -1, b.weights(full, lambda slots: slots.view(gates, size, -1).permute(1, 2, 0)), made)
    if not projected:
        return made, made
    weight = b.weights(dotted(name, f"weight_hr{suffix}"))
    hidden = Value((size,), value.dtype, made)
    return rules.dense(b, dotted(name, f"projection{suffix}"), kind, hidden, -1, weight, None), made


def _norm(b: Builder, name: str, x: Value) -> Value:
    slots = (b.slots(dotted(name, tensor)) for tensor in ("weight", "bias"))
    return replace(x, labels=rules.norm(b, name, "LayerNorm", x, *slots))


def _transformer_layer(b: Builder, name: str, hyper: Hyper, operands: list[Any], decoder: bool = False) -> Tensor:
    """Wire a layer of torch's transformer: attention to itself, in a decoder to a memory, and two linear layers."""
    attention = {"embed_dim": hyper["d_model"], "num_heads": hyper["nhead"]}

    def attend(inner: str, x: Value, memory: Value) -> Value:
        return replace(x, labels=_attention(b, dotted(name, inner), attention, [x, memory, memory])[0])

    def linear(inner: str, x: Value) -> Value:
        full = dotted(name, inner)
        weight, bias = b.weights(dotted(full, "weight")), b.slots(dotted(full, "bias"))
        labels = along(-1, len(x.shape), rules.dense(b, full, "Linear", x, -1, weight, bias))
        return replace(x, shape=(*x.shape[:-1], weight.shape[0]), labels=labels)

    def feed_forward(x: Value) -> Value:
        x, kind = linear("linear1", x), {"relu": "ReLU", "gelu": "GELU"}[hyper["activation"]]
        return linear("linear2", replace(x, labels=rules.each(b, dotted(name, "activation"), kind, x)))

    blocks: list[Callable[[Value], Value]] = [lambda y: attend("self_attn", y, y)]
    blocks += [lambda y: attend("multihead_attn", y, operands[1])] * decoder + [feed_forward]
    x: Value = operands[0]
    for i, block in enumerate(blocks, 1):  # x + f(norm(x)), or norm(x + f(x))
        norm = dotted(name, f"norm{i}")
        out = block(_norm(b, norm, x) if hyper["norm_first"] else x)
        x = replace(x, labels=rules.join(b, dotted(name, "add"), "Add", [x, out]))
        x = x if hyper["norm_first"] else _norm(b, norm, x)
    return x.known


def _arguments(part: Any) -> Hyper:
    found: Hyper = decode(part[1], {"module": lambda inner: inner})
    return found


def _layers(key: str, rule: Callable[[Builder, str, Hyper, list[Any]], Tensor]) -> Any:
    def apply(b: Builder, name: str, hyper: Hyper, operands: list[Any]) -> Tensor:
        x = operands[0]
        for i in range(hyper["num_layers"]):
            labels = rule(b, dotted(name, f"layers.{i}"), _arguments(hyper[key]), [x, *operands[1:]])
            x = replace(x, labels=compress(labels))
        if hyper["norm"] is not None:
            x = _norm(b, dotted(name, "norm"), x)
        return x.known  # type: ignore[no-any-return]

    return apply


_decoder_layer = partial(_transformer_layer, decoder=True)
_encoder, _decoder = _layers("encoder_layer", _transformer_layer), _layers("decoder_layer", _decoder_layer)


def _transformer(b: Builder, name: str, hyper: Hyper, operands: list[Any]) -> Tensor:
    encoded = _encoder(b, dotted(name, "encoder"), _arguments(hyper["custom_encoder"]), [operands[0]])
    memory = replace(operands[0], labels=encoded)
    labels: Tensor = _decoder(b, dotted(name, "decoder"), _arguments(hyper["custom_decoder"]), [operands[1], memory])
    return labels


COMPOSITES: Mapping[str, Callable[[Builder, str, Hyper, list[Any]], Any]] = MappingProxyType(
    {
        "MultiheadAttention": _attention,
        "LSTM": _recurrent(4),
        "GRU": _recurrent(3),
        "RNN": _recurrent(1),
        "TransformerEncoderLayer": _transformer_layer,
        "TransformerDecoderLayer": _decoder_layer,
        "TransformerEncoder": _encoder,
        "TransformerDecoder": _decoder,
        "Transformer": _transformer,
    }
)
