"""What a call in place alters: its operand, and every other value that shares its memory."""

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules.encoding import references
from netgraph.graph.modules.functions import find_operation
from netgraph.graph.modules.program import Program, Row

_VIEWS = [
    "view",
    "reshape",
    "flatten",
    "permute",
    "transpose",
    "squeeze",
    "unsqueeze",
    "chunk",
    "split",
    "unbind",
    "expand",
    "narrow",
    "getitem",
    "t",
    "select",
    "slice",
    "movedim",
    "unflatten",
    "view_as",
    "reshape_as",
    "expand_as",
    "swapaxes",
    "split_with_sizes",
    "tensor_split",
    "getattr",
]
_SAME_MODULES, _VIEW_MODULES = ("Identity", "Dropout"), ("Flatten", "Unflatten")


class Aliases:
    """Which rows' values share memory, in the same places or in others."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._base: list[int] = []
        self._moved: list[bool] = []
        for position, row in enumerate(program.rows):
            kind = self._kind(row)
            source = row.inputs[0] if kind and row.inputs else None
            self._base.append(position if source is None else self._base[source])
            self._moved.append(source is not None and (kind == "view" or self._moved[source]))

    def _kind(self, row: Row) -> str:
        if row.op == "module":
            part = self.program.part_named.get(row.target)
            kind = part.type if part is not None else ""
            return "same" if kind.startswith(_SAME_MODULES) else "view" if kind in _VIEW_MODULES else ""
        if row.op != "call":
            return ""
        operation = find_operation(row.target)
        if self.in_place(row) or operation.role == "same":
            return "same"
        return "view" if operation.name.split(".")[1] in _VIEWS else ""

    def in_place(self, row: Row) -> bool:
        """Say whether a call alters its first operand."""
        flag = ("item", "inplace", True)
        if row.op == "module":
            part = self.program.part_named.get(row.target)
            return part is not None and flag in part.hyper
        return row.op == "call" and (find_operation(row.target).in_place or flag in row.kwargs)

    def altered(self, position: int) -> list[int]:
        """List the earlier rows whose values a call in place makes the same as its own.

        Raises:
            UnsupportedLayerError: When another value with the same memory in other places is read afterwards.
        """
        rows = self.program.rows
        if not self.in_place(rows[position]) or not rows[position].inputs:
            return []
        base, read = self._base[position], self._read_after(position)
        shared = [i for i in range(position) if self._base[i] == base]
        moved = self._moved[position]
        for other in shared:
            if other in read and (moved or self._moved[other]) and other != rows[position].inputs[0]:
                raise UnsupportedLayerError(
                    f"works in place on memory that {rows[other].name} shares and that is read again; work on a copy"
                )
        return [i for i in shared if self._moved[i] == moved] if not moved else [rows[position].inputs[0]]

    def _read_after(self, position: int) -> set[int]:
        later = {i for row in self.program.rows[position + 1 :] for i in row.inputs}
        return later | set(references(self.program.table.output))
