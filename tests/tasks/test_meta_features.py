"""The meta-feature vector: its order, its finiteness on odd data, and that it is pymfe's."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pymfe.mfe import MFE

from netgraph.errors import NetGraphError
from netgraph.tasks import (
    META_FEATURE_NAMES,
    TaskRecipe,
    check_meta_vector,
    draw_tasks,
    get_meta_features,
    load_real,
    make_task,
    standardize,
)
from netgraph.tasks.meta_features import LIMIT, MAX_ROWS, _binned
from tests.strategies import examples

FEATURES = {name.split(".")[0] for name in META_FEATURE_NAMES}


def problem(rows, n_features, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, n_features))
    return x, np.sin(x[:, 0]) + 0.1 * rng.normal(size=rows)


def odd_problems():
    x, y = problem(40, 3)
    one = np.ones(40)
    yield "constant column", np.column_stack([x, one]), y
    yield "only constant columns", np.ones((40, 2)), y
    yield "constant y", x, one
    yield "everything constant", np.ones((40, 2)), one
    yield "single feature", x[:, :1], y
    yield "ten rows", x[:10], y[:10]
    yield "two rows", x[:2], y[:2]
    yield "more columns than rows", x.T, y[:3]
    yield "copied columns", x[:, [0, 0, 0]], y
    yield "binary columns", (x > 0).astype(float), y
    yield "y is a column", x, x[:, 0]
    yield "two classes", x, (y > 0).astype(float)
    yield "nearly constant y", x, np.where(np.arange(40) == 7, 5.0, one)
    yield "heavy ties", np.round(x), np.where(y > 1, y, 0.0)
    yield "tiny and huge units", x * [1e-200, 1.0, 1e150], y * 1e-300
    yield "outlier", np.where(x == x.max(), 1e12, x), y


@pytest.mark.parametrize(("x", "y"), [pytest.param(x, y, id=name) for name, x, y in odd_problems()])
def test_odd_data_give_the_same_37_finite_names(x, y):
    vector = get_meta_features(x, y)
    assert tuple(vector.index) == META_FEATURE_NAMES
    assert vector.dtype == np.float64
    assert np.isfinite(vector).all()
    assert (vector.abs() <= LIMIT).all()
    assert vector["nr_attr"] == x.shape[1]
    assert vector["inst_to_attr"] == pytest.approx(len(x) / x.shape[1])
    check_meta_vector(vector)


def test_there_are_37_distinct_names_of_23_features():
    assert len(META_FEATURE_NAMES) == len(set(META_FEATURE_NAMES)) == 37
    assert len(FEATURES) == 23


@pytest.mark.parametrize(("rows", "n_features"), [(128, 5), (60, 13)])
def test_the_values_are_those_of_pymfe(rows, n_features):
    x, y = problem(rows, n_features)
    x[:, 1] = np.round(x[:, 1])
    state = np.random.get_state()
    mfe = MFE(groups="all", features=sorted(FEATURES), summary=["mean", "sd"], random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rounded column cannot be cut into bins of equal size
        mfe.fit(standardize(x)[0], _binned(y), cat_cols=None, precomp_groups=None)
        expected = dict(zip(*mfe.extract(suppress_warnings=True), strict=True))
    np.random.set_state(state)
    actual = get_meta_features(x, y).to_dict()
    assert actual.keys() == expected.keys()
    assert actual == pytest.approx(expected, rel=1e-9, abs=1e-12)


@examples(15)
@given(st.integers(0, 10**6), st.floats(1e-6, 1e6), st.floats(-10, 10), st.floats(1e-6, 1e6))
def test_units_do_not_matter(seed, unit, shift, y_unit):
    x, y = problem(50, 3, seed)
    units = np.array([unit, 1 / unit, 1.0])
    expected = get_meta_features(x, y)
    actual = get_meta_features((x + shift) * units, y * y_unit)
    pd.testing.assert_series_equal(actual, expected, rtol=1e-6, atol=1e-6)


def test_a_constant_column_changes_the_counts_alone():
    x, y = problem(50, 3)
    without = get_meta_features(x, y)
    with_one = get_meta_features(np.column_stack([x[:, 0], np.full(50, 0.1), x[:, 1:]]), y)
    assert set(without.index[without != with_one]) == {"nr_attr", "inst_to_attr", "attr_to_inst"}


def test_every_container_gives_the_same_vector():
    x, y = problem(40, 3)
    expected = get_meta_features(x, y)
    for same in (
        (pd.DataFrame(x), pd.Series(y)),
        (torch.from_numpy(x), torch.from_numpy(y)),
        (x.tolist(), y.tolist()),
    ):
        pd.testing.assert_series_equal(get_meta_features(*same), expected)


def test_repeatable_and_without_touching_the_global_random_state():
    x, y = problem(60, 14)
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    first = get_meta_features(x, y)
    assert np.random.rand() == expected
    pd.testing.assert_series_equal(get_meta_features(x, y), first)


def test_many_rows_are_subsampled_but_counted():
    x, y = problem(30_000, 4)
    vector = get_meta_features(x, y)
    assert vector["inst_to_attr"] == 7500
    assert vector["attr_to_inst"] == pytest.approx(4 / 30_000)
    assert vector["sparsity.mean"] == 0
    near = get_meta_features(x[:MAX_ROWS], y[:MAX_ROWS])
    assert vector["class_conc.mean"] == pytest.approx(near["class_conc.mean"], rel=0.3)


def test_the_vector_tells_tasks_apart():
    vectors = np.stack([get_meta_features(t.x, t.y) for t in draw_tasks(20, TaskRecipe(n_features=(4, 4)), seed=0)])
    varying = np.std(vectors, axis=0) > 0
    assert varying.sum() >= 25


def test_real_data():
    data = load_real("diabetes")
    vector = get_meta_features(data.x, data.y)
    assert vector["nr_class"] == 10
    assert vector["cor.mean"] > 0.1


@examples(50)
@given(st.lists(st.sampled_from([0.0, 1.0, 2.5, 3.0, 7.0, 9.5, 11.0, 20.0]), min_size=2, max_size=60))
def test_classes_keep_the_order_and_equal_values_together(values):
    y = np.array(values)
    classes = _binned(y)
    order = np.argsort(y, kind="stable")
    assert (np.diff(classes[order]) >= 0).all()
    assert all(len(set(classes[y == value])) == 1 for value in values)
    assert set(classes) == set(range(classes.max() + 1))
    assert (classes.max() > 0) == (len(set(values)) > 1)


@pytest.mark.parametrize(("rows", "n_classes"), [(10, 2), (30, 3), (128, 10), (5000, 10)])
def test_a_continuous_target_gives_classes_of_nearly_equal_size(rows, n_classes):
    counts = np.bincount(_binned(np.random.default_rng(0).normal(size=rows)))
    assert len(counts) == n_classes
    assert np.ptp(counts) <= 1


def test_wrong_data_are_refused():
    x, y = problem(10, 2)
    x[3, 1] = np.nan
    with pytest.raises(NetGraphError, match="column 1 of X contains NaN in 1 row"):
        get_meta_features(x, y)


@pytest.mark.parametrize("convert", [pd.Series, np.asarray, torch.tensor, list, lambda v: [v]])
def test_one_vector_becomes_a_batch_of_one(convert):
    batch = check_meta_vector(convert(np.arange(37.0)))
    assert batch.dtype == torch.float32
    torch.testing.assert_close(batch, torch.arange(37.0)[None])


def test_a_batch_stays_a_batch():
    rows = [pd.Series(np.arange(37.0), index=META_FEATURE_NAMES)] * 3
    assert check_meta_vector(pd.DataFrame(rows)).shape == (3, 37)
    assert check_meta_vector(torch.zeros(2, 5), n=5).shape == (2, 5)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.zeros(36), r"expected 37 meta-features or a batch \[B, 37\], got shape \[36\]"),
        (np.zeros((2, 3, 37)), r"got shape \[2, 3, 37\]"),
        (1.0, r"got shape \[\]"),
        (np.array([0.0] * 36 + [np.nan]), r"expected 37 finite meta-features, got nan at index 36"),
        (np.array([1e300] + [0.0] * 36), r"got 1e\+300 at index 0"),
        (["a"] * 37, r"not numbers"),
    ],
)
def test_wrong_vectors_are_refused_in_one_line(vector, message):
    with pytest.raises(NetGraphError, match=message) as caught:
        check_meta_vector(vector)
    assert "\n" not in str(caught.value)


def test_named_meta_features_come_in_any_order():
    vector = get_meta_features(*problem(40, 3))
    shuffled = vector.sample(frac=1, random_state=0)
    assert list(shuffled.index) != list(vector.index)
    assert torch.equal(check_meta_vector(shuffled), check_meta_vector(vector))
    assert torch.equal(check_meta_vector(pd.DataFrame([shuffled] * 2)), check_meta_vector(pd.DataFrame([vector] * 2)))
    for other in (vector[:5], vector.rename({"gravity": "weight"})):
        with pytest.raises(NetGraphError, match="get_meta_features by name"):
            check_meta_vector(other)


def test_a_data_set_of_which_nothing_is_known_is_nan_throughout():
    nothing = torch.full((2, 37), torch.nan)
    assert check_meta_vector(nothing, unknown=True).isnan().all()
    nothing[1, 3] = 0
    with pytest.raises(NetGraphError, match="got nan at index 0"):
        check_meta_vector(nothing, unknown=True)
    with pytest.raises(NetGraphError, match="got nan"):
        check_meta_vector(nothing[:1])


LETTERS = np.array(list("abcdefghijkl"))


def classes_of(rows, number=3, seed=0):
    return np.random.default_rng(seed).integers(0, number, rows)


@pytest.mark.parametrize(
    "convert",
    [
        lambda codes: LETTERS[codes],
        lambda codes: LETTERS[codes].tolist(),
        lambda codes: LETTERS[codes].astype(object),
        lambda codes: pd.Series(LETTERS[codes], dtype="string"),
        lambda codes: pd.Categorical(codes),
        lambda codes: pd.Series(codes, dtype="category"),
        lambda codes: pd.DataFrame({"kind": pd.Series(codes, dtype="category")}),
    ],
)
def test_strings_and_categories_are_classes_without_binning(convert):
    x, codes = np.random.default_rng(1).normal(size=(60, 3)), classes_of(60, 12)
    vector = get_meta_features(x, convert(codes))
    assert vector["nr_class"] == len(set(codes)) == 12
    assert list(vector.index) == list(META_FEATURE_NAMES)
    assert np.isfinite(vector).all()
    pd.testing.assert_series_equal(vector, get_meta_features(x, codes, classes=True))


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, lambda y: pd.Series(y, dtype="boolean"), list])
def test_booleans_are_two_classes(convert):
    x, codes = np.random.default_rng(1).normal(size=(60, 3)), classes_of(60, 2)
    pd.testing.assert_series_equal(
        get_meta_features(x, convert(codes.astype(bool))), get_meta_features(x, codes, classes=True)
    )


def test_whole_numbers_are_a_regression_target_unless_told():
    x, codes = np.random.default_rng(1).normal(size=(60, 3)), classes_of(60, 12)
    assert get_meta_features(x, codes)["nr_class"] <= 6
    assert get_meta_features(x, codes, classes=True)["nr_class"] == 12
    assert get_meta_features(x, LETTERS[codes], classes=None)["nr_class"] == 12


def test_a_task_tells_whether_its_target_is_of_classes():
    x, codes = np.random.default_rng(1).normal(size=(60, 3)), classes_of(60, 4)
    task = make_task(x, codes, family="mine", loss="cross_entropy")
    expected = get_meta_features(task.x, codes, classes=True)
    assert get_meta_features(task)["nr_class"] == expected["nr_class"] == 4
    # One-hot rows are numbered otherwise, which none of the features depends on.
    np.testing.assert_allclose(get_meta_features(task), expected, rtol=1e-6, atol=1e-9)
    binary = make_task(x, codes % 2, family="mine", loss="binary_cross_entropy")
    assert get_meta_features(binary)["nr_class"] == 2
    plain = make_task(x, codes, family="mine")
    pd.testing.assert_series_equal(get_meta_features(plain), get_meta_features(plain.x, plain.y))


def test_several_targets_have_the_mean_of_their_vectors():
    x, y = problem(60, 3)
    others = np.stack([y, x[:, 0] ** 2, -y], axis=1)
    vectors = [get_meta_features(x, column) for column in others.T]
    np.testing.assert_allclose(get_meta_features(x, others), np.mean(vectors, axis=0))
    assert np.isfinite(get_meta_features(x, others)).all()


def test_classes_that_are_missing_are_refused():
    x, _ = problem(4, 2)
    with pytest.raises(NetGraphError, match="y has no class in 1 row"):
        get_meta_features(x, np.array(["a", None, "b", "a"], dtype=object))
    for wrong, message in (
        ([[1, 2], [3], [1], [2]], "y is not a rectangular array"),
        (None, "requires y to be passed"),
    ):
        with pytest.raises(NetGraphError, match=message):
            get_meta_features(x, wrong)
    with pytest.raises(NetGraphError, match="column 1 of y contains NaN in 1 row"):
        get_meta_features(x, [[0, 1], [1, np.nan], [2, 2], [3, 1]])
