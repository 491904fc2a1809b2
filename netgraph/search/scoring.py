"""One scoring rule: the squared error of a candidate on rows that it was not fitted to.

Candidates whose hidden weights do not depend on the targets have their output layer solved by ridge regression, and are
scored by leaving out one row at a time, in closed form (Allen 1974). All others, and everything that was trained, are
scored by K-fold refits: the same is done again without each fold, and predicts that fold (Stone 1974).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.search.candidates import Candidates
from netgraph.search.data import TabularData, TimeBudget
from netgraph.stack import Stack, chunks, first_outputs, solve_last_layers
from netgraph.zoo import FitConfig, fit_networks

#: Folds of cross-validation, K; as many as rows where there are fewer.
N_FOLDS = 5


@dataclass(frozen=True)
class Candidate:
    """A network with its output layer fitted to all rows.

    Attributes:
        graph: The network.
        prediction: Out-of-fold prediction of each row, [rows] float64.
        score: Mean squared error of the prediction; inf where it is not finite.
        source: Name of its source.
        trainable: Whether its hidden weights may be trained.
        refits: The network that was fitted without each fold, K of them, or none.
    """

    graph: NetGraph
    prediction: Tensor
    score: float
    source: str = ""
    trainable: bool = True
    refits: tuple[NetGraph, ...] = ()

    @classmethod
    def of(cls, graph: NetGraph, prediction: Tensor, data: TabularData, refits: Sequence[NetGraph] = ()) -> "Candidate":
        """Score an out-of-fold prediction, [rows]."""
        error = data.mean((prediction - data.y).square())
        return cls(graph, prediction, float(error) if error.isfinite() else torch.inf, refits=tuple(refits))


def best(candidates: Sequence[Candidate], most: int | None = None) -> list[Candidate]:
    """Return candidates by rising score, at most so many."""
    return sorted(candidates, key=lambda candidate: candidate.score)[:most]


def fit_output_layers(
    graphs: Sequence[NetGraph], X: Tensor, y: Tensor, weight: Tensor | None = None, device: str = "cpu"
) -> list[tuple[NetGraph, Tensor]]:
    """Solve the output layers of n networks by ridge regression, on common rows or each on its own.

    Args:
        graphs: Networks with one output.
        X: Features, [rows, features] or [n, rows, features].
        y: Target, [rows] or [n, rows].
        weight: Weights of the rows, in the shape of ``y``; all equal when None.
        device: Where to run.

    Returns:
        The networks, each with its leave-one-out prediction, [rows] float64.
    """
    fitted: dict[int, tuple[NetGraph, Tensor]] = {}
    for members in chunks([graph.architecture for graph in graphs], device):
        stack = Stack([graphs[i].architecture for i in members], device)
        of = slice(None) if y.ndim == 1 else members
        rows = X[of], y[of], None if weight is None else weight[of]
        solved = solve_last_layers(stack, stack.flatten([graphs[i].state for i in members]), *rows)
        for i, state, prediction in zip(members, stack.split(solved.state.cpu()), solved.left_out.cpu(), strict=True):
            fitted[i] = NetGraph(graphs[i].architecture, state.clone()), prediction
    return [fitted[i] for i in range(len(graphs))]


class CrossValidation:
    """Scores candidates on the rows of a data set.

    Args:
        data: The rows.
        seed: Seed of the folds.
        device: Where networks are run and trained.
    """

    def __init__(self, data: TabularData, seed: int = 0, device: str = "cpu") -> None:
        rows, random = len(data), np.random.default_rng(seed)
        self.data, self.n_folds, self.device = data, min(N_FOLDS, rows), device
        self.fold = torch.from_numpy(random.permutation(rows) % self.n_folds)
        kept = [torch.nonzero(self.fold != k)[:, 0] for k in range(self.n_folds)]
        least = min(map(len, kept))
        self.kept = torch.stack([own[torch.from_numpy(random.permutation(len(own))[:least])] for own in kept])
        # A refit takes as many steps of as many rows as the fit on all rows: its rows come again to make up the number.
        filled = self.kept.repeat(1, -(-rows // least))[:, :rows]
        self.order = torch.cat([filled, torch.arange(rows)[None]])
        if data.sample_weight is not None:
            self.order = resample(self.order, data.sample_weight)

    @property
    def copies(self) -> int:
        """Fits of a candidate: one without each fold, and one on all rows."""
        return self.n_folds + 1

    def leave_one_out(self, graphs: Sequence[NetGraph]) -> list[Candidate]:
        """Solve output layers on all rows, and score them by leaving out one row at a time."""
        data = self.data
        fitted = fit_output_layers(graphs, data.X, data.y, data.sample_weight, self.device)
        return [Candidate.of(graph, prediction, data) for graph, prediction in fitted]

    def sample(self, source: Candidates, n: int, seed: int, budget: TimeBudget) -> list[Candidate]:
        """Sample a source and score its candidates.

        Returns:
            At most n candidates; none where the refits of a source that uses targets do not fit into the time that is
            left, at the pace of the fit on all rows.
        """
        began = budget.elapsed
        graphs = self._sampled(source, n, self.data, seed)
        if not graphs:
            return []
        scored = self.leave_one_out(graphs)
        if source.uses_targets:
            if not budget.fits((budget.elapsed - began) * self.n_folds):
                return []
            without = [self._sampled(source, len(graphs), self.data.rows(kept), seed) for kept in self.kept]
            if min(map(len, without)) < len(graphs):
                raise NetGraphError(f"{type(source).__name__}.sample: fewer networks without a fold than of all rows")
            refits = iter(self._refit([graph for fits in zip(*without, strict=True) for graph in fits]))
            scored = self.score([g for one in scored for g in (*(next(refits) for _ in self.kept), one.graph)])
        return [replace(one, source=type(source).__name__, trainable=source.trainable) for one in scored]

    def _sampled(self, source: Candidates, n: int, data: TabularData, seed: int) -> list[NetGraph]:
        graphs, name = source.sample(n, data.X, data.y, seed), type(source).__name__
        if not isinstance(graphs, list) or len(graphs) > n:
            raise NetGraphError(f"{name}.sample: returned no list of at most {n} networks")
        for i, graph in enumerate(graphs):
            if not isinstance(graph, NetGraph) or graph.program is not None:
                raise NetGraphError(f"{name}.sample: network {i} is no feed-forward NetGraph")
            sizes = graph.architecture.n_inputs, graph.architecture.n_outputs
            if sizes != (data.X.shape[1], 1):
                wanted = f"{data.X.shape[1]} inputs and 1 output"
                raise NetGraphError(
                    f"{name}.sample: network {i} has {sizes[0]} inputs and {sizes[1]} outputs, not {wanted}"
                )
        return graphs

    def refit(self, candidates: Sequence[Candidate]) -> list[NetGraph]:
        """Return the :attr:`copies` of each candidate, one after the other, that on all rows last."""
        new = [one.graph for one in candidates if not one.refits for _ in range(self.n_folds)]
        fitted = iter(self._refit(new))
        return [g for one in candidates for g in (*(one.refits or [next(fitted) for _ in self.kept]), one.graph)]

    def _refit(self, graphs: Sequence[NetGraph]) -> list[NetGraph]:
        """Solve output layers of networks, K in a row of each candidate, each without its fold."""
        if not graphs:
            return []
        rows = self.kept.repeat(len(graphs) // self.n_folds, 1)
        weight = None if self.data.sample_weight is None else self.data.sample_weight[rows]
        fitted = fit_output_layers(graphs, self.data.X[rows], self.data.y[rows], weight, self.device)
        return [graph for graph, _ in fitted]

    def train(self, copies: Sequence[NetGraph], config: FitConfig, seed: int) -> list[NetGraph]:
        """Train copies, each on its own rows; each one's best step on these is kept."""
        order = self.order.repeat(len(copies) // self.copies, 1)
        rows = self.data.X[order], self.data.y[order][..., None]
        architectures, states = [g.architecture for g in copies], [g.state for g in copies]
        generator = Generator().manual_seed(seed)
        fitted = fit_networks(architectures, states, rows, rows, config, generator, self.device)
        return [NetGraph(a, state.cpu()) for a, state in zip(architectures, fitted.states, strict=True)]

    def score(self, copies: Sequence[NetGraph]) -> list[Candidate]:
        """Score each candidate by what its refits predict of the folds that they did not see."""
        architectures, states = [g.architecture for g in copies], [g.state for g in copies]
        outputs = first_outputs(architectures, states, self.data.X, self.device).double()
        outputs = outputs.unflatten(0, (-1, self.copies))  # [candidates, copies, rows]
        prediction = outputs.gather(1, self.fold.expand(len(outputs), 1, -1))[:, 0]
        prediction = prediction.where(outputs[:, -1].isfinite().all(dim=1, keepdim=True), torch.inf)
        each = [copies[start : start + self.copies] for start in range(0, len(copies), self.copies)]
        pairs = zip(each, prediction, strict=True)
        return [Candidate.of(whole, own, self.data, refits) for (*refits, whole), own in pairs]


def resample(order: Tensor, weight: Tensor) -> Tensor:
    """Return rows, [copies, rows], each as often as it weighs: systematic resampling, equal weights change nothing."""
    rows = order.shape[1]
    reached = weight[order].double().cumsum(dim=1)
    position = (torch.arange(rows) + 0.5) / rows * reached[:, -1:]
    return order.gather(1, torch.searchsorted(reached, position).clamp(max=rows - 1))
