"""The operations of the executor, one for each layer type, each on a whole group of networks; fused activations.

Values are [networks, width, rows]: with the rows innermost, products of small matrices are three times as fast. Values
of units beyond a network's own are finite and otherwise unspecified; weights that read them are 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from netgraph.graph.layers import LAYER_TYPES, HyperValue
from netgraph.stack.compile import Group, Position, concat_units


@dataclass(frozen=True)
class Operands:
    """Arguments of a group's operation beside values and weights, as tensors.

    Attributes:
        width: Width of the buffer it writes.
        hyper: Its hyper-parameters.
        sizes: Layer size of each network, [G, 1, 1].
        inside: True within a network's own units, [G, width, 1].
        units: For Concat, the unit of its operands, one after the other, that each unit takes, [G, width, 1].
    """

    width: int
    hyper: dict[str, Any]
    sizes: Tensor
    inside: Tensor
    units: Tensor | None = None

    @classmethod
    def of(
        cls, group: Group, position: Position, positions: Sequence[Position], tensor: Callable[[Any], Tensor]
    ) -> "Operands":
        """Build the operands of a group of a position."""
        units = None
        if group.kind.name == "Concat":
            taken = concat_units(group, [positions[i].width for i in group.inputs], position.width)
            units = tensor(taken[:, :, None])
        return cls(
            width=position.width,
            hyper=group.hyper,
            sizes=tensor(group.sizes[:, None, None]),
            inside=tensor((np.arange(position.width) < group.sizes[:, None])[:, :, None]),
            units=units,
        )


Weights = Mapping[str, Tensor]
Operation = Callable[..., Tensor]


def fit(x: Tensor, width: int) -> Tensor:
    """Cut or zero pad values, [networks, any, rows], to a width."""
    if x.shape[1] == width:
        return x
    return x[:, :width] if x.shape[1] > width else F.pad(x, (0, 0, 0, width - x.shape[1]))


class _OneUnit(torch.autograd.Function):
    """A linear layer of one unit; the gradient of its operand is a product with a scalar for each row."""

    @staticmethod
    def forward(ctx: Any, bias: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(weight, x)
        return torch.baddbmm(bias, weight, x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight, x = ctx.saved_tensors
        return gradient.sum(dim=2, keepdim=True), torch.bmm(gradient, x.mT), weight.mT * gradient


def _linear(sources: list[Tensor], weights: Weights, operands: Operands, **run: Any) -> Tensor:
    if "bias" in weights and operands.width == 1:
        return cast(Tensor, _OneUnit.apply(weights["bias"], weights["weight"], sources[0]))
    if "bias" in weights:
        return torch.baddbmm(weights["bias"], weights["weight"], sources[0])
    return torch.bmm(weights["weight"], sources[0])


def _elementwise(name: str) -> Operation:
    function = cast(Callable[..., Tensor], LAYER_TYPES[name].function)

    def operation(sources: list[Tensor], weights: Weights, operands: Operands, **run: Any) -> Tensor:
        return function(fit(sources[0], operands.width), **operands.hyper)

    return operation


def _dropout(
    sources: list[Tensor],
    weights: Weights,
    operands: Operands,
    training: bool,
    generator: torch.Generator | None,
) -> Tensor:
    x = fit(sources[0], operands.width)
    p = float(operands.hyper["p"])
    if not training or generator is None:
        return x
    kept = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype) >= p
    return x * kept / max(1.0 - p, 1e-12)


def _layer_norm(sources: list[Tensor], weights: Weights, operands: Operands, **run: Any) -> Tensor:
    x = fit(sources[0], operands.width) * operands.inside
    centered = (x - x.sum(dim=1, keepdim=True) / operands.sizes) * operands.inside
    variance = centered.square().sum(dim=1, keepdim=True) / operands.sizes
    return centered * torch.rsqrt(variance + operands.hyper["eps"]) * weights["weight"] + weights["bias"]


def _batch_norm(
    sources: list[Tensor], weights: Weights, operands: Operands, training: bool, generator: torch.Generator | None
) -> Tensor:
    x = fit(sources[0], operands.width)
    if training:
        mean, variance = x.mean(dim=2, keepdim=True), x.var(dim=2, keepdim=True, unbiased=False)
    else:
        mean, variance = weights["running_mean"], weights["running_var"]
    return (x - mean) * torch.rsqrt(variance + operands.hyper["eps"]) * weights["weight"] + weights["bias"]


def _add(sources: list[Tensor], weights: Weights, operands: Operands, **run: Any) -> Tensor:
    total = fit(sources[0], operands.width)
    for source in sources[1:]:
        total = total + fit(source, operands.width)
    return total


def _concat(sources: list[Tensor], weights: Weights, operands: Operands, **run: Any) -> Tensor:
    stacked = F.pad(torch.cat(sources, dim=1), (0, 0, 0, 1))
    return stacked.gather(1, cast(Tensor, operands.units).expand(-1, -1, stacked.shape[2]))


OPERATIONS: Mapping[str, Operation] = {
    **{name: _elementwise(name) for name, kind in LAYER_TYPES.items() if kind.kind == "elementwise"},
    "Linear": _linear,
    "Dropout": _dropout,
    "LayerNorm": _layer_norm,
    "BatchNorm1d": _batch_norm,
    "Add": _add,
    "Concat": _concat,
}

aten = torch.ops.aten
Hypers = Mapping[str, HyperValue]


@dataclass(frozen=True)
class Kernel:
    """An activation and its derivative, each into a given tensor.

    Attributes:
        forward: Writes f(x), called with x, the tensor to write to, and the hyper-parameters.
        backward: Writes the gradient of x, called with the gradient of f(x), the kept tensor, the tensor to write to,
            and the hyper-parameters.
        keeps_value: Whether f(x) is kept for the gradient, and not x.
    """

    forward: Callable[[Tensor, Tensor, Hypers], Any]
    backward: Callable[[Tensor, Tensor, Tensor, Hypers], Any]
    keeps_value: bool = False


def _tanh(x: Tensor, out: Tensor, hyper: Hypers) -> None:
    """tanh(x) = 2 sigmoid(2 x) - 1: a quarter of the time on a CPU, equal to 2e-7."""
    torch.mul(x, 2, out=out).sigmoid_().mul_(2).sub_(1)


KERNELS: Mapping[str, Kernel] = {
    "ReLU": Kernel(
        lambda x, out, hyper: torch.clamp_min(x, 0, out=out),
        lambda g, y, out, hyper: aten.threshold_backward.grad_input(g, y, 0, grad_input=out),
        keeps_value=True,
    ),
    "Tanh": Kernel(
        _tanh, lambda g, y, out, hyper: aten.tanh_backward.grad_input(g, y, grad_input=out), keeps_value=True
    ),
    "Sigmoid": Kernel(
        lambda x, out, hyper: torch.sigmoid(x, out=out),
        lambda g, y, out, hyper: aten.sigmoid_backward.grad_input(g, y, grad_input=out),
        keeps_value=True,
    ),
    "LeakyReLU": Kernel(
        lambda x, out, hyper: aten.leaky_relu.out(x, hyper["negative_slope"], out=out),
        lambda g, x, out, hyper: aten.leaky_relu_backward.grad_input(
            g, x, hyper["negative_slope"], False, grad_input=out
        ),
    ),
    "GELU": Kernel(
        lambda x, out, hyper: aten.gelu.out(x, approximate=hyper["approximate"], out=out),
        lambda g, x, out, hyper: aten.gelu_backward.grad_input(g, x, approximate=hyper["approximate"], grad_input=out),
    ),
    "SiLU": Kernel(
        lambda x, out, hyper: aten.silu.out(x, out=out),
        lambda g, x, out, hyper: aten.silu_backward.grad_input(g, x, grad_input=out),
    ),
    "ELU": Kernel(
        lambda x, out, hyper: aten.elu.out(x, hyper["alpha"], out=out),
        lambda g, x, out, hyper: aten.elu_backward.grad_input(g, hyper["alpha"], 1, 1, False, x, grad_input=out),
    ),
}


class _Activations(torch.autograd.Function):
    """The activations of several groups, one group after the other, values and gradients in one tensor.

    Autograd's own operations would each allocate a tensor, and joining them would move every value again, twice a step.
    """

    @staticmethod
    def forward(ctx: Any, groups: Sequence[tuple[Kernel, Hypers]], *sources: Tensor) -> Tensor:
        sizes = [len(x) for x in sources]
        value = sources[0].new_empty((sum(sizes), *sources[0].shape[1:]))
        for (kernel, hyper), x, out in zip(groups, sources, value.split(sizes), strict=True):
            kernel.forward(x, out, hyper)
        ctx.groups, ctx.sizes = groups, sizes
        ctx.save_for_backward(
            value, *(None if kernel.keeps_value else x for (kernel, _), x in zip(groups, sources, strict=True))
        )
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        value, *kept = ctx.saved_tensors
        result = torch.empty_like(gradient, memory_format=torch.contiguous_format)
        upstream, values, parts = (tensor.split(ctx.sizes) for tensor in (gradient, value, result))
        for (kernel, hyper), g, x, y, out in zip(ctx.groups, upstream, kept, values, parts, strict=True):
            kernel.backward(g, y if kernel.keeps_value else x, out, hyper)
        return None, *parts


def activate(groups: Sequence[tuple[Kernel, Hypers]], sources: Sequence[Tensor]) -> Tensor:
    """Return the activations of each group's values, [networks, width, rows], one group after the other."""
    value: Tensor = _Activations.apply(groups, *sources)
    return value
