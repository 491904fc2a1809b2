"""The tasks of a zoo as a sequence."""

from collections.abc import Callable, Sequence
from typing import overload

from netgraph.lines import counted
from netgraph.tasks import Task


class Tasks(Sequence[Task]):
    """The tasks of a zoo, read when they are asked for.

    Args:
        read: Reads a task by its number.
        count: Number of tasks.
    """

    def __init__(self, read: Callable[[int], Task], count: int) -> None:
        self._read, self._count = read, count

    def __repr__(self) -> str:
        return f"Tasks({counted(self._count, 'task')})"

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> Task: ...

    @overload
    def __getitem__(self, number: slice) -> list[Task]: ...

    def __getitem__(self, number: int | slice) -> Task | list[Task]:
        if isinstance(number, slice):
            return [self._read(i) for i in range(self._count)[number]]
        return self._read(number)
