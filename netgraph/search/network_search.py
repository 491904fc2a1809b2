"""A network for a data set: candidates are sampled and scored, the best trained, and the best of all stacked."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.netgraph import NetGraph
from netgraph.lines import Compact
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
#: Best candidates of each source that are trained side by side, and most parameters of a small network; chosen.
N_TUNED, SMALL = 8, 300
#: Candidates of a source are at most the square of the number of rows, divided by this: on 15, 30 and 60 rows the best
#: of more candidates was worse on new rows, since their scores cannot be told apart.
ROWS_SQUARED = 60
#: Share of the time after which no further round of candidates is sampled; chosen.
SAMPLING = 0.25
#: How much longer than the slowest fit so far the next one may take; chosen.
CAUTION = 2
#: Candidates that are kept; chosen: a few times those that are trained.
KEPT = 64

#: A step of a search: stage, number of networks, least error among them, seconds so far.
Note = dict[str, float | str]


@dataclass(frozen=True, repr=False)
class SearchResult(Compact):
    """Outcome of a search.

    Attributes:
        data: The rows that candidates were scored on.
        candidates: Networks, and ensembles of them, by rising score.
        ensemble: The largest ensemble, which is expected to be the best on new rows.
        simpler: A linear fit, and the mean, or of classes their frequencies.
        history: Steps of the search.
    """

    data: TabularData
    candidates: list[Candidate]
    ensemble: Candidate
    simpler: tuple[Candidate, Candidate]
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
        small: Whether the best small networks are kept and trained too.
    """

    def __init__(
        self,
        data: TabularData,
        budget: TimeBudget | None = None,
        seed: int = 0,
        device: str = "cpu",
        report: Callable[[Note], None] = lambda note: None,
        small: bool = False,
    ) -> None:
        self.data, self.budget = data.subsample(MOST_ROWS, seed), budget or TimeBudget()
        self.seed, self.report, self.small = seed, report, small
        self.folds = CrossValidation(self.data, seed, device)
        self.kept: list[Candidate] = []
        self.stacked: list[Candidate] = []
        self.slowest = 0.0  # seconds of a fit of a batch of candidates
        self.history: list[Note] = []

    def run(self, sources: Sequence[Candidates], n_candidates: int = N_CANDIDATES) -> SearchResult:
        """Search among the sources, sampled in this order; an interrupt ends the search, with a warning."""
        with threads(1):
            (linear,) = self.folds.leave_one_out([linear_network(self.data.X.shape[1], self.data.y.shape[1])])
            # Least squares on classes masks those between others (Hastie et al. 2009, section 4.2); training does not.
            self._keep("linear", [linear := replace(linear, source="linear", trainable=self.data.has_classes)])
            with ended_by_interrupt():
                self._sample(sources, n_candidates)
                self._tune()
            with ended_by_interrupt():
                self._stack()
        mean = Candidate.of(mean_network(self.data), self.data.mean_prediction(), self.data, "mean")
        linear = min((linear, *self.kept), key=lambda one: (one.source != "linear", one.score))
        others = [one for one in self.kept if one is not linear]
        ranked, ensemble = best([linear, mean, *others, *self.stacked]), [*self.kept[:1], *self.stacked][-1]
        return SearchResult(self.data, ranked, ensemble, (linear, mean), self.history)

    def _note(self, stage: str, networks: int, error: float) -> None:
        self.history.append({"stage": stage, "networks": networks, "error": error, "seconds": self.budget.elapsed})
        self.report(self.history[-1])

    def _keep(self, stage: str, candidates: Sequence[Candidate]) -> None:
        known = best([*self.kept, *candidates])
        small = [one for one in known[KEPT:] if self.small and one.graph.architecture.state_size <= SMALL]
        self.kept = known[:KEPT] + small[:KEPT]
        self._note(stage, len(candidates), min((one.score for one in candidates), default=torch.inf))

    def _sample(self, sources: Sequence[Candidates], n_candidates: int) -> None:
        """Sample the sources in rounds, each twice as large as the one before, until all are exhausted."""
        most = min(n_candidates, max(1, len(self.data) ** 2 // ROWS_SQUARED))
        live, drawn, size = list(sources), 0, FIRST
        while live and drawn < most and (not drawn or self.budget.elapsed <= SAMPLING * self.budget.seconds):
            n = min(size, most - drawn)
            for source in list(live):
                fits, began = self.folds.fits_of(source), self.budget.elapsed
                if not self.budget.fits(CAUTION * self.slowest * fits):
                    continue
                candidates = self.folds.sample(source, n, self.seed + drawn, self.budget)
                self.slowest = max(self.slowest, (self.budget.elapsed - began) / fits)
                self._keep(type(source).__name__, candidates)
                if len(candidates) < n:
                    live.remove(source)
            drawn, size = drawn + n, 2 * size

    def _tune(self) -> None:
        """Train the best small networks, then the best of each source, while there is time for the slowest fit."""
        if self.small and self.budget.fits(self.slowest):
            self._train([one for one in self.kept if one.graph.architecture.state_size <= SMALL][:N_TUNED])
        for source in dict.fromkeys(one.source for one in self.kept if not (self.small and one.source == "linear")):
            if self.budget.fits(self.slowest):
                self._train([one for one in self.kept if one.source == source][:N_TUNED])

    def _train(self, candidates: Sequence[Candidate]) -> None:
        """Train candidates side by side."""
        bracket = [one for one in candidates if one.trainable]
        rest = [one for one in self.kept if all(one is not other for other in bracket)]
        if bracket:
            for trained in successive_halving(bracket, self.folds, self.seed, self.budget, self._note):
                self.kept = best([*rest, *trained])

    def _stack(self) -> None:
        """Stack the best candidates."""
        self.stacked = ensembles(self.kept, self.data)
        if self.stacked:
            self._note("ensemble", len(self.stacked), min(one.score for one in self.stacked))


@contextmanager
def ended_by_interrupt() -> Iterator[None]:
    """End a step of a search by an interrupt, with a warning to the caller of ``fit``."""
    try:
        yield
    except KeyboardInterrupt:
        warnings.warn("interrupted: the network is the best so far", UserWarning, stacklevel=6)


@contextmanager
def show_progress(what: str, shown: bool = True) -> Iterator[Callable[[Note], None]]:
    """Show the steps of a search as they are done, see :class:`~netgraph.progress.Progress`."""
    with Progress(what, shown=shown, seconds=0) as bar:
        yield lambda note: bar.update(f"{note['stage']}: {note['networks']} networks, least error {note['error']:.4g}")


def linear_network(n_inputs: int, n_outputs: int = 1) -> NetGraph:
    """Return the network without hidden layers, its weights 0."""
    architecture = Architecture((make_layer("Input", (), n_inputs), make_layer("Linear", (0,), n_outputs)))
    return NetGraph(architecture, torch.zeros(n_outputs * (n_inputs + 1)))


def mean_network(data: TabularData) -> NetGraph:
    """Return the linear network that predicts the mean of the targets, of classes the logarithms of frequencies."""
    graph = linear_network(data.X.shape[1], data.y.shape[1])
    bias = data.mean_prediction()[0] if data.has_classes else data.mean(data.y.double().T)
    return graph.replace(state=torch.cat([graph.state[: -len(bias)], bias.float()]))
