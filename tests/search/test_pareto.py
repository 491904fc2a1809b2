"""Objectives and Pareto fronts, beside their definitions."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame

from netgraph import NetGraphError, from_module
from netgraph.evaluation.table_report import draw_front
from netgraph.inputs import check_objectives
from netgraph.search.choice import TOLERANCE, smallest_as_good
from netgraph.search.data import TabularData
from netgraph.search.pareto import (
    evaluate_objectives,
    front_table,
    hypervolume,
    non_dominated,
)
from netgraph.search.scoring import Candidate

INF, NAN = torch.inf, torch.nan
#: Few different values, so that equal ones are frequent.
values = st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0, -3.0, INF, -INF, NAN])


@st.composite
def tables(draw: st.DrawFn, n_objectives: int | None = None) -> torch.Tensor:
    """Draw scores, [n, k]."""
    k = n_objectives or draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(values, min_size=k, max_size=k), max_size=12))
    return torch.tensor(rows).reshape(-1, k)


def brute_force(scores: torch.Tensor) -> list[bool]:
    rows, finite = scores.tolist(), scores.isfinite().all(dim=1).tolist()

    def dominates(one: list[float], other: list[float]) -> bool:
        return all(a <= b for a, b in zip(one, other, strict=True)) and one != other

    return [
        finite[i]
        and not any(finite[j] and dominates(rows[j], rows[i]) for j in range(len(rows)))
        and not any(rows[j] == rows[i] for j in range(i))
        for i in range(len(rows))
    ]


def area_by_cells(scores: torch.Tensor, reference: tuple[float, float]) -> float:
    """Add up the cells of the grid through all values whose lower left corner some row dominates."""
    rows = scores[scores.isfinite().all(dim=1)].tolist()
    x, y = (sorted({min(row[i], reference[i]) for row in rows} | {reference[i]}) for i in (0, 1))
    return sum(
        (right - left) * (top - bottom)
        for left, right in pairwise(x)
        for bottom, top in pairwise(y)
        if any(row[0] <= left and row[1] <= bottom for row in rows)
    )


@given(tables())
def test_the_front_is_that_of_the_definition(scores):
    assert non_dominated(scores).tolist() == brute_force(scores)


@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(scores, random):
    shuffled = scores[random.sample(range(len(scores)), len(scores))]
    names = [str(i) for i in range(scores.shape[1])]
    rows = [front_table(s, names).to_numpy().tolist() for s in (scores, shuffled)]
    assert sorted(rows[0]) == sorted(rows[1])


@given(tables(2))
def test_the_hypervolume_is_the_area_that_is_dominated(scores):
    assert hypervolume(scores, (1.5, 1.0)) == pytest.approx(area_by_cells(scores, (1.5, 1.0)))


@given(tables(2), st.tuples(values, values))
def test_a_further_row_or_a_worse_reference_never_lowers_the_hypervolume(scores, row):
    before, more = hypervolume(scores, (1.0, 1.0)), torch.cat([scores, torch.tensor([row])])
    assert hypervolume(scores, (1.5, 2.0)) >= before
    is_new = bool(non_dominated(more)[-1]) and row[0] < 1 and row[1] < 1
    after = hypervolume(more, (1.0, 1.0))
    assert after > before if is_new else after == before


def test_a_front_of_three_objectives_is_found_among_many():
    points = torch.rand(1000, 3, generator=torch.Generator().manual_seed(0)) + 1e-3
    sphere = points / points.norm(dim=1, keepdim=True)
    front = non_dominated(torch.cat([sphere + 0.5, sphere]))
    assert front[1000:].all()
    assert not front[:1000].all()


def test_the_table_is_sorted_and_names_the_rows():
    scores = torch.tensor([[3.0, 1.0], [1.0, 30.0], [2.0, NAN], [2.0, 2.0], [3.0, 3.0]], dtype=torch.float64)
    table = front_table(scores, ["error", "parameters"])
    assert table.to_dict("list") == {"error": [1.0, 2.0, 3.0], "parameters": [30.0, 2.0, 1.0]}
    assert table.index.tolist() == [1, 3, 0]
    empty = front_table(scores[2:3], ["error", "parameters"])
    assert empty.empty
    assert list(empty.columns) == ["error", "parameters"]


def test_the_smallest_network_that_is_as_good_as_the_best_is_chosen():
    noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    data = TabularData(torch.zeros(100, 1), noise.float())
    best = 0.1 + 0.05 * noise[:, 0].abs()
    scores = torch.tensor([[0.14, 30.0], [0.15, 20.0], [0.5, 10.0]], dtype=torch.float64)
    front = front_table(scores, ["error", "parameters"])
    steadily = torch.stack([best, best + 0.5, best + 0.6])  # the same on every row: no chance
    assert smallest_as_good(front, steadily, data) == 0
    by_chance = torch.stack([best, best + 0.05 + noise[:, 0], best + 0.6])
    assert smallest_as_good(front, by_chance, data) == 1
    slightly = torch.stack([best, best + 1e-3, best + 0.9 * TOLERANCE * data.baseline()])
    assert smallest_as_good(front, slightly, data) == 2


def test_the_picture_has_the_front_as_steps_and_the_chosen_point():
    scores = torch.tensor([[0.1, 5000.0], [0.5, 20.0], [0.3, 300.0], [0.6, 5000.0], [INF, 1.0]])
    names = ["error", "parameters"]
    ax = draw_front(DataFrame(scores, columns=names), front_table(scores, names), chosen=2)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("error", "parameters")
    (steps,) = ax.lines
    assert steps.get_xdata() == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.6])
    assert steps.get_ydata() == pytest.approx([5000, 5000, 300, 20, 20])
    everything, front, star = (collection.get_offsets() for collection in ax.collections)
    assert (len(everything), len(front)) == (4, 3)
    assert star.tolist() == [pytest.approx([0.3, 300])]


def test_networks_have_error_size_and_speed():
    small = from_module(torch.nn.Linear(3, 1))
    large = from_module(torch.nn.Sequential(torch.nn.Linear(3, 50), torch.nn.Tanh(), torch.nn.Linear(50, 1)))
    candidates = [Candidate(small, torch.empty(0), 0.5), Candidate(large, torch.empty(0), 0.1)]
    scores = evaluate_objectives(candidates, ("error", "parameters", "latency"))
    assert torch.allclose(scores[:, 0], torch.tensor([0.5, 0.1]).double())
    assert scores[:, 1].tolist() == [4.0, 251.0]
    assert (scores[:, 2] > 0).all()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("error", "beauty"), "unknown objective 'beauty'; known: error, parameters, latency"),
        (("parameters",), "they begin with error"),
        ((), "objectives are empty"),
        (("error", "error"), "each once"),
    ],
)
def test_wrong_objectives_are_named(names, message):
    with pytest.raises(NetGraphError, match=message):
        check_objectives(names)
