"""A network for a data set: candidates, their last layers in closed form, the best few tuned by successive halving."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.search.data import Data
from netgraph.search.deadline import Deadline
from netgraph.search.sources import Source
from netgraph.stack import Stack, chunks, solve_last_layers
from netgraph.tasks import split
from netgraph.tasks.split import Split
from netgraph.zoo import FitConfig, fit_networks

#: Most training rows that candidates are judged by.
MOST_ROWS = 2048
#: Share of the time after which no more candidates are drawn.
DRAWING = 0.5
#: Candidates of the first batch; every further one is twice as large, up to what the source draws at once.
FIRST = 16

#: A network and its error.
_Ranked = tuple[float, NetGraph]
#: A step of a search: what was done, to how many networks, the least error then, and when.
Note = dict[str, float | str]


@dataclass(frozen=True)
class SearchConfig:
    """How a network is looked for.

    Attributes:
        n_candidates: Networks drawn.
        n_tuned: Best ones, which are fine-tuned.
        tuned_share: Share of the candidates so far that stay to be fine-tuned where this is more: the next best in
            further groups of ``n_tuned``.
        rungs: Steps of fine-tuning of each round of successive halving (Jamieson & Talwalkar 2016), after which the
            better half goes on.
        batch_rows: Rows in a step.
        learning_rate: Peak learning rate of each round.
        weight_decay: Of fine-tuning.
        validation_share: Share of the rows that decide between networks.
        seed: Of everything.
        device: Where networks are run and trained.
    """

    n_candidates: int = 256
    n_tuned: int = 16
    tuned_share: float = 1 / 16
    rungs: tuple[int, ...] = (50, 100, 200, 400, 800)
    batch_rows: int = 64
    learning_rate: float = 1e-2
    weight_decay: float = 1e-2
    validation_share: float = 0.2
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what cannot be searched.

        Raises:
            NetGraphError: It names the parameter.
        """
        for name in ("n_candidates", "n_tuned", "batch_rows"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise NetGraphError(f"{name} is {value!r}; a whole number of at least 1")

    def split(self, rows: int) -> Split:
        """Split rows into those that networks are fitted to and those that decide between them."""
        return split(rows, self.seed, test_share=0.0, validation_share=self.validation_share)


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        graphs: The networks that were tuned, the best first.
        errors: Their mean squared errors on the validation rows, [n].
        standard_error: That of the least error.
        history: What was done: stage, networks, least error and seconds so far of each step.
        data: All rows.
        device: Where networks are run.
    """

    graphs: list[NetGraph]
    errors: Tensor
    standard_error: float
    history: list[Note]
    data: Data
    device: str

    @property
    def graph(self) -> NetGraph:
        """The best network, its last layer fitted to all rows."""
        return self.fitted(0)

    def fitted(self, number: int) -> NetGraph:
        """Give a network with its last layer fitted to all rows."""
        return solve([self.graphs[number]], self.data, self.device)[0][0]


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
        config: How; the clock can only shorten it, so that a search that ends in time is the same again.
        deadline: When the time is over; never when None.
        show: Is told of every step.
    """
    search = _Search(config, deadline or Deadline(), show)
    parts = config.split(len(data.x))
    train, validation = data.rows(parts.train), data.rows(parts.validation)
    graphs, errors = search.tune(search.screen(source, train), train, validation)
    return Found(graphs, errors, standard_error(graphs[0], validation), search.history, data, config.device)


class _Search:
    """The two stages of a search, and what it did so far."""

    def __init__(self, config: SearchConfig, deadline: Deadline, show: Callable[[Note], None]) -> None:
        self.config, self.deadline, self.show = config, deadline, show
        self.history: list[Note] = []

    def _note(self, stage: str, networks: int, error: float) -> None:
        self.history.append({"stage": stage, "networks": networks, "error": error, "seconds": self.deadline.passed})
        self.show(self.history[-1])

    def screen(self, source: Source, train: Data) -> list[NetGraph]:
        """Draw candidates, solve their last layers, and keep those of least error when rows are left out."""
        kept: list[tuple[float, int, NetGraph]] = []
        judged = judged_rows(train, self.config.seed)
        start, size, began = 0, min(FIRST, source.batch), self.deadline.passed
        while start < self.config.n_candidates:
            n = min(size, self.config.n_candidates - start)
            if start and self._after(n / start, began) > DRAWING * self.deadline.seconds:
                break
            solved, errors = solve(source.draw(n, self.config.seed + start), judged, self.config.device)
            source.learn(errors)
            start, size = start + n, min(2 * size, source.batch)
            kept += zip(errors.tolist(), range(start - n, start), solved, strict=True)
            kept = sorted(kept, key=lambda row: row[:2])[
                : max(self.config.n_tuned, round(self.config.tuned_share * start))
            ]
            self._note("drawn", start, kept[0][0])
        return [graph for _, _, graph in kept]

    def _after(self, times: float, began: float) -> float:
        """Foresee the time after so many times the work that was done since ``began``."""
        passed = self.deadline.passed
        return passed + (passed - began) * times

    def tune(self, graphs: list[NetGraph], train: Data, validation: Data) -> tuple[list[NetGraph], Tensor]:
        """Tune networks, the best first, in groups while there is time; give all of a group that was begun, ranked."""
        ranked: list[_Ranked] = []
        for start in range(0, len(graphs), self.config.n_tuned):
            if start and self.deadline.over:
                break
            ranked += self._halve(graphs[start : start + self.config.n_tuned], train, validation)
        ranked.sort(key=lambda row: row[0])
        return [graph for _, graph in ranked], torch.tensor([error for error, _ in ranked])

    def _halve(self, graphs: list[NetGraph], train: Data, validation: Data) -> list[_Ranked]:
        """Tune a group in rounds, each from its best step on; after a round the better half goes on.

        A round that would not end in time, at the pace of the one before, is not begun.
        """
        going, left = _ranked(graphs, validation), []  # type: list[_Ranked], list[_Ranked]
        began, pace = self.deadline.passed, 0.0
        for steps in self.config.rungs:
            if began + pace * steps >= self.deadline.seconds:
                break
            going = _ranked(self._tune([graph for _, graph in going], train, validation, steps), validation)
            ended = self.deadline.passed
            began, pace = ended, (ended - began) / steps
            self._note(f"tuned for {steps} steps", len(going), going[0][0])
            half = max(1, len(going) // 2)
            going, left = going[:half], going[half:] + left
        return going + left

    def _tune(self, graphs: list[NetGraph], train: Data, validation: Data, steps: int) -> list[NetGraph]:
        n, config = len(graphs), self.config
        fit = FitConfig.uniform(
            n,
            steps=steps,
            batch_rows=config.batch_rows,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        rows = [(d.x.expand(n, -1, -1), d.y.expand(n, -1)[..., None]) for d in (train, validation)]
        architectures, states = [g.architecture for g in graphs], [g.state for g in graphs]
        generator = Generator().manual_seed(config.seed)
        fitted = fit_networks(architectures, states, rows[0], rows[1], fit, generator, config.device)
        return [NetGraph(a, state.cpu()) for a, state in zip(architectures, fitted.states, strict=True)]


def _ranked(graphs: Sequence[NetGraph], data: Data) -> list[_Ranked]:
    """Give networks with their mean squared errors, inf where these are not finite, the least first."""
    stack = Stack([graph.architecture for graph in graphs])
    with torch.no_grad():
        predicted = stack(stack.flatten([graph.state for graph in graphs]), data.x)[..., 0]
    errors = (predicted - data.y).square().mean(dim=1).nan_to_num(torch.inf, torch.inf)
    return sorted(zip(errors.tolist(), graphs, strict=True), key=lambda row: row[0])


def solve(graphs: Sequence[NetGraph], data: Data, device: str = "cpu") -> tuple[list[NetGraph], Tensor]:
    """Fit the last layers of networks to rows; give them, and their errors when rows are left out, [n]."""
    solved: list[NetGraph] = list(graphs)
    errors = torch.zeros(len(graphs), dtype=torch.float64)
    for members in chunks([graph.architecture for graph in graphs], device):
        stack = Stack([graphs[i].architecture for i in members], device)
        found = solve_last_layers(stack, stack.flatten([graphs[i].state for i in members]), data.x, data.y)
        errors[members] = found.error.cpu()
        for i, state in zip(members, stack.split(found.state.cpu()), strict=True):
            solved[i] = NetGraph(graphs[i].architecture, state.clone())
    return solved, errors


def judged_rows(data: Data, seed: int) -> Data:
    """Choose the rows that candidates are judged by, at most :data:`MOST_ROWS`, in their order."""
    return data.rows(np.sort(np.random.default_rng(seed).permutation(len(data.x))[:MOST_ROWS]))


def squared_errors(graph: NetGraph, data: Data) -> Tensor:
    """Give a network's squared errors on rows, [rows]."""
    return (predict(graph, data.x) - data.y).square()


def standard_error(graph: NetGraph, data: Data) -> float:
    """Give the standard error of a network's mean squared error on rows."""
    squared = squared_errors(graph, data)
    return float(squared.std(correction=0) / len(squared) ** 0.5)


def predict(graph: NetGraph, x: Tensor) -> Tensor:
    """Run a network on standardized rows, [rows, features], and give its first output, [rows]."""
    stack = Stack([graph.architecture])
    with torch.no_grad():
        output: Tensor = stack(graph.state, x)
    return output[0, :, 0]
