import numpy as np
import pytest
from new_dataset import BUDGETS, DATASETS, plan
from new_dataset_methods import MATCHED, MLP, OURS, TIMED
from new_dataset_reach import Reach, beats, fit_time_lines, reach_lines, reach_of
from new_dataset_report import COLUMNS, report, verdict
from new_dataset_results import METHODS, Results, compare, win_rate

PAIR = ("iris", 0)


def cells_of(datasets, n_splits=2, budgets=BUDGETS, r2=lambda cell, random: float(random.uniform(0.2, 0.9))):
    """Cells with made-up figures."""
    random = np.random.default_rng(0)
    return [
        {
            "dataset": cell.dataset,
            "split": cell.split,
            "method": cell.method,
            "budget": cell.budget,
            "r2": r2(cell, random),
            "seconds": cell.budget or 0.3,
            "cpu_seconds": cell.budget or 0.3,
            "commit": "abc",
            "machine": "a machine",
        }
        for cell in plan(datasets, n_splits, budgets)
    ]


def test_methods_that_know_no_budget_stand_at_every_budget():
    results = Results(cells_of(["iris", "wine"]))
    assert results.budgets == list(BUDGETS)
    levels = [compare(results, budget) for budget in BUDGETS]
    assert levels[0].r2.shape == (4, len(METHODS))
    assert levels[0].datasets == ["iris", "wine"]
    at = METHODS.index("ridge")
    assert (levels[0].r2[:, at] == levels[2].r2[:, at]).all()
    assert levels[0].means[1] == pytest.approx(levels[0].r2[2:].mean(axis=0))


def test_splits_that_miss_a_method_are_left_out_of_all_methods():
    found = cells_of(["iris", "wine"])
    found = [c for c in found if (c["dataset"], c["split"], c["method"]) != ("wine", 1, "ridge")]
    assert compare(Results(found), 1.0).pairs == [("iris", 0), ("iris", 1), ("wine", 0)]
    assert compare(Results([c for c in found if c["method"] != OURS]), 1.0) is None


def test_a_tie_is_half_a_win():
    assert win_rate(np.array([1.0, 2.0, 3.0, 0.0]), np.array([1.0, 1.0, 1.0, 1.0])) == pytest.approx(0.625)
    assert win_rate(np.array([-np.inf]), np.array([-np.inf])) == 0.5


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.0, ["mean rank 1.00; no method is ranked better", "random search on 0"]),
        (0.0, [f"mean rank {len(METHODS)}.00; ranked better: ", "random search on 3", "random search ("]),
    ],
)
def test_the_verdict_names_the_better_ones_whoever_they_are(value, words):
    given = lambda cell, random: value if cell.method == OURS else random.uniform(0.2, 0.8)  # noqa: E731
    text = verdict(compare(Results(cells_of(["iris", "wine", "diabetes"], r2=given)), 1.0))
    assert all(word in text for word in words)
    assert "Over the budget by more than a tenth, in the median: none." in text


def test_the_verdict_names_who_took_longer_than_the_budget():
    found = [c | {"seconds": 2.5 if c["method"] == OURS else 0.5} for c in cells_of(["iris", "wine"], budgets=(1.0,))]
    text = verdict(compare(Results(found), 1.0))
    assert "Over the budget by more than a tenth, in the median: netgraph (2.50 s)." in text


def test_the_error_is_reached_by_the_quickest_run_that_is_as_good():
    found = [
        {"dataset": "iris", "split": 0, "method": method, "budget": budget, "r2": r2, "seconds": seconds}
        for method, budget, r2, seconds in [
            (MLP, None, 0.8, 0.5),
            (MATCHED, None, 0.7, 0.45),
            (OURS, 1.0, 0.8, 1.2),
            (OURS, 5.0, 0.9, 4.0),
            (OURS, 0.1, 0.79, 0.2),
        ]
    ]
    assert reach_of(Results(found), PAIR) == Reach("iris", 0.8, 0.5, 1.2, 0.7, 0.45)
    worse = [c | {"r2": 0.1} if c["method"] in (OURS, MATCHED) else c for c in found]
    assert reach_of(Results(worse), PAIR).reached == np.inf
    assert "| 0.50 | – |" in "\n".join(reach_lines(Results(worse)))
    assert reach_of(Results(found[1:]), PAIR) is None
    assert reach_lines(Results(found[1:])) == []


def test_better_in_no_more_time_needs_both():
    assert beats([Reach("iris", 0.5, 1.0, 0.5, 0.6, 1.0)])
    assert not beats([Reach("iris", 0.5, 1.0, 0.5, 0.6, 1.1)])
    assert not beats([Reach("iris", 0.5, 1.0, 0.5, 0.5, 0.9)])


def test_the_section_is_written_with_its_pictures_from_what_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr("results.PATH", tmp_path / "RESULTS.md")
    monkeypatch.setattr("checkpoint.PICTURES", tmp_path / "pictures")
    found = cells_of(DATASETS)
    found[0]["r2"] = -np.inf
    found = [cell for cell in found if cell["budget"] != 30.0]
    report(found, 1234, {"seconds": [3.0, 4.0, 5.0], "commit": "abc", "machine": "a machine"}, "command")
    text = (tmp_path / "RESULTS.md").read_text()
    assert f"{len(found):,} of 1,234 cells measured, at commit abc on a machine." in text
    assert "takes 4.00 s (3.00, 4.00, 5.00 s with seeds 0 to 2)" in text
    assert "**1 s**" in text
    assert "**5 s**" in text
    assert "**30 s**" not in text
    assert "| diabetes | 442 × 10 |" in text
    assert len([line for line in text.splitlines() if line.startswith("| netgraph |")]) == 1
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert names == {"new_datasets.png", "new_datasets_ranks_1.png", "new_datasets_ranks_5.png"}


def test_columns_of_tables_have_a_section_and_ranks_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr("results.PATH", tmp_path / "RESULTS.md")
    monkeypatch.setattr("checkpoint.PICTURES", tmp_path / "pictures")
    first = lambda cell, random: float(cell.dataset == "wine:ash" and cell.method == OURS)  # noqa: E731
    found = cells_of(["wine:ash", "iris:sepal width (cm)", "wine:hue"], budgets=(1.0,), r2=first)
    report(found, len(found), None, "command", COLUMNS)
    text = (tmp_path / "RESULTS.md").read_text()
    assert "## New data sets, every column" in text
    assert "| mean rank | wine, 1 s | iris, 1 s |" in text
    tied = (len(METHODS) + 1) / 2
    assert f"| netgraph | {(1 + tied) / 2:.2f} | {tied:.2f} |" in text
    assert {path.stem for path in (tmp_path / "pictures").iterdir()} == {"new_columns", "new_columns_ranks_1"}


def test_a_section_can_be_written_from_one_cell_or_none(tmp_path, monkeypatch):
    monkeypatch.setattr("results.PATH", tmp_path / "RESULTS.md")
    monkeypatch.setattr("checkpoint.PICTURES", tmp_path / "pictures")
    assert report([], 10, None, "command")[0].startswith("0 of 10 cells measured")
    assert report(cells_of(["iris"])[:1], 10, None, "command")[0].startswith("1 of 10 cells measured")
    report(cells_of(["iris"], n_splits=1, budgets=(1.0,)), 10, None, "command")
    assert "netgraph has the mean rank" in (tmp_path / "RESULTS.md").read_text()
    assert not (tmp_path / "pictures" / "new_datasets_ranks_1.png").exists()


def test_every_method_of_a_budget_is_among_the_methods():
    assert set(TIMED) < set(METHODS)
    assert fit_time_lines(None) == ["The fit time of 500 × 10 was not measured (`--fit-time`)."]
