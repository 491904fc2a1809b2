"""One scoring rule: the loss of a candidate on rows that it was not fitted to.

Candidates whose hidden weights do not depend on the targets have their output layer solved by ridge regression, and are
scored by leaving out one row at a time, in closed form (Allen 1974). All others, and everything that was trained, are
scored by K-fold refits: the same is done again without each fold, and predicts that fold (Stone 1974).

The loss is the squared error. Of classes it is the log loss, a proper score, in which networks are trained too: output
layers are solved on one-hot rows (regularized least-squares classification; Rifkin et al. 2003), and out-of-fold
outputs are calibrated to logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.lines import Compact, counted
from netgraph.search.calibration import calibrate
from netgraph.search.candidates import Candidates
from netgraph.search.data import TabularData, TimeBudget
from netgraph.stack import Stack, chunks, outputs, solve_output_layers, stacked
from netgraph.zoo import FitConfig, fit_networks

#: Folds of cross-validation, K; as many as rows where there are fewer.
N_FOLDS = 5


@dataclass(frozen=True, eq=False, repr=False)
class Candidate(Compact):
    """A network with its output layer fitted to all rows.

    Attributes:
        graph: The network.
        prediction: Out-of-fold prediction of each row, of classes logits, [rows, outputs] float64.
        score: Mean loss of the prediction; inf where it is not finite.
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
    def of(cls, graph: NetGraph, prediction: Tensor, data: TabularData, source: str = "") -> "Candidate":
        """Score an out-of-fold prediction, [rows, outputs]."""
        error = data.mean(data.losses(prediction))
        return cls(graph, prediction, float(error) if error.isfinite() else torch.inf, source)


def best(candidates: Sequence[Candidate], most: int | None = None) -> list[Candidate]:
    """Return at most ``most`` candidates, by rising score."""
    return sorted(candidates, key=lambda candidate: candidate.score)[:most]


class CrossValidation:
    """Fits and scores candidates on the rows of a data set.

    Args:
        data: The rows.
        seed: Seed of the folds.
        device: Where networks are run and trained.

    Attributes:
        n_folds: K.
        fold: Fold of each row, [rows].
        kept: Rows without each fold, [K, kept].
        order: Rows that each refit is trained on, and those of the fit on all rows, [K + 1, rows].
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
        self.order = resample(torch.cat([filled, torch.arange(rows)[None]]), data.sample_weight)

    def __repr__(self) -> str:
        return f"CrossValidation({counted(len(self.data), 'row')}, {counted(self.n_folds, 'fold')})"

    def fits_of(self, source: Candidates) -> int:
        """Return the fits of a network of a source: one on all rows, and one without each fold if it uses targets."""
        return 1 + self.n_folds * getattr(source, "uses_targets", Candidates.uses_targets)

    def sample(self, source: Candidates, n: int, seed: int, budget: TimeBudget) -> list[Candidate]:
        """Sample a source and score its candidates.

        Returns:
            At most n candidates; none where the refits of a source that uses targets do not fit into the time that is
            left, at the pace of the fit on all rows.

        Raises:
            NetGraphError: When the source breaks its protocol.
        """
        began = budget.elapsed
        scored = self.leave_one_out(self._sampled(source, n, self.data, seed))
        if self.fits_of(source) > 1 and scored:
            if not budget.fits((budget.elapsed - began) * self.n_folds):
                return []
            without = [self._sampled(source, len(scored), self.data.rows(kept), seed) for kept in self.kept]
            if min(map(len, without)) < len(scored):
                raise NetGraphError(f"{type(source).__name__}.sample: fewer networks without a fold than of all rows")
            refits = self._refit([graph for fits in zip(*without, strict=True) for graph in fits])
            scored = self.score(self._interleave(refits, [one.graph for one in scored]))
        trainable = getattr(source, "trainable", Candidates.trainable)
        return [replace(one, source=type(source).__name__, trainable=trainable) for one in scored]

    def _sampled(self, source: Candidates, n: int, data: TabularData, seed: int) -> list[NetGraph]:
        graphs, name = source.sample(n, data.X, data.y, seed), type(source).__name__
        if not isinstance(graphs, list) or len(graphs) > n:
            raise NetGraphError(f"{name}.sample: returned no list of at most {n} networks")
        for i, graph in enumerate(graphs):
            if not isinstance(graph, NetGraph) or graph.program is not None:
                raise NetGraphError(f"{name}.sample: network {i} is no feed-forward NetGraph")
            sizes, expected = (
                (graph.architecture.n_inputs, graph.architecture.n_outputs),
                (data.X.shape[1], data.y.shape[1]),
            )
            if sizes != expected:
                found, needed = (f"{n} inputs and {k} output{'s' * (k != 1)}" for n, k in (sizes, expected))
                raise NetGraphError(f"{name}.sample: network {i} has {found}, not {needed}")
        return graphs

    def leave_one_out(self, graphs: Sequence[NetGraph]) -> list[Candidate]:
        """Solve output layers on all rows, and score them by leaving out one row at a time."""
        return [Candidate.of(graph, prediction, self.data) for graph, prediction in self._solve(graphs)]

    def refit(self, candidates: Sequence[Candidate]) -> list[NetGraph]:
        """Return the refits of each candidate without each fold and its fit on all rows, K + 1 in a row."""
        new = iter(self._refit([one.graph for one in candidates if not one.refits for _ in self.kept]))
        refits = [graph for one in candidates for graph in (one.refits or [next(new) for _ in self.kept])]
        return self._interleave(refits, [one.graph for one in candidates])

    def _interleave(self, refits: Sequence[NetGraph], whole: Sequence[NetGraph]) -> list[NetGraph]:
        each = self.n_folds
        return [graph for i, one in enumerate(whole) for graph in (*refits[i * each : (i + 1) * each], one)]

    def _refit(self, graphs: Sequence[NetGraph]) -> list[NetGraph]:
        """Solve output layers of networks, K in a row of each candidate, each without its fold."""
        return [graph for graph, _ in self._solve(graphs, self.kept.repeat(len(graphs) // self.n_folds, 1))]

    def _solve(self, graphs: Sequence[NetGraph], rows: Tensor | None = None) -> list[tuple[NetGraph, Tensor]]:
        """Solve the output layers of networks by ridge regression, on all rows or each on its own, [networks, rows].

        Returns:
            The networks, each with its leave-one-out prediction, [rows, outputs] float64.
        """
        fitted: dict[int, tuple[NetGraph, Tensor]] = {}
        for members in chunks([graph.architecture for graph in graphs], self.device):
            data = self.data if rows is None else self.data.rows(rows[members])
            stack = Stack([graphs[i].architecture for i in members], self.device)
            state = stack.flatten([graphs[i].state for i in members])
            solved = solve_output_layers(stack, state, data.X, data.y, data.sample_weight)
            state, predictions = solved.state, solved.prediction
            if data.has_classes:
                state, predictions = calibrate(stack, state, predictions, data.y, data.sample_weight)
            for i, own, prediction in zip(members, stack.split(state.cpu()), predictions.cpu(), strict=True):
                fitted[i] = NetGraph(graphs[i].architecture, own.clone()), prediction
        return [fitted[i] for i in range(len(graphs))]

    def train(self, copies: Sequence[NetGraph], config: FitConfig, seed: int) -> list[NetGraph]:
        """Train the networks of :meth:`refit`, each on its own rows; each keeps its best step on these."""
        order = self.order.repeat(len(copies) // (self.n_folds + 1), 1)
        rows = self.data.X[order], self.data.y[order]
        architectures, states = [g.architecture for g in copies], [g.state for g in copies]
        fitted = fit_networks(
            architectures, states, rows, rows, config, Generator().manual_seed(seed), self.device, self.data.loss
        )
        return [NetGraph(a, state.cpu()) for a, state in zip(architectures, fitted.states, strict=True)]

    def score(self, copies: Sequence[NetGraph]) -> list[Candidate]:
        """Score candidates, K + 1 networks in a row, by the out-of-fold predictions of their refits."""
        each, architectures = self.n_folds + 1, [g.architecture for g in copies]
        values = outputs(architectures, [g.state for g in copies], self.data.X, self.device).double()
        values = values.unflatten(0, (-1, each))  # [candidates, copies, rows, outputs]
        finite = values[:, -1].isfinite().all(dim=(1, 2), keepdim=True)
        predictions = values.gather(1, self.fold[:, None].expand(len(values), 1, *values.shape[2:]))[:, 0]
        predictions, wholes = predictions.where(finite, torch.inf), copies[each - 1 :: each]
        if self.data.has_classes:
            wholes, predictions = self._calibrated(wholes, predictions)
        scored = []
        for i, (whole, prediction) in enumerate(zip(wholes, predictions, strict=True)):
            refits = tuple(copies[i * each : (i + 1) * each - 1])
            scored.append(replace(Candidate.of(whole, prediction, self.data), refits=refits))
        return scored

    def _calibrated(self, graphs: Sequence[NetGraph], predictions: Tensor) -> tuple[list[NetGraph], Tensor]:
        """Return networks that give calibrated logits, and their out-of-fold logits, [networks, rows, classes]."""
        calibrated, logits = list(graphs), predictions.clone()
        for members, stack, state in stacked([g.architecture for g in graphs], [g.state for g in graphs]):
            state, logits[members] = calibrate(stack, state, logits[members], self.data.y, self.data.sample_weight)
            for i, own in zip(members, stack.split(state), strict=True):
                calibrated[i] = NetGraph(graphs[i].architecture, own.clone())
        return calibrated, logits


def resample(order: Tensor, weight: Tensor | None) -> Tensor:
    """Return rows, [copies, rows], each as often as it weighs: systematic resampling, equal weights change nothing."""
    if weight is None:
        return order
    reached = weight[order].double().cumsum(dim=1)
    position = (torch.arange(order.shape[1]) + 0.5) / order.shape[1] * reached[:, -1:]
    return order.gather(1, torch.searchsorted(reached, position).clamp(max=order.shape[1] - 1))
