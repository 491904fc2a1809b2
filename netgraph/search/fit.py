"""A network for a data set: candidates, the best tuned by cross-validation, and committees of what came of them."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest

import torch

from netgraph.graph.netgraph import NetGraph
from netgraph.search.baselines import baselines, linear_network, wide_networks
from netgraph.search.committee import committees
from netgraph.search.config import SearchConfig
from netgraph.search.data import Data
from netgraph.search.deadline import Deadline
from netgraph.search.focusing import KERNELS, Gradients, Look, Relevance, fit_focused, focus_by_folds, sensitivity
from netgraph.search.folds import COLUMN_ROWS, Folds
from netgraph.search.found import Found, Note
from netgraph.search.pace import Pace
from netgraph.search.projection import ROWS_A_COLUMN
from netgraph.search.running import BASELINE, MADE, OTHER, Judged, best, errors_of, judged_rows, solve
from netgraph.search.source import Source
from netgraph.threads import threads

#: Share of the time after which no more candidates are drawn.
DRAWING = 0.25
#: Candidates of the first batch; every further one is twice as large, up to what the source draws at once.
FIRST = 16
#: Candidates are at most the square of the number of rows, divided by this. The errors of more cannot be told apart:
#: the best of them are the luckiest, and on 15, 30 and 60 rows of development tables they do worse on others.
CROWD = 60
#: Candidates that are kept, at least, and how many times as many as are tuned.
KEPT, ROOM = 64, 3
#: Networks that go on after a round, at least.
LEAST_GOING = 2
#: Fewest steps of a round that the clock shortens.
LEAST_STEPS = 25
#: How often the copies of a network are gone through, beside the steps, as when last layers are solved.
PASSES = 2
#: How long it takes to focus baselines and to judge them, in times of judging alone: leaving out one row after the
#: other, on tables of 100 to 1,350 rows, and at most by folds, on tables of 15 to 2,000.
FOCUSING, FOCUSING_BY_FOLDS = 1.25, 20
#: Units of the wide networks that are focused by relevance, and how much longer than a baseline one takes to solve.
FOCUSED_UNITS, WIDER = 384, 4
#: Share of the time that length scales are looked for at most.
RELEVANCE = 0.2
#: Seconds that committees take at most on the former tables, and that are left for them after candidates and steps,
#: which may take longer than before.
COMBINING, CLOSING = 0.012, 0.03
#: Seconds that the first batch of candidates is taken to last before their last layers are solved.
BATCH_TIME = 0.035


def find(
    source: Source,
    data: Data,
    config: SearchConfig,
    deadline: Deadline | None = None,
    show: Callable[[Note], None] = lambda note: None,
) -> Found:
    """Look for a network.

    Args:
        source: Gives candidates.
        data: The rows.
        config: How; the clock can only shorten it, so that a search that it did not shorten is the same again.
        deadline: When the time is over; never when None.
        show: Is told of every step.
    """
    data = judged_rows(data, config.seed)
    search = _Search(data, config, deadline or Deadline(), show)
    with threads(1):
        try:
            search.tune(search.screen(source))
        except KeyboardInterrupt:
            if not search.judged:
                raise
            warnings.warn("interrupted: the network is the best so far", UserWarning, stacklevel=3)
        ranked, chosen = search.combine()
    mean = data.error_of_the_mean()
    if ranked[chosen].error >= mean:
        constant = Judged(linear_network(data.x.shape[1]), torch.zeros_like(ranked[0].left_out), mean)
        ranked = best([constant, *ranked])
        chosen = next(i for i, one in enumerate(ranked) if one is constant)
    spread = data.standard_error((ranked[0].left_out - data.y).square())
    return Found([one.graph for one in ranked], errors_of(ranked), chosen, spread, mean, search.history)


class _Search:
    """The stages of a search, and what it did so far.

    Attributes:
        judged: The best candidates, or what they were tuned to.
        history: What was done.
    """

    def __init__(self, data: Data, config: SearchConfig, deadline: Deadline, show: Callable[[Note], None]) -> None:
        self.data, self.config, self.deadline, self.show = data, config, deadline, show
        self.judged: list[Judged] = []
        self.history: list[Note] = []
        self._folds = Folds(data, config.folds, config.seed, config.device)
        self._pace, self._solving = Pace(data.x.shape[1]), 0.0

    def _note(self, stage: str, networks: int, error: float) -> None:
        self.history.append({"stage": stage, "networks": networks, "error": error, "seconds": self.deadline.passed})
        self.show(self.history[-1])

    def _begin(self, source: Source) -> None:
        """Judge the baselines, and wide ones that are focused on the target, where there is time."""
        columns, seed, device = self.data.x.shape[1], self.config.seed, self.config.device
        graphs = baselines(columns, seed)
        self._keep_baselines(self._solve(graphs), "baselines")
        gradients = Gradients(graphs, self.judged, self.data, device)
        self._focus(graphs[1:], gradients, COLUMN_ROWS, "focused")
        wide = wide_networks(columns, FOCUSED_UNITS, seed + 1, direct=True)
        relevance = Relevance(self.deadline, self._time_of_a_process(len(wide)))
        if self._focus(wide, relevance, ROWS_A_COLUMN, "focused by relevance", WIDER):
            source.focus(sensitivity(self.judged, len(wide), self.data.x, device))

    def _time_of_a_process(self, count: int) -> float:
        """Give the seconds that length scales of one process may take, with time left to solve so many networks."""
        few = self._folds.fewer_than(ROWS_A_COLUMN)
        left = self.deadline.seconds - COMBINING - self.deadline.passed - self._focusing_time(count * WIDER, few)
        share = min(RELEVANCE * self.deadline.seconds, left)
        return share / (len(KERNELS) * (self._folds.copies if few else 1))

    def _focusing_time(self, count: float, by_folds: bool) -> float:
        return (FOCUSING_BY_FOLDS if by_folds else FOCUSING) * count * self._solving

    def _focus(self, wide: Sequence[NetGraph], look: Look, rows_a_column: int, stage: str, cost: float = 1.0) -> bool:
        """Focus wide networks, if there is time and more than one column to choose from.

        Args:
            wide: The networks.
            look: Says where all rows, or some, look.
            rows_a_column: Of fewer rows, networks are judged by folds that had no say.
            stage: Name of what is done.
            cost: How much longer it takes to solve such a network than a baseline.

        Returns:
            Whether it was done, and rows are enough to be judged one by one by what all of them say.
        """
        few = self._folds.fewer_than(rows_a_column)
        done = self.deadline.passed + self._focusing_time(cost * len(wide), few)
        if not self.config.focus or self.data.x.shape[1] == 1 or done > self.deadline.seconds - COMBINING:
            return False
        again = fit_focused(wide, look(self.data, len(wide)), self.data, self.config.device)
        self._keep_baselines(focus_by_folds(wide, look, again, self._folds) if few else again, stage)
        return not few

    def _keep_baselines(self, found: Sequence[Judged], stage: str) -> None:
        self._keep([replace(one, copies=()) for one in found], [BASELINE] * len(found), KEPT)
        self._note(stage, len(found), self.judged[0].error)

    def _keep(self, found: Sequence[Judged], origins: Sequence[str], most: int) -> None:
        """Keep the best so far, at most so many."""
        known = [replace(one, origin=origin) for one, origin in zip(found, origins, strict=True)]
        self.judged = best([*self.judged, *known], most)

    def screen(self, source: Source) -> int:
        """Draw candidates, solve their last layers, and keep the best; give how many of them are to be tuned."""
        self._begin(source)
        drawn, size, began = 0, min(FIRST, source.batch), self.deadline.passed
        most = min(self.config.n_candidates, max(1, len(self.data.y) ** 2 // CROWD))
        while drawn < most:
            n = min(size, most - drawn)
            if self._too_late(source, n, drawn, began):
                break
            graphs = source.draw(n, self.config.seed + drawn)
            drawn, size = drawn + n, min(2 * size, source.batch)
            origins = [MADE] * source.made + [OTHER] * (n - source.made)
            solved = self._judge(source, graphs)
            self._keep(solved, origins, max(KEPT, ROOM * self._tuned_of(drawn)))
            source.learn(errors_of(solved))
            self._note("drawn", drawn, self.judged[0].error)
        return self._tuned_of(drawn)

    def _tuned_of(self, drawn: int) -> int:
        return max(self.config.n_tuned, round(self.config.tuned_share * drawn))

    def _too_late(self, source: Source, more: int, drawn: int, began: float) -> bool:
        """Say whether so many more candidates would take too long, at the pace of those drawn since ``began``."""
        passed, seconds = self.deadline.passed, self.deadline.seconds
        if not drawn:
            times = self._folds.copies if self._made_again(source) else 1
            return passed + times * BATCH_TIME + more * self._solving > seconds - CLOSING
        return passed + (passed - began) * more / drawn > DRAWING * seconds

    def _made_again(self, source: Source) -> bool:
        """Say whether rows are so few that networks which know them are to be judged by what is made without a fold."""
        return source.remakes and self._folds.few_rows

    def _judge(self, source: Source, graphs: Sequence[NetGraph]) -> list[Judged]:
        """Fit last layers of what was drawn."""
        if not self._made_again(source):
            return self._solve(graphs)
        without = source.again(self._folds.parts)
        known, began = len(without[0]), self.deadline.passed
        judged = self._folds.solve(without, graphs[:known])
        self._solving = (self.deadline.passed - began) / (known * self._folds.copies)
        return judged + (self._solve(graphs[known:]) if known < len(graphs) else [])

    def _solve(self, graphs: Sequence[NetGraph]) -> list[Judged]:
        """Fit last layers, and measure how long that takes."""
        began = self.deadline.passed
        solved = solve(graphs, self.data, self.config.device)
        self._solving = (self.deadline.passed - began) / len(graphs)
        return solved

    def tune(self, count: int) -> None:
        """Tune the best candidates in groups while there is time; each is replaced by what it became if that is better.

        Those that were made for the data set and the others are better apart: the former are better at first, the
        latter gain more. Groups of others, which come first, and half as large ones of the former take turns.

        Args:
            count: How many of the others; of those that were made, half as many.
        """
        made, others = ([i for i, one in enumerate(self.judged) if one.origin == kind] for kind in (MADE, OTHER))
        size, half = self.config.n_tuned, max(1, self.config.n_tuned // 2)
        groups = _cut(others[:count], size), _cut(made[: max(1, count // 2)], half)
        for group in (group for turn in zip_longest(*groups) for group in turn if group):
            self._halve(group)

    def _halve(self, numbers: Sequence[int]) -> None:
        """Tune a group of candidates in rounds; after a round the better half goes on.

        It ends when no network has become better than the best of the round before, or the time is over.
        """
        least, copies = torch.inf, []  # type: float, list[NetGraph]
        self._pace.begin(self._solving)
        for number, most in enumerate(self.config.rungs):
            began = self.deadline.passed
            steps = self._steps(most, 0 if copies else len(numbers))
            if not steps:
                break
            copies = copies or self._folds.copy([self.judged[i] for i in numbers])
            copies = self._folds.tune(copies, self.config.round(len(copies), steps), self.config.seed + number)
            tuned = self._folds.judge(copies)
            self._pace.measure((self.deadline.passed - began) / steps, first=number == 0)
            for i, one in zip(numbers, tuned, strict=True):
                self.judged[i] = min(self.judged[i], one, key=lambda judged: judged.error)
            order = sorted(range(len(tuned)), key=lambda i: tuned[i].error)
            before, least = least, tuned[order[0]].error
            self._note(f"tuned for {steps} steps", len(tuned), least)
            if least >= before:
                break
            order = order[: max(LEAST_GOING, len(order) // 2)]
            copies, numbers = self._folds.part(copies, order), [numbers[i] for i in order]

    def _steps(self, most: int, to_copy: int) -> int:
        """Give the steps of a round: as many as there is time for at its pace, 0 where these are too few.

        Args:
            most: How many, if there is time.
            to_copy: Networks that are copied and judged first.
        """
        copying = PASSES * self._solving * to_copy * self._folds.copies
        left = self.deadline.seconds - CLOSING - self.deadline.passed - copying
        steps = int(min(most, left / self._pace.step))
        return steps if steps >= min(most, LEAST_STEPS) else 0

    def combine(self) -> tuple[list[Judged], int]:
        """Give all networks, and committees of them, by rising error, and the number of the one to choose."""
        found = committees(self.judged, self.data)
        if not found:
            return best(self.judged), 0
        self._note("combined", len(found), min(one.error for one in found))
        ranked = best([*self.judged, *found])
        return ranked, next(i for i, one in enumerate(ranked) if one is found[-1])


def _cut(numbers: Sequence[int], size: int) -> list[Sequence[int]]:
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]
