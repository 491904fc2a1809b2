"""How long a step of tuning is taken to last."""

import pytest

from netgraph.search.pace import LEAST_TIME, STEP, STEP_COLUMNS, Pace


@pytest.mark.parametrize(("columns", "times"), [(0, 1), (STEP_COLUMNS, 2), (3 * STEP_COLUMNS, 4)])
def test_before_a_step_was_measured_it_lasts_the_longer_the_wider_and_longer_the_table_is(columns, times):
    pace = Pace(columns)
    pace.begin(looking=0.5)
    assert pace.step == pytest.approx(times * STEP + 0.5)


def test_within_a_group_the_last_round_says_how_long_a_step_lasts():
    pace = Pace(0)
    pace.begin(looking=0.0)
    for seconds in (2.0, 1.0, 3.0):
        pace.measure(seconds, first=seconds == 2.0)
        assert pace.step == seconds


def test_a_new_group_is_as_slow_as_the_slowest_first_round_so_far():
    pace = Pace(0)
    for first, later in ((2.0, 5.0), (1.0, 0.5)):
        pace.begin(looking=0.0)
        pace.measure(first, first=True)
        pace.measure(later, first=False)
    pace.begin(looking=0.0)
    assert pace.step == 2.0


def test_a_clock_that_did_not_move_gives_a_step_some_time():
    pace = Pace(0)
    pace.measure(0.0, first=False)
    assert pace.step == LEAST_TIME
