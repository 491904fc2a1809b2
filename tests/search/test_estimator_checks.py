"""scikit-learn's own checks of an estimator; the search ends after its first candidates, so that they take seconds."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from netgraph.search import NetGraphRegressor


@parametrize_with_checks([NetGraphRegressor(n_candidates=16, max_seconds=0)])
def test_it_is_a_regressor_as_scikit_learn_wants_it(estimator, check):
    check(estimator)
