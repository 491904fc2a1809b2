"""The classifier: scikit-learn's checks, labels of any type, probabilities, and the warnings that it shares."""

import importlib.util

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss
from sklearn.utils.estimator_checks import parametrize_with_checks

from netgraph import NetGraphClassifier, NetGraphError
from netgraph.search import Random, RandomFeatures
from netgraph.search.data import TabularData
from netgraph.search.network_search import NetworkSearch
from tests.search.small import Few, class_rows, untrained

ROWS = class_rows(120)
X, Y = ROWS.X.double().numpy(), ROWS.y.argmax(dim=1).numpy()


def make(**options) -> NetGraphClassifier:
    """A quick estimator without a model, which no clock ends."""
    known = {"candidates": (RandomFeatures(None), Random()), "n_candidates": 4, "max_seconds": None}
    return NetGraphClassifier(**(known | options))


@pytest.mark.filterwarnings("ignore:none of .* is better than:UserWarning")
@parametrize_with_checks([make(n_candidates=2), make(n_candidates=2, objectives="error")])
def test_it_is_a_classifier_as_scikit_learn_defines_it(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:none of .* is better than:UserWarning")
@pytest.mark.parametrize("objectives", ["error", ("error", "parameters")])
def test_probabilities_are_calibrated_and_the_most_probable_class_is_predicted(objectives):
    half = np.arange(120) % 2 == 0
    model = make(objectives=objectives).fit(X[half], Y[half])
    probability = model.predict_proba(X[~half])
    assert probability.sum(axis=1) == pytest.approx(np.ones(60))
    assert np.array_equal(model.predict(X[~half]), model.classes_[probability.argmax(axis=1)])
    assert model.score(X[~half], Y[~half]) > 0.85
    assert log_loss(Y[~half], probability) < 0.4
    assert model.module_(torch.zeros(2, 4)).shape == (2, 3)
    assert model.feature_importances_.sum() == pytest.approx(1)
    assert model.feature_importances_.argmin() == 3


LABELS = {
    "text": np.array(["a", "b", "c"]),
    "objects": np.array(["a", "b", "c"], dtype=object),
    "numbers": np.array([-7, 3, 10**12]),
    "floats": np.array([0.0, 1.0, 2.0]),
}


@pytest.mark.filterwarnings("ignore:none of .* is better than:UserWarning")
@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_type_come_back(kind):
    y = LABELS[kind][Y]
    model = make().fit(X, y)
    assert np.array_equal(model.classes_, LABELS[kind])
    assert model.predict(X).dtype == y.dtype
    assert (model.predict(X) == y).mean() > 0.9
    same = make().fit(X, pd.Series(y, index=range(7, 127)))
    assert np.array_equal(same.predict_proba(X), model.predict_proba(X))


@pytest.mark.filterwarnings("ignore:none of .* is better than:UserWarning")
def test_booleans_and_categories_of_pandas_are_labels():
    yes = Y > 0
    assert make(max_seconds=0).fit(X, yes).predict(X).dtype == bool
    category = pd.Series(np.array(["no", "yes"])[yes.astype(int)], dtype="category")
    assert make(max_seconds=0).fit(X, category).classes_.tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(120), "y has 1 class; a classifier needs at least 2 classes"),
        (np.array([1, "a"] * 60, dtype=object), "labels that cannot be sorted, of int, str"),
        (np.array([None, "a"] * 60, dtype=object), "labels that cannot be sorted, of NoneType, str"),
        (np.linspace(0, 1, 120), "Unknown label type: continuous"),
        (np.where(Y > 0, np.nan, 1.0), "NaN"),
        (np.eye(3)[Y], "1d array"),
        (Y[:50], "inconsistent numbers of samples"),
        (None, "requires y to be passed, but the target y is None"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_labels_that_cannot_be_learned_are_refused(y, message):
    with pytest.raises(ValueError, match=message) as caught:
        make().fit(X, y)
    assert not isinstance(caught.value, NetGraphError) or "\n" not in str(caught.value)


def test_where_nothing_is_better_than_the_frequencies_they_are_predicted_with_a_warning():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(40, 5)), np.arange(40) % 4 == 0
    with pytest.warns(UserWarning, match="better than the frequencies of classes by cross-validation"):
        model = make().fit(x, y)
    assert model.predict_proba(x) == pytest.approx(np.tile([0.75, 0.25], (40, 1)), abs=0.02)


@pytest.mark.filterwarnings("ignore:none of .* is better than:UserWarning")
def test_a_weight_is_how_often_a_row_is_given():
    weight = np.arange(120) % 3 + 1
    expected = make().fit(X, Y, weight).predict_proba(X)
    assert np.array_equal(make().fit(X.repeat(weight, axis=0), Y.repeat(weight)).predict_proba(X), expected)


def test_training_lowers_the_log_loss_of_networks_and_of_the_linear_fit_which_masks_classes_between_others():
    X = torch.randn(120, 2, generator=torch.Generator().manual_seed(0))
    data = TabularData(
        X, torch.eye(3)[torch.bucketize(X[:, 0].contiguous(), torch.tensor([-0.4, 0.4]))], loss="cross_entropy"
    )
    result = NetworkSearch(data, small=True).run([Few()], 16)
    first = {note["stage"]: float(note["error"]) for note in reversed(result.history)}
    assert result.simpler[0].source == "linear"
    assert result.simpler[0].score < 0.9 * first["linear"]
    assert result.candidates[0].score < min(first["Few"], 0.5 * data.baseline())


def test_with_default_sources_there_are_networks_of_three_outputs_which_an_exported_file_predicts(tmp_path):
    untrained().save(tmp_path / "vae.safetensors")
    model = NetGraphClassifier(str(tmp_path / "vae.safetensors"), None, 4, objectives="error").fit(X, Y)
    assert {"RandomFeatures", "ScaledRandom", "Generated", "ensemble"} <= set(model.history_["stage"])
    _, script = model.export(tmp_path / "network")
    spec = importlib.util.spec_from_file_location("network", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.load()(torch.from_numpy(X)).detach()
    assert np.allclose(found, model.predict_proba(X), rtol=1e-9)
