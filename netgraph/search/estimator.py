"""The scikit-learn estimator: a small network for a small regression data set."""

import warnings
from collections.abc import Sequence
from functools import lru_cache
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.to_module import to_module
from netgraph.machine import check_device
from netgraph.model.checkpoint import SHIPPED
from netgraph.model.vae import NetVAE
from netgraph.search.config import SearchConfig
from netgraph.search.deadline import Deadline
from netgraph.search.export import export_network
from netgraph.search.fit import find
from netgraph.search.found import Found
from netgraph.search.index import index_columns
from netgraph.search.objectives import check_objectives, judge
from netgraph.search.pareto import front_table, smallest_within
from netgraph.search.preprocess import Preprocessing, merge_rows
from netgraph.search.progress import progress
from netgraph.search.sources import source_of
from netgraph.search.table import MIN_ROWS

#: Rows that are predicted at once.
BLOCK = 4096


class NetGraphRegressor(RegressorMixin, BaseEstimator):
    """Finds a small network: candidates, their last layers in closed form, the best few fine-tuned and joined.

    No rows are held back: candidates are judged by leaving rows out one by one, tuned networks by cross-validation, and
    so are, of few rows a column, those that are made for the rows or focused on what they say. Of more than 8,192 rows,
    as many are drawn. The best networks are joined to one, weighed by a regression on their predictions (stacked
    regressions, Breiman 1996). Columns and target are standardized inside,
    values beyond three deviations of their column count logarithmically, and predictions stay within a twentieth of the
    range of the targets seen in ``fit``. Of a table of more than 16 columns, the
    networks that are made for it read at most 16 projections, and a warning says so; the others read all columns.

    Args:
        checkpoint: Safetensors file of a trained :class:`~netgraph.model.vae.NetVAE`; the one that ships when None.
        max_seconds: Wall time after which the search ends with what it has; None for no limit. A search that ends
            earlier, and was nowhere short of time, gives the same network again, unless ``latency``, which is measured,
            is among the objectives.
        n_candidates: At most so many networks are drawn, and a sixtieth of the square of the rows, beside a linear and
            some wide ones, see :mod:`~netgraph.search.baselines`.
        strategy: How they are drawn: ``prior``, an eighth of a batch, at least four, made for the rows, the others with
            initial weights, of many rows half of them focused, see :mod:`~netgraph.search.focusing`; ``genetic`` or
            ``cma`` (separable CMA-ES), which search the prior's noise by the errors of earlier candidates; or
            ``gradient``, which moves the latents of the best ones by the gradient of their errors.
        objectives: What is to be small, ``error`` first, then any of ``parameters`` and ``latency``. With more than the
            error, the network is the one that is best in the second objective among those of the Pareto front whose
            error is within one standard error of the least; with the error alone it is a committee of the best.
        random_state: Seed of everything.
        device: Where networks are sampled and trained, ``cpu`` or ``cuda``.
        verbose: Whether to show progress on standard error, as a bar on a terminal.

    Attributes:
        graph_: The network that was found; it reads what ``preprocessing_.inputs`` gives, and gives what
            ``preprocessing_.restore`` takes.
        module_: The same as a plain ``torch.nn`` module.
        tuned_: Objectives of the best candidates, of all that were tuned and of committees, a DataFrame; errors are
            those of rows that a network was not fitted to, in units of the target's variance. The best of many are
            flattered, the more the fewer rows there are, and the weights of a committee know these rows: keep some to
            know what a network is worth.
        chosen_: The row of ``tuned_`` that became ``graph_``.
        pareto_: The rows of ``tuned_`` that no other surpasses, by rising error; of the error alone, the chosen row.
        pareto_graphs_: The networks of ``pareto_``, row by row.
        preprocessing_: How columns become inputs, and outputs the target.
        history_: What the search did, step by step: a DataFrame of stage, networks, least error and seconds.
        n_features_in_: Number of columns seen in ``fit``.
    """

    def __init__(
        self,
        checkpoint: str | None = None,
        max_seconds: float | None = 30.0,
        n_candidates: int = 128,
        strategy: str = "prior",
        objectives: Sequence[str] = ("error",),
        random_state: Any = 0,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        self.checkpoint = checkpoint
        self.max_seconds = max_seconds
        self.n_candidates = n_candidates
        self.strategy = strategy
        self.objectives = objectives
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find a network for the rows; an interrupt ends the search with the best network so far, and a warning.

        Args:
            X: Features, [rows, features], at least 10 rows.
            y: Target, [rows].
            sample_weight: Weight of each row, [rows], 0 or more: in the fits of last layers, in the errors that
                networks are chosen by, and, as how often a row is seen, in fine-tuning. A weight of 2 is the row given
                twice, one of 0 the row left out; networks that are made or scaled for the rows see each of the others
                alike.

        Raises:
            ValueError: When a shape is wrong, a value is not finite, or a parameter is out of range.

        Warns:
            UserWarning: When no network is better than the mean, which is then predicted; when networks read
                projections of the columns; when a column numbers the rows; and when the search was interrupted.
        """
        import pandas as pd

        deadline, objectives = Deadline(self.max_seconds), check_objectives(self.objectives)
        with np.errstate(invalid="ignore"):  # the sum of all values may overflow
            features, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=MIN_ROWS)
        target = _numbers(target)
        features, target, weight = merge_rows(features, target, sample_weight)
        seed, device, verbose = _seed(self.random_state), check_device(self.device), _flag(self.verbose)
        config = SearchConfig(n_candidates=self.n_candidates, seed=seed, device=device)
        vae = _loaded(self.checkpoint, device)
        for name in index_columns(getattr(self, "feature_names_in_", ()), features):
            warnings.warn(f"column {name!r} numbers the rows; drop it, or it is a feature", UserWarning, stacklevel=2)
        units = Preprocessing.fit(features, target, weight)
        data = units.data(features, target, weight)
        source = source_of(self.strategy, vae, data, seed)
        with progress(verbose) as show:
            found = find(source, data, config, deadline, show)
        if found.knows_nothing:
            said = f"no network of {len(found.graphs) - 1} is better than the mean of {len(target)} targets"
            warnings.warn(f"{said} by cross-validation; the mean is predicted", UserWarning, stacklevel=2)
        self.preprocessing_, self.history_ = units, pd.DataFrame(found.history)
        self.graph_ = self._choose(found, objectives)
        self.module_ = to_module(self.graph_)
        return self

    def _choose(self, found: Found, objectives: tuple[str, ...]) -> NetGraph:
        """Keep the Pareto front, and give the network that is to be used."""
        import pandas as pd

        scores = judge(found.graphs, found.errors, objectives)
        self.tuned_ = pd.DataFrame(scores.numpy(), columns=list(objectives))
        alone = len(objectives) == 1
        self.pareto_ = self.tuned_.loc[[found.chosen]].rename_axis("row") if alone else front_table(scores, objectives)
        self.pareto_graphs_ = [found.graphs[row] for row in self.pareto_.index]
        known = not found.knows_nothing
        self.chosen_ = smallest_within(self.pareto_, found.standard_error) if known else found.chosen
        return found.graphs[self.chosen_]

    def predict(self, X: Any) -> Any:
        """Predict the target in its own unit, [rows] float64, of features, [rows, features], block by block."""
        check_is_fitted(self, "module_")
        with np.errstate(invalid="ignore"):  # the sum of all values may overflow
            features = validate_data(self, X, dtype=np.float64, reset=False)
        module = to_module(self.graph_.replace(state=self.graph_.state.double()))
        # The last block begins early enough to be as long as the others: a product of other sizes is rounded otherwise.
        starts = [min(start, max(0, len(features) - BLOCK)) for start in range(0, len(features), BLOCK)]
        predicted = np.empty(len(features))
        with torch.no_grad():
            for start in starts:
                rows = slice(start, start + BLOCK)
                output = module(self.preprocessing_.inputs(features[rows]))[:, 0]
                predicted[rows] = self.preprocessing_.restore(output)
        return predicted

    def export(
        self, path: str | Path, features: Sequence[str] | None = None, target: str | None = None
    ) -> tuple[Path, Path]:
        """Write the network as safetensors and a small Python file that rebuilds it with torch alone.

        The module in that file reads columns and gives the target in their own units.

        Args:
            path: Where; ``.safetensors`` and ``.py`` are appended.
            features: Names of the columns, for the reader of the file; those seen in ``fit`` when None.
            target: Name of the target, likewise.

        Returns:
            The paths of both files.
        """
        check_is_fitted(self, "module_")
        return export_network(
            self.graph_,
            path,
            **vars(self.preprocessing_),
            features=getattr(self, "feature_names_in_", None) if features is None else features,
            target=target,
        )


def _numbers(y: np.ndarray) -> np.ndarray:
    """Return targets as float64.

    Raises:
        NetGraphError: When one is no finite number.
    """
    if y.dtype.kind not in "biufUO":
        raise NetGraphError(f"y holds {y.dtype}; a target is a number")
    try:
        numbers = y.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise NetGraphError(f"y: {error}") from None
    if not np.isfinite(numbers).all():
        raise NetGraphError("y holds a value that is not finite")
    return numbers


def _loaded(checkpoint: str | Path | None, device: str) -> NetVAE:
    """Read a checkpoint once in a process, and again when its file has changed.

    Raises:
        NetGraphError: When it is no path.
    """
    if not isinstance(checkpoint, str | Path | None):
        raise NetGraphError(f"checkpoint is of {type(checkpoint).__name__}; the path of a file, or None")
    path = SHIPPED if checkpoint is None else Path(checkpoint).absolute()
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0, device)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, device: str) -> NetVAE:
    return NetVAE.from_pretrained(path).to(device)


def _flag(verbose: Any) -> bool:
    if not isinstance(verbose, Integral):
        raise NetGraphError(f"verbose is {verbose!r}; True or False")
    return bool(verbose)


def _seed(random_state: Any) -> int:
    """Give a whole number for what scikit-learn calls a random state.

    Raises:
        NetGraphError: When it is none.
    """
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError:
        shown = " ".join(repr(random_state).split())
        raise NetGraphError(f"random_state {shown}: a whole number from 0 to {2**32 - 1}") from None
