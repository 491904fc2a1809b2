"""A network for a data set: candidates are sampled and scored, the best trained, and the best of all stacked."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.netgraph import NetGraph
from netgraph.progress import Progress
from netgraph.search.candidates import Candidates
from netgraph.search.data import TabularData, TimeBudget
from netgraph.search.ensemble import ensembles
from netgraph.search.scoring import Candidate, CrossValidation, best
from netgraph.search.tuning import successive_halving
from netgraph.threads import threads

#: Rows that networks are fitted to and scored on, at most.
MOST_ROWS = 8192
#: Candidates of each source, at most, and those of the first round; every further round has twice as many; chosen.
N_CANDIDATES, FIRST = 64, 16
#: Best candidates of each source that are trained side by side; chosen.
N_TUNED = 8
#: Candidates of a source are at most the square of the number of rows, divided by this: on 15, 30 and 60 rows the best
#: of more candidates was worse on new rows, since their scores cannot be told apart.
ROWS_SQUARED = 60
#: Share of the time after which no further round of candidates is sampled; chosen.
SAMPLING = 0.25
#: Candidates that are kept; chosen: a few times those that are trained.
KEPT = 64

#: A step of a search: stage, number of networks, least error among them, seconds so far.
Note = dict[str, float | str]


@dataclass(frozen=True)
class SearchResult:
    """Outcome of a search.

    Attributes:
        candidates: Networks, and ensembles of them, by rising score. Scores of the best of many are too small, the more
            the fewer rows there are.
        chosen: Number of the network that is expected to be the best on new rows: the largest ensemble, or the constant
            where that is no better than the mean.
        standard_error: Standard error of the least score.
        variance: Score of predicting the mean.
        history: Steps of the search.
    """

    candidates: list[Candidate]
    chosen: int
    standard_error: float
    variance: float
    history: list[Note]

    @property
    def is_constant(self) -> bool:
        """Whether no network is better than the mean."""
        return self.candidates[self.chosen].score >= self.variance > 0


def search_networks(
    sources: Sequence[Candidates],
    data: TabularData,
    n_candidates: int = N_CANDIDATES,
    budget: TimeBudget | None = None,
    seed: int = 0,
    device: str = "cpu",
    report: Callable[[Note], None] = lambda note: None,
) -> SearchResult:
    """Search for a network; an interrupt ends the search with the best so far, and a warning.

    Args:
        sources: Sources of candidates, in the order in which they are sampled.
        data: Standardized rows; of more than :data:`MOST_ROWS` as many are drawn.
        n_candidates: Candidates of each source, at most.
        budget: Time budget, checked between batches of candidates and between rungs; a search that it does not shorten
            is the same again.
        seed: Seed of everything.
        device: Where networks are run and trained.
        report: Takes the note of every step.
    """
    search = _Search(data.subsample(MOST_ROWS, seed), budget or TimeBudget(), seed, device, report)
    with threads(1):
        search.keep("linear", search.folds.leave_one_out([linear_network(data.X.shape[1])]), trainable=False)
        try:
            search.sample(sources, n_candidates)
            search.tune(sources)
        except KeyboardInterrupt:
            warnings.warn("interrupted: the network is the best so far", UserWarning, stacklevel=3)
        return search.result()


class _Search:
    def __init__(
        self, data: TabularData, budget: TimeBudget, seed: int, device: str, report: Callable[[Note], None]
    ) -> None:
        self.data, self.budget, self.seed, self.report = data, budget, seed, report
        self.folds = CrossValidation(data, seed, device)
        self.kept: list[Candidate] = []
        self.history: list[Note] = []

    def note(self, stage: str, networks: int, error: float) -> None:
        """Record a step."""
        self.history.append({"stage": stage, "networks": networks, "error": error, "seconds": self.budget.elapsed})
        self.report(self.history[-1])

    def keep(self, stage: str, candidates: Sequence[Candidate], trainable: bool = True) -> None:
        """Keep the best candidates so far."""
        named = [replace(one, source=one.source or stage, trainable=one.trainable and trainable) for one in candidates]
        self.kept = best([*self.kept, *named], KEPT)
        self.note(stage, len(named), min((one.score for one in named), default=torch.inf))

    def sample(self, sources: Sequence[Candidates], n_candidates: int) -> None:
        """Sample the sources in rounds, each twice as large as the one before, until all are exhausted."""
        most = min(n_candidates, max(1, len(self.data) ** 2 // ROWS_SQUARED))
        live, drawn, size, slowest = list(sources), 0, FIRST, 0.0
        while live and drawn < most and self.budget.elapsed <= SAMPLING * self.budget.seconds:
            n = min(size, most - drawn)
            for source in list(live):
                fits, began = self.folds.copies if source.uses_targets else 1, self.budget.elapsed
                if not self.budget.fits(slowest * fits):
                    continue
                candidates = self.folds.sample(source, n, self.seed + drawn, self.budget)
                slowest = max(slowest, (self.budget.elapsed - began) / fits)
                self.keep(type(source).__name__, candidates)
                if len(candidates) < n:
                    live.remove(source)
            drawn, size = drawn + n, 2 * size

    def tune(self, sources: Sequence[Candidates]) -> None:
        """Train the best candidates of each source."""
        seconds = [0.0, *(float(note["seconds"]) for note in self.history)]
        longest = max(later - earlier for earlier, later in pairwise(seconds))
        for name in dict.fromkeys(type(source).__name__ for source in sources):
            bracket = [one for one in self.kept if one.source == name and one.trainable][:N_TUNED]
            if bracket and self.budget.fits(longest):
                trained = successive_halving(bracket, self.folds, self.seed, self.budget, self.note)
                rest = [one for one in self.kept if all(one is not other for other in bracket)]
                self.kept = best([*rest, *trained])

    def result(self) -> SearchResult:
        """Stack the best candidates, and choose."""
        stacked = [replace(one, source="ensemble") for one in ensembles(self.kept, self.data)]
        if stacked:
            self.note("ensemble", len(stacked), min(one.score for one in stacked))
        ranked, chosen = best([*self.kept, *stacked]), (stacked or self.kept)[-1 if stacked else 0]
        variance = self.data.variance()
        if chosen.score >= variance:
            mean = torch.zeros_like(chosen.prediction)
            chosen = Candidate(linear_network(self.data.X.shape[1]), mean, variance, "mean")
            ranked = best([chosen, *ranked])
        standard_error = self.data.standard_error((ranked[0].prediction - self.data.y).square())
        number = next(i for i, one in enumerate(ranked) if one is chosen)
        return SearchResult(ranked, number, standard_error, variance, self.history)


@contextmanager
def show_progress(what: str, shown: bool = True) -> Iterator[Callable[[Note], None]]:
    """Show the steps of a search as they are done, see :class:`~netgraph.progress.Progress`."""
    with Progress(what, shown=shown, seconds=0) as bar:
        yield lambda note: bar.update(f"{note['stage']}: {note['networks']} networks, least error {note['error']:.4g}")


def linear_network(n_inputs: int) -> NetGraph:
    """Return the network without hidden layers, its weights 0."""
    architecture = Architecture((make_layer("Input", (), n_inputs), make_layer("Linear", (0,), 1)))
    return NetGraph(architecture, torch.zeros(n_inputs + 1))
