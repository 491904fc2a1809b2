"""Values that share memory, at the same positions or at others: a call in place alters all of them."""

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules.encoding import references
from netgraph.graph.modules.functions import find_operation
from netgraph.graph.modules.program import GraphNode, Program

#: Operations and modules whose result is their first operand's memory, at other positions.
_VIEWS = frozenset({
    "view", "reshape", "flatten", "permute", "transpose", "squeeze", "unsqueeze", "chunk", "split", "unbind", "expand",
    "narrow", "getitem", "t", "select", "slice", "movedim", "unflatten", "view_as", "reshape_as", "expand_as",
    "swapaxes", "split_with_sizes", "tensor_split", "getattr", "Flatten", "Unflatten",
})  # fmt: skip
#: Modules whose result is their operand in evaluation mode.
_IDENTITIES = frozenset({"Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"})


def in_place(program: Program, node: GraphNode) -> bool:
    """Return whether a call alters its first operand."""
    flag = ("item", "inplace", True)
    if node.op == "module":
        module = program.module_named.get(node.target)
        return module is not None and flag in module.kwargs
    return node.op == "call" and (find_operation(node.target).in_place or flag in node.kwargs)


class Aliases:
    """Which calls of a program share memory."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._base: list[int] = []
        self._moved: list[bool] = []
        for position, node in enumerate(program.nodes):
            same, moved = self._shares(node)
            source = node.inputs[0] if (same or moved) and node.inputs else None
            self._base.append(position if source is None else self._base[source])
            self._moved.append(source is not None and (moved or self._moved[source]))

    def _shares(self, node: GraphNode) -> tuple[bool, bool]:
        """Return whether a call's result shares its operand's memory at the same positions, or at others."""
        if node.op == "module":
            module = self.program.module_named.get(node.target)
            kind = "" if module is None else module.type
            return kind in _IDENTITIES, kind in _VIEWS
        if node.op != "call":
            return False, False
        operation = find_operation(node.target)
        same = in_place(self.program, node) or operation.role == "identity"
        return same, not same and operation.name.split(".")[1] in _VIEWS

    def altered(self, position: int) -> list[int]:
        """Return the earlier calls whose values a call in place makes the same as its own.

        Raises:
            UnsupportedLayerError: When another value with the same memory at other positions is read afterwards.
        """
        nodes = self.program.nodes
        if not in_place(self.program, nodes[position]) or not nodes[position].inputs:
            return []
        first, moved = nodes[position].inputs[0], self._moved[position]
        read = {i for node in nodes[position + 1 :] for i in node.inputs} | set(references(self.program.calls.output))
        shared = [i for i in range(position) if self._base[i] == self._base[position]]
        for other in shared:
            if other in read and (moved or self._moved[other]) and other != first:
                raise UnsupportedLayerError(
                    f"works in place on memory that {nodes[other].name} shares and that is read again; work on a copy"
                )
        return [first] if moved else [i for i in shared if not self._moved[i]]
