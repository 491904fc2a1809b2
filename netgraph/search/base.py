"""Base of the scikit-learn estimators: parameters, the search, the choice among its candidates, and export."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    check_random_state,
    validate_data,
)

from netgraph.errors import NetGraphError, SimplerWarning
from netgraph.graph.write_module import to_module
from netgraph.inputs import check_objectives
from netgraph.lines import counted
from netgraph.machine import check_device
from netgraph.reading import is_whole, one_line
from netgraph.search.candidates import Candidates, Generated, Random, covered_inputs, shared_model, small_recipe
from netgraph.search.choice import Choice, named
from netgraph.search.columns import ColumnEncoder
from netgraph.search.data import TabularData, TimeBudget
from netgraph.search.display import found_html
from netgraph.search.export import export_network
from netgraph.search.extras.random_features import RandomFeatures, ScaledRandom
from netgraph.search.network_search import N_CANDIDATES, NetworkSearch, SearchResult, show_progress
from netgraph.search.pareto import evaluate_objectives, front_table
from netgraph.search.preprocess import Preprocessing, Probabilities, Rescale, column_importances, merge_rows
from netgraph.search.scoring import Candidate
from netgraph.tasks.dataset import Floats
from netgraph.tasks.table import MIN_ROWS


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

    @property
    def _repr_html_(self) -> Any:
        inner = super()._repr_html_  # an AttributeError where scikit-learn is set to display text
        return lambda: inner() + self._found()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        return bundle | ({"text/html": bundle["text/html"] + self._found()} if "text/html" in bundle else {})

    def _found(self) -> str:
        """Return the network that was found, as HTML; nothing before that."""
        return found_html(self) if hasattr(self, "feature_importances_") else ""  # which a search sets last

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

        candidates, small = result.candidates, len(objectives) > 1
        scores = evaluate_objectives(candidates, objectives)
        self.candidates_ = pd.DataFrame(scores.numpy(), columns=list(objectives))
        self.candidates_.insert(0, "source", [one.source for one in candidates])
        self.pareto_ = front_table(scores, objectives)
        if small:
            choice = Choice.of_front(self.pareto_, [candidates[row] for row in self.pareto_.index], result.data)
        else:
            choice = Choice(result.ensemble, result.data, "which is expected to be the best on new rows")
        choice = choice.or_simpler(result.simpler)
        self.reason_, chosen = choice.reason, choice.candidate
        self.chosen_ = candidates.index(chosen)
        if not small:
            self.pareto_ = self.candidates_.loc[[self.chosen_], list(objectives)]
        self.pareto_graphs_ = [candidates[row].graph for row in self.pareto_.index]
        linear, mean = result.simpler
        others = len(candidates) - (1 if chosen is mean else 2)
        if (chosen is mean and result.data.baseline() > 0) or (chosen is linear and others):
            name = named(chosen, result.data)
            found = f"none of {counted(others, 'network')} is better than {name} by cross-validation"
            margin = f"one standard error{' or a fiftieth of the error of the mean' if small else ''}"
            noun = name.partition(" of ")[0]
            predicted = f"{noun} {'are' if noun == 'the frequencies' else 'is'} predicted"
            warnings.warn(f"{found} by more than {margin}; {predicted}", SimplerWarning, stacklevel=4)
        return chosen

    def _describe(self, data: TabularData, chosen: Candidate) -> None:
        """Measure the importances of raw columns."""
        self.feature_importances_ = column_importances(chosen.graph, data.X, self.encoder_)

    def _inputs(self, X: Any) -> Floats:
        """Return encoded columns, [rows, encoded], of raw ones."""
        check_is_fitted(self, "module_")
        with np.errstate(invalid="ignore"):
            features: Floats = self.encoder_.transform(X)  # by name, in any order
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
