"""Episodes: tasks whose rows are cut into those that the generator sees and those that its networks are judged by."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from netgraph.errors import NetGraphError
from netgraph.model.generator import Rows
from netgraph.tasks import Task, compressed

#: Networks of a batch that share a task, where as many read the same number of columns.
SHARED = 2
#: Fewest and most rows that the generator sees.
SEEN = (24, 192)
#: Fewest rows of a task, of which the generator sees at most three quarters.
LEAST_ROWS = 32
#: Share of tasks whose targets get more noise, and its least and largest deviation beside a target's own of 1.
NOISY, NOISE = 0.6, (0.2, 1.5)
#: Share of tasks whose meta-features are not told.
UNTOLD = 0.5


@dataclass(frozen=True)
class Episode:
    """Tasks for a batch of B networks.

    Attributes:
        rows: All rows of the tasks, in a random order.
        owner: The task of each network, [B].
        seen: Rows, the first ones, that the generator sees.
        meta_features: Of the task of each network, NaN for none, [B, features].
    """

    rows: Rows
    owner: Tensor
    seen: int
    meta_features: Tensor


class Episodes:
    """Draws episodes from tasks, with torch's own randomness.

    Args:
        tasks: The tasks; those of one number of columns have as many rows.
        meta_features: Of the tasks, NaN in rows for tasks whose meta-features are not known, [n, features].
        shared: Networks of a batch that share a task, where as many read the same number of columns.

    Raises:
        NetGraphError: When tasks of one number of columns differ in their rows, or one has too few.
    """

    def __init__(self, tasks: Sequence[Task], meta_features: Tensor, shared: int = SHARED) -> None:
        self.meta_features, self.shared = meta_features, shared
        self._of: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        for columns in sorted({task.n_features for task in tasks}):
            own = [i for i, task in enumerate(tasks) if task.n_features == columns]
            if len({tasks[i].rows for i in own}) > 1 or tasks[own[0]].rows < LEAST_ROWS:
                raise NetGraphError(
                    f"tasks of {columns} columns: expected as many rows for each, at least {LEAST_ROWS}"
                )
            x, y = (torch.stack([getattr(tasks[i], name) for i in own]) for name in ("x", "y"))
            self._of[columns] = compressed(x), y, torch.tensor(own)

    def to(self, device: torch.device) -> None:
        """Move the tasks; episodes are drawn where they lie."""
        self.meta_features = self.meta_features.to(device)
        self._of = {n: (x.to(device), y.to(device), own.to(device)) for n, (x, y, own) in self._of.items()}

    @property
    def columns(self) -> list[int]:
        """Numbers of columns that there are tasks of."""
        return list(self._of)

    def draw(self, n_inputs: Tensor) -> Episode:
        """Draw tasks for networks of so many inputs, [B].

        Raises:
            NetGraphError: When there is no task of as many columns.
        """
        owner, columns = _owners(n_inputs.tolist(), self.shared)
        missing = set(columns) - set(self._of)
        if missing:
            raise NetGraphError(f"no task of {min(missing)} columns to train the generator on")
        count = min(self._of[n][0].shape[1] for n in columns)
        chosen = [self._draw(n, columns.count(n), count, max(columns)) for n in sorted(set(columns))]
        x, y, told = (torch.cat(parts) for parts in zip(*chosen, strict=True))
        seen = _seen(count)
        rows = Rows(x, noisy(y, seen), torch.tensor(columns, device=x.device))
        numbers = torch.tensor(owner, device=x.device)
        return Episode(rows, numbers, seen, told[numbers])

    def _draw(self, columns: int, n: int, count: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw n tasks of so many columns: x, [n, count, width], y, [n, count], and their meta-features, or NaN."""
        x, y, numbers = self._of[columns]
        chosen = torch.randint(len(y), (n, 1), device=y.device)
        order = torch.rand(n, y.shape[1], device=y.device).argsort(dim=1)[:, :count]
        told = self.meta_features[numbers[chosen[:, 0]]]
        told = told.masked_fill(torch.rand(n, 1, device=y.device) < UNTOLD, torch.nan)
        x, y = _turned(x[chosen, order], y[chosen, order], told.isnan().any(dim=1))
        return functional.pad(x, (0, width - columns)), y, told


def _turned(x: Tensor, y: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
    """Shuffle the columns of each task; turn the signs of some, and of the target, where meta-features say nothing.

    Args:
        x: Columns, [tasks, rows, columns].
        y: Targets, [tasks, rows].
        signs: Where signs may be turned, [tasks].
    """
    n, _, columns = x.shape
    order = torch.rand(n, 1, columns, device=x.device).argsort(dim=2)
    turns = 1 - 2 * torch.randint(2, (n, 1, columns + 1), device=x.device) * signs[:, None, None]
    return x.gather(2, order.expand_as(x)) * turns[..., 1:], y * turns[..., 0]


def _seen(count: int) -> int:
    """Draw how many of so many rows are seen, small numbers as often as large ones on a logarithmic scale."""
    low, high = math.log(SEEN[0]), math.log(min(SEEN[1], count * 3 // 4))
    return round(math.exp(low + (high - low) * float(torch.rand(()))))


def noisy(y: Tensor, seen: int) -> Tensor:
    """Add noise to some tasks' targets, [tasks, rows], in the rows that are seen; what is asked for has none."""
    low, high = (math.log(deviation) for deviation in NOISE)
    draws = torch.rand(2, len(y), 1, device=y.device)
    deviation = (low + (high - low) * draws[0]).exp() * (draws[1] < NOISY)
    noise = torch.randn_like(y) * (torch.arange(y.shape[1], device=y.device) < seen)
    return (y + deviation * noise) / (1 + deviation.square()).sqrt()


def _owners(n_inputs: list[int], shared: int) -> tuple[list[int], list[int]]:
    """Let networks with equal numbers of inputs share tasks; give each one's task, and the columns of each task."""
    owner, columns = [0] * len(n_inputs), []  # type: list[int], list[int]
    for n in sorted(set(n_inputs)):
        own = [i for i, size in enumerate(n_inputs) if size == n]
        for start in range(0, len(own), shared):
            for i in own[start : start + shared]:
                owner[i] = len(columns)
            columns.append(n)
    return owner, columns
