"""Whether layers form networks that run: one check of all layers of a table at once."""

from typing import Any

import numpy as np
import numpy.typing as npt

from netgraph.errors import InvalidGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.layers import BY_CODE, LAYER_TYPES, N_CODES
from netgraph.graph.table import LayerTable

#: Hyper-parameters that may be None, which is NaN in a table.
_OPTIONAL = ("momentum",)
#: Hyper-parameters from 0 to 1.
_SHARES = ("p",)


def _of_kinds(*kinds: str) -> npt.NDArray[np.bool_]:
    return np.array([code in BY_CODE and BY_CODE[code].kind in kinds for code in range(N_CODES)])


#: Whether each layer type is an input or a join, and whether its size is that of its operands, by its code.
_INPUT, _JOIN, _KEEPS_SIZE = _of_kinds("input"), _of_kinds("join"), _of_kinds("elementwise", "norm", "join")
_CONCAT = LAYER_TYPES["Concat"].code


def check_architecture(architecture: Architecture) -> None:
    """Check one architecture, once, see :func:`check_architectures`."""
    if "checked" not in vars(architecture):
        check_architectures(LayerTable.pack([architecture]))
        vars(architecture)["checked"] = True


def check_architectures(table: LayerTable) -> None:
    """Check that every layer of a table can stand where it stands.

    Raises:
        InvalidGraphError: When a layer is fed by a later one, has a size, a number of operands or a hyper-parameter
            that its type does not allow, or leads nowhere; with the first such layer.
    """
    if (table.count < 1).any():
        raise InvalidGraphError("an architecture opens with its Input layer")
    layers, joins = len(table.code), _JOIN[table.code]
    position = np.arange(layers) - np.repeat(table.layer_start[:-1], table.count)
    reader = np.repeat(np.arange(layers), table.fan)
    _refuse(table, table.size < 1, "has no nodes")
    _refuse(table, _INPUT[table.code] != (position == 0), "an Input layer stands first, and only there")
    least = np.where(position > 0, 1, 0) + joins
    wrong = (table.fan < least) | ((table.fan > least) & ~joins)
    _refuse(table, wrong, "a {type} layer cannot have {fan} operands here")
    later = (table.operand < 0) | (table.operand >= position[reader])
    _refuse(table, np.bincount(reader, later, layers) > 0, "fed by layers {operands}, which are not all earlier")
    sizes = table.size[table.source]
    other = np.bincount(reader, sizes != table.size[reader], layers) > 0
    total = np.bincount(reader, sizes, layers)
    wrong = np.where(table.code == _CONCAT, total != table.size, other & _KEEPS_SIZE[table.code])
    _refuse(table, wrong, "size {size}, but its operands have {sizes}")
    idle = np.ones(layers, dtype=bool)
    idle[table.source] = idle[table.layer_start[:-1]] = idle[table.layer_start[1:] - 1] = False
    _refuse(table, idle, "feeds nothing")
    _check_hyper(table)


def _check_hyper(table: LayerTable) -> None:
    """Check the hyper-parameters of layers that differ from the defaults of their type."""
    changed = np.flatnonzero(table.changed)
    for code in np.unique(table.code[changed]).tolist():
        rows, known = changed[table.code[changed] == code], BY_CODE[code].hyper
        for column in range(table.hyper.shape[1]):
            values, hyper = table.hyper[rows, column], known[column] if column < len(known) else None
            if hyper is None:
                allowed = values == 0
            elif hyper.choices or isinstance(hyper.default, bool):
                allowed = np.isin(values, np.arange(len(hyper.choices) or 2))
            elif hyper.name in _SHARES:
                allowed = (values >= 0) & (values <= 1)
            else:
                allowed = ~np.isnan(values) | (hyper.name in _OPTIONAL)
            wrong = np.zeros(len(table.code), dtype=bool)
            wrong[rows[~allowed]] = True
            name = f"hyper-parameter {column}" if hyper is None else hyper.name
            _refuse(table, wrong, f"{name} is not a value of its type")


def _refuse(table: LayerTable, wrong: npt.NDArray[np.bool_], problem: str) -> None:
    """Raise for the first layer that is wrong; the problem may name its type, size, operands and their sizes."""
    if not wrong.any():
        return
    layer = int(wrong.argmax())
    row = int(np.searchsorted(table.layer_start, layer, side="right")) - 1
    position, kind = layer - int(table.layer_start[row]), BY_CODE[int(table.code[layer])].name
    read = slice(*table.operand_start[layer : layer + 2])
    known: dict[str, Any] = {"type": kind, "size": table.size[layer], "fan": table.fan[layer]}
    if "{sizes}" in problem:  # of operands that were found to be layers
        known["sizes"] = table.size[table.source[read]].tolist()
    name, owner = table.names[row][position] or kind, f" of architecture {row}" if len(table) > 1 else ""
    text = problem.format(operands=tuple(table.operand[read].tolist()), **known)
    raise InvalidGraphError(f"layer {position} ({name}){owner}: {text}")
