"""The questions about the model, measured on tiny cases."""

import threading
from dataclasses import replace

import pandas as pd
import pytest
import torch

from benchmarks import (
    ablations,
    function_code,
    latent_search,
    probes,
    rate_distortion,
    rows,
    sampling,
    several_outputs,
    small_networks,
    zoos,
)
from benchmarks.harness import load_runs, measure_runs
from netgraph import NetGraphError
from netgraph.zoo import ZooRecipe
from tests.model.small import CONFIG
from tests.zoo.stores import build_here


@pytest.fixture
def places(measured):
    """Options of a question: the small checkpoint and its zoo."""
    return {"checkpoint": measured.checkpoint, "zoo": measured.zoo}


def reported(module, runs, tmp_path):
    measure_runs(module, "question", runs, tmp_path)
    return module.report(load_runs("question", tmp_path))


def cells(line):
    return line.strip("| ").split(" | ")


def test_the_checkpoint_is_measured_on_tasks_it_has_not_seen(monkeypatch, measured):
    built = []
    monkeypatch.setattr(zoos, "build_zoo", lambda recipe, folder: built.append(recipe) or _stop())
    for open_zoo in (zoos.unseen, zoos.small, zoos.seen, zoos.classes):
        with pytest.raises(InterruptedError):
            open_zoo("absent", measured.checkpoint)
    unseen, small, seen, classes = built
    trained = measured.recipe
    assert (unseen.nets_per_task, unseen.tasks, unseen.architectures) == (1, trained.tasks, trained.architectures)
    assert small.tasks.n_features == (2, 10)
    assert small.architectures.widths == (4, 16)
    assert small.architectures.activations == trained.architectures.activations
    assert len({unseen.seed, small.seed, classes.seed, trained.seed}) == 4
    assert classes.tasks.modifiers["classes"]["probability"] == 1
    assert seen.changed(n_tasks=trained.n_tasks, n_test_tasks=trained.n_test_tasks) == trained


def _stop():
    raise InterruptedError


def test_networks_are_written_from_prefixes_of_f(places, measured, tmp_path, monkeypatch):
    monkeypatch.setattr(function_code, "TARGETS", {"4 Tanh": ((4,), "Tanh"), "the original": ((), "")})
    monkeypatch.setattr(function_code, "NUMBERS", (12, 2))
    monkeypatch.setitem(function_code.__dict__, "small", zoos.unseen)
    runs = function_code.grid(8, small_zoo=measured.zoo, **places)
    about, fresh, _, own, _, code = reported(function_code, runs, tmp_path)
    assert "8 at most" in about
    assert cells(fresh.splitlines()[0]) == ["networks", "into", "way", "12 numbers", "2 numbers"]
    assert len(fresh.splitlines()) == len(own.splitlines()) == 2 + 2 * 2 * 4
    assert len(code.splitlines()) == 2 + 2
    table = load_runs("question", tmp_path)
    whole, cut = (table[table["numbers"] == count] for count in (12, 2))
    assert whole["code_median"].min() > cut["code_median"].max()
    assert whole["code_median"].nunique() == 1  # whatever writes the network


def test_noise_stands_where_the_hypernet_wrote():
    initial = torch.randn(5)
    assert torch.equal(function_code.Noise()(torch.zeros(1), torch.zeros(1), None, initial, initial > 0), initial)


def test_average_numbers_are_those_that_networks_have():
    size = torch.tensor([10, 30])
    for average in (4.0, 12.0, 20.0, 24.0, 25.0):
        width = rate_distortion.numbers_for(average, size, 4)
        used = [torch.minimum(torch.tensor(k), 4 + size).double().mean() for k in (width, width + 1)]
        assert used[0] <= average
        assert used[1] > average or width == 34


def test_netgraph_and_peers_rebuild_from_equal_numbers(places, measured, tmp_path, monkeypatch):
    monkeypatch.setattr(rate_distortion, "RATES", (4, 30))
    monkeypatch.setattr(rate_distortion, "UNITS", (6,))
    monkeypatch.setattr(rate_distortion, "DEPTHS", (2,))
    monkeypatch.setattr(rate_distortion, "INPUTS", 3)
    monkeypatch.setattr(rate_distortion, "COUNT", 2)
    runs = rate_distortion.grid(8, seconds=0.2, training_zoo=measured.zoo, **places)
    about, text, picture, _, hard = reported(rate_distortion, runs, tmp_path)
    assert "Networks: 8 to rebuild" in about
    assert len(text.splitlines()) == 2 + 4 * (1 + len(rate_distortion.PEERS))
    assert len(hard.splitlines()) == 2 + 2
    assert picture.figure.axes
    table = load_runs("question", tmp_path)
    unseen = table[table["networks"] == "unseen"]
    assert (unseen.groupby("numbers")["average"].nunique() == 1).all()
    whole = unseen[(unseen["method"] == "netgraph") & (unseen["numbers"] == "all")].iloc[0]
    assert whole["average"] == pytest.approx(whole["parameters"])


def test_a_latent_with_all_weights_brings_a_network_back(places):
    true, task_rows, z = rate_distortion.networks_of("unseen", 6, places["checkpoint"], places["zoo"])
    rebuilt = zoos.checkpoint_of(places["checkpoint"]).decode(z, architecture=[g.architecture for g in true])
    figures = rate_distortion.evaluate_reconstruction(true, rebuilt, task_rows).metrics
    assert figures["output_r2_p10"] > 0.999
    assert figures["edge_f1"] == 1


def test_samples_stand_beside_trained_networks_and_random_weights(places, measured, tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "sampled_a_second", lambda n, steps, processes, checkpoint: 10.0 * processes)
    runs = sampling.grid(20, 1, training_zoo=measured.zoo, **places)
    about, figures, _, speed = reported(sampling, runs, tmp_path)
    assert "20 samples" in about
    assert cells(figures.splitlines()[0]) == ["mean", "default steps", "no steps"]
    assert "| validity | 1.000 | 1.000 |" in figures
    assert cells(speed.splitlines()[2])[1:] == ["10", "20"]


def test_processes_begin_to_sample_together(places, monkeypatch):
    spans, barrier = [], threading.Barrier(1)
    spans.append(sampling.timed_sample(barrier, 0, 1, 4, 0, places["checkpoint"]))
    ((started, ended),) = spans
    assert ended > started


def test_latents_are_probed(places, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(probes, "COLUMNS", 3)
    monkeypatch.setattr(zoos, "build_zoo", build_here)
    monkeypatch.setattr(probes, "VARIED", {"steps": (5, 20), "least_r2": -1e30})
    runs = probes.grid(n=30, networks=24, tasks=1, **places)
    linear, _, taus = reported(probes, runs, tmp_path)
    assert cells(linear.splitlines()[0]) == ["networks", "accuracy of the family", "chance", "R² of the error"]
    assert int(cells(linear.splitlines()[2])[0]) == len(zoos.Zoo(places["zoo"]).split("test"))
    assert cells(taus.splitlines()[0]) == ["networks", *probes.FEATURES]


def test_rows_become_networks(places, tmp_path):
    about, text = reported(rows, rows.grid(tasks=4, networks=2, **places), tmp_path)
    assert about == "Tasks: 4; networks of a task: 2."
    lines = [cells(line) for line in text.splitlines()[2:]]
    assert [line[0] for line in lines] == list(rows.WAYS)
    assert [line[3] == "–" for line in lines] == [True] + [False] * (len(lines) - 1)


def test_networks_of_several_outputs_are_rebuilt_and_written_for_rows(classified, tmp_path, monkeypatch):
    monkeypatch.setattr(several_outputs, "NUMBERS", (None, 12, 4))
    places = {"checkpoint": classified.checkpoint, "zoo": classified.zoo}
    runs = several_outputs.grid(n=8, tasks=4, networks=2, **places)
    _, rebuilt, _, written = reported(several_outputs, runs, tmp_path)
    assert cells(rebuilt.splitlines()[0]) == ["networks", "numbers", "R², median", "10th percentile", "agreement", "n"]
    lines = [cells(line) for line in rebuilt.splitlines()[2:]]
    assert all(0 <= float(line[4]) <= 1 for line in lines)
    assert sum(int(line[5]) for line in lines) == 3 * 8
    ways = [several_outputs.GENERATED, several_outputs.RANDOM, several_outputs.TRAINED, several_outputs.FREQUENT]
    assert cells(written.splitlines()[0])[1:5] == ways


def test_scores_and_a_logit_tell_classes():
    assert several_outputs.predicted(torch.tensor([[0.5], [-0.5]])).tolist() == [1, 0]
    assert several_outputs.predicted(torch.tensor([[[0.1, 0.7, 0.2]]])).tolist() == [[1]]


def test_a_trained_network_is_scored_as_in_its_zoo(measured):
    zoo = zoos.unseen(measured.zoo, measured.checkpoint)
    graphs, _ = zoos.with_rows(zoo, zoos.checkpoint_of(measured.checkpoint), 5)
    for graph in graphs:
        split = rows.split_rows(zoo, graph.task)
        r2 = rows.r2_scores(rows.predictions(rows.TRAINED, None, graph, split, 1, 0), split[3])
        assert float(r2) == pytest.approx(max(graph.r2, -1), abs=1e-4)


def test_predictions_that_are_not_finite_count_least():
    y = torch.tensor([0.0, 1.0, 2.0])
    assert rows.r2_scores(torch.stack([y, y + 100, y * torch.nan]), y).tolist() == [1, -1, -1]


def test_a_search_in_f_stands_beside_random_networks(places, tmp_path):
    runs = latent_search.grid(tasks=2, evaluations=6, limit=60, samplers=["random"], **places)
    about, text = reported(latent_search, runs, tmp_path)
    assert about == "Tasks: 2; evaluations: 6; at most 60 parameters."
    lines = [cells(line) for line in text.splitlines()[2:]]
    assert [line[0] for line in lines] == ["in f, random", latent_search.RANDOM]
    assert lines[1][-1] == "–"


def test_networks_that_are_too_large_are_not_taken(places):
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    data = latent_search.TabularData(x, x[:, :1])
    graphs = latent_search.Random().sample(8, x, x[:, :1], 0)
    candidates = latent_search.CrossValidation(data).leave_one_out(graphs)
    assert latent_search.r2_of_best(candidates, 1, x, x[:, 0]) == -1
    assert latent_search.r2_of_best(candidates, 10**6, x, x[:, 0]) > -1


def test_small_networks_of_either_candidates_are_compared(places, tmp_path, monkeypatch):
    monkeypatch.setattr(small_networks, "WIDTHS", (2, 8))
    grid = small_networks.grid([40], tasks=1, candidates=4, **places)
    runs = [run for run in grid if run["table"] in ("iris", None)]
    (text,) = reported(small_networks, runs, tmp_path)
    assert [cells(line)[:2] for line in text.splitlines()[2:]] == [["tables", "40"], ["unseen tasks", "40"]]


def test_candidates_are_small_and_of_the_same_architectures_without_a_fold(places):
    vae = zoos.checkpoint_of(places["checkpoint"])
    recipe = zoos.recipe_of(places["checkpoint"]).architectures
    x, y = torch.randn(2, 20, 4, generator=torch.Generator().manual_seed(0)).split([3, 1], dim=2)
    sources = [small_networks.Small(recipe, 30, model) for model in (vae, None)]
    found = [source.sample(5, x[0, :rows], y[0, :rows], 1) for source in sources for rows in (20, 15)]
    assert all(graph.architecture.state_size <= 30 for graphs in found for graph in graphs)
    assert all([g.architecture.key for g in graphs] == [g.architecture.key for g in found[0]] for graphs in found)
    assert [source.uses_targets for source in sources] == [True, False]


def test_every_variant_changes_one_thing():
    assert len(set(ablations.TRAINED.values())) == len(ablations.TRAINED)
    assert ablations.TRAINED["base"] == ablations.BASE
    with pytest.raises(NetGraphError, match=r"--variants: unknown 'no'; known: base, "):
        ablations.grid(variants=["base", "no"])


def test_a_variant_is_trained_and_measured(tmp_path, monkeypatch):
    monkeypatch.setitem(ablations.TRAINED, "base", replace(CONFIG, n_rows=ablations.BASE.n_rows))
    recipe = ZooRecipe.load("tiny").changed(n_tasks=6, n_test_tasks=2, tasks_per_shard=6, training={"steps": (20, 20)})
    build_here(recipe, tmp_path / "quick")
    chosen = ["base", "without hypernet and steps", "without exemplars"]
    runs = ablations.grid(steps=2, n=6, variants=chosen, zoo=str(tmp_path / "quick"))
    _, text = reported(ablations, runs, tmp_path)
    assert [cells(line)[0] for line in text.splitlines()[2:]] == chosen
    table = load_runs("question", tmp_path).set_index("variant")
    assert isinstance(table, pd.DataFrame)
    assert table["architecture exact"].nunique() == 1  # of the same codes
