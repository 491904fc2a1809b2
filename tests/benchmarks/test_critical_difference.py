import numpy as np
import pytest
from critical_difference import cliques, critical_difference, draw, friedman, ranks
from scipy.stats import friedmanchisquare

# Demšar (2006), table 6: AUC of four variants of C4.5 on 14 data sets. The paper ranks 0.975 and 0.975 of the last but
# one, which were not rounded then, 2 and 3.
AUC = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_the_example_of_the_paper():
    ranked = ranks(AUC)
    assert ranked.mean(axis=0) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=6e-4)
    found = friedman(ranked)
    assert found.chi_square == pytest.approx(9.28, abs=0.01)
    assert found.f == pytest.approx(3.69, abs=0.01)
    assert 0.01 < found.p < 0.05
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=0.005)


@pytest.mark.parametrize(
    ("alpha", "values"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_critical_values_are_those_of_the_paper(alpha, values):
    for k, value in enumerate(values, start=2):
        q = critical_difference(k, 1, alpha) / np.sqrt(k * (k + 1) / 6)
        assert q == pytest.approx(value, abs=2e-3)


def test_ties_share_their_ranks_and_what_failed_is_last():
    assert ranks(np.array([[0.5, 0.9, 0.5, -np.inf], [1.0, 1.0, 1.0, 1.0]])).tolist() == [
        [2.5, 1.0, 2.5, 4.0],
        [2.5, 2.5, 2.5, 2.5],
    ]


def test_without_ties_the_statistic_is_that_of_scipy():
    scores = np.random.default_rng(0).normal(size=(9, 5))
    assert friedman(ranks(scores)).chi_square == pytest.approx(friedmanchisquare(*scores.T).statistic)


def test_methods_that_rank_alike_everywhere_differ_for_certain():
    found = friedman(ranks(np.tile([3.0, 2.0, 1.0], (6, 1))))
    assert found.f == np.inf
    assert found.p == 0


def test_cliques_are_the_largest_groups_within_the_critical_difference():
    assert cliques(np.array([1.0, 1.5, 2.2, 4.0]), 1.0) == [(0, 1), (1, 2)]
    assert cliques(np.array([1.0, 1.5, 1.9, 4.0]), 1.0) == [(0, 2)]
    assert cliques(np.array([1.0, 3.0, 5.0]), 1.0) == []


def test_the_picture_names_every_method_beside_its_mean_rank(tmp_path):
    figure = draw(["a", "b", "c"], np.array([2.5, 1.0, 2.5]), 0.7, "title")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"a (2.50)", "b (1.00)", "c (2.50)", "critical difference 0.70"} <= set(texts)
    figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 0
