"""The executor: one tensor program that runs many different networks at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.lines import counted
from netgraph.stack.compile import PaddingIndex, compile_positions
from netgraph.stack.operations import KERNELS, OPERATIONS, Operands, activate, fit
from netgraph.stack.routes import Target, plan_routes


class _Spread(torch.autograd.Function):
    """A gather that takes every element at most once, so that its gradient is a gather too; ``whole``: exactly once."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, index: Tensor, inverse: Tensor, whole: bool) -> Tensor:
        ctx.save_for_backward(inverse)
        ctx.whole = whole
        return torch.cat([flat, flat.new_tensor([0.0, 1.0])]).index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (inverse,) = ctx.saved_tensors
        if ctx.whole:
            return gradient.index_select(0, inverse), None, None, None
        return torch.cat([gradient, gradient.new_zeros(1)]).index_select(0, inverse), None, None, None


class Stack:
    """Many architectures laid side by side, compiled once and run with any weights.

    Args:
        architectures: M architectures.
        device: Where to run.

    Attributes:
        state_ptr: First element of each network's state in the concatenation, [M + 1] long.
        n_inputs: Inputs of each network, [M] long.
        n_outputs: Outputs of each network, [M] long.
        layer_positions: Position, and so buffer, of each layer of each network.
        hidden_size: Number of values that feed each network's last layer (its first operand), [M] long.
        positions: The groups that run at each time.
        routes: Gather of the values of each position for the groups that read them.
        index: Element of the concatenated states (extended by a zero and a one) for each padded weight.
        inverse: Padded weight that holds each element of the concatenated states.

    Raises:
        NetGraphError: When there is no architecture.

    Example:
        >>> graphs = [netgraph.from_module(torch.nn.Linear(2, 1)), netgraph.from_module(torch.nn.Linear(3, 1))]
        >>> stack = Stack([graph.architecture for graph in graphs])
        >>> stack(stack.flatten([graph.state for graph in graphs]), torch.zeros(5, 3)).shape
        torch.Size([2, 5, 1])
    """

    def __init__(self, architectures: Sequence[Architecture], device: torch.device | str | None = None) -> None:
        if not architectures:
            raise NetGraphError("a stack needs at least one architecture")
        self.architectures = tuple(architectures)
        self.device = torch.device(device or "cpu")
        sizes = [architecture.state_size for architecture in architectures]
        ptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        gather = PaddingIndex(ptr)
        self.positions, self.layer_positions = compile_positions(architectures, gather)
        self.index, self.inverse = self._tensor(gather.index()), self._tensor(gather.inverse())
        self._whole = bool((self.inverse < gather.length).all())
        self.state_ptr = self._tensor(ptr)
        self._network = torch.repeat_interleave(torch.arange(len(sizes), device=self.device), self.state_ptr.diff())
        self.n_inputs = self._tensor([a.n_inputs for a in architectures])
        self.n_outputs = self._tensor([a.n_outputs for a in architectures])
        last = [a.layers[-1].inputs[0] if len(a.layers) > 1 else 0 for a in architectures]
        self.hidden_size = self._tensor([a.layers[i].size for a, i in zip(architectures, last, strict=True)])
        self._outputs = self._readout([positions[-1] for positions in self.layer_positions], self.n_outputs)
        hidden = [positions[i] for positions, i in zip(self.layer_positions, last, strict=True)]
        self._hidden = self._readout(hidden, self.hidden_size)
        self._pieces = [shape for p in self.positions for g in p.groups for _, shape in g.slots.values()]
        self.routes = plan_routes(self.positions, self._tensor)
        self._operands = [
            [Operands.of(group, position, self.positions, self._tensor) for group in position.groups]
            for position in self.positions
        ]
        self._on: dict[torch.device, Stack] = {}

    def __repr__(self) -> str:
        return f"Stack({counted(len(self.architectures), 'network')}, {self.device})"

    def on(self, device: torch.device) -> "Stack":
        """Return the same stack on a device, where it is compiled once and stays as long as this one does."""
        if device == self.device:
            return self
        if device not in self._on:
            self._on[device] = type(self)(self.architectures, device)
        return self._on[device]

    def __len__(self) -> int:
        return len(self.architectures)

    @property
    def max_inputs(self) -> int:
        """Most inputs of a network."""
        return int(self.n_inputs.max())

    @property
    def max_outputs(self) -> int:
        """Most outputs of a network."""
        return int(self.n_outputs.max())

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(values, device=self.device)

    def flatten(self, states: Sequence[Tensor]) -> Tensor:
        """Concatenate the networks' states, [sum P]."""
        return torch.cat(list(states)).to(self.device)

    def split(self, flat: Tensor) -> list[Tensor]:
        """Split concatenated states into those of each network, as views."""
        return list(torch.tensor_split(flat, self.state_ptr[1:-1].tolist()))

    def spread(self, values: Tensor) -> Tensor:
        """Return for every state element its network's value, [M] -> [sum P]."""
        return values.index_select(0, self._network)

    def norms(self, values: Tensor) -> Tensor:
        """Return the Euclidean norm of the state elements' values within each network, [sum P] -> [M]."""
        if len(self) == 1:
            return values.dot(values).sqrt().view(1)
        return torch.segment_reduce(values.square(), "sum", offsets=self.state_ptr).sqrt_()

    def __call__(
        self,
        flat: Tensor,
        x: Tensor,
        *,
        return_hidden: bool = False,
        training: bool = False,
        generator: torch.Generator | None = None,
    ) -> Any:
        """Run every network.

        Args:
            flat: Concatenated states, [sum P]; gradients flow to it.
            x: Rows, [M, rows, inputs] zero padded, or [rows, inputs] for all networks, each of which reads its first
                columns.
            return_hidden: Return the last hidden activations too.
            training: Use batch statistics in BatchNorm1d, and drop in Dropout.
            generator: Of the dropout; nothing is dropped without one.

        Returns:
            Outputs, [M, rows, max_outputs], zero padded; with ``return_hidden`` a pair of them and of the last hidden
            activations, [M, rows, max hidden].

        Raises:
            NetGraphError: When ``flat`` or ``x`` has a wrong shape.
        """
        buffers, _ = self._run(flat, self.arrange(x), training, generator)
        outputs = self._outputs(buffers)
        return (outputs, self._hidden(buffers)) if return_hidden else outputs

    def run(
        self, flat: Tensor, inputs: Tensor, *, training: bool = False, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the outputs, [M, rows, max_outputs], on rows in the layout of :meth:`arrange`."""
        return self._outputs(self._run(flat, inputs, training, generator)[0])

    def buffers(self, flat: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Run every network and keep the values of all positions.

        Returns:
            Outputs as of a call, and the buffers that they depend on, one for each position, [networks that have a
            layer there, width, rows]; :meth:`rows` has each network's row.
        """
        buffers, _ = self._run(flat, self.arrange(x), False, None)
        return self._outputs(buffers), buffers

    def rows(self, position: int) -> Tensor:
        """Return each network's row in a buffer, -1 where it has no layer there, [M]."""
        return self._tensor(self.positions[position].row)

    def with_batch_statistics(self, flat: Tensor, x: Tensor) -> Tensor:
        """Return states whose running means and variances are those of ``x``, as after one batch with momentum 1."""
        updated = flat.detach().clone()
        if not any("running_mean" in group.slots for position in self.positions for group in position.groups):
            return updated
        with torch.no_grad():
            _, values = self._run(flat, self.arrange(x), True, None)
            for p, position in enumerate(self.positions):
                for g, group in enumerate(position.groups):
                    if "running_mean" not in group.slots:
                        continue
                    moments = {"running_mean": values[p, g, 0].mean(dim=2), "running_var": values[p, g, 0].var(dim=2)}
                    for name, statistics in moments.items():
                        offset, shape = group.slots[name]
                        index = self.index[offset : offset + math.prod(shape)].view(shape)[:, :, 0]
                        own = index < len(updated)
                        updated[index[own]] = fit(statistics[..., None], index.shape[1])[..., 0][own]
        return updated

    def _run(
        self, flat: Tensor, inputs: Tensor, training: bool, generator: torch.Generator | None
    ) -> tuple[list[Tensor], dict[Target, Tensor]]:
        if flat.shape != (int(self.state_ptr[-1]),):
            raise NetGraphError(
                f"states have shape {tuple(flat.shape)}, the stack asks for ({int(self.state_ptr[-1])},)"
            )
        # One split, whose gradient is one concatenation.
        spread = cast(Tensor, _Spread.apply(flat, self.index, self.inverse, self._whole))
        weights = iter(self.pieces(spread))
        buffers: list[Tensor] = []
        values: dict[Target, Tensor] = {}
        for p, (position, route) in enumerate(zip(self.positions, self.routes, strict=True)):
            sources = [[values[p, g, i] for i in range(len(group.inputs))] for g, group in enumerate(position.groups)]
            if p == 0:
                buffer = inputs.to(flat)
            elif (
                training
                and {x.shape[1] for own in sources for x in own} == {position.width}
                and all(g.kind.name in KERNELS for g in position.groups)
            ):
                kernels = [(KERNELS[group.kind.name], group.hyper) for group in position.groups]
                buffer = activate(kernels, [source for (source,) in sources])
            else:
                run = {"training": training, "generator": generator}
                parts = [
                    OPERATIONS[group.kind.name](own, {name: next(weights) for name in group.slots}, operands, **run)
                    for group, own, operands in zip(position.groups, sources, self._operands[p], strict=True)
                ]
                buffer = parts[0] if len(parts) == 1 else torch.cat(parts)
            buffers.append(buffer)
            values.update(route(buffer) if route else ())
        return buffers, values

    def pieces(self, padded: Tensor) -> list[Tensor]:
        """Cut a vector of padded weights into each group's tensors, as views."""
        flats = padded.split([math.prod(shape) for shape in self._pieces])
        return [part.view(shape) for part, shape in zip(flats, self._pieces, strict=True)]

    def arrange(self, x: Tensor) -> Tensor:
        """Arrange rows, as of a call, as [M, max_inputs, rows], in the executor's order of networks.

        Raises:
            NetGraphError: When ``x`` has a wrong shape.
        """
        if x.ndim not in (2, 3) or x.shape[-1] < self.max_inputs or (x.ndim == 3 and len(x) != len(self)):
            raise NetGraphError(
                f"x has shape {tuple(x.shape)}; expected [rows, inputs] or [{len(self)}, rows, inputs] with at least "
                f"{self.max_inputs} inputs"
            )
        members = self._tensor(self.positions[0].members)
        width = self.max_inputs
        inputs = x[..., :width].to(self.device)
        inputs = (inputs.expand(len(self), -1, -1) if x.ndim == 2 else inputs.index_select(0, members)).mT
        if int(self.n_inputs.min()) == width:
            return inputs
        return inputs * (torch.arange(width, device=self.device) < self.n_inputs[members][:, None])[:, :, None]

    def _readout(self, layers: Sequence[int], sizes: Tensor) -> "_Readout":
        positions, width = np.asarray(layers), int(sizes.max())
        reads, nets = [], []
        for position in np.unique(positions).tolist():
            nets.append(np.flatnonzero(positions == position))
            reads.append((position, self._tensor(self.positions[position].row[nets[-1]])))
        order = self._tensor(np.argsort(np.concatenate(nets)))
        inside = torch.arange(width, device=self.device) < sizes[:, None]
        return _Readout(reads, order, width, None if inside.all() else inside[:, None, :])


@dataclass(frozen=True)
class _Readout:
    """Reads one layer of each network.

    Attributes:
        reads: Position of each buffer, and the rows to read from it.
        order: Index of each network among the rows.
        width: Width of the values.
        inside: True within a network's own units, [M, 1, width]; None when all are as wide.
    """

    reads: list[tuple[int, Tensor]]
    order: Tensor
    width: int
    inside: Tensor | None

    def __call__(self, buffers: Sequence[Tensor]) -> Tensor:
        """Return the values, [M, rows, width], zero padded."""
        parts = [fit(buffers[position].index_select(0, rows), self.width) for position, rows in self.reads]
        values = torch.cat(parts).index_select(0, self.order).mT
        return values if self.inside is None else values * self.inside
