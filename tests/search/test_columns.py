"""Raw columns as the numbers that a network reads: what passes unchanged, what is encoded how, what is refused."""

import datetime
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from netgraph import NetGraphError
from netgraph.search.columns import ColumnEncoder
from tests.strategies import examples

ROWS = 60
RNG = np.random.default_rng(0)
NUMBER = RNG.normal(size=ROWS)
COLOR = np.array(["red", "green", "blue"], dtype=object)[np.arange(ROWS) % 3]
#: Rows whose value is missing.
MISSING = (1, 7, 8, 20, 41)
DAYS = pd.date_range("2020-01-01", periods=ROWS, freq="40D")


def encoded(**columns) -> tuple[ColumnEncoder, dict[str, list[float]]]:
    """Encode columns beside one of numbers, which must pass; return the encoder and the others by name."""
    frame = pd.DataFrame({"x": NUMBER} | columns)
    encoder = ColumnEncoder().fit(frame)
    values = dict(zip(encoder.get_feature_names_out(), encoder.transform(frame).T.tolist(), strict=True))
    assert values.pop("x") == NUMBER.tolist()
    assert [encoder.feature_names_in_[i] for i in encoder.raw_column_][1:] == [
        next(name for name in columns if key.startswith(name)) for key in values
    ]
    json.dumps(encoder.record(), allow_nan=False)
    return encoder, values


def holes(values, at=MISSING, missing=None) -> list:
    return [missing if i in at else value for i, value in enumerate(values)]


@parametrize_with_checks([ColumnEncoder()])
def test_it_is_a_transformer_of_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Can't check")
        check(estimator)


@given(arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(1, 5)), elements=st.floats(-1e9, 1e9), unique=True))
def test_finite_numbers_pass_unchanged(values):
    for X in (values, pd.DataFrame(values), pd.DataFrame(values, columns=list("abcde")[: values.shape[1]])):
        encoder = ColumnEncoder().fit(X)
        kept = [i for i in range(values.shape[1]) if f"x{i}" not in " ".join(encoder.actions_)]
        assert encoder.transform(X)[:, : len(kept)].tobytes() == values.tobytes()
        assert encoder.actions_ == []


@pytest.mark.parametrize(
    "column",
    [
        holes(NUMBER, missing=np.nan),
        holes(NUMBER.astype(object)),
        pd.array(holes(NUMBER), dtype="Float64"),
        holes([str(value) for value in NUMBER], missing="N/A"),
        holes([f" {value}" for value in NUMBER], missing="?"),
    ],
    ids=["float", "object", "nullable", "text", "question mark"],
)
def test_missing_numbers_become_the_median_and_are_marked(column):
    encoder, values = encoded(b=column)
    median = float(np.median(np.delete(NUMBER, MISSING)))
    assert values["b"] == holes(NUMBER, missing=median)
    assert values["b missing"] == [float(i in MISSING) for i in range(ROWS)]
    assert encoder.actions_ == [f"column 'b': 5 missing values as the median, {median:g}, and marked"]


def test_rare_missing_values_have_no_mark():
    encoder, values = encoded(b=holes(NUMBER, at=(1, 7)))
    assert list(values) == ["b"]
    assert encoder.actions_ == [f"column 'b': 2 missing values as the median, {np.median(np.delete(NUMBER, [1, 7])):g}"]


def test_a_value_missing_only_later_becomes_the_median_and_has_no_mark():
    encoder = ColumnEncoder().fit(pd.DataFrame({"a": NUMBER, "c": COLOR}))
    found = encoder.transform(pd.DataFrame({"a": [None, 1.0], "c": ["red", None]}))
    assert found.tolist() == [[np.median(NUMBER), 0, 0, 1], [1, 0, 0, 0]]


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_levels_become_columns_and_a_missing_value_is_a_level(dtype):
    encoder, values = encoded(color=pd.Series(holes(COLOR, at=range(9)), dtype=dtype))
    assert list(values) == ["color missing", "color=blue", "color=green", "color=red"]
    assert values["color=green"] == [float(i >= 9 and color == "green") for i, color in enumerate(COLOR)]
    assert values["color missing"] == [float(i < 9) for i in range(ROWS)]
    assert encoder.actions_ == ["column 'color': 4 levels as 4 columns of 0 and 1"]
    unseen = encoder.transform(pd.DataFrame({"color": ["pink"], "x": [0.5], "more": [1]}))
    assert unseen.tolist() == [[0.5, 0, 0, 0, 0]]


def test_rare_levels_stand_together_with_those_that_were_not_seen():
    column = ["a"] * 30 + ["b"] * 26 + ["c", "c", "d", "e"]
    encoder, values = encoded(level=column)
    assert list(values) == ["level=a", "level=b", "level=other"]
    assert values["level=other"] == [float(level not in "ab") for level in column]
    assert encoder.actions_ == ["column 'level': 5 levels as 3 columns of 0 and 1; 3 rare ones together"]
    assert encoder.transform(pd.DataFrame({"x": [0.0], "level": ["z"]})).tolist() == [[0, 0, 0, 1]]


def test_of_many_levels_the_most_frequent_have_columns():
    column = [f"level {i % 30}" for i in range(600)]
    encoder = ColumnEncoder(max_categories=8).fit(pd.DataFrame({"many": column}))
    assert encoder.transform(pd.DataFrame({"many": column})).shape == (600, 8)


def test_one_column_is_enough_for_two_levels():
    encoder, values = encoded(sex=["female", "male"] * 30)
    assert values == {"sex=female": [1.0, 0.0] * 30}
    assert encoder.actions_ == ["column 'sex': 2 levels as 1 column of 0 and 1"]


@pytest.mark.parametrize(
    "column",
    [
        [True, False] * 30,
        pd.array([True, False] * 30, dtype="boolean"),
        ["TRUE", "false"] * 30,
        np.array([True, False] * 30, dtype=object),
    ],
)
def test_truth_values_become_1_and_0(column):
    encoder, values = encoded(flag=column)
    assert values == {"flag": [1.0, 0.0] * 30}
    assert encoder.actions_ == ["column 'flag': true and false as 1 and 0"]


@pytest.mark.parametrize(
    ("cells", "numbers", "action"),
    [
        (["1,5", "-0,25", "1.234,5", "7"], [1.5, -0.25, 1234.5, 7], "numbers with a decimal comma"),
        (
            ["1,234", "999", "1,234,567.5", "0.5"],
            [1234, 999, 1234567.5, 0.5],
            "numbers with signs of thousands, currency or percent",
        ),
        (["$1,234.5", "$2", "€3", "4 €"], [1234.5, 2, 3, 4], "numbers with signs of thousands, currency or percent"),
        (["1.5%", "20 %", "3%", "4"], [1.5, 20, 3, 4], "numbers with signs of thousands, currency or percent"),
        (["1e3", ".5", "+2", "-7."], [1000, 0.5, 2, -7], None),
    ],
)
def test_text_that_is_numbers_is_read_as_numbers(cells, numbers, action):
    encoder, values = encoded(n=cells * 15)
    assert values == {"n": numbers * 15}
    assert encoder.actions_ == ([f"column 'n': {action}"] if action else [])


def test_a_word_among_numbers_is_a_missing_value_and_other_words_are_refused_later():
    encoder, values = encoded(n=holes([str(i) for i in range(ROWS)], missing="unknown"))
    assert values["n missing"] == [float(i in MISSING) for i in range(ROWS)]
    assert "'unknown' as missing; 5 missing values as the median" in encoder.actions_[0]
    assert encoder.transform(pd.DataFrame({"x": [0], "n": ["unknown"]}))[0, 2] == 1
    with pytest.raises(NetGraphError, match=r"^column 'n' holds 'low' in row 2, which is no number$"):
        encoder.transform(pd.DataFrame({"x": [0, 0], "n": ["1", "low"]}))
    with pytest.raises(NetGraphError, match=r"^column 'n' holds '1,5' in row 2, which is no number$"):
        encoder.transform(pd.DataFrame({"x": [0, 0], "n": ["1.5", "1,5"]}))


@pytest.mark.parametrize(
    ("column", "form"),
    [
        (DAYS, "ISO8601"),
        (DAYS.tz_localize("Europe/Berlin").tz_convert("UTC").tz_localize(None).normalize() + pd.Timedelta("1D"), None),
        ([str(day.date()) for day in DAYS], "ISO8601"),
        (list(DAYS.date), "ISO8601"),
        ([day.strftime("%d.%m.%Y") for day in DAYS], "%d.%m.%Y"),
        ([day.strftime("%m/%d/%Y") for day in DAYS], "%m/%d/%Y"),
        ([day.strftime("%d/%m/%Y") for day in DAYS], "%d/%m/%Y"),
        ([day.strftime("%b %d, %Y") for day in DAYS], "%b %d, %Y"),
    ],
)
def test_dates_become_days_and_the_parts_that_recur(column, form):
    encoder, values = encoded(day=column)
    days = [(day - datetime.datetime(1970, 1, 1)).days for day in DAYS]
    assert list(values) == ["day day", "day day_of_week", "day month"]
    if form is not None:
        assert values["day day"] == days
        assert values["day month"] == [day.month for day in DAYS]
        assert values["day day_of_week"] == [day.weekday() for day in DAYS]
        assert encoder.actions_ == [f"column 'day': dates, {form}, as days since 1970, day of the week, month"]


def test_missing_dates_are_marked_once_and_hours_count():
    times = pd.date_range("2024-05-01", periods=ROWS, freq="7h")
    _, values = encoded(t=holes([str(time) for time in times], missing=""))
    assert list(values) == ["t day", "t hour", "t day_of_week", "t missing"]
    assert values["t day"][2] == (times[2] - pd.Timestamp(0)) / pd.Timedelta("1D")
    assert values["t hour"][2] == 14


def test_columns_that_tell_nothing_are_left_out_and_need_not_be_there():
    columns = {"same": [3] * ROWS, "twin": NUMBER, "void": [None] * ROWS, "text": "t"}
    encoder, values = encoded(**columns, name=[f"name {i}" for i in range(ROWS)])
    assert values == {}
    assert encoder.actions_ == [
        "column 'same': left out, it holds one value alone",
        "column 'twin': left out, it repeats column 'x'",
        "column 'void': left out, it holds no value",
        "column 'text': left out, it holds one value alone",
        "column 'name': left out, it holds no level often enough",
    ]
    assert encoder.transform(pd.DataFrame({"x": [1.0]})).tolist() == [[1.0]]


def test_a_first_column_that_numbers_the_rows_is_left_out_with_a_warning():
    frame = pd.DataFrame({"id": range(ROWS), "x": NUMBER})
    with pytest.warns(UserWarning, match="^column 'id' is left out, it numbers the rows$"):
        encoder = ColumnEncoder().fit(frame)
    assert encoder.transform(frame).tolist() == NUMBER[:, None].tolist()
    assert encoder.actions_ == ["column 'id': left out, it numbers the rows"]
    assert ColumnEncoder().fit(frame[["id"]]).transform(frame).shape == (ROWS, 1)


def test_one_constant_column_is_kept_where_there_is_no_other():
    encoder = ColumnEncoder().fit(np.ones((5, 2)))
    assert encoder.transform(np.ones((3, 2))).tolist() == [[1.0]] * 3
    assert encoder.actions_ == [
        "column 'x0': kept, though it tells no rows apart",
        "column 'x1': left out, it holds one value alone",
    ]
    with pytest.raises(NetGraphError, match="no column of X holds a value"):
        ColumnEncoder().fit(np.full((5, 2), np.nan))


def test_names_decide_and_arrays_have_the_order_of_fit():
    frame = pd.DataFrame({"a": NUMBER, "color": COLOR, "b": NUMBER**2})
    encoder = ColumnEncoder().fit(frame)
    expected = encoder.transform(frame).tolist()
    assert encoder.transform(frame[["b", "color", "a"]].assign(more=1)).tolist() == expected
    assert encoder.transform(frame.to_numpy()).tolist() == expected
    assert encoder.transform(frame.astype(str)).tolist() == expected
    with pytest.raises(NetGraphError, match=r"^X has no column 'a', 'b'$"):
        encoder.transform(frame[["color"]])
    with pytest.raises(NetGraphError, match=r"^X has more than one column 'a'$"):
        encoder.transform(
            frame.set_axis(["a", "color", "b"], axis=1).assign(c=1).set_axis(["a", "color", "b", "a"], axis=1)
        )
    with pytest.raises(NetGraphError, match="X has 2 features, but ColumnEncoder is expecting 3 features as input"):
        encoder.transform(frame.to_numpy()[:, :2])


def test_arrays_of_numbers_may_have_missing_values():
    X = np.column_stack([holes(NUMBER, missing=np.nan), NUMBER**2]).astype(float)
    encoder = ColumnEncoder().fit(X)
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1", "x0 missing"]
    assert encoder.raw_column_.tolist() == [0, 1, 0]
    assert not np.isnan(encoder.transform(X)).any()
    assert clone(encoder).fit(X.tolist()).actions_ == encoder.actions_


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0, np.inf]}, "^column 'a' holds an infinite value in row 2$"),
        ({"a": ["1", "-inf", "2"]}, "^column 'a' holds an infinite value in row 2$"),
        ({"a": [1j, 2]}, "^column 'a' holds complex numbers$"),
        ({"a": [1, 2], 3: [1, 2]}, "^some names of X's columns are text and some are not$"),
        ({}, "0 sample"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(columns, message):
    with pytest.raises(NetGraphError, match=message):
        ColumnEncoder().fit(pd.DataFrame(columns))


@examples(30)
@given(seed=st.integers(0, 2**20))
def test_the_order_of_rows_does_not_matter_and_every_value_is_finite(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(size=ROWS)),
            "b": rng.choice(["u", "v", "w", None], ROWS),
            "c": rng.choice(DAYS, ROWS),
            "d": rng.integers(0, 3, ROWS),
        }
    )
    order = rng.permutation(ROWS)
    values = ColumnEncoder().fit_transform(frame)
    assert np.isfinite(values).all()
    assert ColumnEncoder().fit_transform(frame.iloc[order]).tolist() == values[order].tolist()
