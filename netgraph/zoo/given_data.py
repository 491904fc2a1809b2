"""The data of networks that were trained elsewhere: rows as their networks read them, and the tasks that hold them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from netgraph.errors import NetGraphError
from netgraph.tasks import META_FEATURE_NAMES, Task, check_data, check_meta_vector, get_meta_features
from netgraph.tasks.check import MIN_ROWS

#: Names of the family of a task that was given as (X, y), and of one that stands for no data.
GIVEN, NONE = "given", "none"


@dataclass(frozen=True, eq=False)
class GivenData:
    """Rows of a data set, as its networks read them.

    Attributes:
        x: Features, [rows, ...], float32 or whole numbers; None where there is no data.
        y: Targets, [rows, outputs], float32 or whole numbers; None where there is no data.
        task: The task that was given in place of rows.
    """

    x: Tensor | None = None
    y: Tensor | None = None
    task: Task | None = None

    @cached_property
    def digest(self) -> int:
        """A hash of the rows, of 62 bits."""
        content = hashlib.sha256()
        for values in (self.x, self.y):
            if values is not None:
                content.update(f"{values.dtype} {tuple(values.shape)}".encode())
                content.update(values.contiguous().numpy().tobytes())
        return int.from_bytes(content.digest()[:8]) >> 2

    def rows(self, count: int) -> Tensor:
        """Return the numbers of ``count`` rows at most, evenly spaced, [rows]."""
        available = 0 if self.x is None else len(self.x)
        return torch.linspace(0, available - 1, min(count, available)).round().long()

    def to_task(self, n_outputs: int | None) -> Task:
        """Return the task that stands in a zoo: its rows are neither standardized nor left out.

        Whole numbers that are the classes of networks with as many outputs become one-hot rows, and their loss
        cross-entropy.

        Args:
            n_outputs: Number of outputs of its networks.

        Raises:
            NetGraphError: When the networks have another number of outputs than there are targets.
        """
        if self.task is not None:
            return self.task
        if self.x is None or self.y is None:
            return _task(torch.zeros(0, 0), torch.zeros(0, 1), NONE, 0)
        y, loss = self.y, "squared_error"
        whole = not y.is_floating_point()
        if n_outputs is not None and n_outputs > 1 and y.shape[1] == 1 and whole:
            if int(y.min()) < 0 or int(y.max()) >= n_outputs:
                raise NetGraphError(f"y holds class {int(y.min() if y.min() < 0 else y.max())} of {n_outputs} outputs")
            y, loss = one_hot(y[:, 0].long(), n_outputs), "cross_entropy"
        task = _task(self.x.flatten(1).float(), y.float(), GIVEN, self.digest, loss)
        if self.x.ndim > 2:
            task.description["shape"] = ",".join(map(str, self.x.shape[1:]))
        return task

    def meta_features(self, task: Task) -> Tensor:
        """Return the meta-features of its task, [1, 37]; NaN where there are no rows, or a row is no row of a table."""
        if not task.rows or (self.x is not None and self.x.ndim > 2):
            return torch.full((1, len(META_FEATURE_NAMES)), torch.nan)
        return check_meta_vector(get_meta_features(task))


def _task(x: Tensor, y: Tensor, family: str, seed: int, loss: str = "squared_error") -> Task:
    (x_mean, x_scale), (y_mean, y_scale) = (
        (torch.zeros(values.shape[1]).double(), torch.ones(values.shape[1]).double()) for values in (x, y)
    )
    return Task(x, y, family, seed, x_mean, x_scale, y_mean, y_scale, {}, loss)


def as_data(tasks: Any, index: Sequence[int] | None, n: int) -> tuple[list[GivenData], list[int]]:
    """Return the data sets of n networks, each once, and the number of each network's.

    Args:
        tasks: One (X, y) or Task for all networks, a list of them, or None.
        index: Number of each network's task in the list; the list has one a network when None.
        n: Number of networks.

    Raises:
        NetGraphError: When there are more or fewer, or one is no data set; it names the task.
    """
    if tasks is None:
        tasks, index = [None], [0] * n
    elif isinstance(tasks, Task) or _is_pair(tasks):
        tasks, index = [tasks], [0] * n if index is None else index
    if not isinstance(tasks, list | tuple):
        raise NetGraphError(f"tasks: expected (X, y), a Task, or a list of them, got {type(tasks).__name__}")
    if index is None:
        if len(tasks) != n:
            raise NetGraphError(f"{len(tasks)} tasks for {n} networks; index has the number of each network's task")
        index = range(n)
    numbers = [int(number) for number in index]
    if len(numbers) != n:
        raise NetGraphError(f"index has {len(numbers)} numbers for {n} networks")
    for i, number in enumerate(numbers):
        if not 0 <= number < len(tasks):
            raise NetGraphError(f"network {i}: its task is {number}; there are {len(tasks)} tasks")
    return _each_once([_data(task, f"task {i}") for i, task in enumerate(tasks)], numbers)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and not any(isinstance(one, Task | tuple) for one in value)


def _each_once(data: Sequence[GivenData], numbers: Sequence[int]) -> tuple[list[GivenData], list[int]]:
    """Join data sets with the same content, in the order in which networks use them."""
    known: dict[Any, int] = {}
    keys = [id(one.task) if one.task is not None else one.digest for one in data]
    index = [known.setdefault(keys[number], len(known)) for number in numbers]
    return [data[keys.index(key)] for key in known], index


def _data(given: Any, name: str) -> GivenData:
    if given is None:
        return GivenData()
    if isinstance(given, Task):
        return GivenData(given.x, given.y, given)
    if not _is_pair(given):
        raise NetGraphError(f"{name}: expected (X, y) or a Task, got {type(given).__name__}")
    try:
        x, y = (_numbers(values, letter) for values, letter in zip(given, "Xy", strict=True))
        y = y[:, None] if y.ndim == 1 else y
        if x.ndim < 2 or y.ndim != 2 or len(x) != len(y) or len(x) < MIN_ROWS or 0 in (x.numel(), y.numel()):
            shapes = f"X {tuple(x.shape)} and y {tuple(y.shape)}"
            raise NetGraphError(f"{shapes}; expected [rows, ...] and [rows] or [rows, outputs], at least 2 rows")
        if x.ndim == 2:
            check_data(given[0], y[:, 0])  # which names the column that is not finite
    except NetGraphError as error:
        raise NetGraphError(f"{name}: {error}") from None
    for letter, values in (("X", x), ("y", y)):
        if not values.isfinite().all():
            raise NetGraphError(f"{name}: {letter} holds NaN or infinity")
    return GivenData(x, y)


def _numbers(values: Any, letter: str) -> Tensor:
    """Return an array's numbers: whole ones as int64, others as float32."""
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise NetGraphError(f"{letter} holds {array.dtype}; expected numbers (classes as 0, 1, 2 ...)")
    return torch.from_numpy(array.astype(np.float32 if array.dtype.kind == "f" else np.int64))
