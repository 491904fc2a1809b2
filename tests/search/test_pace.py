"""How long a step of tuning is taken to last."""

import pytest

from netgraph.search.pace import LEAST_TIME, Pace


def _guess(columns: int, solving: float) -> float:
    pace = Pace(columns)
    pace.begin(solving)
    return pace.step


def test_before_a_step_was_measured_it_lasts_the_longer_the_wider_and_longer_the_table_is():
    assert 0 < _guess(1, 0.0) < _guess(20, 0.0) < _guess(200, 0.0)
    assert _guess(20, 0.5) == pytest.approx(_guess(20, 0.0) + 0.5)


def test_within_a_group_the_last_round_says_how_long_a_step_lasts():
    pace = Pace(1)
    pace.begin(solving=0.0)
    for seconds in (2.0, 1.0, 3.0):
        pace.measure(seconds, first=seconds == 2.0)
        assert pace.step == seconds


def test_a_new_group_is_as_slow_as_the_slowest_first_round_so_far():
    pace = Pace(1)
    for first, later in ((2.0, 5.0), (1.0, 0.5)):
        pace.begin(solving=9.0)
        pace.measure(first, first=True)
        pace.measure(later, first=False)
    pace.begin(solving=9.0)
    assert pace.step == 2.0


def test_a_clock_that_did_not_move_gives_a_step_some_time():
    pace = Pace(1)
    pace.measure(0.0, first=False)
    assert pace.step == LEAST_TIME
