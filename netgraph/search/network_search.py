"""A network for a data set: candidates are sampled and scored, the best trained, and the best of all stacked."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.netgraph import NetGraph
from netgraph.machine import threads
from netgraph.progress import Progress
from netgraph.search.candidates import Candidates
from netgraph.search.data import TabularData, TimeBudget
from netgraph.search.ensemble import ensembles
from netgraph.search.scoring import Candidate, CrossValidation, best
from netgraph.search.tuning import successive_halving

#: Rows that networks are fitted to and scored on, at most; chosen.
MOST_ROWS = 8192
#: Candidates of each source, at most, and those of the first round; every further round has twice as many; chosen.
N_CANDIDATES, FIRST = 32, 16
#: Best candidates of each source that are trained side by side; chosen.
N_TUNED = 8
#: Candidates of a source are at most the square of the number of rows, divided by this: on 15, 30 and 60 rows the best
#: of more candidates was worse on new rows, since their scores cannot be told apart.
ROWS_SQUARED = 60
#: Share of the time after which no further round of candidates is sampled; chosen.
SAMPLING = 0.25
#: How much longer than the slowest step so far the next one may take; chosen.
CAUTION = 2
#: Candidates that are kept; chosen: a few times those that are trained.
KEPT = 64

#: A step of a search: stage, number of networks, least error among them, seconds so far.
Note = dict[str, float | str]


@dataclass(frozen=True)
class SearchResult:
    """Outcome of a search.

    Attributes:
        candidates: Networks, and ensembles of them, by rising score.
        chosen: Number of the network that is expected to be the best on new rows: the largest ensemble.
        is_constant: Whether that is no better than the mean, which is then chosen.
        standard_error: Standard error of the least score.
        history: Steps of the search.
    """

    candidates: list[Candidate]
    chosen: int
    is_constant: bool
    standard_error: float
    history: list[Note]


class NetworkSearch:
    """Search for a network.

    Args:
        data: Standardized rows; of more than :data:`MOST_ROWS` as many are drawn.
        budget: Time budget, checked between batches of candidates and between rungs; a search that it does not shorten
            is the same again.
        seed: Seed of everything.
        device: Where networks are run and trained.
        report: Takes the note of every step.
    """

    def __init__(
        self,
        data: TabularData,
        budget: TimeBudget | None = None,
        seed: int = 0,
        device: str = "cpu",
        report: Callable[[Note], None] = lambda note: None,
    ) -> None:
        self.data, self.budget = data.subsample(MOST_ROWS, seed), budget or TimeBudget()
        self.seed, self.report = seed, report
        self.folds = CrossValidation(self.data, seed, device)
        self.kept: list[Candidate] = []
        self.history: list[Note] = []

    def run(self, sources: Sequence[Candidates], n_candidates: int = N_CANDIDATES) -> SearchResult:
        """Search among the sources, sampled in this order; an interrupt ends the search, with a warning."""
        with threads(1):
            linear = self.folds.leave_one_out([linear_network(self.data.X.shape[1])])
            self._keep("linear", [replace(linear[0], source="linear", trainable=False)])
            try:
                self._sample(sources, n_candidates)
                self._tune()
            except KeyboardInterrupt:
                warnings.warn("interrupted: the network is the best so far", UserWarning, stacklevel=3)
            return self._result()

    def _note(self, stage: str, networks: int, error: float) -> None:
        self.history.append({"stage": stage, "networks": networks, "error": error, "seconds": self.budget.elapsed})
        self.report(self.history[-1])

    def _keep(self, stage: str, candidates: Sequence[Candidate]) -> None:
        self.kept = best([*self.kept, *candidates], KEPT)
        self._note(stage, len(candidates), min((one.score for one in candidates), default=torch.inf))

    def _sample(self, sources: Sequence[Candidates], n_candidates: int) -> None:
        """Sample the sources in rounds, each twice as large as the one before, until all are exhausted."""
        most = min(n_candidates, max(1, len(self.data) ** 2 // ROWS_SQUARED))
        live, drawn, size, slowest = list(sources), 0, FIRST, 0.0
        while live and drawn < most and (not drawn or self.budget.elapsed <= SAMPLING * self.budget.seconds):
            n = min(size, most - drawn)
            for source in list(live):
                fits, began = self.folds.fits_of(source), self.budget.elapsed
                if not self.budget.fits(CAUTION * slowest * fits):
                    continue
                candidates = self.folds.sample(source, n, self.seed + drawn, self.budget)
                slowest = max(slowest, (self.budget.elapsed - began) / fits)
                self._keep(type(source).__name__, candidates)
                if len(candidates) < n:
                    live.remove(source)
            drawn, size = drawn + n, 2 * size

    def _tune(self) -> None:
        """Train the best candidates of each source, as long as there is time for the longest step so far."""
        seconds = [0.0, *(float(note["seconds"]) for note in self.history)]
        longest = max(later - earlier for earlier, later in pairwise(seconds))
        for source in dict.fromkeys(one.source for one in self.kept if one.trainable):
            bracket = [one for one in self.kept if one.source == source and one.trainable][:N_TUNED]
            if self.budget.fits(CAUTION * longest):
                rest = [one for one in self.kept if all(one is not other for other in bracket)]
                trained = successive_halving(bracket, self.folds, self.seed, self.budget, self._note)
                self.kept = best([*rest, *trained])

    def _result(self) -> SearchResult:
        """Stack the best candidates, and choose."""
        stacked = ensembles(self.kept, self.data)
        if stacked:
            self._note("ensemble", len(stacked), min(one.score for one in stacked))
        ranked, chosen = best([*self.kept, *stacked]), stacked[-1] if stacked else self.kept[0]
        variance = self.data.variance()
        if is_constant := chosen.score >= variance:
            mean = torch.zeros_like(chosen.prediction)
            chosen = Candidate(linear_network(self.data.X.shape[1]), mean, variance, "mean")
            ranked = best([chosen, *ranked])
        standard_error = self.data.standard_error((ranked[0].prediction - self.data.y).square())
        number = next(i for i, one in enumerate(ranked) if one is chosen)
        return SearchResult(ranked, number, is_constant and variance > 0, standard_error, self.history)


@contextmanager
def show_progress(what: str, shown: bool = True) -> Iterator[Callable[[Note], None]]:
    """Show the steps of a search as they are done, see :class:`~netgraph.progress.Progress`."""
    with Progress(what, shown=shown, seconds=0) as bar:
        yield lambda note: bar.update(f"{note['stage']}: {note['networks']} networks, least error {note['error']:.4g}")


def linear_network(n_inputs: int) -> NetGraph:
    """Return the network without hidden layers, its weights 0."""
    architecture = Architecture((make_layer("Input", (), n_inputs), make_layer("Linear", (0,), 1)))
    return NetGraph(architecture, torch.zeros(n_inputs + 1))
