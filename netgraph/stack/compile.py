"""Compiling architectures for the executor: groups of networks at each position, and the gather of their weights.

At each time, networks whose layer then has the same type, hyper-parameters and operands form a group and run as one
operation on padded tensors. Every padded tensor of every group is a slice of one vector, which one gather fills from
the networks' concatenated states.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from netgraph.graph.architecture import Architecture, Ints
from netgraph.graph.layers import HyperValue, LayerType, layer_type

#: Kinds of layers in the order in which they run within a round; the input runs at time 0.
PHASES = ("linear", "norm", "elementwise", "join")
#: When linear layers that give the output run.
LAST = 1_000_000
Signature = tuple[str, tuple[int, ...], tuple[tuple[str, HyperValue], ...]]


@dataclass(frozen=True)
class LayerPlan:
    """One layer as the executor runs it.

    Attributes:
        signature: Signature of its group.
        size: Number of its nodes.
        offsets: First element of each of its tensors in the state.
        rank: Sort key of the networks that have a layer at this time: this layer's signature, then the next one's, so
            that a buffer is in the order in which the following groups read it.
    """

    signature: Signature
    size: int
    offsets: dict[str, int]
    rank: str


@lru_cache(maxsize=4096)
def _plan(key: Architecture) -> dict[int, LayerPlan]:
    """Plan each layer, by the time at which it runs; its signature names its operands by theirs."""
    offsets: list[dict[str, int]] = [{} for _ in key.layers]
    for tensor in key.tensors:
        offsets[tensor.layer][tensor.name] = tensor.offset
    times = _times(key)
    signatures = [(layer.type, tuple(times[i] for i in layer.inputs), layer.hyper) for layer in key.layers]
    ranks = [repr(following) for following in zip(signatures, times[1:], signatures[1:], strict=False)]
    ranks.append(repr(signatures[-1:]))
    sizes = [layer.size for layer in key.layers]
    return dict(zip(times, map(LayerPlan, signatures, sizes, offsets, ranks), strict=True))


def _times(key: Architecture) -> list[int]:
    """Return a time for each layer, later than that of the layer before it.

    Linear layers run at one phase, norms at the next, then activations, then joins, so that the linear layers of
    networks with and without a norm or a join in between still run together. Linear layers that give the output run at
    one time of their own: they are narrower than hidden ones and would be padded.
    """
    times = [0]
    for layer in key.layers[1:]:
        earliest = times[-1] + 1
        times.append(earliest + (PHASES.index(layer.kind.kind) - earliest) % len(PHASES))
    if key.layers[-1].kind.kind == "linear":
        times[-1] = LAST
    return times


@dataclass
class Group:
    """Networks that run one operation together.

    Attributes:
        kind: The layer type.
        inputs: Positions of the buffers it reads.
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
    """All groups at one time; their rows, one group after the other, are its buffer.

    Attributes:
        groups: The groups.
        members: The network of each row, [rows].
        row: The row of each network, -1 where it has no such layer, [M].
        width: Width of the buffer.
    """

    groups: list[Group]
    members: Ints
    row: Ints
    width: int


class PaddingIndex:
    """The gather of state elements into the padded tensors.

    Args:
        ptr: First state element of each network, [M + 1].
    """

    def __init__(self, ptr: Ints) -> None:
        self.ptr, self.length = ptr, 0
        self.zero, self.one = int(ptr[-1]), int(ptr[-1]) + 1
        self.parts: list[Ints] = []

    def add(self, group: Group, name: str, index: Ints) -> None:
        """Append a padded tensor of elements of the concatenated states (extended by a zero and a one)."""
        group.slots[name] = (self.length, index.shape)
        self.parts.append(index.ravel())
        self.length += index.size

    def index(self) -> Ints:
        """Return the state element of each padded element, [length]."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0, dtype=np.int64)

    def inverse(self) -> Ints:
        """Return the padded element of each state element, ``length`` where there is none, [sum P]."""
        index = self.index()
        inverse = np.full(self.one + 1, self.length, dtype=np.int64)
        inverse[index] = np.arange(self.length)
        return inverse[: self.zero]


def compile_positions(
    architectures: Sequence[Architecture], gather: PaddingIndex
) -> tuple[list[Position], list[tuple[int, ...]]]:
    """Group the networks at every time and index their weights.

    Returns:
        The positions, and the position of every layer of each network.
    """
    plans = [_plan(architecture.key) for architecture in architectures]
    order = sorted(range(len(plans)), key=lambda i: [layer.rank for layer in plans[i].values()])
    rank = {time: k for k, time in enumerate(sorted({time for plan in plans for time in plan}))}
    positions: list[Position] = []
    for time in rank:
        members = sorted((i for i in order if time in plans[i]), key=lambda i: plans[i][time].rank)
        position = _position(time, members, plans, rank)
        for group in position.groups:
            _lay_out(time, group, plans, positions, position.width, gather)
        positions.append(position)
        order = [*position.members.tolist(), *(i for i in order if time not in plans[i])]
    return positions, [tuple(rank[time] for time in plan) for plan in plans]


def _position(
    time: int, members: Iterable[int], plans: Sequence[dict[int, LayerPlan]], rank: dict[int, int]
) -> Position:
    grouped: dict[Signature, list[int]] = {}
    for i in members:
        grouped.setdefault(plans[i][time].signature, []).append(i)
    groups = []
    for (name, inputs, hyper), nets in grouped.items():
        source_sizes = [[plans[i][source].size for i in nets] for source in inputs]
        group = Group(
            kind=layer_type(name),
            inputs=tuple(rank[source] for source in inputs),
            hyper=layer_type(name).defaults() | dict(hyper),
            members=np.array(nets, dtype=np.int64),
            sizes=np.array([plans[i][time].size for i in nets], dtype=np.int64),
            source_sizes=np.array(source_sizes, dtype=np.int64).reshape(-1, len(nets)),
        )
        groups.append(group)
    ordered = np.concatenate([group.members for group in groups])
    row = np.full(len(plans), -1, dtype=np.int64)
    row[ordered] = np.arange(len(ordered))
    return Position(groups, ordered, row, max(int(group.sizes.max()) for group in groups))


def _lay_out(
    time: int,
    group: Group,
    plans: Sequence[dict[int, LayerPlan]],
    positions: list[Position],
    width: int,
    gather: PaddingIndex,
) -> None:
    def base(name: str) -> Ints:
        return np.array([gather.ptr[i] + plans[i][time].offsets.get(name, 0) for i in group.members], dtype=np.int64)

    inside = np.arange(width) < group.sizes[:, None]  # [G, width]

    def vector(name: str, missing: int, padding: int) -> Ints:
        index = base(name)[:, None] + np.arange(width) if name in held else np.full(inside.shape, missing)
        return np.where(inside, index, padding)

    held = plans[group.members[0]][time].offsets
    if group.kind.kind == "linear":
        # Row-major [size, fan_in] matrices, padded to [G, width, source].
        fan_in = group.source_sizes[0][:, None, None]
        row, column = np.arange(width)[:, None], np.arange(positions[group.inputs[0]].width)
        held_there = (column < fan_in) & inside[:, :, None]
        gather.add(
            group, "weight", np.where(held_there, base("weight")[:, None, None] + row * fan_in + column, gather.zero)
        )
        if "bias" in held:
            gather.add(group, "bias", vector("bias", gather.zero, gather.zero)[:, :, None])
    elif group.kind.kind == "norm":
        gather.add(group, "weight", vector("weight", gather.one, gather.zero)[:, :, None])
        gather.add(group, "bias", vector("bias", gather.zero, gather.zero)[:, :, None])
    for name, padding in (("running_mean", gather.zero), ("running_var", gather.one)):
        if name in held:
            gather.add(group, name, vector(name, padding, padding)[:, :, None])


def concat_units(group: Group, widths: Sequence[int], width: int) -> Ints:
    """Return the unit of the padded operands, one after the other, that each unit of a Concat takes, [G, width].

    A unit beyond a network's own takes the unit after all operands, which is zero.
    """
    units = np.full((len(group.members), width), sum(widths), dtype=np.int64)
    for row in range(len(units)):
        taken = [np.arange(size) + sum(widths[:i]) for i, size in enumerate(group.source_sizes[:, row])]
        flat = np.concatenate(taken)
        units[row, : len(flat)] = flat
    return units
