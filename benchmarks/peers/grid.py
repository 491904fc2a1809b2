"""A padded table of a network's weights, one row a unit, and codes of its architecture: what most peers learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from netgraph import NetGraph
from netgraph.errors import NetGraphError
from netgraph.graph import Architecture
from netgraph.graph.architecture import Ints
from peers.plan import ACTIVATIONS, Bounds, Level, Plan, architecture_of, plan_of

#: Codes of a hidden layer beside those of its units: its activation, whether it has a LayerNorm, and an Add.
N_TRAITS = len(ACTIVATIONS) + 2


@dataclass(frozen=True)
class Tables:
    """Networks on the grid.

    Attributes:
        values: Weights, biases, and the gains of LayerNorms less 1; 0 where there is nothing, [n, units * columns].
        mask: Whether it has something there, [n, units * columns] bool.
        codes: Its architecture as zeros and ones, [n, codes].
    """

    values: Tensor
    mask: Tensor
    codes: Tensor


class Grid:
    """The table of the largest network within bounds.

    A row is a unit: those of the first hidden layer, the second, ..., the output. Its columns are the weights from the
    layer before, the bias, and gain and bias of a LayerNorm. The codes say which inputs there are and, for each hidden
    layer, which units, which activation (one-hot), whether there is a LayerNorm, and whether there is an Add.

    Args:
        bounds: Sizes of the largest network.
    """

    def __init__(self, bounds: Bounds = Bounds()) -> None:
        self.bounds = bounds
        self.fan = max(bounds.inputs, bounds.width)
        self.columns = self.fan + 3
        self.units = bounds.depth * bounds.width + 1
        self.size = self.units * self.columns
        self.n_codes = bounds.inputs + bounds.depth * (bounds.width + N_TRAITS)

    @property
    def groups(self) -> Tensor:
        """A number for each kind of weight (a layer's weights, its biases, ...), [size]."""
        level = torch.arange(self.units) // self.bounds.width
        kind = (torch.arange(self.columns) - self.fan + 1).clamp(min=0)
        return (level[:, None] * 4 + kind).flatten()

    def lay(self, graphs: Sequence[NetGraph]) -> Tables:
        """Lay networks on the grid.

        Raises:
            NetGraphError: When one is beyond the bounds or is none of the benchmark's zoo.
        """
        values, mask = torch.zeros(len(graphs), self.size), torch.zeros(len(graphs), self.size, dtype=torch.bool)
        codes = torch.zeros(len(graphs), self.n_codes)
        for i, graph in enumerate(graphs):
            plan = plan_of(graph.architecture)
            at, shift = self.places(plan)
            values[i, at], mask[i, at] = graph.state - shift, True
            codes[i] = self.code(plan)
        return Tables(values, mask, codes)

    def places(self, plan: Plan) -> tuple[Tensor, Tensor]:
        """Give the place of each state element, [P] long, and what is taken from it (1 from a gain), [P]."""
        self._check(plan)
        at, gain = _places(architecture_of(plan), self.bounds.width, self.fan, self.units)
        return torch.from_numpy(at), torch.from_numpy(gain).float()

    def _check(self, plan: Plan) -> None:
        bounds = self.bounds
        fits = plan.inputs <= bounds.inputs and len(plan.levels) <= bounds.depth
        if not fits or max(plan.widths, default=0) > bounds.width:
            raise NetGraphError(f"{plan.inputs} inputs and layers of {plan.widths} units are beyond {bounds}")

    def code(self, plan: Plan) -> Tensor:
        """Write an architecture as zeros and ones, [codes]."""
        inputs = (torch.arange(self.bounds.inputs) < plan.inputs).float()
        levels = torch.zeros(self.bounds.depth, self.bounds.width + N_TRAITS)
        for row, level in zip(levels, plan.levels, strict=False):
            traits = row[self.bounds.width :]
            row[: level.width] = 1
            traits[ACTIVATIONS.index(level.activation)] = 1
            traits[-2], traits[-1] = float(level.normalized), float(level.added)
        return torch.cat([inputs, levels.flatten()])

    def read_code(self, code: Tensor) -> Plan | None:
        """Read an architecture from its codes, [codes], of which 0.5 is undecided; None where it has no input."""
        inputs = _unary(code[: self.bounds.inputs])
        levels = []
        for row in code[self.bounds.inputs :].unflatten(0, (self.bounds.depth, -1)):
            width, traits = _unary(row[: self.bounds.width]), row[self.bounds.width :]
            if not width:
                break
            activation = ACTIVATIONS[int(traits[: len(ACTIVATIONS)].argmax())]
            levels.append(Level(width, activation, bool(traits[-2] > 0.5), bool(traits[-1] > 0.5)))
        return Plan(inputs, tuple(levels)) if inputs else None

    def read(self, values: Tensor, codes: Tensor) -> list[NetGraph | None]:
        """Read networks back, [n, size] and [n, codes]; None where one has no input or is not finite."""
        plans = [self.read_code(code) if bool(code.isfinite().all()) else None for code in codes.cpu()]
        return [plan and self.network(plan, row) for plan, row in zip(plans, values.cpu(), strict=True)]

    def network(self, plan: Plan, values: Tensor) -> NetGraph | None:
        """Read the weights of an architecture from a row of the grid, [size]; None where one is not finite."""
        at, shift = self.places(plan)
        state = values.float()[at] + shift
        return NetGraph(architecture_of(plan), state) if bool(state.isfinite().all()) else None


def _unary(code: Tensor) -> int:
    """Read a number written as that many ones and then zeros: the one whose code is the nearest."""
    gain = torch.cat([code.new_zeros(1), (code - 0.5).cumsum(0)])
    return int(gain.argmax())


@lru_cache(maxsize=2**15)
def _places(architecture: Architecture, width: int, fan: int, units: int) -> tuple[Ints, np.ndarray]:
    """Give the place of each state element, and 1 for the gains, [P] each."""
    columns, level, places, gains = fan + 3, -1, [], []
    for tensor in architecture.tensors:
        layer, slot = architecture.layers[tensor.layer], tensor.slot
        linear = layer.type == "Linear"
        level += linear and slot.kind == "edge"
        first = units - 1 if tensor.layer == len(architecture.layers) - 1 else level * width
        row = first + np.arange(layer.size)
        if linear and slot.kind == "edge":
            places.append((row[:, None] * columns + np.arange(tensor.shape[1])).ravel())
        else:
            places.append(row * columns + fan + (0 if linear else 1 if slot.kind == "edge" else 2))
        gains.append(np.full(tensor.size, not linear and slot.kind == "edge"))
    return np.concatenate(places), np.concatenate(gains)


class Scaler:
    """Standardization of the grid, one mean and one deviation for each kind of weight.

    Args:
        grid: The grid.
        tables: Training networks.
    """

    def __init__(self, grid: Grid, tables: Tables) -> None:
        self.mean, self.deviation = torch.zeros(grid.size), torch.ones(grid.size)
        for group in grid.groups.unique():
            inside = grid.groups == group
            present = tables.values[:, inside][tables.mask[:, inside]]
            if present.numel() > 1:
                self.mean[inside], self.deviation[inside] = present.mean(), present.std().clamp(min=1e-3)

    def standardize(self, tables: Tables) -> Tensor:
        """Give standardized values, 0 where a network has nothing, [n, size]."""
        return (tables.values - self.mean) / self.deviation * tables.mask

    def restore(self, values: Tensor) -> Tensor:
        """Undo it, [n, size]."""
        return values * self.deviation + self.mean
