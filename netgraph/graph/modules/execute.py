"""Running the table of a network's calls, and the module that does so."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.graph.modules.compare import same
from netgraph.graph.modules.encoding import decode, references
from netgraph.graph.modules.functions import call, find_operation
from netgraph.graph.modules.program import Program, Row, Table

#: Makes a call in a caller's own way: (position, row, arguments, keyword arguments, what the table would do) -> value.
Caller = Callable[[int, Row, tuple[Any, ...], dict[str, Any], Callable[..., Any]], Any]


def _plain_call(
    position: int, row: Row, args: tuple[Any, ...], kwargs: dict[str, Any], make: Callable[..., Any]
) -> Any:
    return make(*args, **kwargs)


def execute(
    table: Table, root: nn.Module, inputs: Mapping[str, Any], caller: Caller = _plain_call, release: bool = True
) -> Any:
    """Run a table of calls.

    Args:
        table: The calls.
        root: The module that holds the modules and tensors which they name.
        inputs: The inputs by name.
        caller: Makes the calls; what it gives is the row's value.
        release: Let go of each value after its last use.

    Returns:
        What the network gives.
    """
    values: list[Any] = [None] * len(table.rows)
    special = {"row": values.__getitem__, "training": lambda name: root.get_submodule(name).training}
    for position, (row, spent) in enumerate(zip(table.rows, _spent(table), strict=True)):
        if row.op == "input":
            values[position] = inputs[row.target]
        elif row.op == "tensor":
            values[position] = attrgetter(row.target)(root)
        else:
            args, kwargs = decode(row.args, special), decode(row.kwargs, special)
            values[position] = caller(position, row, args, kwargs, _target(row, root))
        for old in spent if release else ():
            values[old] = None
    return decode(table.output, special)


def _target(row: Row, root: nn.Module) -> Callable[..., Any]:
    if row.op == "module":
        return root.get_submodule(row.target)
    operation = find_operation(row.target)
    return lambda *args, **kwargs: call(operation, args, kwargs)


@lru_cache(maxsize=256)
def _spent(table: Table) -> tuple[tuple[int, ...], ...]:
    """List, for each row, the rows whose values nothing reads after it."""
    last = {position: position for position in range(len(table.rows))}
    for position, row in enumerate(table.rows):
        last.update(dict.fromkeys(row.inputs, position))
    for position in references(table.output):
        last.pop(position, None)
    spent: list[list[int]] = [[] for _ in table.rows]
    for position, reader in last.items():
        spent[reader].append(position)
    return tuple(map(tuple, spent))


def bind(program: Program, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Match arguments to the inputs of a network.

    Raises:
        NetGraphError: When one is missing, unknown, or of a value or a size for which the network was not traced.
    """
    names, held = program.inputs, decode(program.held, {})
    given: dict[str, Any] = held | dict(zip(names, args, strict=False)) | dict(kwargs)
    if len(args) > len(names) or set(given) != set(names):
        raise NetGraphError(f"the network takes ({', '.join(names)}); given {len(args)} and {sorted(kwargs)}")
    for name, value in held.items():
        if not same(given[name], value):
            kind = type(given[name]).__name__
            raise NetGraphError(f"{name}: the network was traced for {value!r}; given another value, of type {kind}")
    for name, sizes in zip(names, program.fixed, strict=False):
        _check_size(name, sizes, given[name])
    return given


def _check_size(name: str, sizes: tuple[int | None, ...] | None, value: Any) -> None:
    if sizes is None or not isinstance(value, Tensor):
        return
    if len(sizes) != value.ndim or any(size not in (None, n) for size, n in zip(sizes, value.shape, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in sizes)
        raise NetGraphError(f"{name} has shape {tuple(value.shape)}; the network was traced for [{wanted}]")


class NetworkModule(nn.Module):
    """A network that was rebuilt from its table of calls; its submodules are plain ``torch.nn`` modules."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute what the network computes, in the mode in which it is."""
        program = self._program
        table = program.train_table if self.training and program.train_table is not None else program.table
        return execute(table, self, bind(program, args, kwargs))


class Lender(nn.Module):
    """Lends a module's own parts and tensors to the replay, and the constants that tracing found."""

    def __init__(self, module: nn.Module, constants: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.__dict__ |= {"lent": module, "constants": constants}

    def get_submodule(self, target: str) -> nn.Module:
        """Return a part of the module."""
        lent: nn.Module = self.__dict__["lent"]
        return lent.get_submodule(target)

    def __getattr__(self, name: str) -> Any:
        constants = self.__dict__["constants"]
        return constants[name] if name in constants else getattr(self.__dict__["lent"], name)
