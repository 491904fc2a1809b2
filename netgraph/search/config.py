"""How a network is looked for."""

from dataclasses import dataclass
from numbers import Integral

from netgraph.errors import NetGraphError
from netgraph.zoo import FitConfig


@dataclass(frozen=True)
class SearchConfig:
    """How a network is looked for.

    Attributes:
        n_candidates: At most so many networks are drawn, beside the baselines; fewer where there are few rows, see
            :data:`netgraph.search.fit.CROWD`.
        n_tuned: Best ones that are fine-tuned side by side, and how many at least; of those that were made for the data
            set, where others were not, half as many besides.
        tuned_share: Share of the candidates that are fine-tuned where this is more: the next best in further groups of
            ``n_tuned``.
        rungs: Steps of fine-tuning of each round of successive halving (Jamieson & Talwalkar 2016), after which the
            better half goes on, at least two.
        folds: Folds of the cross-validation that tuned networks are judged by, and of few rows those that know them.
        batch_rows: Rows in a step.
        learning_rate: Peak learning rate of each round.
        weight_decay: Of fine-tuning.
        focus: Whether wide networks, and of many rows candidates that know nothing of them, are focused on where the
            target changes, see :mod:`netgraph.search.focusing`.
        seed: Of everything.
        device: Where networks are run and trained.
    """

    n_candidates: int = 128
    n_tuned: int = 8
    tuned_share: float = 1 / 16
    rungs: tuple[int, ...] = (50, 100, 200, 400, 800)
    folds: int = 5
    batch_rows: int = 64
    learning_rate: float = 1e-2
    weight_decay: float = 1e-2
    focus: bool = True
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what cannot be searched.

        Raises:
            NetGraphError: It names the parameter.
        """
        for name, least in (("n_candidates", 1), ("n_tuned", 1), ("batch_rows", 1), ("folds", 2)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise NetGraphError(f"{name} is {value!r}; a whole number of at least {least}")
        if any(steps < 1 for steps in self.rungs):
            raise NetGraphError(f"rungs is {self.rungs!r}; rounds of at least 1 step")
        if not 0 <= self.tuned_share <= 1:
            raise NetGraphError(f"tuned_share is {self.tuned_share!r}; from 0 to 1")

    def round(self, count: int, steps: int) -> FitConfig:
        """Give the training of so many networks in a round."""
        return FitConfig.uniform(
            count,
            steps=steps,
            batch_rows=self.batch_rows,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )
