"""The wiring of each registered module type."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules import rules
from netgraph.graph.modules.builder import Builder
from netgraph.graph.modules.composites import COMPOSITES
from netgraph.graph.modules.encoding import Encoded, decode
from netgraph.graph.modules.labels import Value, along, compress, spread
from netgraph.graph.modules.parts import TYPES

#: (builder, the module's name, its type, its constructor's arguments, what it reads) -> labels, a value, or several.
Rule = Callable[[Builder, str, str, dict[str, Any], list[Any]], Any]


def apply(b: Builder, name: str, kind: str, hyper: Encoded, operands: Sequence[Any]) -> Any:
    """Wire one call of a module.

    Raises:
        UnsupportedLayerError: When its type has no rule.
    """
    operands = list(operands)
    if not any(isinstance(value, Value) and value.labels is not None for value in operands):
        return None
    arguments: dict[str, Any] = decode(hyper, {"part": lambda inner: inner})
    for prefixes, rule in _RULES:
        if kind.startswith(prefixes):
            return made(rule(b, name, kind, arguments, operands))
    if kind in COMPOSITES:
        return made(COMPOSITES[kind](b, name, arguments, operands))
    raise UnsupportedLayerError(f"how the vertices of {kind} are wired is not known; it needs a rule")


def made(result: Any) -> Any:
    """Give a rule's result back.

    Raises:
        UnsupportedLayerError: When there is none: what depends on an input has vertices.
    """
    if result is None:
        raise UnsupportedLayerError("its rule gives no vertices")
    return result


def _linear(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    weight = b.weights(dotted(name, "weight"))
    labels = rules.dense(b, name, kind, operands[0], -1, weight, b.slots(dotted(name, "bias")))
    return rules.last(operands[0], labels)


def _bilinear(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    """Each edge carries the weights of all products in which its source takes part."""
    weight = b.weights(dotted(name, "weight"))  # [outputs, first, second]
    labels = rules.dense(b, name, kind, operands[0], -1, weight, b.slots(dotted(name, "bias")))
    b.dense(operands[1], -1, b.weights(dotted(name, "weight"), lambda slots: slots.transpose(1, 2)), labels)
    return rules.last(operands[0], labels)


def _conv(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    groups, transposed = hyper["groups"], "Transpose" in kind
    weight = b.weights(dotted(name, "weight"), lambda slots: rules.grouped(slots, groups, transposed))
    axis = len(operands[0].shape) - (len(weight.shape) - 2) - 1
    labels = rules.dense(b, name, kind, operands[0], axis, weight, b.slots(dotted(name, "bias")))
    return along(axis, len(operands[0].shape), labels)


def _channel_norm(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    ndim = len(operands[0].shape)
    axis = _channel_axis(kind, ndim)
    held = [b.slots(dotted(name, tensor)) for tensor in ("weight", "bias")]
    weight, bias = (None if slots is None else along(axis, ndim, slots) for slots in held)
    return rules.norm(b, name, kind, operands[0], weight, bias)


def _channel_axis(kind: str, ndim: int) -> int:
    """Channels are axis 1, but axis 0 of what has no batch, which only InstanceNorm allows."""
    spatial = int(kind[-2]) if kind.startswith("InstanceNorm") else ndim - 2
    return max(0, ndim - spatial - 1) if kind.startswith("InstanceNorm") else min(1, ndim - 1)


def _layer_norm(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    weight, bias = b.slots(dotted(name, "weight")), b.slots(dotted(name, "bias"))
    return rules.norm(b, name, kind, operands[0], weight, bias)  # both broadcast from the last axis on


def _prelu(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    ndim = len(operands[0].shape)
    slope = b.weights(dotted(name, "weight")).make()
    return rules.norm(b, name, kind, operands[0], along(min(1, ndim - 1), ndim, slope), None)


def _pool(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    ndim = len(operands[0].shape)
    digits = [int(letter) for letter in kind if letter.isdigit()]
    spatial = digits[0] if digits else ndim - 2
    return rules.merge(b, name, kind, operands[0], range(ndim - spatial, ndim))


def _each(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    return rules.each(b, name, kind, operands[0])


def _softmax(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    axis = hyper.get("dim")
    return rules.mix(b, name, kind, operands[0], 1 if axis is None else axis)


def _glu(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    return glu(b, name, operands[0], hyper["dim"])


def glu(b: Builder, name: str, operand: Value, axis: int) -> Tensor:
    """Wire a gated linear unit: half as many vertices, each fed by its value and its gate."""
    halves = spread(operand.known, operand.shape).chunk(2, axis)
    shape = halves[0].shape
    values = [Value(tuple(shape), operand.dtype, compress(half)) for half in halves]
    return rules.join(b, name, "GLU", values)


def _view(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Value:
    value: Value = operands[0]
    arguments = hyper | ({"value": 0.0} if "value" in hyper else {})
    moved = TYPES[kind](**arguments)(spread(value.known, value.shape).double()).long()
    return Value(tuple(moved.shape), value.dtype, compress(moved))


def _embedding(b: Builder, name: str, kind: str, hyper: dict[str, Any], operands: list[Any]) -> Tensor:
    labels = rules.embedding(b, name, operands[0], b.weights(dotted(name, "weight")))
    return along(-1, len(operands[0].shape) + 1, labels)


def dotted(name: str, tensor: str) -> str:
    """Give the qualified name of a module's tensor."""
    return f"{name}.{tensor}" if name else tensor


#: Types that give a value for each that they read, in the same places.
_ELEMENTWISE = (
    "ReLU", "RReLU", "SiLU", "Mish", "Hard", "SELU", "Tanh", "Sigmoid", "LogSigmoid", "Softs", "Softplus", "Identity",
    "LeakyReLU", "ELU", "CELU", "GELU", "Threshold", "Dropout", "AlphaDropout", "FeatureAlphaDropout",
    "LocalResponseNorm",
)  # fmt: skip


def keeps_places(kind: str) -> bool:
    """Say whether a type of module gives a value for each that it reads, in the same places."""
    return kind.startswith(_ELEMENTWISE)


_RULES: list[tuple[tuple[str, ...], Rule]] = [
    (("Linear",), _linear),
    (("Bilinear",), _bilinear),
    (("ConvTranspose", "Conv"), _conv),
    (("BatchNorm", "InstanceNorm", "GroupNorm"), _channel_norm),
    (("LayerNorm", "RMSNorm"), _layer_norm),
    (("PReLU",), _prelu),
    (("MaxPool", "AvgPool", "LPPool", "Adaptive", "Upsampl", "MaxUnpool", "FractionalMaxPool"), _pool),
    (("Softmax", "LogSoftmax", "Softmin"), _softmax),
    (("GLU",), _glu),
    (("Embedding",), _embedding),
    (
        ("Flatten", "Unflatten", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "ZeroPad", "ReflectionPad",
         "ReplicationPad", "CircularPad", "ConstantPad"),
        _view,
    ),
    (_ELEMENTWISE, _each),
]  # fmt: skip
