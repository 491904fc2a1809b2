import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import new_dataset
import numpy as np
import pytest
import torch
from new_dataset import BUDGETS, DATASETS, LOOKS, Bench, Cell, plan, r2_of, shared
from new_dataset_methods import (
    DEPENDS_ON,
    MATCHED,
    MLP,
    OURS,
    TIMED,
    UNTIMED,
    Fitted,
    Problem,
    Tools,
    fitted_mlp,
    problem_of,
    search_mlp,
)
from new_dataset_sources import Library

from netgraph import Zoo
from netgraph.errors import StoreError
from netgraph.evaluation.metrics import is_valid
from netgraph.search.data import Data
from netgraph.tasks import load_real, split
from netgraph.zoo import ZooRecipe
from tests.search.small import untrained
from tests.zoo.stores import build_here

N_METHODS = len(TIMED) + len(UNTIMED)


def test_every_cell_has_a_file_of_its_own_and_the_smallest_budget_comes_first(tmp_path):
    cells = plan(DATASETS, 5, BUDGETS)
    assert len({cell.path(tmp_path) for cell in cells}) == len(cells)
    assert len(cells) == len(DATASETS) * 5 * (len(TIMED) * len(BUDGETS) + len(UNTIMED) + 1 + len(LOOKS))
    order = list(dict.fromkeys((cell.group, cell.split) for cell in cells))
    assert order == [(budget, number) for budget in BUDGETS for number in range(5)]
    first = [cell for cell in cells if cell.group == BUDGETS[0] and cell.split == 0]
    assert list(dict.fromkeys(cell.dataset for cell in first)) == list(DATASETS)


def test_processes_share_the_work_without_parting_the_methods_of_a_data_set():
    cells = plan(DATASETS, 2, BUDGETS)
    parts = [shared(cells, part, 3) for part in range(3)]
    assert sorted(str(cell) for part in parts for cell in part) == sorted(map(str, cells))
    groups = [{(cell.group, cell.split, cell.dataset) for cell in part} for part in parts]
    assert not groups[0] & groups[1] | groups[1] & groups[2] | groups[0] & groups[2]


def test_rows_are_standardized_by_the_training_rows_alone():
    problem, real = problem_of("wine", 3), load_real("wine")
    parts = split(len(real.y), 3, test_share=0.25)
    assert (len(problem.y), len(problem.y_test)) == (len(parts.train), len(parts.test))
    assert problem.x.mean(axis=0) == pytest.approx(np.zeros(12), abs=1e-9)
    assert problem.y.std() == pytest.approx(1)
    assert np.corrcoef(problem.y_test, real.y[parts.test])[0, 1] == pytest.approx(1)


def test_r2_of_predictions():
    y = np.array([0.0, 1.0, 2.0])
    assert r2_of(y, y) == 1
    assert r2_of(np.ones(3), y) == 0
    assert r2_of([0.0, np.nan, 2.0], y) == -np.inf


def test_the_random_search_of_scikit_learns_network_refits_the_best_settings_to_all_rows():
    problem = problem_of("iris", 0)
    fitted = search_mlp(None, problem, 0.0)
    assert fitted.notes["candidates"] == 1
    assert set(fitted.notes["settings"]) >= {"hidden_layer_sizes", "alpha", "activation"}
    assert np.isfinite(fitted.predict(problem.x_test)).all()


def test_scikit_learns_network_may_not_converge_but_must_not_diverge_unseen():
    problem = problem_of("linnerud", 0)
    assert fitted_mlp(problem.x, problem.y, 0, {"max_iter": 1, "batch_size": 64}).n_iter_ == 1
    with pytest.raises(ValueError, match=r"infinity|non-finite"):
        fitted_mlp(problem.x * 1e200, problem.y, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small model and the zoo it was to be trained on."""
    folder = tmp_path_factory.mktemp("new_dataset")
    changes = {"n_tasks": 8, "n_test_tasks": 1, "tasks_per_shard": 4, "training": {"steps": (30, 30)}}
    build_here(ZooRecipe.load("tiny").changed(**changes), folder / "zoo")
    untrained().save(folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def options(folder):
    return Namespace(zoo=folder / "zoo", checkpoint=folder / "model.safetensors", cells=folder)


@pytest.fixture(scope="module")
def cells():
    return plan(["iris"], 1, (0.05,))


@pytest.fixture(scope="module")
def tools(options):
    return new_dataset.tools_of(options)


@pytest.fixture(scope="module")
def measured(options, cells, tools):
    Bench(options, lambda: tools).run(cells)
    return {cell.method: new_dataset.read(cell, options) for cell in cells}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--part", "2/2"], "argument --part: invalid"),
        (["--splits", "0"], "argument --splits: invalid"),
        (["--budgets", "5", "1"], "argument --budgets: [5.0, 1.0] must be above 0 and rise"),
        (["--columns", "--datasets", "wine"], "not allowed with argument"),
        (["--datasets", "boston"], "argument --datasets: invalid choice: 'boston'"),
    ],
)
def test_what_cannot_be_measured_is_refused(given, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["new_dataset.py", "zoo", "--cells", str(tmp_path), *given])
    with pytest.raises(SystemExit):
        new_dataset.main()
    assert message in capsys.readouterr().err


def test_a_report_of_no_cells_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["new_dataset.py", "zoo", "--cells", str(tmp_path), "--report"])
    monkeypatch.setattr("results.PATH", tmp_path / "RESULTS.md")
    with pytest.raises(SystemExit, match="no cells yet"):
        new_dataset.main()
    assert not (tmp_path / "RESULTS.md").exists()


def test_every_method_predicts_a_real_data_set(measured):
    assert set(measured) == {*TIMED, *UNTIMED, MATCHED}
    for name, result in measured.items():
        assert np.isfinite(result["r2"]), name
        assert result["seconds"] > 0
    assert measured["ridge"]["r2"] > 0.8
    for name in set(TIMED) - {"MLPRegressor, random search"}:
        notes = measured[name]["notes"]
        assert notes["history"]
        assert notes["parameters"] > 0


@pytest.mark.parametrize("name", sorted(set(TIMED) - {"MLPRegressor, random search"}))
def test_every_search_reads_a_table_of_many_columns(tools, name):
    rng = np.random.default_rng(0)
    x, x_test = rng.normal(size=(60, 24)), rng.normal(size=(30, 24))
    problem = Problem(x, x[:, 3] - x[:, 20], x_test, x_test[:, 3] - x_test[:, 20], 0)
    assert problem.n_read == 16
    tools.library.networks(problem.n_read)
    fitted = TIMED[name](tools, problem, 2.0)
    assert fitted.notes["candidates"] >= 16
    assert r2_of(fitted.predict(problem.x_test), problem.y_test) > 0.5


def test_the_matched_run_is_given_no_more_time_than_scikit_learns_network_took(measured):
    assert measured[MATCHED]["given"] == pytest.approx(0.9 * measured[MLP]["seconds"])


def test_a_second_run_measures_only_what_is_missing(options, cells, tools, measured, monkeypatch):
    gone = next(cell for cell in cells if cell.method == "ridge")
    gone.path(options.cells).unlink()
    done = []
    monkeypatch.setattr(Bench, "_warm_up", lambda self: None)
    monkeypatch.setattr(Bench, "measure", lambda self, cell: done.append(cell) or {"r2": 0.5, "seconds": 1.0})
    Bench(options, lambda: tools).run(cells)
    assert done == [gone]
    assert new_dataset.read(gone, options)["r2"] == 0.5


def test_nothing_is_read_where_nothing_is_missing(options, cells, measured):
    Bench(options, lambda: pytest.fail("the model is read")).run([c for c in cells if c.method == OURS])


@pytest.mark.parametrize(
    "changed", [{"zoo": Path("other")}, {"checkpoint": Path(__file__)}], ids=lambda c: next(iter(c))
)
def test_cells_of_another_zoo_or_checkpoint_are_refused_where_they_depend_on_it(options, cells, measured, changed):
    other = Namespace(**vars(options) | changed)
    for cell in cells:
        if DEPENDS_ON.get(cell.method) in changed:
            with pytest.raises(SystemExit, match="choose other --cells"):
                new_dataset.read(cell, other)
        else:
            assert new_dataset.read(cell, other) == new_dataset.read(cell, options)


def test_what_failed_is_kept_as_minus_infinity(options, tools, monkeypatch, tmp_path):
    monkeypatch.setitem(new_dataset.UNTIMED, "ridge", lambda *given: Fitted(lambda x: np.full(len(x), np.nan)))
    cell = Cell("iris", 0, "ridge", None, 1.0)
    new_dataset.write(tmp_path / "cell.json", Bench(options, lambda: tools).measure(cell))
    assert json.loads((tmp_path / "cell.json").read_text())["r2"] == -np.inf


def test_every_search_is_the_estimators_and_cuts_the_same_folds(tools, monkeypatch):
    searches = []
    for module in ("netgraph.search.estimator", "new_dataset_methods"):
        monkeypatch.setattr(f"{module}.find", lambda source, data, config, *rest: searches.append((data, config)))
    names = [name for name in TIMED if name != "MLPRegressor, random search"]
    for name in names:
        with pytest.raises(AttributeError):
            TIMED[name](tools, problem_of("iris", 4), 0.1)
    assert len({replace(config, n_candidates=1, focus=True) for _, config in searches}) == 1
    focusing = {name for name, (_, config) in zip(names, searches, strict=True) if config.focus}
    assert focusing == {OURS, "random search, focused"}
    assert all(torch.equal(data.x, searches[0][0].x) and torch.equal(data.y, searches[0][0].y) for data, _ in searches)


def test_fits_of_500_rows_are_timed_and_kept(options, monkeypatch):
    monkeypatch.setattr(new_dataset, "REPEATS", 1)
    monkeypatch.setattr(new_dataset.NetGraphRegressor, "fit", lambda self, x, y: torch.zeros(1))
    assert len(list(new_dataset.fit_times(options))) == 2
    assert len(json.loads((options.cells / "fit-time.json").read_text())["seconds"]) == 1


def test_a_folder_that_is_no_zoo_is_refused(options, tmp_path):
    with pytest.raises(StoreError, match="no such folder"):
        Tools(untrained(), None, Library(Zoo(tmp_path / "none")), ZooRecipe.load("full").architectures)


def test_the_library_holds_networks_of_training_tasks_alone(tools):
    library, zoo = tools.library, tools.library.zoo
    held_out = {graph.task for graph in zoo.stream(zoo.split("test"))}
    for n_inputs in set(library.rows["n_inputs"].tolist()):
        networks = library.networks(n_inputs)
        assert {graph.architecture.n_inputs for graph in networks} == {n_inputs}
        assert not held_out & {graph.task for graph in networks}
        assert library.networks(n_inputs) is networks


def test_networks_are_padded_where_the_zoo_has_none_with_as_many_inputs(tools):
    networks = tools.library.networks(16)
    assert networks
    assert all(graph.architecture.n_inputs == 16 and is_valid(graph) for graph in networks)


def test_the_networks_of_a_task_of_the_zoo_are_nearest_to_that_task_and_the_best_come_first(tools):
    library, zoo = tools.library, tools.library.zoo
    number = int(library.rows["task"].iloc[0])
    task = zoo.task(number)
    networks = library.by_distance(Data(task.x, task.y))
    own = [graph.r2 for graph in networks if graph.task == number]
    assert [graph.task for graph in networks[: len(own)]] == [number] * len(own)
    assert own == sorted(own, reverse=True)
    assert len(networks) == len(library.networks(task.n_features))


def test_the_meta_features_of_real_data_have_a_distance_to_every_task(tools):
    problem = problem_of("iris", 0)
    networks = tools.library.by_distance(Data(torch.from_numpy(problem.x), torch.from_numpy(problem.y)))
    assert np.isfinite([graph.r2 for graph in networks]).all()
    assert {graph.architecture.n_inputs for graph in networks} == {3}
