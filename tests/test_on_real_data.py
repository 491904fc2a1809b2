"""A model on a real data set, beside random networks and a ridge regression."""

import math

from netgraph.on_real_data import try_real
from tests.search.small import untrained


def test_a_real_data_set_is_tried_beside_its_baselines():
    result = try_real(untrained(), "diabetes", max_seconds=0.2, n_splits=2)
    assert set(result.scores) == set(result.spread)
    assert len(result.scores) == 4
    assert result.scores["ridge regression"] > 0.3
    assert all(map(math.isfinite, result.scores.values()))
    assert result.graph.architecture.n_inputs == 10
