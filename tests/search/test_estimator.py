"""The estimator: scikit-learn's checks, what it takes, what it refuses in one line, and what it warns of."""

import importlib.util
import io
import re
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from netgraph import NetGraphError, NetGraphRegressor, NetVAE
from netgraph.search import CrossValidation, Random, RandomFeatures
from tests.search.small import untrained

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = np.sin(X[:, 0])
#: In the second half of the rows the target is another one.
HALVES = np.where(np.arange(60) < 30, 1.0, -1.0) * X[:, 0] + 0.1 * RNG.normal(size=60)
FIRST = np.where(np.arange(60) < 30, 1.0, 1e-6)


def make(**options) -> NetGraphRegressor:
    """A quick estimator without a model, which no clock ends."""
    known = {"candidates": (RandomFeatures(None), Random()), "n_candidates": 4, "max_seconds": None}
    known |= {"objectives": "error"}
    return NetGraphRegressor(**(known | options))


@pytest.mark.filterwarnings("ignore:none of .* is better than:UserWarning")
@parametrize_with_checks([make(n_candidates=2), make(n_candidates=2, objectives=("error", "parameters"))])
def test_it_is_a_regressor_as_scikit_learn_defines_it(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "vae.safetensors"
    untrained().save(path)
    return str(path)


def test_with_default_sources_it_is_seeded_keeps_units_and_has_a_plain_module(checkpoint, tmp_path):
    x = RNG.normal(size=(80, 3)) * [1, 100, 0.01]
    y = 1000 + 50 * np.tanh(2 * x[:, 0])
    model, again = (
        NetGraphRegressor(checkpoint, None, 4, objectives="error", random_state=3).fit(x, y) for _ in range(2)
    )
    assert model.score(x, y) > 0.9
    assert np.array_equal(model.predict(x), again.predict(x))
    assert np.allclose(model.predict(x)[::-1], model.predict(x[::-1]), rtol=1e-12)
    assert model.module_(torch.zeros(2, 3)).shape == (2, 1)
    assert list(model.history_) == ["stage", "networks", "error", "seconds"]
    assert {"linear", "RandomFeatures", "ScaledRandom", "Generated", "ensemble"} <= set(model.history_["stage"])
    assert list(model.candidates_) == ["source", "error"]
    assert model.pareto_.equals(model.candidates_.loc[[model.chosen_], ["error"]])
    assert len(model.pareto_graphs_) == 1
    far = np.concatenate([x, 1e3 * x, -1e9 * x])
    predicted, margin = model.predict(far), 0.051 * np.ptp(y)
    assert y.min() - margin <= predicted.min() < predicted.max() <= y.max() + margin
    _, script = model.export(tmp_path / "network")
    spec = importlib.util.spec_from_file_location("network", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert np.allclose(module.load()(torch.from_numpy(far)).detach(), predicted, rtol=1e-9)


def test_with_several_objectives_the_network_is_small_and_nearly_as_good():
    large, small = make().fit(X, Y), make(objectives=("error", "parameters")).fit(X, Y)
    assert small.graph_.architecture.state_size < large.graph_.architecture.state_size
    assert small.score(X, Y) > 0.8
    assert small.pareto_["error"].is_monotonic_increasing
    assert small.pareto_["parameters"].is_monotonic_decreasing
    assert [g.architecture.state_size for g in small.pareto_graphs_] == small.pareto_["parameters"].tolist()
    assert small.candidates_.loc[small.chosen_, "parameters"] == small.graph_.architecture.state_size


def test_several_targets_are_predicted_at_once_each_in_its_unit():
    y = np.column_stack([100 * Y, X[:, 1] ** 2, np.full(60, 3.0)])
    model = make().fit(X, y)
    assert model.predict(X).shape == (60, 3)
    assert model.score(X, y) > 0.9
    assert model.predict(X)[:, 2].tolist() == [3.0] * 60
    prediction, deviation = model.predict(X, return_std=True)
    assert deviation.shape == prediction.shape
    assert (deviation[:, 0] > 10 * deviation[:, 1]).all()
    assert model.module_(torch.zeros(2, 2)).shape == (2, 3)
    frame = pd.DataFrame(y)
    assert np.array_equal(make().fit(X, frame).predict(X), model.predict(X))


def test_default_sources_give_networks_for_several_targets(checkpoint):
    y = np.column_stack([Y, X[:, 1] ** 2])
    model = NetGraphRegressor(checkpoint, None, 4).fit(X, y)
    assert {"RandomFeatures", "Random", "ScaledRandom", "Generated"} <= set(model.history_["stage"])
    assert model.score(X, y) > 0.8


def test_importances_are_shares_of_raw_columns():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"noise": X[:, 1], "color": rng.choice(["red", "green", "blue"], 60), "x": X[:, 0]})
    y = (frame["color"] == "red") + np.sin(frame["x"])
    model = make().fit(frame, y)
    assert model.feature_names_in_.tolist() == ["noise", "color", "x"]
    assert model.encoder_.transform(frame).shape == (60, 5)
    assert model.feature_importances_.sum() == pytest.approx(1)
    assert model.feature_importances_.argmin() == 0
    constant = make(max_seconds=0).fit(X, np.full(60, 3.0))
    assert constant.feature_importances_.tolist() == [0, 0]


@pytest.mark.filterwarnings("ignore:none of .* is better than a linear fit:UserWarning")
def test_missing_values_and_categories_are_read():
    rng = np.random.default_rng(0)
    color = rng.choice(["red", "green"], 60)
    x = np.where(rng.random(60) < 0.2, np.nan, X[:, 0])
    frame, y = pd.DataFrame({"x": x, "color": color}), np.where(color == "red", 1.0, 0.0) + np.nan_to_num(x)
    model = make().fit(frame, y)
    assert model.score(frame, y) > 0.9
    assert len(model.encoder_.actions_) == 2
    new = pd.DataFrame({"x": [np.nan], "color": ["blue"]})
    assert np.isfinite(model.predict(new)).all()
    assert np.isfinite(make().fit(np.column_stack([x, X]), y).predict(np.full((1, 3), np.nan))).all()


def test_frames_of_polars_are_read():
    polars = pytest.importorskip("polars")
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    same = polars.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    assert np.array_equal(make().fit(same, Y).predict(same), make().fit(frame, Y).predict(frame))


@pytest.mark.parametrize("objectives", ["error", ("error", "parameters")])
def test_of_few_rows_a_simple_prediction_is_returned_and_told(objectives):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20, 8))
    y = x[:, 0] + rng.normal(size=20)
    margin = "one standard error" + (" or a fiftieth of the error of the mean" if len(objectives) == 2 else "")
    message = f"none of .* is better than (a linear fit|the mean of 20 targets) by .* than {margin}; .* is predicted$"
    with pytest.warns(UserWarning, match=message):
        model = make(objectives=objectives).fit(x, y)
    assert model.graph_.architecture.state_size == 9
    assert model.candidates_["source"][model.chosen_] in ("linear", "mean")
    chosen = model.candidates_["error"][model.chosen_]
    assert re.match(r"(A linear fit|The mean of 20 targets), (simpler and|the smallest) as good", model.reason_)
    assert f"Its error by cross-validation is {chosen:.4g} of the target's variance; that of" in model.reason_
    assert r2_score(y, model.predict(x)) > -0.1


def test_it_works_where_scikit_learn_puts_it():
    search = GridSearchCV(make(), {"n_candidates": [1, 4], "candidates": [[Random()], [RandomFeatures()]]}, cv=2)
    assert search.fit(X, Y).best_score_ > 0.5


TARGETS = [
    *(Y > 0, (Y > 0).astype(object), (10 * Y).astype(int), (50 * Y + 60).astype(np.uint8), Y.astype(object)),
    *(Y.astype(np.float16), Y.astype(np.longdouble), Y.tolist(), pd.Series(Y, index=range(100, 160))),
    *(
        Y.astype(str),
        pd.Series((10 * Y).astype(int), dtype="Int64"),
        pd.Series(Y > 0, dtype="boolean"),
        torch.from_numpy(Y),
    ),
]


@pytest.mark.parametrize("y", TARGETS, ids=lambda y: f"{type(y).__name__} {getattr(y, 'dtype', '')}")
def test_targets_of_all_kinds_are_numbers(y):
    numbers, quick = np.array([float(value) for value in y]), {"max_seconds": 0}
    found = make(**quick).fit(X, y).predict(X)
    assert np.array_equal(found, make(**quick).fit(X, numbers).predict(X))
    assert found.dtype == np.float64


def test_a_target_that_is_a_column_is_taken_with_scikit_learns_warning():
    with pytest.warns(UserWarning, match="A column-vector y was passed"):
        assert make(max_seconds=0).fit(X, Y[:, None]).predict(X).shape == (60,)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, pd.date_range("2020", periods=60).to_numpy(), "datetime64"),
        (X, np.array(["a"] * 60), "^y holds 'a', which is no number; NetGraphClassifier predicts classes$"),
        (X, ["1", 2, "z"] * 20, "^y holds 'z', which is no number; NetGraphClassifier predicts classes$"),
        (X, np.full(60, np.nan), "NaN"),
        (X, Y + 1j, "Complex"),
        (X, np.stack([Y, Y], axis=1)[None], "dim 3"),
        (np.full((60, 2), np.nan), Y, "no column of X holds a value"),
        (X[:9], Y[:9], "minimum of 10"),
        (X[:50], Y, "inconsistent numbers of samples"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rows_that_cannot_be_fitted_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        make().fit(x, y)


@pytest.mark.parametrize("unit", [1e-14, 1e200, 1e308, 1.7e308])
@pytest.mark.filterwarnings("ignore:none of .* is better than a linear fit:UserWarning")
@pytest.mark.filterwarnings("error")
def test_no_unit_matters(unit):
    x, y = X.clip(-1, 1), X[:, 0].clip(-1, 1)
    assert make().fit(x * unit, Y).score(x * unit, Y) > 0.8
    predicted = make().fit(X, y * unit).predict(X)
    assert np.isfinite(predicted).all()
    assert np.corrcoef(predicted / unit, y)[0, 1] > 0.9
    assert np.isfinite(make().fit(X, Y).predict(np.full((2, 2), unit))).all()


WRONG = {
    "checkpoint": [3, b"x", ["x"], "/", "", "absent.safetensors", NetVAE],
    "max_seconds": ["3", True, [1], 1j, float("nan"), -1],
    "n_candidates": [0, -1, True, "64", 1.5, None, [3]],
    "objectives": [None, 3, [], ["error", 3], [["error"]], ("error", "error"), "parameters", "speed"],
    "random_state": ["a", -1, 1.5, [1], 2**40, np.random.default_rng(0), torch.Generator()],
    "device": [3, None, "gpu", ""],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_argument_is_named_in_one_line_and_leaves_the_earlier_fit(name, value):
    model = make(max_seconds=0).fit(X, Y)
    before = model.predict(X)
    with pytest.raises(NetGraphError) as caught:
        model.set_params(**{"candidates": None, name: value}).fit(X * 100 + 7, Y * 3 + 50)
    assert "\n" not in str(caught.value)
    assert {"objectives": "objective", "checkpoint": ""}.get(name, name) in str(caught.value)
    assert np.array_equal(model.predict(X), before)


@pytest.mark.parametrize(
    "options",
    [
        {"max_seconds": np.float32(60)},
        {"n_candidates": np.int64(2)},
        {"random_state": None},
        {"random_state": np.random.RandomState(0)},
        {"device": torch.device("cpu")},
        {"objectives": np.array(["error", "parameters"])},
        {"verbose": 0},
    ],
    ids=lambda options: " ".join(f"{name}-{type(value).__name__}" for name, value in options.items()),
)
def test_other_kinds_of_right_arguments_are_taken(options):
    assert make(**options).fit(X, Y).score(X, Y) > 0.5


class Plain:
    """Takes what is written, and is nothing more."""

    def write(self, text: str) -> None:
        pass


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, Plain(), closed()], ids=["none", "plain", "closed"])
def test_standard_error_need_not_be_there(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    assert make(verbose=True, max_seconds=0).fit(X, X[:, 1]).score(X, X[:, 1]) > 0.5


@pytest.mark.parametrize("objectives", [("error",), ("error", "parameters")])
def test_where_nothing_is_better_than_the_mean_it_is_predicted_with_a_warning(objectives):
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(16, 5)), rng.normal(size=16)
    with pytest.warns(UserWarning, match="better than the mean of 16 targets by cross-validation") as caught:
        found = make(objectives=objectives, max_seconds=0).fit(x, y)
    assert caught[0].filename == __file__
    assert np.allclose(found.predict(rng.normal(size=(5, 5))), y.mean())
    assert found.graph_.architecture.state_size == 6
    with warnings.catch_warnings(action="error"):
        assert make(objectives=objectives, max_seconds=0).fit(x, np.full(16, 3.0)).predict(x).tolist() == [3.0] * 16


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("function", ["scoring.CrossValidation.train", "network_search.ensembles"])
def test_an_interrupt_of_a_later_step_keeps_the_best_so_far(monkeypatch, function):
    monkeypatch.setattr(f"netgraph.search.{function}", interrupted)
    with pytest.warns(UserWarning, match="interrupted: the network is the best so far") as caught:
        model = make().fit(X, Y)
    assert caught[0].filename == __file__
    assert model.score(X, Y) > 0.9
    assert model.history_["stage"].tolist()[:3] == ["linear", "RandomFeatures", "Random"]


def test_rungs_before_an_interrupt_are_kept(monkeypatch):
    train, calls = CrossValidation.train, []

    def second(*arguments):
        calls.append(arguments)
        return train(*arguments) if len(calls) == 1 else interrupted()

    monkeypatch.setattr(CrossValidation, "train", second)
    with pytest.warns(UserWarning, match="interrupted"):
        model = make(candidates=[Random()]).fit(X, Y)
    notes = model.history_[~model.history_["stage"].isin(["linear", "ensemble"])]
    assert notes["stage"].str.startswith("trained").tolist() == [False, True]
    errors = model.candidates_.loc[model.candidates_["source"] == "Random", "error"]
    assert errors.min() == pytest.approx(notes["error"].min())


class Interrupted(Random):
    """Is interrupted when it is sampled."""

    def sample(self, *_):
        raise KeyboardInterrupt


def test_an_interrupt_keeps_the_best_so_far():
    with pytest.warns(UserWarning, match="interrupted: the network is the best so far"):
        found = make(candidates=[RandomFeatures(None), Interrupted()]).fit(X, Y)
    assert found.score(X, Y) > 0.9
    assert found.history_["stage"].tolist() == ["linear", "RandomFeatures", "ensemble"]


def test_a_column_that_numbers_the_rows_is_told():
    frame = pd.DataFrame({"Unnamed: 0": range(60), "a": X[:, 0]})
    with pytest.warns(UserWarning, match="column 'Unnamed: 0' is left out, it numbers the rows"):
        model = make(max_seconds=0).fit(frame, Y)
    assert model.n_features_in_ == 2
    assert model.feature_importances_.tolist() == [0.0, 1.0]


def test_a_weight_is_how_often_a_row_is_given_and_the_order_of_rows_does_not_matter():
    weight, order = np.arange(60) % 3 + 1, np.random.default_rng(2).permutation(60)
    expected = make().fit(X, Y, weight).predict(X)
    assert np.array_equal(make().fit(X[order], Y[order], weight[order]).predict(X), expected)
    assert np.array_equal(make().fit(X.repeat(weight, axis=0), Y.repeat(weight)).predict(X), expected)
    plain = make().fit(X, Y).predict(X)
    assert np.array_equal(make().fit(X, Y, sample_weight=[7] * 60).predict(X), plain)
    some = np.where(np.arange(60) < 40, 1.0, 0.0)
    assert np.array_equal(make().fit(X, Y, some).predict(X), make().fit(X[:40], Y[:40]).predict(X))


@pytest.mark.filterwarnings("ignore:none of .* is better than a linear fit:UserWarning")
def test_rows_that_weigh_most_are_learned():
    first, second = (make().fit(X, HALVES, weight) for weight in (FIRST, FIRST[::-1]))
    assert np.corrcoef(first.predict(X[:30]), X[:30, 0])[0, 1] > 0.9
    assert np.corrcoef(second.predict(X[:30]), X[:30, 0])[0, 1] < -0.9
    assert first.score(X, HALVES, sample_weight=FIRST) > 0.8 > first.score(X, HALVES)


@pytest.mark.parametrize(
    ("weight", "message"),
    [(-np.ones(60), "Negative"), (np.full(60, np.nan), "NaN"), (np.zeros(60), "zero|above 0"), (np.ones(5), "shape")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_weights_are_named(weight, message):
    with pytest.raises(ValueError, match=message):
        make().fit(X, Y, sample_weight=weight)


def test_columns_are_found_by_name_in_any_order():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=40), "color": ["red", "green"] * 20, "constant": 1.0})
    model = make().fit(frame, frame["a"] ** 2 + 3 * (frame["color"] == "red"))
    expected = model.predict(frame)
    for table in (frame[["color", "a"]], frame[frame.columns[::-1]].assign(more=1), frame.to_numpy()):
        assert model.predict(table).tolist() == expected.tolist()
    with pytest.raises(NetGraphError, match=r"^X has no column 'a'$"):
        model.predict(frame[["color"]])
