"""Cross-validation: of every network one copy without each fold, and one on all rows, all side by side.

What a copy says of its fold is what the network would say of rows that it never saw; the copy on all rows is the one
that is kept. Nothing is held back. Networks are tuned so, and of few rows those that know them are made so.
"""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.graph.netgraph import NetGraph
from netgraph.search.data import Data
from netgraph.search.running import Judged, outputs, refit, solve
from netgraph.zoo import FitConfig, fit_networks

#: Rows a column from which on a network is judged by leaving out one row after the other although all of them say where
#: it looks: its error is then smaller by at most about a tenth of the noise; of fewer rows, by more.
COLUMN_ROWS = 4


class Folds:
    """The rows of a data set, cut into folds.

    Args:
        data: The rows.
        count: How many folds; as many as rows where there are fewer.
        seed: Of the cut.
        device: Where networks are run and tuned.
    """

    def __init__(self, data: Data, count: int, seed: int, device: str = "cpu") -> None:
        rows = len(data.y)
        self.data, self.count, self.device = data, min(count, rows), device
        random = np.random.default_rng(seed)
        self.fold = torch.from_numpy(random.permutation(rows) % self.count)
        kept = [torch.nonzero(self.fold != k)[:, 0] for k in range(self.count)]
        least = min(map(len, kept))
        self.kept = torch.stack([own[torch.from_numpy(random.permutation(len(own))[:least])] for own in kept])
        # The copy on all rows takes as many steps of as many rows: the others' rows come again to make up the number.
        filled = self.kept.repeat(1, -(-rows // least))[:, :rows]
        self.order = torch.cat([filled, torch.arange(rows)[None]])
        if data.weight is not None:
            self.order = _resampled(self.order, data.weight)

    @property
    def copies(self) -> int:
        """Copies of a network."""
        return self.count + 1

    @property
    def parts(self) -> list[Data]:
        """The rows without each fold."""
        return [self.data.rows(own) for own in self.kept]

    @property
    def few_rows(self) -> bool:
        """Whether there are fewer than :data:`COLUMN_ROWS` rows a column.

        What all targets had a say in is then judged by what is made again without each fold.
        """
        return self.fewer_than(COLUMN_ROWS)

    def fewer_than(self, rows_a_column: int) -> bool:
        """Whether there are fewer rows for each column."""
        rows, columns = self.data.x.shape
        return rows < rows_a_column * columns

    def solve(self, without: Sequence[Sequence[NetGraph]], whole: Sequence[NetGraph]) -> list[Judged]:
        """Fit last layers, and judge networks by others of the same origin that know nothing of a fold.

        Args:
            without: For each of the :attr:`parts`, n networks that came of it.
            whole: n networks that came of all rows.

        Returns:
            The latter.
        """
        copies = iter(self._fit([graph for own in zip(*without, strict=True) for graph in own]))
        fitted = solve(whole, self.data, self.device)
        return self.judge([copy for one in fitted for copy in (*islice(copies, self.count), one.graph)])

    def pair(self, without: Sequence[Sequence[Judged]], whole: Sequence[Judged]) -> list[Judged]:
        """Judge networks by others that know nothing of a fold.

        Args:
            without: For each of the :attr:`parts`, n networks fitted to it.
            whole: n networks fitted to all rows.

        Returns:
            The latter.
        """
        return self.judge([one.graph for copies in zip(*without, whole, strict=True) for one in copies])

    def copy(self, networks: Sequence[Judged]) -> list[NetGraph]:
        """Give the copies of networks: those they were judged by, else with last layers fitted without each fold."""
        new = [one.graph for one in networks if not one.copies]
        fitted = iter(self._fit([graph for graph in new for _ in range(self.count)]))
        return [copy for one in networks for copy in (*(one.copies or islice(fitted, self.count)), one.graph)]

    def _fit(self, graphs: Sequence[NetGraph]) -> list[NetGraph]:
        """Fit last layers of networks, as many as folds beside each other, each of these without its fold."""
        if not graphs:
            return []
        rows = self.kept.repeat(len(graphs) // self.count, 1)
        weight = None if self.data.weight is None else self.data.weight[rows]
        return [graph for graph, _ in refit(graphs, self.data.x[rows], self.data.y[rows], self.device, weight)]

    def tune(self, copies: Sequence[NetGraph], config: FitConfig, seed: int) -> list[NetGraph]:
        """Train copies, each on its own rows; of each its best step by these is kept."""
        times = len(copies) // self.copies
        rows = (
            self.data.x[self.order].repeat(times, 1, 1),
            self.data.y[self.order].repeat(times, 1)[..., None],
        )
        architectures, states = [g.architecture for g in copies], [g.state for g in copies]
        generator = Generator().manual_seed(seed)
        fitted = fit_networks(architectures, states, rows, rows, config, generator, self.device)
        return [NetGraph(a, state.cpu()) for a, state in zip(architectures, fitted.states, strict=True)]

    def judge(self, copies: Sequence[NetGraph]) -> list[Judged]:
        """Give each network's copy on all rows, judged by what the other copies say of the folds they did not see.

        A copy on all rows that is not finite has an infinite error whatever the others say.
        """
        said = outputs(copies, self.data.x, self.device).unflatten(0, (-1, self.copies))
        left_out = said.gather(1, self.fold.expand(len(said), 1, -1))[:, 0]
        left_out = left_out.where(said[:, -1].isfinite().all(dim=1, keepdim=True), torch.inf)
        each = [copies[start : start + self.copies] for start in range(0, len(copies), self.copies)]
        return [
            Judged.of(whole, own, self.data, without) for (*without, whole), own in zip(each, left_out, strict=True)
        ]

    def part(self, copies: Sequence[NetGraph], chosen: Sequence[int]) -> list[NetGraph]:
        """Give the copies of some of the networks."""
        return [copies[i * self.copies + k] for i in chosen for k in range(self.copies)]


def _resampled(order: Tensor, weight: Tensor) -> Tensor:
    """Return rows, [copies, rows], each as often as it weighs: systematic resampling, equal weights change nothing."""
    rows = order.shape[1]
    reached = weight[order].double().cumsum(dim=1)
    position = (torch.arange(rows) + 0.5) / rows * reached[:, -1:]
    return order.gather(1, torch.searchsorted(reached, position).clamp(max=rows - 1))
