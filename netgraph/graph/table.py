"""A table of layers: many architectures packed into arrays, from which indices are derived for all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from typing import Self

import numpy as np
import numpy.typing as npt

from netgraph.errors import InvalidGraphError
from netgraph.graph.architecture import TENSOR_KINDS, Architecture, Ints, Layer, make_layer
from netgraph.graph.layers import BY_CODE, N_CODES, layer_type

Floats = npt.NDArray[np.float64]
#: Most hyper-parameters of a layer type.
N_HYPER = max(len(layer_type.hyper) for layer_type in BY_CODE.values())
_EDGE, _BIAS, _COUNT = (TENSOR_KINDS.index(kind) for kind in ("edge", "bias", "count"))


def starts(counts: Ints) -> Ints:
    """Return the starts of groups that stand one after the other, and the end, [groups + 1]."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def runs(first: Ints, counts: Ints) -> Ints:
    """Return first[i], first[i] + 1, ..., ``counts[i]`` numbers, concatenated over i, [sum of counts]."""
    shifted: Ints = np.repeat(first - np.cumsum(counts) + counts, counts)
    return shifted + np.arange(len(shifted))


#: Encoded default hyper-parameters of each layer type, [codes, hyper-parameters].
DEFAULTS = np.zeros((N_CODES, N_HYPER))
for _type in BY_CODE.values():
    DEFAULTS[_type.code, : len(_type.hyper)] = [hyper.encode(hyper.default) for hyper in _type.hyper]
_LINEAR = np.array([code in BY_CODE and BY_CODE[code].kind == "linear" for code in range(N_CODES)])
#: The tensors of all layer types, those of one code after those of another: number, kind, and the hyper-parameters that
#: switch each on, as bits.
_OF_TYPES = [BY_CODE[code].tensors if code in BY_CODE else () for code in range(N_CODES)]
_N_TENSORS = np.array([len(tensors) for tensors in _OF_TYPES])
_TENSOR_START = starts(_N_TENSORS)
_TENSOR_KIND = np.array([TENSOR_KINDS.index(tensor.kind) for tensors in _OF_TYPES for tensor in tensors])
_TENSOR_NEEDS = np.array(
    [
        sum(1 << column for column, hyper in enumerate(BY_CODE[code].hyper) if hyper.name in tensor.needs)
        for code, tensors in enumerate(_OF_TYPES)
        for tensor in tensors
    ]
)


@dataclass(frozen=True)
class StateTable:
    """The state tensors of packed architectures in the order of their states, S of them.

    Attributes:
        layer: Layer, counted over the table, [S].
        kind: Position in ``TENSOR_KINDS``, [S].
        width: Elements of each of the nodes, [S].
        rows: Vertices that hold elements, counted from the layer's first, [S].
        rank: Elements beside the bias that each node holds before these, [S].
        start: First element, counted over all states, and the end, [S + 1].
    """

    layer: Ints
    kind: Ints
    width: Ints
    rows: Ints
    rank: Ints
    start: Ints


@dataclass(frozen=True, eq=False)
class LayerTable:
    """A architectures with L layers and K operands in all.

    Attributes:
        count: Layers of each architecture, [A].
        code: Layer type code, [L].
        size: Vertices of each layer, [L].
        fan: Operands of each layer, [L].
        operand: The operands: layers of the same architecture, counted from its first, [K].
        hyper: Encoded hyper-parameters, padded with 0, [L, 3] float64.
        names: Names of each architecture's layers, A tuples.
    """

    count: Ints
    code: Ints
    size: Ints
    fan: Ints
    operand: Ints
    hyper: Floats
    names: tuple[tuple[str, ...], ...]

    @classmethod
    def pack(cls, architectures: Sequence[Architecture]) -> Self:
        """Pack architectures.

        Raises:
            InvalidGraphError: When a layer has a hyper-parameter that its type lacks.
        """
        layers = list(chain.from_iterable(architecture.layers for architecture in architectures))
        code = np.array([layer_type(layer.type).code for layer in layers], dtype=np.int64)
        hyper = DEFAULTS[code]
        for row, layer in zip(hyper, layers, strict=True):
            changed = dict(layer.hyper)
            if lacking := changed.keys() - layer.kind.defaults().keys():
                raise InvalidGraphError(f"layer {layer.name} ({layer.type}) has no hyper-parameter {min(lacking)!r}")
            for column, hyper_parameter in enumerate(layer.kind.hyper if changed else ()):
                if hyper_parameter.name in changed:
                    row[column] = hyper_parameter.encode(changed[hyper_parameter.name])
        return cls(
            count=np.array([len(architecture.layers) for architecture in architectures], dtype=np.int64),
            code=code,
            size=np.array([layer.size for layer in layers], dtype=np.int64),
            fan=np.array([len(layer.inputs) for layer in layers], dtype=np.int64),
            operand=np.fromiter(chain.from_iterable(layer.inputs for layer in layers), dtype=np.int64),
            hyper=hyper,
            names=tuple(tuple([layer.name for layer in architecture.layers]) for architecture in architectures),
        )

    @classmethod
    def join(cls, tables: "Sequence[LayerTable]") -> Self:
        """Concatenate the architectures of tables."""
        arrays = ("count", "code", "size", "fan", "operand", "hyper")
        joined = {name: np.concatenate([getattr(table, name) for table in tables]) for name in arrays}
        return cls(**joined, names=tuple(chain.from_iterable(table.names for table in tables)))

    def take(self, rows: Ints) -> "LayerTable":
        """Return the architectures of some rows, [n], in their order; a row may come twice."""
        count = self.count[rows]
        layers = runs(self.layer_start[rows], count)
        fan = self.fan[layers]
        operands = runs(self.operand_start[layers], fan)
        return LayerTable(
            count,
            self.code[layers],
            self.size[layers],
            fan,
            self.operand[operands],
            self.hyper[layers],
            tuple([self.names[row] for row in rows.tolist()]),
        )

    def architecture(self, row: int) -> Architecture:
        """Unpack one architecture; hyper-parameters that have their defaults are left out."""
        first, end = self.layer_start[row], self.layer_start[row + 1]
        operands = self.operand[self.operand_start[first] : self.operand_start[end]].tolist()
        layers, read = [], 0
        columns = (column[first:end].tolist() for column in (self.code, self.size, self.fan, self.changed))
        for position, (name, code, size, fan, changed) in enumerate(zip(self.names[row], *columns, strict=True)):
            inputs = tuple(operands[read : read + fan])
            read += fan
            layers.append(_layer(code, inputs, size, name, tuple(self.hyper[first + position]) if changed else None))
        architecture = Architecture(tuple(layers))
        offsets = self.layer_node_start[first : end + 1] - self.layer_node_start[first]
        # Known here, and asked for by every graph that is loaded.
        vars(architecture).update(offsets=offsets, state_size=int(self.state_size[row]))
        return architecture

    def __len__(self) -> int:
        return len(self.count)

    @cached_property
    def changed(self) -> npt.NDArray[np.bool_]:
        """Whether a hyper-parameter of a layer is not the default of its type, [L]."""
        default = DEFAULTS[self.code]
        same = (self.hyper == default) | (np.isnan(self.hyper) & np.isnan(default))
        return np.asarray(~same.all(axis=1))

    @cached_property
    def layer_start(self) -> Ints:
        """First layer of each architecture, and the end, [A + 1]."""
        return starts(self.count)

    @cached_property
    def operand_start(self) -> Ints:
        """First operand of each layer, and the end, [L + 1]."""
        return starts(self.fan)

    @cached_property
    def layer_node_start(self) -> Ints:
        """First node of each layer, counted over the table, and the end, [L + 1]."""
        return starts(self.size)

    @cached_property
    def node_start(self) -> Ints:
        """First node of each architecture, counted over the table, and the end, [A + 1]."""
        return self.layer_node_start[self.layer_start]

    @cached_property
    def num_nodes(self) -> Ints:
        """Vertices of each architecture, [A]."""
        return np.diff(self.node_start)

    @cached_property
    def source(self) -> Ints:
        """The operands as layers counted over the table, [K]."""
        operands = np.diff(self.operand_start[self.layer_start])
        return self.operand + np.repeat(self.layer_start[:-1], operands)

    @cached_property
    def first_source(self) -> Ints:
        """First operand of each layer, counted over the table; 0 where it has none, [L]."""
        return np.where(self.fan > 0, np.append(self.source, 0)[self.operand_start[:-1]], 0)

    @cached_property
    def state(self) -> StateTable:
        """The state tensors."""
        count = _N_TENSORS[self.code]
        layer, tensor = np.repeat(np.arange(len(count)), count), runs(_TENSOR_START[self.code], count)
        switches = (self.hyper > 0) @ (1 << np.arange(N_HYPER))
        present = (_TENSOR_NEEDS[tensor] & ~switches[layer]) == 0
        layer, kind = layer[present], _TENSOR_KIND[tensor[present]]
        dense = (kind == _EDGE) & _LINEAR[self.code[layer]]
        width = np.where(dense, self.size[self.first_source[layer]], 1)
        rows = np.where(kind == _COUNT, 1, self.size[layer])
        held = np.where(kind == _BIAS, 0, width)
        before = held.cumsum() - held
        rank = before - before[np.searchsorted(layer, layer)]
        return StateTable(layer, kind, width, rows, rank, starts(width * rows))

    @cached_property
    def state_size(self) -> Ints:
        """State elements of each architecture, [A]."""
        tensors = np.searchsorted(self.state.layer, self.layer_start)
        return np.diff(self.state.start[tensors])


@lru_cache(maxsize=2**14)
def _layer(code: int, inputs: tuple[int, ...], size: int, name: str, hyper: tuple[float, ...] | None) -> Layer:
    kind = BY_CODE[code]
    if hyper is None:
        return Layer(kind.name, inputs, size, name)
    decoded = {known.name: known.decode(float(value)) for known, value in zip(kind.hyper, hyper, strict=False)}
    return make_layer(kind.name, inputs, size, name, decoded)
