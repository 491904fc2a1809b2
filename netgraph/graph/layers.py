"""The vocabulary of layer types: the name, the tensors and the function of each.

A layer type is one :class:`LayerType` in :data:`LAYER_TYPES`. Everything else in netgraph (tracing, rebuilding,
symmetries, tokens, the stack) reads this table, so a new elementwise layer is one line here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.frozen import registry

Kind = Literal["input", "linear", "elementwise", "norm", "join"]
TensorKind = Literal["edge", "bias", "mean", "variance", "count"]
HyperValue = bool | int | float | str | None

#: Codes below this one are left to the token stream (padding, start, end).
FIRST_CODE = 3


@dataclass(frozen=True)
class Hyper:
    """A hyper-parameter of a layer type: an attribute of its module and an argument of its constructor."""

    name: str
    default: HyperValue
    choices: tuple[str, ...] = ()

    def encode(self, value: HyperValue) -> float:
        """Encode the value as one float64, exactly; ``None`` is NaN."""
        if value is None:
            return float("nan")
        return float(self.choices.index(str(value)) if self.choices else float(value))

    def decode(self, code: float) -> HyperValue:
        """Invert :meth:`encode`."""
        if code != code:
            return None
        return self.choices[int(code)] if self.choices else type(self.default)(code)  # type: ignore[misc]


@dataclass(frozen=True)
class LayerTensor:
    """A tensor of the state of a layer: its attribute, its kind, and the hyper-parameters that switch it on."""

    name: str
    kind: TensorKind
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class LayerType:
    """A type of layer: an entry of the vocabulary.

    Attributes:
        code: The number that stands in ``NetGraph.layer_type``.
        name: The name of the type; that of its ``torch.nn`` module where it has one.
        kind: How its nodes are wired: ``linear`` densely to one layer, ``elementwise`` and ``norm`` one to
            one to one layer, ``join`` one to one to several layers.
        module: The ``torch.nn`` class, or ``None``.
        hyper: Its hyper-parameters, in the order of the token stream.
        tensors: Its state tensors, in the order of ``state_dict``.
        function: The evaluation-mode function of an elementwise type, called with the hyper-parameters as keywords.
        homogeneous: Whether f(ax) = a f(x) for every a > 0.
        odd: Whether f(-x) = -f(x).
    """

    code: int
    name: str
    kind: Kind
    module: type[nn.Module] | None = None
    hyper: tuple[Hyper, ...] = ()
    tensors: tuple[LayerTensor, ...] = ()
    function: Callable[..., Tensor] | None = None
    homogeneous: bool = False
    odd: bool = False

    def __repr__(self) -> str:
        return f"LayerType({self.name}, code {self.code}, {self.kind})"

    def defaults(self) -> dict[str, HyperValue]:
        """Return the hyper-parameters that a layer has by default."""
        return {h.name: h.default for h in self.hyper}

    def tensors_of(self, hyper: Mapping[str, HyperValue]) -> list[LayerTensor]:
        """List the state tensors that a layer with these hyper-parameters holds."""
        return [tensor for tensor in self.tensors if all(hyper[switch] for switch in tensor.needs)]

    def build(self, inputs: int, size: int, hyper: Mapping[str, HyperValue]) -> nn.Module:
        """Construct the ``torch.nn`` module of a layer with ``inputs`` feeding and ``size`` own nodes."""
        if self.module is None:
            raise UnsupportedLayerError(f"{self.name} is not a torch.nn module")
        sizes: dict[Kind, tuple[int, ...]] = {"linear": (inputs, size), "norm": (size,)}
        arguments: dict[str, Any] = dict(hyper)
        return self.module(*sizes.get(self.kind, ()), **arguments)


def _elementwise(
    code: int, module: type[nn.Module], function: Callable[..., Tensor], *hyper: Hyper, **traits: bool
) -> LayerType:
    return LayerType(code, module.__name__, "elementwise", module, hyper, (), function, **traits)


def _identity(x: Tensor, **hyper: HyperValue) -> Tensor:
    return x


_AFFINE = ("affine",)
_TYPES = (
    LayerType(3, "Input", "input"),
    LayerType(
        4,
        "Linear",
        "linear",
        nn.Linear,
        (Hyper("bias", True),),
        (LayerTensor("weight", "edge"), LayerTensor("bias", "bias", ("bias",))),
    ),
    _elementwise(5, nn.ReLU, F.relu, homogeneous=True),
    _elementwise(6, nn.Tanh, torch.tanh, odd=True),
    _elementwise(7, nn.Sigmoid, torch.sigmoid),
    _elementwise(8, nn.LeakyReLU, F.leaky_relu, Hyper("negative_slope", 0.01), homogeneous=True),
    _elementwise(9, nn.GELU, F.gelu, Hyper("approximate", "none", ("none", "tanh"))),
    _elementwise(10, nn.SiLU, F.silu),
    _elementwise(11, nn.ELU, F.elu, Hyper("alpha", 1.0)),
    _elementwise(12, nn.Identity, _identity, homogeneous=True, odd=True),
    _elementwise(13, nn.Dropout, _identity, Hyper("p", 0.5), homogeneous=True, odd=True),
    LayerType(
        14,
        "LayerNorm",
        "norm",
        nn.LayerNorm,
        (Hyper("eps", 1e-5), Hyper("elementwise_affine", True), Hyper("bias", True)),
        (
            LayerTensor("weight", "edge", ("elementwise_affine",)),
            LayerTensor("bias", "bias", ("elementwise_affine", "bias")),
        ),
    ),
    LayerType(
        15,
        "BatchNorm1d",
        "norm",
        nn.BatchNorm1d,
        (Hyper("eps", 1e-5), Hyper("momentum", 0.1), Hyper("affine", True)),
        (
            LayerTensor("weight", "edge", _AFFINE),
            LayerTensor("bias", "bias", _AFFINE),
            LayerTensor("running_mean", "mean"),
            LayerTensor("running_var", "variance"),
            LayerTensor("num_batches_tracked", "count"),
        ),
    ),
    LayerType(16, "Add", "join", homogeneous=True, odd=True),
    LayerType(17, "Concat", "join", homogeneous=True, odd=True),
)
#: Layer types by name, by code, and by the class of their modules.
LAYER_TYPES: Mapping[str, LayerType] = registry((kind.name, kind) for kind in _TYPES)
BY_CODE: Mapping[int, LayerType] = registry((kind.code, kind) for kind in _TYPES)
BY_MODULE: Mapping[type[nn.Module], LayerType] = registry((t.module, t) for t in _TYPES if t.module is not None)
N_CODES = max(BY_CODE) + 1


def layer_type(name: str) -> LayerType:
    """Look up a layer type by name.

    Raises:
        NetGraphError: When there is no such type.
    """
    if name not in LAYER_TYPES:
        raise NetGraphError(f"unknown layer type {name!r}; known: {', '.join(LAYER_TYPES)}")
    return LAYER_TYPES[name]
