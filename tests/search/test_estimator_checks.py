"""scikit-learn's own checks of an estimator, on searches that draw and tune, and end by steps instead of the clock."""

from functools import partial

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from netgraph.search import NetGraphRegressor
from netgraph.search.config import SearchConfig

ESTIMATOR = NetGraphRegressor(n_candidates=2, max_seconds=None)


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr("netgraph.search.estimator.SearchConfig", partial(SearchConfig, rungs=(2,), n_tuned=1))


@pytest.mark.filterwarnings("ignore:no network of .* is better than the mean:UserWarning")
@pytest.mark.filterwarnings("ignore:X has 30 columns; networks made for it read 8 projections:UserWarning")
@parametrize_with_checks([ESTIMATOR])
def test_it_is_a_regressor_as_scikit_learn_wants_it(estimator, check):
    check(estimator)


def test_the_searches_of_these_checks_draw_candidates_and_tune_them():
    x = np.random.default_rng(0).normal(size=(40, 2))
    stages = ESTIMATOR.fit(x, np.sin(3 * x[:, 0])).history_["stage"].tolist()
    assert "drawn" in stages
    assert "tuned for 2 steps" in stages
    assert stages[-1] == "combined"
