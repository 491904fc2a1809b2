"""Whether the layer table of a file describes networks, checked for all layers at once."""

from collections.abc import Mapping, Sized

import numpy as np
import numpy.typing as npt
from torch import Tensor

from netgraph.errors import InvalidGraphError
from netgraph.graph.layers import BY_CODE, LAYER_TYPES, N_CODES, Hyper
from netgraph.graph.table import LayerTable

#: Hyper-parameters that may be None, which is NaN in a table.
_OPTIONAL = ("momentum",)
#: Hyper-parameters from 0 to 1.
_SHARES = ("p",)
#: Kind of each layer type, by its code.
_KINDS = np.array([BY_CODE[code].kind if code in BY_CODE else "" for code in range(N_CODES)])


def column(tensors: Mapping[str, Tensor], name: str, ndim: int = 1, *, floating: bool = False) -> Tensor:
    """Return a tensor of whole numbers, or of floating-point numbers, with so many dimensions.

    Raises:
        InvalidGraphError: When there is none.
    """
    found = tensors.get(name)
    if found is None:
        raise InvalidGraphError(f"has no tensor {name!r}")
    whole = not (found.is_floating_point() or found.is_complex()) and found.element_size() > 1
    if found.ndim != ndim or not (found.is_floating_point() if floating else whole):
        kind = "floating-point" if floating else "whole"
        raise InvalidGraphError(
            f"tensor {name!r} has shape {tuple(found.shape)} and type {found.dtype}; expected {kind} numbers with "
            f"{ndim} dimension{'s' * (ndim > 1)}"
        )
    return found


def check_range(name: str, values: npt.NDArray[np.int64], end: int) -> None:
    """Check that numbers count entries of which there are ``end``.

    Raises:
        InvalidGraphError: When one does not.
    """
    wrong = (values < 0) | (values >= end)
    if wrong.any():
        raise InvalidGraphError(f"tensor {name!r} holds {values[wrong][0]}, outside of 0 to {end - 1}")


def check_lengths(table: LayerTable) -> None:
    """Check that the columns of a table belong together.

    Raises:
        InvalidGraphError: When one is of another length.
    """
    layers = len(table.code)
    expected = {"size": layers, "fan": layers, "hyper": layers, "operand": int(table.fan.sum())}
    for name, length in expected.items():
        found = len(getattr(table, name))
        if found != length:
            raise InvalidGraphError(f"tensor 'layers.{name}' has {found} entries, expected {length}")
    if (table.count < 1).any() or int(table.count.sum()) != layers:
        raise InvalidGraphError(f"tensor 'layers.count' counts {int(table.count.sum())} layers, expected {layers}")
    if (table.fan < 0).any():
        raise InvalidGraphError("tensor 'layers.fan' holds a negative number")
    if [len(names) for names in table.names] != table.count.tolist():
        raise InvalidGraphError("an architecture has another number of names than of layers")


def check_layers(table: LayerTable) -> None:
    """Check that every layer of a table can stand where it stands, as ``Architecture.validate`` does for one.

    Raises:
        InvalidGraphError: With the first layer that cannot.
    """
    kinds = _KINDS[table.code]
    position = np.arange(len(table.code)) - np.repeat(table.layer_start[:-1], table.count)
    reader = np.repeat(np.arange(len(table.code)), table.fan)
    _refuse(table, table.size < 1, "has no vertices")
    _refuse(table, (kinds == "input") != (position == 0), "an Input layer stands first, and only there")
    least = np.select([kinds == "input", kinds == "join"], [0, 2], 1)
    many = (table.fan > least) & (kinds != "join")
    _refuse(table, (table.fan < least) | many, "has another number of operands than its type takes")
    wrong = (table.operand < 0) | (table.operand >= position[reader])
    _refuse(table, np.bincount(reader, wrong, len(table.code)) > 0, "fed by layers that are not all earlier")
    operand_size = table.size[table.source]
    concat = table.code == LAYER_TYPES["Concat"].code
    total = np.bincount(reader, operand_size, len(table.code))
    _refuse(table, concat & (total != table.size), "has another size than its operands together")
    same = ~concat & np.isin(kinds, ("elementwise", "norm", "join"))
    other = np.bincount(reader, operand_size != table.size[reader], len(table.code)) > 0
    _refuse(table, same & other, "has another size than its operands")
    _check_hyper(table)


def _check_hyper(table: LayerTable) -> None:
    """Check the hyper-parameters of layers that differ from their type's defaults."""
    changed = np.flatnonzero(table.changed)
    for code in np.unique(table.code[changed]).tolist():
        rows = changed[table.code[changed] == code]
        for place in range(table.hyper.shape[1]):
            values, known = table.hyper[rows, place], BY_CODE[code].hyper
            allowed = _allowed(known[place], values) if place < len(known) else values == 0
            wrong = np.zeros(len(table.code), dtype=bool)
            wrong[rows[~allowed]] = True
            name = known[place].name if place < len(known) else f"hyper-parameter {place}"
            _refuse(table, wrong, f"{name} is not a value of its type")


def _allowed(hyper: Hyper, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    if hyper.choices or isinstance(hyper.default, bool):
        found: npt.NDArray[np.bool_] = np.isin(values, np.arange(len(hyper.choices) or 2))
        return found
    if hyper.name in _SHARES:
        return (values >= 0) & (values <= 1)
    return ~np.isnan(values) | (hyper.name in _OPTIONAL)


def _refuse(table: LayerTable, wrong: npt.NDArray[np.bool_], problem: str) -> None:
    if wrong.any():
        layer = int(wrong.argmax())
        row = int(np.searchsorted(table.layer_start, layer, side="right")) - 1
        position = layer - int(table.layer_start[row])
        kind = BY_CODE[int(table.code[layer])].name
        raise InvalidGraphError(
            f"layer {position} ({table.names[row][position] or kind}) of architecture {row}: {problem}"
        )


def check_length(name: str, values: Sized, expected: int) -> None:
    """Check the length of a tensor.

    Raises:
        InvalidGraphError: When it is another.
    """
    if len(values) != expected:
        raise InvalidGraphError(f"tensor {name!r} has {len(values)} entries instead of {expected}")
