"""Choice among the networks of a search, by the one-standard-error rule (Breiman et al. 1984), and its reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from netgraph.lines import Compact
from netgraph.search.data import TabularData
from netgraph.search.scoring import Candidate

if TYPE_CHECKING:
    from pandas import DataFrame

#: Error that is not worth more parameters, in units of that of the mean; chosen.
TOLERANCE = 0.02
#: The best network by the second objective, and a better one, in words.
_BEST = {"parameters": ("smallest", "smaller"), "latency": ("fastest", "faster")}


@dataclass(frozen=True)
class Excess:
    """Paired difference of two errors on the same rows: how much larger the first one is.

    Attributes:
        mean: The difference.
        standard_error: Its standard error.
        tolerance: Difference that does not count, however sure it is.
    """

    mean: float
    standard_error: float
    tolerance: float = 0.0

    @classmethod
    def of(cls, losses: Tensor, reference: Tensor, data: TabularData, tolerance: float = 0.0) -> Self:
        """Compare two losses of the rows, [rows] each."""
        difference = losses - reference
        return cls(float(data.mean(difference)), data.standard_error(difference), tolerance)

    @property
    def is_small(self) -> bool:
        """Whether the first one is as good: the best of many candidates is better by chance."""
        return self.mean <= max(self.standard_error, self.tolerance)

    def __str__(self) -> str:
        """Return the difference beside its limit."""
        limit = f"one standard error of the difference, {self.standard_error:.2g}"
        if self.tolerance > self.standard_error:
            limit = f"a fiftieth of the error of the mean, {self.tolerance:.2g}"
        return f"by {abs(self.mean):.2g}, {'within' if self.is_small else 'beyond'} {limit}"


@dataclass(frozen=True, repr=False)
class Choice(Compact):
    """Network that was chosen.

    Attributes:
        candidate: The network.
        data: The rows that candidates were scored on.
        rule: The rule by which it was chosen, in words.
        beside: Errors of others beside its own, in words.
    """

    candidate: Candidate
    data: TabularData
    rule: str
    beside: tuple[str, ...] = ()

    @classmethod
    def of_front(cls, front: "DataFrame", networks: Sequence[Candidate], data: TabularData) -> Self:
        """Choose the best in the second objective of those as good as the first, see :func:`smallest_as_good`.

        Args:
            front: A front by :func:`~netgraph.search.pareto.front_table`.
            networks: Its networks.
            data: The rows.
        """
        losses = data.losses(torch.stack([one.prediction for one in networks]))
        row = front.index.get_loc(smallest_as_good(front, losses, data))
        excess = Excess.of(losses[row], losses[0], data, TOLERANCE * data.baseline())
        smallest, smaller = _BEST[front.columns[1]]
        if row == 0:
            return cls(networks[0], data, f"the best; no {smaller} one is as good")
        beside = _told(f"the best, {named(networks[0], data)},", networks[0], f"lower {excess}")
        return cls(networks[row], data, f"the {smallest} as good as the best", (beside,))

    def or_simpler(self, simpler: Sequence[Candidate]) -> Self:
        """Choose a simpler prediction instead, one after the other, where it is as good within one standard error.

        Args:
            simpler: A linear fit, and the mean.
        """
        choice = self
        for one in simpler:
            if one is choice.candidate:
                continue
            losses, before = self.data.losses(one.prediction), self.data.losses(choice.candidate.prediction)
            excess = Excess.of(losses, before, self.data)
            if excess.is_small:
                name = f"{named(choice.candidate, self.data)}, chosen otherwise,"
                beside = _told(name, choice.candidate, f"lower {excess}" if excess.mean > 0 else "no lower")
                choice = replace(choice, candidate=one, rule="simpler and as good", beside=(beside,))
            elif one.source == "linear":
                beside = _told(named(one, self.data), one, f"higher {excess}")
                choice = replace(choice, beside=(*choice.beside, beside))
        return choice

    @property
    def reason(self) -> str:
        """Why this network was chosen: the rule, and the errors that it compared."""
        unit = "log loss by cross-validation is" if self.data.has_classes else "error by cross-validation is"
        share = "" if self.data.has_classes else " of the target's variance"
        own = f"Its {unit} {self.candidate.score:.4g}{share}"
        name = named(self.candidate, self.data)
        return f"{name[0].upper()}{name[1:]}, {self.rule}. {'; '.join([own, *self.beside])}."


def named(candidate: Candidate, data: TabularData) -> str:
    """Return the kind and size of a candidate in words."""
    if candidate.source == "mean":
        return "the frequencies of classes" if data.has_classes else f"the mean of {len(data)} targets"
    if candidate.source == "linear":
        return "a linear fit"
    kind = "an ensemble" if candidate.source == "ensemble" else "a network"
    return f"{kind} of {candidate.graph.architecture.state_size:,} parameters"


def _told(name: str, other: Candidate, compared: str) -> str:
    return f"that of {name} is {other.score:.4g}, {compared}"


def smallest_as_good(front: "DataFrame", losses: Tensor, data: TabularData) -> int:
    """Return the row of the best second objective among those as good as the first: the one-standard-error rule.

    A network is as good unless its error is larger by more than the standard error of the difference, which is paired:
    both are of the same rows; or than :data:`TOLERANCE` of the error of the mean.

    Args:
        front: A front by :func:`~netgraph.search.pareto.front_table`, the error first.
        losses: Out-of-fold losses of its networks, [front, rows].
        data: The rows.
    """
    tolerance = TOLERANCE * data.baseline()
    close = [Excess.of(one, losses[0], data, tolerance).is_small for one in losses]
    return int(front[close].iloc[:, min(1, front.shape[1] - 1)].idxmin())
