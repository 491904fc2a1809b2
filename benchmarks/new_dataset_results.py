"""Cells of new data sets, laid out to be compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import critical_difference as cd
import numpy as np
from new_dataset_methods import MATCHED, OURS, TIMED, UNTIMED

from netgraph.tasks.dataset import Floats

Found = Sequence[dict[str, Any]]
METHODS = (*TIMED, *UNTIMED)
#: Controls of the model, which the section counts the wins of.
CONTROLS = tuple(name for name in TIMED if name not in (OURS, "MLPRegressor, random search"))


class Results:
    """Cells by what they measured.

    Args:
        found: The cells.
    """

    def __init__(self, found: Found) -> None:
        self._cells = {(cell["dataset"], cell["split"], cell["method"], cell["budget"]): cell for cell in found}
        pairs = sorted({(cell["dataset"], cell["split"]) for cell in found})
        order = list(dict.fromkeys(cell["dataset"] for cell in found))
        self.pairs: list[tuple[str, int]] = sorted(pairs, key=lambda pair: (order.index(pair[0]), pair[1]))
        self.budgets = sorted({cell["budget"] for cell in found if cell["method"] in CONTROLS})

    def cell(self, pair: tuple[str, int], method: str, budget: float | None) -> dict[str, Any] | None:
        """Give a cell of a data set's split; methods that know no budget have one cell for all of them."""
        return self._cells.get((*pair, method, budget if method in TIMED else None))

    def ours(self, pair: tuple[str, int]) -> list[dict[str, Any]]:
        """Give our runs of all budgets."""
        return [c for (*of, method, _), c in self._cells.items() if tuple(of) == pair and method in (OURS, MATCHED)]


@dataclass(frozen=True)
class Compared:
    """All methods at one budget, on the data sets and splits that all of them were measured on.

    Attributes:
        budget: Seconds.
        pairs: Data sets and splits.
        r2: Test R^2, [pairs, methods].
        seconds: Likewise.
    """

    budget: float
    pairs: list[tuple[str, int]]
    r2: Floats
    seconds: Floats

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets, each once."""
        return list(dict.fromkeys(name for name, _ in self.pairs))

    def of_table(self, name: str) -> "Compared":
        """Give the part whose targets are columns of a table, or the data set of that name."""
        chosen = [i for i, (dataset, _) in enumerate(self.pairs) if dataset.partition(":")[0] == name]
        return Compared(self.budget, [self.pairs[i] for i in chosen], self.r2[chosen], self.seconds[chosen])

    @property
    def means(self) -> Floats:
        """Mean over splits, [data sets, methods]."""
        names = np.array([name for name, _ in self.pairs])
        return np.stack([self.r2[names == name].mean(axis=0) for name in self.datasets])

    @property
    def mean_ranks(self) -> Floats:
        """Mean over data sets of the ranks of the means over splits, [methods]."""
        return np.asarray(cd.ranks(self.means).mean(axis=0), dtype=np.float64)


def compare(results: Results, budget: float) -> Compared | None:
    """Lay out one budget; None where no data set was measured with all methods."""
    rows = [(pair, [results.cell(pair, method, budget) for method in METHODS]) for pair in results.pairs]
    whole = [(pair, [cell for cell in cells if cell]) for pair, cells in rows if all(cells)]
    if not whole:
        return None
    r2, seconds = (np.array([[cell[key] for cell in cells] for _, cells in whole]) for key in ("r2", "seconds"))
    return Compared(budget, [pair for pair, _ in whole], r2, seconds)


def win_rate(ours: Floats, other: Floats) -> float:
    """Share of the scores, [n], in which ours are larger; a tie counts half."""
    return float((ours > other).mean() + (ours == other).mean() / 2)
