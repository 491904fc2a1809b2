"""Decomposition of composite layers: attention (Vaswani et al. 2017), LSTM, GRU and RNN, torch's transformers.

Each forward is written once, in primitive steps that show every inner unit under the name of its inner layer. Run on
labels (:mod:`netgraph.graph.modules.composites`) it wires the layer; run on tensors
(:mod:`netgraph.graph.modules.stepwise`) it computes the layer's function, so that every unit can be watched. Names
of units and tensors are those within the layer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Self

from netgraph.graph.modules.encoding import decode
from netgraph.graph.modules.labels import dotted
from netgraph.graph.modules.program import Program

Kwargs = dict[str, Any]
#: One time step of a recurrent layer: (input, state) -> (output, state).
Step = Callable[[Any, Any], tuple[Any, Any]]
#: The linear maps that a cell adds up, by its kind: one for each gate and its content.
GATES: Mapping[str, int] = MappingProxyType({"LSTM": 4, "GRU": 3, "RNN": 1})


@dataclass(frozen=True)
class Steps:
    """Primitive steps of a composite layer; the two that derive from it have the same methods.

    Attributes:
        program: The network's program.
        name: The layer's name.
    """

    program: Program
    name: str

    def inside(self, name: str) -> Self:
        """Return the steps of an inner layer."""
        return replace(self, name=dotted(self.name, name))

    def has(self, tensor: str) -> bool:
        """Return whether the layer has a tensor."""
        return dotted(self.name, tensor) in self.program.tensor_named


def _attention(
    steps: Any, kwargs: Kwargs, query: Any, key: Any, value: Any, key_padding_mask: Any = None,
    need_weights: bool = True, attn_mask: Any = None, average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    width, packed, projected = kwargs["embed_dim"], steps.has("in_proj_weight"), []
    for i, (name, x) in enumerate((("q_proj", query), ("k_proj", key), ("v_proj", value))):
        rows = slice(i * width, (i + 1) * width)
        weight = "in_proj_weight" if packed else f"{name}_weight"
        projected.append(steps.linear(name, x, weight, "in_proj_bias", rows))
    attended, weights = steps.attend(kwargs, *projected, (attn_mask, key_padding_mask))
    out = steps.linear("", attended, "out_proj.weight", "out_proj.bias", kind="MultiheadAttention")
    return out, steps.head_weights(weights, average_attn_weights) if need_weights else None


def _recurrent(kind: str, steps: Any, kwargs: Kwargs, input: Any, hx: Any = None) -> Any:
    x, initial = steps.sequence(kwargs, input, hx)
    states: list[Any] = []

    def step(x: Any, state: Any, suffix: str) -> tuple[Any, Any]:
        earlier = steps.earlier(f"earlier{suffix}", kwargs, state)
        h, c = steps.cell(kind, suffix, kwargs, x, earlier, state)
        if kwargs.get("proj_size"):
            h = steps.linear(f"projection{suffix}", h, f"weight_hr{suffix}", kind=kind)
        return h, (h, c)

    for layer in range(kwargs["num_layers"]):
        outs = []
        for way in ("", "_reverse")[: 1 + kwargs["bidirectional"]]:
            one = partial(step, suffix=f"_l{layer}{way}")
            out, state = steps.scan(one, x, initial[len(states)], bool(way))
            outs.append(out)
            states.append(state)
        x = steps.concatenate(outs)
    return steps.result(kind, kwargs, x, states, input)


def _residual(steps: Any, kwargs: Kwargs, x: Any, blocks: Sequence[Callable[[Any], Any]]) -> Any:
    """Add each block's output to its input: x + f(norm(x)), or norm(x + f(x))."""
    for i, block in enumerate(blocks, 1):
        out = block(steps.norm(f"norm{i}", x) if kwargs["norm_first"] else x)
        x = steps.add("add", x, out)
        x = x if kwargs["norm_first"] else steps.norm(f"norm{i}", x)
    return x


def _attend(steps: Any, kwargs: Kwargs, name: str, x: Any, memory: Any, mask: Any, padding: Any) -> Any:
    attention = {"embed_dim": kwargs["d_model"], "num_heads": kwargs["nhead"], "batch_first": kwargs["batch_first"]}
    return _attention(steps.inside(name), attention, x, memory, memory, padding, False, mask)[0]


def _feed_forward(steps: Any, kwargs: Kwargs, x: Any) -> Any:
    kind = {"relu": "ReLU", "gelu": "GELU"}[kwargs["activation"]]
    return steps.linear("linear2", steps.activation("activation", kind, steps.linear("linear1", x)))


def _encoder_layer(
    steps: Any,
    kwargs: Kwargs,
    src: Any,
    src_mask: Any = None,
    src_key_padding_mask: Any = None,
    is_causal: Any = None,
) -> Any:
    attend = lambda y: _attend(steps, kwargs, "self_attn", y, y, src_mask, src_key_padding_mask)  # noqa: E731
    return _residual(steps, kwargs, src, [attend, partial(_feed_forward, steps, kwargs)])


def _decoder_layer(
    steps: Any, kwargs: Kwargs, tgt: Any, memory: Any, tgt_mask: Any = None, memory_mask: Any = None,
    tgt_key_padding_mask: Any = None, memory_key_padding_mask: Any = None, tgt_is_causal: Any = None,
    memory_is_causal: Any = None,
) -> Any:  # fmt: skip
    blocks: list[Callable[[Any], Any]] = [
        lambda y: _attend(steps, kwargs, "self_attn", y, y, tgt_mask, tgt_key_padding_mask),
        lambda y: _attend(steps, kwargs, "multihead_attn", y, memory, memory_mask, memory_key_padding_mask),
        partial(_feed_forward, steps, kwargs),
    ]
    return _residual(steps, kwargs, tgt, blocks)


def _layers(layer: str, steps: Any, kwargs: Kwargs, x: Any, *args: Any, **masks: Any) -> Any:
    kind, inner = kwargs[layer]
    for i in range(kwargs["num_layers"]):
        x = DECOMPOSED[kind](steps.inside(f"layers.{i}"), constructor_kwargs(inner), x, *args, **masks)
    return x if kwargs["norm"] is None else steps.norm("norm", x)


def _encoder(
    steps: Any, kwargs: Kwargs, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: Any = None
) -> Any:
    return _layers("encoder_layer", steps, kwargs, src, mask, src_key_padding_mask)


def _transformer(
    steps: Any, kwargs: Kwargs, src: Any, tgt: Any, src_mask: Any = None, tgt_mask: Any = None,
    memory_mask: Any = None, src_key_padding_mask: Any = None, tgt_key_padding_mask: Any = None,
    memory_key_padding_mask: Any = None, src_is_causal: Any = None, tgt_is_causal: Any = None,
    memory_is_causal: Any = None,
) -> Any:  # fmt: skip
    encoder, decoder = (constructor_kwargs(kwargs[f"custom_{name}"][1]) for name in ("encoder", "decoder"))
    memory = _encoder(steps.inside("encoder"), encoder, src, src_mask, src_key_padding_mask)
    masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
    return _layers("decoder_layer", steps.inside("decoder"), decoder, tgt, memory, *masks)


#: The decomposed forward of every composite type: (steps, its constructor's arguments, its inputs) -> its result.
DECOMPOSED: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "MultiheadAttention": _attention,
        **{kind: partial(_recurrent, kind) for kind in GATES},
        "TransformerEncoderLayer": _encoder_layer,
        "TransformerDecoderLayer": _decoder_layer,
        "TransformerEncoder": _encoder,
        "TransformerDecoder": partial(_layers, "decoder_layer"),
        "Transformer": _transformer,
    }
)


def constructor_kwargs(encoded: Any) -> Kwargs:
    """Decode the arguments of a constructor, those of inner modules left as they are."""
    kwargs: Kwargs = decode(encoded, {"module": lambda inner: inner})
    return kwargs
