"""The scikit-learn estimators' base, and the regressor: a small network for a small data set."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import (
    _check_y,
    check_consistent_length,
    check_is_fitted,
    check_random_state,
    column_or_1d,
    validate_data,
)

from netgraph.errors import NetGraphError
from netgraph.graph.to_module import to_module
from netgraph.machine import check_device
from netgraph.model.arguments import is_whole
from netgraph.reading import one_line
from netgraph.search.candidates import Candidates, Generated, Random, covered_inputs, shared_model, small_recipe
from netgraph.search.columns import ColumnEncoder
from netgraph.search.data import TabularData, TimeBudget
from netgraph.search.export import export_network
from netgraph.search.extras.random_features import RandomFeatures, ScaledRandom
from netgraph.search.network_search import N_CANDIDATES, NetworkSearch, SearchResult, show_progress
from netgraph.search.pareto import check_objectives, evaluate_objectives, front_table, smallest_within
from netgraph.search.preprocess import Preprocessing, Probabilities, Rescale, merge_rows
from netgraph.search.scoring import Candidate
from netgraph.search.uncertainty import ResidualScale
from netgraph.stack import sensitivity
from netgraph.tasks.dataset import Floats
from netgraph.tasks.table import MIN_ROWS

#: Error that is not worth more parameters, in units of that of the mean; chosen.
TOLERANCE = 0.01
#: Rows that sensitivities are measured on, at most; chosen.
SENSITIVITY_ROWS = 1024


class NetGraphEstimator(BaseEstimator):
    """Base of the estimators: parameters, the search, the choice among its candidates, and export."""

    def __init__(
        self,
        checkpoint: str | None = None,
        max_seconds: float | None = 30.0,
        n_candidates: int = N_CANDIDATES,
        candidates: Sequence[Candidates] | None = None,
        objectives: Sequence[str] = ("error", "parameters"),
        random_state: Any = 0,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        self.checkpoint = checkpoint
        self.max_seconds = max_seconds
        self.n_candidates = n_candidates
        self.candidates = candidates
        self.objectives = objectives
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        return tags

    def _fit(self, X: Any, y: Floats, sample_weight: Any, outputs: type[Rescale] | type[Probabilities]) -> Self:
        """Search for a network for raw columns, and targets or one-hot classes, [rows, outputs]."""
        import pandas as pd

        budget, objectives = TimeBudget(self.max_seconds), check_objectives(self.objectives)
        encoder, device = ColumnEncoder(), check_device(self.device)
        with np.errstate(invalid="ignore"):  # the sum of all values may overflow
            features = encoder.fit_transform(X)
        check_consistent_length(features, y)
        validate_data(self, X, skip_check_array=True)
        if len(y) < MIN_ROWS:
            raise NetGraphError(f"Found array with {len(y)} sample(s) while a minimum of {MIN_ROWS} is required")
        rows = merge_rows(features, y, sample_weight)
        if not is_whole(self.n_candidates, 1):
            raise NetGraphError(f"n_candidates is {self.n_candidates!r}; a whole number of at least 1")
        try:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        except ValueError:
            raise NetGraphError(f"random_state is {one_line(repr(self.random_state))}; a whole number") from None
        sources = self._sources(device, features.shape[1])
        preprocessing = Preprocessing.fit(*rows, outputs)
        data = preprocessing.data(*rows)
        with show_progress("fit", bool(self.verbose)) as report:
            search = NetworkSearch(data, budget, seed, device, report, small=len(objectives) > 1)
            result = search.run(sources, self.n_candidates)
        self.encoder_, self.preprocessing_, self.history_ = encoder, preprocessing, pd.DataFrame(result.history)
        chosen = self._choose(result, objectives)
        self.graph_, self.module_ = chosen.graph, to_module(chosen.graph)
        self._describe(result.data, chosen)
        return self

    def _sources(self, device: str, n_features: int) -> Sequence[Candidates]:
        if self.candidates is not None:
            if not isinstance(self.candidates, Sequence) or not self.candidates:
                held = f"an empty or no sequence, {type(self.candidates).__name__}"
                raise NetGraphError(f"candidates is {held}; sources, or None for the default ones")
            for source in self.candidates:
                if isinstance(source, type) or not callable(getattr(source, "sample", None)):
                    name = getattr(source, "__name__", type(source).__name__)
                    raise NetGraphError(f"candidates holds {name}, no object with sample(n, X, y, seed)")
            return self.candidates
        vae = shared_model(self.checkpoint, device)
        covered = covered_inputs(vae, n_features)
        if covered < n_features:
            note = f"X has {n_features} columns; generated networks read {covered} projections of them"
            warnings.warn(f"{note} (partial least squares)", UserWarning, stacklevel=4)
        return default_candidates(vae, small=len(check_objectives(self.objectives)) > 1)

    def _choose(self, result: SearchResult, objectives: tuple[str, ...]) -> Candidate:
        """Keep the Pareto front, and return the chosen network; warn where a simpler prediction is as good."""
        import pandas as pd

        candidates, chosen = result.candidates, result.ensemble
        scores = evaluate_objectives(candidates, objectives)
        self.candidates_ = pd.DataFrame(scores.numpy(), columns=list(objectives))
        self.candidates_.insert(0, "source", [one.source for one in candidates])
        self.pareto_ = front_table(scores, objectives)
        if len(objectives) > 1:
            chosen = candidates[
                smallest_within(self.pareto_, max(result.standard_error(), TOLERANCE * result.data.baseline()))
            ]
        chosen = result.simplest(chosen)
        self.chosen_ = next(i for i, one in enumerate(candidates) if one is chosen)
        if len(objectives) == 1:
            self.pareto_ = self.candidates_.loc[[self.chosen_], list(objectives)]
        self.pareto_graphs_ = [candidates[row].graph for row in self.pareto_.index]
        self._tell_simple(result, chosen)
        return chosen

    def _tell_simple(self, result: SearchResult, chosen: Candidate) -> None:
        """Warn where a linear fit or the mean is as good as the networks."""
        linear, mean = result.simpler
        others = len(result.candidates) - (1 if chosen is mean else 2)
        if chosen is mean and result.data.baseline() > 0:
            simple = (
                "the frequencies of classes" if result.data.has_classes else f"the mean of {len(result.data)} targets"
            )
        elif chosen is linear and others:
            simple = "a linear fit"
        else:
            return
        found = f"no network of {others} is better than {simple} by cross-validation"
        warnings.warn(f"{found}, within one standard error; it is predicted", UserWarning, stacklevel=5)

    def _describe(self, data: TabularData, chosen: Candidate) -> None:
        """Measure the importances of raw columns."""
        inputs = data.X[:SENSITIVITY_ROWS]
        encoded = sensitivity(chosen.graph, inputs)[: inputs.shape[1]].double().numpy()
        total = np.bincount(self.encoder_.raw_column_, encoded, minlength=self.n_features_in_)
        self.feature_importances_ = total / total.sum() if total.sum() > 0 else total

    def _inputs(self, X: Any) -> Floats:
        """Return encoded columns, [rows, encoded], of raw ones."""
        check_is_fitted(self, "module_")
        with np.errstate(invalid="ignore"):
            features: Floats = self.encoder_.transform(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        return features

    def export(
        self, path: str | Path, features: Sequence[str] | None = None, target: str | None = None
    ) -> tuple[Path, Path]:
        """Write the network as safetensors and a small Python file that rebuilds it with torch and pandas alone.

        The module in that file reads raw columns by name, and returns the target in its own unit, or probabilities of
        classes; see :func:`~netgraph.search.export.export_network`.

        Args:
            path: Path without suffix; ``.safetensors`` and ``.py`` are appended.
            features: Names of the columns; those seen in ``fit`` when None.
            target: Name of the target.

        Returns:
            The paths of both files.
        """
        check_is_fitted(self, "module_")
        classes = getattr(self, "classes_", None)
        return export_network(self.graph_, self.preprocessing_, path, self.encoder_, target, classes, features)


class NetGraphRegressor(RegressorMixin, NetGraphEstimator):
    """Small network for a regression data set: candidates, output layers in closed form, the best trained and stacked.

    No rows are held back: candidates are scored by leaving one row out or by K-fold refits, see
    :mod:`~netgraph.search.scoring`. Of more than 8,192 rows, as many are drawn. Columns are encoded, see
    :class:`~netgraph.search.columns.ColumnEncoder`, and standardized like targets; values beyond three deviations grow
    logarithmically, and predictions stay within a twentieth of the range of the targets seen in ``fit``.

    By default the network is small, a few hundred parameters at nearly the least error; ``objectives="error"`` returns
    the ensemble of the best, of tens of thousands. RESULTS.md of the benchmarks has parameters and errors of both.
    Where the mean or a linear fit is as good within one standard error, the simpler one is returned, with a warning.

    Args:
        checkpoint: Safetensors file of a trained :class:`~netgraph.model.vae.NetVAE`; the one that ships when None.
        max_seconds: Wall time after which the search ends with its best network; None for no limit. A search that it
            does not shorten returns the same network again, unless ``latency`` is among the objectives.
        n_candidates: Candidates of each source, at most, and at most a sixtieth of the square of the rows.
        candidates: Sources, objects with the protocol :class:`~netgraph.search.Candidates`; random features, random
            networks, and networks generated by the checkpoint when None.
        objectives: Objectives to minimize, ``error`` first, then any of ``parameters`` and ``latency``. With several,
            the network is the best in the second one among networks of the Pareto front whose error is within one
            standard error of the least; with the error alone it is an ensemble of the best.
        random_state: Seed of everything.
        device: Where networks are sampled and trained, ``cpu`` or ``cuda``.
        verbose: Whether to show progress on standard error, as a bar on a terminal.

    Attributes:
        graph_: The network, from standardized columns to the standardized targets.
        module_: The same as a plain ``torch.nn`` module.
        encoder_: Encoder of raw columns; its ``actions_`` describe the changes of each.
        feature_importances_: Share of each raw column in the network's sensitivity: the mean over rows of the absolute
            derivative of the output by each standardized input, added up over a column's inputs, of sum 1; 0 for a
            constant.
        candidates_: Source and objectives of the best candidates and of ensembles, a DataFrame; errors are out of fold,
            in units of the target's variance. The best of many are too small, the more the fewer rows there are.
        chosen_: The row of ``candidates_`` that became ``graph_``.
        pareto_: The rows of ``candidates_`` on the Pareto front, by rising error; of the error alone, the chosen row.
        pareto_graphs_: The networks of ``pareto_``, row by row.
        preprocessing_: Maps from encoded columns to the network and back to the targets.
        residual_scale_: Scale of out-of-fold residuals, from which ``predict`` takes standard deviations.
        history_: Steps of the search: a DataFrame of stage, networks, least error and seconds.
        n_features_in_: Number of columns seen in ``fit``.
        feature_names_in_: Their names; only where X had names.

    Example:
        >>> from sklearn.datasets import make_friedman1
        >>> X, y = make_friedman1(200, random_state=0)
        >>> model = NetGraphRegressor(max_seconds=1).fit(X, y)
        >>> model.predict(X[:3]).shape
        (3,)
    """

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Search for a network; an interrupt ends the search with the best so far, and a warning.

        Args:
            X: Features, a DataFrame or an array, [rows, features], at least 10 rows.
            y: Target, [rows], or targets, [rows, outputs].
            sample_weight: Weight of each row, [rows], 0 or more. A weight of 2 is the row given twice, one of 0 the row
                left out; sources of candidates see the rows without weights.

        Raises:
            ValueError: When a shape is wrong, a value cannot be used, or a parameter is out of range.

        Warns:
            UserWarning: When the mean or a linear fit is as good, and returned; when generated networks read
                projections of the columns; when a column numbers the rows; and when the search was interrupted.
        """
        if y is None:
            raise NetGraphError("NetGraphRegressor requires y to be passed, but the target y is None")
        with np.errstate(invalid="ignore"):  # the sum of all values may overflow
            y = _check_y(y, multi_output=True, y_numeric=True, estimator=self)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if y.dtype.kind not in "biufO" or not np.isfinite(y.astype(np.float64)).all():
            raise NetGraphError(f"y of {y.dtype} holds something else than finite numbers")
        return self._fit(X, y.astype(np.float64).reshape(len(y), -1), sample_weight, Rescale)

    def _describe(self, data: TabularData, chosen: Candidate) -> None:
        super()._describe(data, chosen)
        self.residual_scale_ = ResidualScale.of(data, chosen.prediction)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return predictions in the targets' units.

        Args:
            X: Features, [rows, features].
            return_std: Whether to return standard deviations too. They are of a row's residual, estimated from
                out-of-fold residuals: of new rows, about 80 % lie within 1.28 deviations of their prediction.

        Returns:
            Predictions, [rows] float64, or of several targets [rows, outputs]; with ``return_std`` a pair of them and
            of standard deviations, of the same shape.
        """
        features = self._inputs(X)
        prediction = self.preprocessing_.predict(self.graph_, features)
        if not return_std:
            return prediction
        maps, units = self.preprocessing_, cast(Rescale, self.preprocessing_.rescale)
        rows = units.standardized(prediction.reshape(len(prediction), -1))
        deviation = units.spread * self.residual_scale_.predict(maps.inputs(features), rows)
        return prediction, deviation.numpy().reshape(prediction.shape)


def default_candidates(model: Any = None, small: bool = False) -> tuple[Candidates, ...]:
    """Return the sources of the estimators: random features, random networks, networks that a model generates.

    Args:
        model: The model, or the file of a checkpoint; the checkpoint that ships when None.
        small: Whether random networks of few units are among them.

    Example:
        >>> default_candidates()[0]
        RandomFeatures(None)
    """
    others = RandomFeatures("agop"), ScaledRandom(), Generated(model), RandomFeatures("ard")
    few = (Random(small_recipe()), ScaledRandom(small_recipe())) if small else ()
    return RandomFeatures(None), *few, *others
