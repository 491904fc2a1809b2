from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netgraph import NetGraphError
from netgraph.search.pareto import draw_front, front_table, hypervolume_2d, non_dominated

INF, NAN = torch.inf, torch.nan
#: Few different values, so that equal ones are frequent.
values = st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0, -3.0, INF, -INF, NAN])


@st.composite
def tables(draw: st.DrawFn, n_objectives: int | None = None) -> torch.Tensor:
    """Draw scores, [n, k]."""
    k = n_objectives or draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(values, min_size=k, max_size=k), max_size=12))
    return torch.tensor(rows).reshape(-1, k)


def dominates(one: list[float], other: list[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


def brute_force(scores: torch.Tensor) -> list[bool]:
    rows, finite = scores.tolist(), scores.isfinite().all(dim=1).tolist()
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
    order = random.sample(range(len(scores)), len(scores))
    shuffled = scores[order]
    fronts = [{tuple(row) for row in (s[non_dominated(s)] + 0.0).tolist()} for s in (scores, shuffled)]
    assert fronts[0] == fronts[1]
    names = [str(i) for i in range(scores.shape[1])]
    rows = [front_table(s, names).to_numpy().tolist() for s in (scores, shuffled)]
    assert sorted(rows[0]) == sorted(rows[1])


@given(tables())
def test_every_finite_row_off_the_front_is_dominated_by_or_equal_to_one_on_it(scores):
    front = scores[non_dominated(scores)]
    for row in scores[scores.isfinite().all(dim=1)]:
        assert (front <= row).all(dim=1).any()


def test_of_equal_rows_the_first_is_on_the_front():
    scores = torch.tensor([[2.0, 2.0], [1.0, 1.0], [1.0, 1.0], [0.0, 5.0]])
    assert non_dominated(scores).tolist() == [False, True, False, True]


def test_a_large_front_of_three_objectives_is_found():
    points = torch.rand(1000, 3, generator=torch.Generator().manual_seed(0)).abs()
    sphere = points / points.norm(dim=1, keepdim=True)
    scores = torch.cat([sphere + 0.5, sphere])
    assert non_dominated(scores)[1000:].all()
    assert not non_dominated(scores)[: len(sphere)].all()


@given(tables(2))
def test_the_hypervolume_is_the_area_that_is_dominated(scores):
    reference = (1.5, 1.0)
    assert hypervolume_2d(scores, reference) == pytest.approx(area_by_cells(scores, reference))


@given(tables(2), st.tuples(values, values))
def test_a_further_row_or_a_worse_reference_never_lowers_the_hypervolume(scores, row):
    before = hypervolume_2d(scores, (1.0, 1.0))
    more = torch.cat([scores, torch.tensor([row])])
    assert hypervolume_2d(more, (1.0, 1.0)) >= before
    assert hypervolume_2d(scores, (1.5, 2.0)) >= before
    dominated = bool(non_dominated(more)[-1]) and row[0] < 1 and row[1] < 1
    assert (hypervolume_2d(more, (1.0, 1.0)) > before) == dominated


def test_the_hypervolume_of_a_small_front():
    assert hypervolume_2d(torch.tensor([[0, 2], [1, 1], [2, 2], [9, 0]]), (3, 3)) == 1 * 3 + 2 * 2 - 1 * 2
    assert hypervolume_2d(torch.empty(0, 2), (1, 1)) == 0


def test_the_table_is_sorted_and_names_the_rows():
    scores = torch.tensor([[3.0, 1.0], [1.0, 30.0], [2.0, NAN], [2.0, 2.0], [3.0, 3.0]], dtype=torch.float64)
    table = front_table(scores, ["error", "parameters"])
    assert table.to_dict("list") == {"error": [1.0, 2.0, 3.0], "parameters": [30.0, 2.0, 1.0]}
    assert table.index.tolist() == [1, 3, 0]
    assert table.index.name == "row"
    empty = front_table(scores[2:3], ["error", "parameters"])
    assert empty.empty
    assert list(empty.columns) == ["error", "parameters"]


def test_the_picture_has_the_front_as_steps_and_the_chosen_point():
    scores = torch.tensor([[0.1, 5000.0], [0.5, 20.0], [0.3, 300.0], [0.6, 5000.0], [INF, 1.0]])
    ax = draw_front(scores, ["error", "parameters"], chosen=2)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("error", "parameters")
    (steps,) = ax.lines
    assert steps.get_drawstyle() == "steps-post"
    assert steps.get_xdata() == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.6])
    assert steps.get_ydata() == pytest.approx([5000, 5000, 300, 20, 20])
    everything, front, star = (collection.get_offsets() for collection in ax.collections)
    assert (len(everything), len(front)) == (4, 3)
    assert star.tolist() == [pytest.approx([0.3, 300])]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["all (4)", "front (3)", "chosen"]


def test_the_picture_goes_into_given_axes_and_is_linear_below_two_decades_or_zero():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    scores = torch.tensor([[1.0, 0.0], [99.0, -5000.0]])
    assert draw_front(scores, ["a", "b"], ax=ax) is ax
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")


def test_wrong_arguments_are_named():
    scores = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(NetGraphError, match=r"scores has shape \(3,\); expected \[n, at least 1\]"):
        non_dominated(scores[:, 0])
    with pytest.raises(NetGraphError, match=r"scores has shape \(3, 1\); expected \[n, 2\]"):
        hypervolume_2d(scores[:, :1], (1, 1))
    with pytest.raises(NetGraphError, match="the reference is two finite numbers"):
        hypervolume_2d(scores, (1, INF))
    with pytest.raises(NetGraphError, match=r"scores has shape \(3, 2\); expected \[n, 3\]"):
        front_table(scores, ["a", "b", "c"])
    with pytest.raises(NetGraphError, match="two objectives have one name: a, a"):
        front_table(scores, ["a", "a"])
    with pytest.raises(NetGraphError, match="a picture of a front has 2 objectives, not 3"):
        draw_front(torch.zeros(1, 3), ["a", "b", "c"])
    with pytest.raises(NetGraphError, match="no row of scores is finite"):
        draw_front(torch.full((2, 2), NAN), ["a", "b"])
    scores[1] = NAN
    for chosen in (1, 3, -1):
        with pytest.raises(NetGraphError, match=f"the chosen row {chosen} is not a finite row of 3 rows"):
            draw_front(scores, ["a", "b"], chosen)
