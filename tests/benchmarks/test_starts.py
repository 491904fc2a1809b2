"""Warm starts: arms made of training networks, and the question, measured on tiny cases."""

import json
from dataclasses import replace

import pytest
import torch

from benchmarks import starts
from benchmarks.harness import load_runs, measure_runs
from benchmarks.peers.starts import Average, Nearest, Sampled, ShrinkPerturb, TrainingTasks
from netgraph import NetGraphError, Zoo, canonicalize
from netgraph.evaluation import Generated, StartTask, start_tasks
from netgraph.zoo import ZooRecipe
from tests.evaluation.test_warm_start import RandomModel
from tests.zoo.stores import build_here


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Zoo:
    """Eight tasks of three columns, two of them held out, three networks each."""
    recipe = ZooRecipe.load("tiny").changed(
        n_tasks=8, n_test_tasks=2, nets_per_task=3, tasks_per_shard=8, tasks={"n_features": (3, 3)}
    )
    return build_here(recipe, tmp_path_factory.mktemp("starts") / "zoo")


def held_out(zoo: Zoo) -> StartTask:
    return start_tasks(zoo, [zoo[zoo.split("test")[0]].task])[0]


def test_the_nearest_task_is_another_training_task(zoo):
    tasks = TrainingTasks(zoo)
    assert set(tasks.nearest(held_out(zoo))) == {zoo[i].task for i in zoo.split("train")}
    (own,) = start_tasks(zoo, [0])
    assert 0 not in tasks.nearest(own)
    near = tasks.nearest(own)[0]
    like = zoo.task(near)
    # The meta-features of other units are the same ones.
    assert tasks.nearest(replace(own, X=2 * like.x, y=like.y))[0] == near
    wide = replace(own, X=torch.randn(48, 4))
    with pytest.raises(NetGraphError, match="no training task of 4 features"):
        tasks.nearest(wide)


def test_networks_of_the_nearest_tasks_are_read_in_order(zoo):
    tasks, task = TrainingTasks(zoo), held_out(zoo)
    first, second = tasks.nearest(task)[:2]
    found = Nearest("nearest", tasks).networks(task, 4, 0)
    known = [graph.task for graph in found]
    count = len(tasks.networks[first])
    assert known == ([first] * count + [second] * 4)[:4]


def test_an_average_of_one_network_is_a_canonical_trained_one(zoo):
    task, like = held_out(zoo), Generated("generated", RandomModel())
    one, four = (Average("average", TrainingTasks(zoo), like, count=n).networks(task, 2, 0) for n in (1, 4))
    for graph, other, model in zip(one, four, like.networks(task, 2, 0), strict=True):
        assert graph.architecture.key == other.architecture.key == model.architecture.key
        torch.testing.assert_close(canonicalize(graph).state, graph.state)
        assert not torch.equal(graph.state, other.state)
    again = Average("average", TrainingTasks(zoo), like, count=4).networks(task, 2, 0)
    assert all(torch.equal(a.state, b.state) for a, b in zip(four, again, strict=True))


def test_weights_are_shrunk_and_perturbed(zoo):
    task, of = held_out(zoo), Generated("generated", RandomModel())
    for graph, half in zip(of.networks(task, 2, 3), ShrinkPerturb("", of, 0.5, 0.0).networks(task, 2, 3), strict=True):
        torch.testing.assert_close(half.state, graph.state / 2)
    perturbed = ShrinkPerturb("", of, 0.0, 0.1).networks(task, 2, 3)
    assert all(0 < graph.state.abs().max() <= 0.1 for graph in perturbed)


def test_sampled_networks_are_told_the_numbers_of_inputs_and_outputs_alone(zoo):
    model = RandomModel()
    (graph,) = Sampled("sampled", model).networks(held_out(zoo), 1, 2)
    assert graph.architecture.n_inputs == 3
    assert model.asked[0][:3] == (1, None, None)


def test_arms_are_measured_and_tabulated(zoo, tmp_path, monkeypatch):
    model = RandomModel()
    monkeypatch.setattr(starts, "checkpoint_of", lambda path: model)
    monkeypatch.setattr(starts, "CONFIG", replace(starts.CONFIG, budgets=(0, 4), rates=(1e-2, 1e-1), networks=2))
    runs = starts.grid(tasks=1, selection=1, zoo=str(zoo.folder), training_zoo=str(zoo.folder))
    assert [run["arm"] for run in runs] == list(starts.ARMS) == [arm.name for arm in starts.arms_of(model, zoo)]
    measure_runs(starts, "question", runs, tmp_path)
    text, *tables = starts.report(load_runs("question", tmp_path))
    assert text == "Tasks: 1; 1 others chose rates and schedules."
    heads = [one.splitlines()[0] for one in tables]
    assert heads == [f"| {words} | 0 steps | 4 steps |" for words in starts.WORDS.values()]
    assert [len(one.splitlines()) - 2 for one in tables] == [8, 7, 8, 8, 8]
    assert tables[-1].splitlines()[2].split(" | ")[1] == "–"
    record = json.loads(next((tmp_path / "question").glob("random-1-*.json")).read_text())
    assert torch.tensor(record["result"]["r2"]).shape == (2, 1, 2)
    with pytest.raises(NetGraphError, match="2 tasks that the checkpoint covers, 3 needed"):
        starts.measure(**(runs[0] | {"tasks": 2}))
