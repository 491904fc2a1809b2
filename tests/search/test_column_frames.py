"""Frames of other libraries as raw columns."""

import datetime

import pandas as pd

from netgraph.search.columns import ColumnEncoder

ROWS = 60
DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(40 * i) for i in range(ROWS)]


class Polars:
    """Stands in for a frame of polars where it is not installed: netgraph asks for nothing else."""

    __module__ = "polars.dataframe.frame"

    def __init__(self, columns: dict[str, list]):
        self.columns = columns

    def to_dict(self, as_series: bool) -> dict[str, list]:
        assert not as_series
        return self.columns


def test_frames_of_polars_are_read_by_name():
    columns = {
        "a": [None if i % 9 == 0 else i**1.5 for i in range(ROWS)],
        "color": ["red", "green", None] * 20,
        "day": DAYS,
        "flag": [True, False] * 30,
    }
    frame = pd.DataFrame(columns)
    encoder = ColumnEncoder().fit(Polars(columns))
    assert encoder.feature_names_in_.tolist() == list(columns)
    assert encoder.transform(Polars(columns)).tolist() == ColumnEncoder().fit_transform(frame).tolist()
