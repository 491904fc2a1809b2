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
#: Kind of each layer type, by its code.
_KINDS = np.array([BY_CODE[code].kind if code in BY_CODE else "" for code in range(N_CODES)])


def check_architecture(architecture: Architecture) -> None:
    """Check one architecture, see :func:`check_architectures`."""
    check_architectures(LayerTable.pack([architecture]))


def check_architectures(table: LayerTable) -> None:
    """Check that every layer of a table can stand where it stands.

    Raises:
        InvalidGraphError: When a layer is fed by a later one, has a size, a number of operands or a hyper-parameter
            that its type does not allow, or leads nowhere; with the first such layer.
    """
    kinds = _KINDS[table.code]
    position = np.arange(len(table.code)) - np.repeat(table.layer_start[:-1], table.count)
    reader = np.repeat(np.arange(len(table.code)), table.fan)
    if (table.count < 1).any():
        raise InvalidGraphError("an architecture opens with its Input layer")
    _refuse(table, table.size < 1, "has no nodes")
    _refuse(table, (kinds == "input") != (position == 0), "an Input layer stands first, and only there")
    least = np.select([kinds == "input", kinds == "join"], [0, 2], 1)
    wrong = (table.fan < least) | ((table.fan > least) & (kinds != "join"))
    _refuse(table, wrong, "a {type} layer cannot have {fan} operands here")
    later = (table.operand < 0) | (table.operand >= position[reader])
    _refuse(table, _any_operand(table, later), "fed by layers {operands}, which are not all earlier")
    operand_size = table.size[table.source]
    concat = table.code == LAYER_TYPES["Concat"].code
    total = np.bincount(reader, operand_size, len(table.code))
    other = _any_operand(table, operand_size != table.size[reader])
    wrong = np.where(concat, total != table.size, other & np.isin(kinds, ("elementwise", "norm", "join")))
    _refuse(table, wrong, "size {size}, but its operands have {sizes}")
    idle = np.ones(len(table.code), dtype=bool)
    idle[np.concatenate([table.source, table.layer_start[:-1], table.layer_start[1:] - 1])] = False
    _refuse(table, idle, "feeds nothing")
    _check_hyper(table)


def _any_operand(table: LayerTable, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return whether any operand of each layer is chosen, [L]; ``chosen`` is [K]."""
    return np.asarray(np.diff(np.append(0, chosen.cumsum())[table.operand_start]) > 0)


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
