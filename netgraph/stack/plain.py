"""The gradient of plain networks, layer by layer, in fixed memory: no graph of it is recorded.

Plain networks are linear layers and activations. Autograd would record every operation of every step, and allocate
memory for every value and every gradient; here both keep the same tensors step after step, and activations overwrite
their operands. That takes about half the time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from netgraph.graph.architecture import Architecture
from netgraph.stack.operations import KERNELS, Kernel

if TYPE_CHECKING:
    from netgraph.stack.stack import Stack


def is_plain(architecture: Architecture) -> bool:
    """Return whether a network is linear layers and activations, each fed by the one before it."""
    layers = architecture.layers
    if len(layers) < 2 or layers[-1].type != "Linear":
        return False
    return all(row.inputs == (i,) and (row.type == "Linear" or row.type in KERNELS) for i, row in enumerate(layers[1:]))


#: Writes the gradient at the outputs, its first argument, to its second one, both [M, outputs, rows].
OutputGradient = Callable[[Tensor, Tensor], object]
#: Position of a buffer, and rows of its routed values; gradients take the same route back, except to the inputs.
_Source = tuple[int, slice]


@dataclass(frozen=True)
class _LinearStep:
    """A group of linear layers: its operand, values, weights, and their gradients."""

    source: _Source
    value: Tensor
    gradient: Tensor
    weight: Tensor
    weight_gradient: Tensor
    bias: Tensor | None
    bias_gradient: Tensor | None

    def forward(self, x: Tensor) -> None:
        """Write the values."""
        if self.bias is None:
            torch.bmm(self.weight, x, out=self.value)
        else:
            torch.baddbmm(self.bias, self.weight, x, out=self.value)

    def backward(self, x: Tensor, out: Tensor | None) -> None:
        """Write the gradients of the weights and, unless it is None, the operand's gradient to ``out``."""
        torch.bmm(self.gradient, x.mT, out=self.weight_gradient)
        if self.bias_gradient is not None:
            torch.sum(self.gradient, 2, keepdim=True, out=self.bias_gradient)
        if out is not None:
            product = torch.mul if self.weight.shape[1] == 1 else torch.bmm
            product(self.weight.mT, self.gradient, out=out)


@dataclass(frozen=True)
class _ActivationStep:
    """A group of activations."""

    source: _Source
    value: Tensor
    gradient: Tensor
    kernel: Kernel
    hyper: dict[str, Any]

    def forward(self, x: Tensor) -> None:
        """Write the values."""
        self.kernel.forward(x, self.value, self.hyper)

    def backward(self, x: Tensor, out: Tensor | None) -> None:
        """Write the operand's gradient to ``out``, unless it is None."""
        kept = self.value if self.kernel.keeps_value else x
        if out is not None:
            self.kernel.backward(self.gradient, kept, out, self.hyper)


def can_run(stack: "Stack") -> bool:
    """Return whether a stack's networks are plain, and its activations as wide as their operands.

    Example:
        >>> from netgraph.stack import Stack
        >>> can_run(Stack([netgraph.from_module(torch.nn.Linear(2, 1)).architecture]))
        True
    """
    if not all(map(is_plain, stack.architectures)):
        return False
    positions = stack.positions
    return all(
        group.kind.name == "Linear" or positions[group.inputs[0]].width == position.width
        for position in positions[1:]
        for group in position.groups
    )


class PlainGradient:
    """The gradient of a loss of a stack of plain networks, see :func:`can_run`.

    Args:
        stack: M plain networks.
        rows: Rows of a step.
    """

    def __init__(self, stack: "Stack", rows: int) -> None:
        self._stack, self._positions, self._routes = stack, stack.positions, stack.routes
        self._moves = [None if d is None or d.identity else (d.rows, d.first) for d in stack.routes]
        self._state = torch.zeros(int(stack.state_ptr[-1]) + 2, device=stack.device)
        self._state[-1] = 1.0
        self._padded_gradient = torch.zeros(len(stack.index), device=stack.device)
        straight = torch.arange(len(stack.index), device=stack.device)
        self._straight = len(straight) == len(self._state) - 2 and torch.equal(stack.index, straight)
        self._weights = self._state[:-2] if self._straight else torch.zeros_like(self._padded_gradient)
        self._allocate(rows)
        views = zip(stack.pieces(self._weights), stack.pieces(self._padded_gradient), strict=True)
        sources = {}  # of each group: position of its operand's buffer, and rows of the routed values
        for p, route in enumerate(self._routes):
            start = 0
            for (position, group, _), size in zip(route.targets, route.pieces, strict=True) if route else ():
                sources[position, group] = p, slice(start, start + size)
                start += size
        self._steps = [self._position_steps(p, sources, views) for p in range(1, len(self._positions))]
        #: The network in each row of the output buffer.
        self.order = torch.as_tensor(self._positions[-1].members, device=stack.device)

    def _allocate(self, rows: int) -> None:
        """Allocate values and gradients of every buffer, and of its routed values where their order differs."""
        empty = torch.empty(0, device=self._stack.device)
        self._values, self._gradients, self._taken, self._returned = [empty], [empty], [empty], [empty]
        for p, position in enumerate(self._positions[1:], 1):
            if self._in_place(p):
                self._values.append(self._values[-1])
                self._gradients.append(self._gradients[-1])
            else:
                self._values.append(self._empty(len(position.members), position.width, rows))
                self._gradients.append(self._empty(len(position.members), position.width, rows))
            moves = self._moves[p] is not None
            self._taken.append(torch.empty_like(self._values[p]) if moves else self._values[p])
            self._returned.append(torch.empty_like(self._gradients[p]) if moves else self._gradients[p])

    def _empty(self, count: int, width: int, rows: int) -> Tensor:
        """Allocate values, [count, width, rows]; products of a single network are faster with units innermost."""
        if len(self._stack) == 1:
            return torch.empty(count, rows, width, device=self._stack.device).mT
        return torch.empty(count, width, rows, device=self._stack.device)

    def _in_place(self, p: int) -> bool:
        """Return whether the activations of a position can overwrite their operands: no other group reads these."""
        route = self._routes[p - 1]
        if p == 1 or route is None or not route.identity or {target[0] for target in route.targets} != {p}:
            return False
        kinds = [group.kind.name for group in self._positions[p].groups]
        return all(name in KERNELS and KERNELS[name].keeps_value for name in kinds)

    def _position_steps(
        self, p: int, sources: dict[tuple[int, int], _Source], views: Any
    ) -> Sequence[_LinearStep | _ActivationStep]:
        steps: list[_LinearStep | _ActivationStep] = []
        start = 0
        for g, group in enumerate(self._positions[p].groups):
            own = slice(start, start + len(group.members))
            start = own.stop
            value, gradient, source = self._values[p][own], self._gradients[p][own], sources[p, g]
            if group.kind.name == "Linear":
                weights = {name: next(views) for name in group.slots}
                (weight, weight_gradient), (bias, bias_gradient) = weights["weight"], weights.get("bias", (None, None))
                steps.append(_LinearStep(source, value, gradient, weight, weight_gradient, bias, bias_gradient))
            else:
                steps.append(_ActivationStep(source, value, gradient, KERNELS[group.kind.name], group.hyper))
        return steps

    def gradient(self, state: Tensor, inputs: Tensor, loss: OutputGradient) -> Tensor:
        """Return the gradient of a loss of the outputs.

        Args:
            state: Concatenated states, [sum P].
            inputs: Rows in the layout of :meth:`Stack.arrange`, [M, inputs, rows].
            loss: Writes the gradient at the outputs, [M, outputs, rows] with networks in this ``order``, to its second
                argument. Gradients at padded outputs reach no weight.

        Returns:
            The gradient, [sum P]; it is overwritten by the next call.
        """
        self._state[:-2] = state
        if not self._straight:
            torch.index_select(self._state, 0, self._stack.index, out=self._weights)
        self._forward(inputs)
        loss(self._values[-1], self._gradients[-1])
        self._backward()
        return self._padded_gradient if self._straight else self._padded_gradient.index_select(0, self._stack.inverse)

    def _forward(self, inputs: Tensor) -> None:
        moves = self._moves[0]
        self._taken[0] = inputs if moves is None else inputs.index_select(0, moves[0])
        for p, steps in enumerate(self._steps, 1):
            for step in steps:
                buffer, rows = step.source
                step.forward(self._taken[buffer][rows])
            moves = self._moves[p]
            if moves is not None:
                torch.index_select(self._values[p], 0, moves[0], out=self._taken[p])

    def _backward(self) -> None:
        for p in reversed(range(1, len(self._positions))):
            moves = self._moves[p]
            if moves is not None:
                torch.index_select(self._returned[p], 0, moves[1], out=self._gradients[p])
            for step in self._steps[p - 1]:
                buffer, rows = step.source
                step.backward(self._taken[buffer][rows], self._returned[buffer][rows] if buffer else None)
