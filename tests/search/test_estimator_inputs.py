"""What the estimator takes, what it refuses in one line, and what it says; searches end by steps."""

import io
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from netgraph import NetGraphError, NetVAE
from netgraph.graph.to_module import to_module
from netgraph.search import NetGraphRegressor, estimator
from netgraph.search.preprocess import Preprocessing
from tests.search.small import SHORTEST, untrained

X = np.random.default_rng(0).normal(size=(40, 2))
Y = np.sin(X[:, 0])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "vae.safetensors"
    untrained().save(path)
    return str(path)


@pytest.fixture
def make(checkpoint, monkeypatch):
    """Makes estimators of a small model, whose searches are short."""
    monkeypatch.setattr("netgraph.search.estimator.SearchConfig", SHORTEST)
    known = {"checkpoint": checkpoint, "n_candidates": 2, "max_seconds": None}
    return lambda **options: NetGraphRegressor(**(known | options))


@pytest.mark.parametrize(
    "y",
    [
        Y > 0,
        (Y > 0).astype(object),
        (10 * Y).astype(int),
        (50 * Y + 60).astype(np.uint8),
        Y.astype(object),
        Y.astype(np.float16),
        Y.astype(np.longdouble),
        Y.tolist(),
        np.array([str(value) for value in Y]),
        pd.Series(Y, index=range(100, 140)),
        pd.Series((10 * Y).astype(int), dtype="Int64"),
        pd.Series(Y > 0, dtype="boolean"),
        torch.from_numpy(Y),
    ],
    ids=lambda y: f"{type(y).__name__} {getattr(y, 'dtype', '')}",
)
def test_targets_of_all_kinds_are_numbers(make, y):
    numbers = np.array([float(value) for value in y])
    found = make().fit(X, y)
    assert np.array_equal(found.predict(X), make().fit(X, numbers).predict(X))
    assert found.predict(X).dtype == np.float64


def test_a_target_that_is_a_column_is_taken_with_scikit_learns_warning(make):
    with pytest.warns(UserWarning, match="A column-vector y was passed"):
        found = make().fit(X, Y[:, None])
    assert found.predict(X).shape == (40,)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (pd.date_range("2020", periods=40).to_numpy(), "y holds datetime64"),
        (np.array(["a"] * 40), "could not convert string to float"),
        (np.array(["inf"] * 40), "y holds a value that is not finite"),
        (np.full(40, np.nan), "NaN"),
        (Y + 1j, "Complex"),
        (np.stack([Y, Y], axis=1), "1d array"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_targets_that_are_no_numbers_are_refused(make, y, message):
    with pytest.raises(ValueError, match=message):
        make().fit(X, y)


@pytest.mark.parametrize("unit", [1e308, 1.7e308])
@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_that_there_are_do_not_overflow(make, tmp_path, unit):
    x, y = X.clip(-1, 1) * unit, X[:, 0].clip(-1, 1) * unit
    by_x, by_y = make().fit(x, Y), make().fit(X, y)
    assert by_x.score(x, Y) > 0.8
    predicted = by_y.predict(X)
    assert np.isfinite(predicted).all()
    assert np.corrcoef(predicted / unit, y / unit)[0, 1] > 0.9
    weights, script = by_x.export(tmp_path / "found")
    scope = {"__file__": str(script), "__name__": "found"}
    exec(compile(script.read_text(), script, "exec"), scope)  # noqa: S102 - the file under test
    assert np.allclose(scope["load"](weights)(torch.from_numpy(x)).detach(), by_x.predict(x), rtol=1e-9)
    assert np.isfinite(make().fit(X, Y).predict(np.full((2, 2), unit))).all()


def test_sums_in_a_small_unit_are_the_same_bits():
    x, y = X * [1, 1e9], 1e-3 * Y
    units = Preprocessing.fit(x, y)
    assert np.array_equal(units.shift, x.mean(axis=0))
    assert units.center == y.mean()
    assert torch.equal(units.target(y), (torch.from_numpy(y) - units.center) / units.spread)


WRONG = {
    "checkpoint": [3, b"x", ["x"], "/", ""],
    "max_seconds": ["3", True, [1], 1j, float("nan"), -1],
    "n_candidates": [0, -1, True, "64", 1.5, None, [3]],
    "strategy": [3, None, ["prior"], {}, "luck"],
    "objectives": [None, 3, [], ["error", 3], [["error"]], ("error", "error"), "parameters"],
    "random_state": ["a", -1, 1.5, [1], 2**40, np.random.default_rng(0), torch.Generator()],
    "device": [3, None, "gpu", ""],
    "verbose": ["yes", None, 1.0],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_argument_is_named_in_one_line(make, name, value):
    with pytest.raises(NetGraphError) as caught:
        make(**{name: value}).fit(X, Y)
    said = str(caught.value)
    assert "\n" not in said
    assert {"strategy": "strategy", "objectives": "objective", "checkpoint": ""}.get(name, name) in said


def test_a_model_is_no_path(make):
    with pytest.raises(NetGraphError, match="checkpoint is of NetVAE; the path of a file, or None"):
        make(checkpoint=NetVAE.from_pretrained()).fit(X, Y)


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
def test_other_kinds_of_right_arguments_are_taken(make, options):
    assert make(**options).fit(X, Y).score(X, Y) > 0.5


class Plain:
    """Takes what is written, and is nothing more."""

    def write(self, text: str) -> None:
        pass


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("stream", [None, Plain(), closed()], ids=["none", "plain", "closed"])
def test_standard_error_need_not_be_there(make, monkeypatch, stream, verbose):
    monkeypatch.setattr(sys, "stderr", stream)
    assert make(verbose=verbose).fit(X, Y).score(X, Y) > 0.5


def test_many_rows_are_predicted_in_blocks_bit_for_bit(make, monkeypatch):
    found = make().fit(X, Y)
    rows = np.random.default_rng(1).normal(size=(2_500, 2))
    module, seen = to_module(found.graph_.replace(state=found.graph_.state.double())), []

    def watched(graph):
        network = to_module(graph)
        network.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
        return network

    monkeypatch.setattr(estimator, "BLOCK", 1000)
    monkeypatch.setattr(estimator, "to_module", watched)
    with torch.no_grad():
        whole = found.preprocessing_.restore(module(found.preprocessing_.inputs(rows))[:, 0])
    assert np.array_equal(found.predict(rows), whole)
    assert seen == [1000, 1000, 1000]
    assert np.array_equal(found.predict(rows[:7]), found.predict(rows[:7].copy()))


def test_where_nothing_is_better_than_the_mean_it_is_predicted_with_a_warning(make):
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(16, 5)), rng.normal(size=16)
    for objectives in ("error",), ("error", "parameters"):
        with pytest.warns(UserWarning, match="better than the mean of 16 targets by cross-validation"):
            found = make(objectives=objectives).fit(x, y)
        assert np.allclose(found.predict(rng.normal(size=(5, 5))), y.mean())
        assert found.graph_.architecture.state_size == 6
    with warnings.catch_warnings(action="error"):
        assert make().fit(x, np.full(16, 3.0)).predict(x).tolist() == [3.0] * 16


@pytest.mark.parametrize("stage", ["baselines", "drawn", "tuned for 2 steps"])
def test_an_interrupt_keeps_the_best_so_far(make, monkeypatch, stage):
    def show(note):
        if note["stage"] == stage:
            raise KeyboardInterrupt

    class Shown:
        def __enter__(self):
            return show

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(estimator, "progress", lambda _: Shown())
    with pytest.warns(UserWarning, match="interrupted: the network is the best so far") as said:
        found = make().fit(X, Y)
    assert said[0].filename == __file__
    assert found.score(X, Y) > 0.5
    assert stage in found.history_["stage"].tolist()


def test_an_interrupt_before_there_is_a_network_is_one(make, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("netgraph.search.fit.baselines", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make().fit(X, Y)


def test_a_column_that_numbers_the_rows_is_told(make):
    frame = pd.DataFrame({"Unnamed: 0": range(40), "a": X[:, 0]})
    with pytest.warns(UserWarning, match="column 'Unnamed: 0' numbers the rows"):
        found = make().fit(frame, Y)
    assert found.n_features_in_ == 2
