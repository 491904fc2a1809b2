"""Compiling architectures for the executor: which networks run together at each position, and where their weights lie.

At each position of the layer table, networks whose layer there has the same type, hyper-parameters and source
positions form a group and run as one operation on padded tensors. Every padded tensor of every group is a slice of one
vector, which one gather fills from the networks' concatenated states.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from netgraph.graph.architecture import Architecture, Ints
from netgraph.graph.layers import HyperValue, LayerType, layer_type

Bools = npt.NDArray[np.bool_]
Signature = tuple[str, tuple[int, ...], tuple[tuple[str, HyperValue], ...]]


@dataclass(frozen=True)
class LayerPlan:
    """What the executor needs of one layer: its group's signature, its size, the offsets of its state tensors."""

    signature: Signature
    size: int
    offsets: dict[str, int]


@lru_cache(maxsize=32768)
def _plan(key: Architecture) -> tuple[LayerPlan, ...]:
    offsets: list[dict[str, int]] = [{} for _ in key.layers]
    for tensor in key.tensors:
        offsets[tensor.layer][tensor.slot.name] = tensor.offset
    return tuple(
        LayerPlan((layer.type, layer.inputs, layer.hyper), layer.size, found)
        for layer, found in zip(key.layers, offsets, strict=True)
    )


@dataclass
class Group:
    """Networks that run one operation together.

    Attributes:
        kind: The layer type.
        inputs: Positions of the registers it reads.
        hyper: Its hyper-parameters.
        members: The networks, in the order of their rows, [G].
        sizes: Their layer sizes, [G].
        source_sizes: Sizes of their operands, [operands, G].
        slots: Name, offset and shape of each padded tensor in the gathered vector.
    """

    kind: LayerType
    inputs: tuple[int, ...]
    hyper: dict[str, HyperValue]
    members: Ints
    sizes: Ints
    source_sizes: Ints
    slots: dict[str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)


@dataclass
class Position:
    """All groups at one position of the layer table; their rows, one group after the other, are its register.

    Attributes:
        groups: The groups.
        members: The network of each row, [rows].
        row: The row of each network, -1 where it has no such layer, [M].
        sizes: Layer size of each row, [rows].
        width: Width of the register.
    """

    groups: list[Group]
    members: Ints
    row: Ints
    sizes: Ints
    width: int


class Layout:
    """The gather that lays every state element into the padded tensors.

    Args:
        ptr: First state element of each network, [M + 1].
    """

    def __init__(self, ptr: Ints) -> None:
        self.ptr, self.length = ptr, 0
        self.zero, self.one = int(ptr[-1]), int(ptr[-1]) + 1
        self.parts: list[Ints] = []

    def add(self, group: Group, name: str, index: Ints) -> None:
        """Append a padded tensor, given as positions in the concatenated states (extended by a zero and a one)."""
        group.slots[name] = (self.length, index.shape)
        self.parts.append(index.ravel())
        self.length += index.size

    def index(self) -> Ints:
        """Where each padded element comes from, [length]."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0, dtype=np.int64)

    def inverse(self) -> Ints:
        """Where each state element went, ``length`` for one that is nowhere, [sum P]."""
        index = self.index()
        inverse = np.full(self.one + 1, self.length, dtype=np.int64)
        inverse[index] = np.arange(self.length)
        return inverse[: self.zero]


def compile_positions(architectures: Sequence[Architecture], layout: Layout) -> list[Position]:
    """Group the networks at every position and lay out their weights."""
    plans = [_plan(architecture.key) for architecture in architectures]
    order = sorted(range(len(plans)), key=lambda i: [repr(layer.signature) for layer in plans[i]])
    positions: list[Position] = []
    for at in range(max(map(len, plans))):
        members = [i for i in order if at < len(plans[i])]
        position = _position(at, members, plans)
        for group in position.groups:
            _lay_out(at, group, plans, positions, position.width, layout)
        positions.append(position)
        order = [*position.members.tolist(), *(i for i in order if at >= len(plans[i]))]
    return positions


def _position(at: int, members: Iterable[int], plans: Sequence[tuple[LayerPlan, ...]]) -> Position:
    grouped: dict[Signature, list[int]] = {}
    for i in members:
        grouped.setdefault(plans[i][at].signature, []).append(i)
    groups = [_group(at, signature, nets, plans) for signature, nets in grouped.items()]
    ordered = np.concatenate([group.members for group in groups])
    row = np.full(len(plans), -1, dtype=np.int64)
    row[ordered] = np.arange(len(ordered))
    sizes = np.concatenate([group.sizes for group in groups])
    return Position(groups, ordered, row, sizes, int(sizes.max()))


def _group(at: int, signature: Signature, nets: list[int], plans: Sequence[tuple[LayerPlan, ...]]) -> Group:
    name, inputs, hyper = signature
    kind = layer_type(name)
    return Group(
        kind=kind,
        inputs=inputs,
        hyper=kind.defaults() | dict(hyper),
        members=np.array(nets, dtype=np.int64),
        sizes=np.array([plans[i][at].size for i in nets], dtype=np.int64),
        source_sizes=np.array([[plans[i][j].size for i in nets] for j in inputs], dtype=np.int64).reshape(
            -1, len(nets)
        ),
    )


def _lay_out(
    at: int,
    group: Group,
    plans: Sequence[tuple[LayerPlan, ...]],
    positions: list[Position],
    width: int,
    layout: Layout,
) -> None:
    def base(name: str) -> Ints:
        return np.array([layout.ptr[i] + plans[i][at].offsets.get(name, 0) for i in group.members], dtype=np.int64)

    inside = np.arange(width) < group.sizes[:, None]  # [G, width]

    def vector(name: str, missing: int, padding: int) -> Ints:
        found = base(name)[:, None] + np.arange(width) if name in held else np.full(inside.shape, missing)
        return np.where(inside, found, padding)

    held = plans[group.members[0]][at].offsets
    if group.kind.kind == "linear":
        source = positions[group.inputs[0]].width
        layout.add(group, "weight", _transposed(base("weight"), group, source, width, layout.zero))
        if "bias" in held:
            layout.add(group, "bias", vector("bias", layout.zero, layout.zero)[:, None, :])
    elif group.kind.kind == "norm":
        layout.add(group, "weight", vector("weight", layout.one, layout.zero)[:, None, :])
        layout.add(group, "bias", vector("bias", layout.zero, layout.zero)[:, None, :])
    for name, padding in (("running_mean", layout.zero), ("running_var", layout.one)):
        if name in held:
            layout.add(group, name, vector(name, padding, padding)[:, None, :])


def _transposed(base: Ints, group: Group, source: int, width: int, zero: int) -> Ints:
    """Positions of padded weights, [G, source, width], out of row-major [size, fan_in] matrices at ``base``."""
    fan_in = group.source_sizes[0][:, None, None]
    column, row = np.arange(source)[None, :, None], np.arange(width)[None, None, :]
    inside = (column < fan_in) & (row < group.sizes[:, None, None])
    found: Ints = np.where(inside, base[:, None, None] + row * fan_in + column, zero)
    return found


def concat_columns(group: Group, widths: Sequence[int], width: int) -> Ints:
    """Give the column of the padded operands, side by side, that each column of a Concat takes, [G, width].

    A column beyond a network's own takes the one after all operands, which is zero.
    """
    columns = np.full((len(group.members), width), sum(widths), dtype=np.int64)
    for row in range(len(columns)):
        taken = [np.arange(size) + sum(widths[:i]) for i, size in enumerate(group.source_sizes[:, row])]
        flat = np.concatenate(taken)
        columns[row, : len(flat)] = flat
    return columns
