"""The gradient of plain networks, layer by layer, with a fixed place for every value: no graph of it is recorded.

Plain networks are linear layers and activations. Autograd would record every operation of every step, and ask for fresh
memory for every value and every gradient; here both stand in the same tensors step after step, activations in place of
what feeds them. That takes about half the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from netgraph.graph.architecture import Architecture
from netgraph.stack.activations import KERNELS, Kernel

if TYPE_CHECKING:
    from netgraph.stack.stack import Stack


def is_plain(architecture: Architecture) -> bool:
    """Return whether a network is linear layers and activations, each fed by the one before it."""
    layers = architecture.layers
    if len(layers) < 2 or layers[-1].type != "Linear":
        return False
    return all(row.inputs == (i,) and (row.type == "Linear" or row.type in KERNELS) for i, row in enumerate(layers[1:]))


#: Register, and rows of what it hands out; its gradient goes there too, but for that of the inputs.
_Source = tuple[int, slice]


@dataclass(frozen=True)
class _LinearStep:
    """A group of linear layers: its weights, their gradients, its operand, its values and their gradient."""

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

    def backward(self, x: Tensor, found: Tensor | None) -> None:
        """Write the gradients of the weights and, unless it is None, that of the operand to ``found``."""
        torch.bmm(self.gradient, x.mT, out=self.weight_gradient)
        if self.bias_gradient is not None:
            torch.sum(self.gradient, 2, keepdim=True, out=self.bias_gradient)
        if found is None:
            return
        product = torch.mul if self.weight.shape[1] == 1 else torch.bmm
        product(self.weight.mT, self.gradient, out=found)


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

    def backward(self, x: Tensor, found: Tensor | None) -> None:
        """Write the gradient of the operand to ``found``, unless it is None."""
        kept = self.value if self.kernel.keeps_value else x
        if found is not None:
            self.kernel.backward(self.gradient, kept, found, self.hyper)


def can_run(stack: "Stack") -> bool:
    """Return whether a stack's networks are plain, and its activations as wide as what feeds them."""
    if not all(map(is_plain, stack.architectures)):
        return False
    positions = stack.positions
    return all(
        group.kind.name == "Linear" or positions[group.inputs[0]].width == position.width
        for position in positions[1:]
        for group in position.groups
    )


class PlainGradient:
    """Computes the gradient of the squared error of a stack of plain networks.

    Args:
        stack: M networks, of which :func:`can_run`.
        rows: Rows of a step.
    """

    def __init__(self, stack: "Stack", rows: int) -> None:
        self._stack, self._positions, self._deliveries = stack, stack.positions, stack.deliveries
        self._moves = [None if d is None or d.identity else (d.rows, d.first) for d in stack.deliveries]
        self._state = torch.zeros(int(stack.state_ptr[-1]) + 2, device=stack.device)
        self._state[-1] = 1.0
        self._found = torch.zeros(len(stack.index), device=stack.device)
        straight = torch.arange(len(stack.index), device=stack.device)
        self._straight = len(straight) == len(self._state) - 2 and torch.equal(stack.index, straight)
        self._weights = self._state[:-2] if self._straight else torch.zeros_like(self._found)
        self._allocate(rows)
        views = zip(stack.pieces(self._weights), stack.pieces(self._found), strict=True)
        sources = {}  # which of the rows that a register hands out each group takes
        for p, delivery in enumerate(self._deliveries):
            start = 0
            for (position, group, _), size in zip(delivery.targets, delivery.pieces, strict=True) if delivery else ():
                sources[position, group] = p, slice(start, start + size)
                start += size
        self._steps = [self._position_steps(p, sources, views) for p in range(1, len(self._positions))]
        #: The network in each row of the output register.
        self.order = torch.as_tensor(self._positions[-1].members, device=stack.device)

    def _allocate(self, rows: int) -> None:
        """Allocate for every register its values and gradients, and those of what it hands out in another order."""
        empty = torch.empty(0, device=self._stack.device)
        self._values, self._gradients, self._taken, self._returned = [empty], [empty], [empty], [empty]
        for p, position in enumerate(self._positions[1:], 1):
            if self._in_place(p):
                self._values.append(self._values[-1])
                self._gradients.append(self._gradients[-1])
            else:
                self._values.append(self._place(len(position.members), position.width, rows))
                self._gradients.append(self._place(len(position.members), position.width, rows))
            moves = self._moves[p] is not None
            self._taken.append(torch.empty_like(self._values[p]) if moves else self._values[p])
            self._returned.append(torch.empty_like(self._gradients[p]) if moves else self._gradients[p])

    def _place(self, count: int, width: int, rows: int) -> Tensor:
        """Allocate values, [count, width, rows]; products of a single network are faster with units innermost."""
        if len(self._stack) == 1:
            return torch.empty(count, rows, width, device=self._stack.device).mT
        return torch.empty(count, width, rows, device=self._stack.device)

    def _in_place(self, p: int) -> bool:
        """Whether the activations of a position can stand where what feeds them stood: nothing else reads that."""
        delivery = self._deliveries[p - 1]
        if p == 1 or delivery is None or not delivery.identity or {target[0] for target in delivery.targets} != {p}:
            return False
        kinds = [group.kind.name for group in self._positions[p].groups]
        return all(name in KERNELS and KERNELS[name].keeps_value for name in kinds)

    def _position_steps(
        self, p: int, sources: dict[tuple[int, int], _Source], views: Any
    ) -> Sequence[_LinearStep | _ActivationStep]:
        steps: list[_LinearStep | _ActivationStep] = []
        start = 0
        for g, group in enumerate(self._positions[p].groups):
            place = slice(start, start + len(group.members))
            start = place.stop
            value, gradient, source = self._values[p][place], self._gradients[p][place], sources[p, g]
            if group.kind.name == "Linear":
                weights = {name: next(views) for name in group.slots}
                (weight, weight_gradient), (bias, bias_gradient) = weights["weight"], weights.get("bias", (None, None))
                steps.append(_LinearStep(source, value, gradient, weight, weight_gradient, bias, bias_gradient))
            else:
                steps.append(_ActivationStep(source, value, gradient, KERNELS[group.kind.name], group.hyper))
        return steps

    def gradient(self, state: Tensor, inputs: Tensor, target: Tensor) -> Tensor:
        """Return the gradient of the squared error, its mean over rows and outputs, summed over networks.

        Args:
            state: Concatenated states, [sum P].
            inputs: Rows, as :meth:`Stack.arrange` lays them out, [M, inputs, rows].
            target: Targets, [M, outputs, rows], networks in this ``order``.

        Returns:
            The gradient, [sum P]; it is overwritten by the next call.
        """
        self._state[:-2] = state
        if not self._straight:
            torch.index_select(self._state, 0, self._stack.index, out=self._weights)
        self._forward(inputs)
        error = torch.sub(self._values[-1], target, out=self._gradients[-1])
        error.mul_(2 / error[0].numel())
        self._backward()
        return self._found if self._straight else self._found.index_select(0, self._stack.inverse)

    def _forward(self, inputs: Tensor) -> None:
        moves = self._moves[0]
        self._taken[0] = inputs if moves is None else inputs.index_select(0, moves[0])
        for p, steps in enumerate(self._steps, 1):
            for step in steps:
                register, rows = step.source
                step.forward(self._taken[register][rows])
            moves = self._moves[p]
            if moves is not None:
                torch.index_select(self._values[p], 0, moves[0], out=self._taken[p])

    def _backward(self) -> None:
        for p in reversed(range(1, len(self._positions))):
            moves = self._moves[p]
            if moves is not None:
                torch.index_select(self._returned[p], 0, moves[1], out=self._gradients[p])
            for step in self._steps[p - 1]:
                register, rows = step.source
                step.backward(self._taken[register][rows], self._returned[register][rows] if register else None)
