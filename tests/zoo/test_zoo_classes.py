"""A zoo of tasks with classes beside regression tasks: built, verified, merged and read."""

import numpy as np
import pytest
import torch

from netgraph import Zoo, detokenize, to_module, tokenize
from netgraph.tasks.losses import get_loss
from netgraph.zoo import describe_zoo, merge_zoos, verify_zoo
from tests.conftest import shared
from tests.zoo.stores import SMALL, build_here

RECIPE = SMALL.changed(
    n_tasks=9,
    tasks={"rows": 64, "modifiers": {"classes": {"probability": 0.5, "number": [2, 4]}}, "learnable": False},
    training={"steps": (100, 100)},
)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Zoo:
    return Zoo(shared(tmp_path_factory, "classes-zoo", lambda folder: build_here(RECIPE, folder)))


def test_networks_have_the_outputs_of_their_tasks(zoo):
    losses = {task.loss for task in zoo.tasks}
    assert losses == {"squared_error", "cross_entropy", "binary_cross_entropy"}
    assert {task.n_outputs for task in zoo.tasks} >= {1, 2, 3}
    for graph in zoo:
        assert graph.validate()
        assert graph.architecture.n_outputs == zoo.tasks[graph.task].n_outputs
        assert (graph.sensitivity >= 0).all()
    assert zoo.meta_features.isfinite().all()
    assert verify_zoo(zoo, progress=False) == len(zoo)


def test_figures_are_those_of_the_validation_rows(zoo):
    table = zoo.table
    for i, graph in enumerate(zoo):
        task, row = zoo.tasks[graph.task], table.iloc[i]
        loss, first = get_loss(task.loss), 64 - RECIPE.training.n_validation(64)
        output, y = to_module(graph)(task.x[first:]).detach(), task.y[first:]
        assert row["task_loss"] == task.loss
        assert row["validation_loss"] == pytest.approx(float(loss.value(output, y)), rel=1e-3, abs=1e-5)
        assert row["validation_r2"] == pytest.approx(float(loss.explained(loss.value(output, y), y)), abs=1e-2)
        if task.has_classes:
            assert row["validation_accuracy"] == pytest.approx(float(loss.score(output, y)), abs=1e-6)
        else:
            assert np.isnan(row["validation_accuracy"])


def test_validation_rows_have_every_class_in_proportion(zoo):
    first = 64 - RECIPE.training.n_validation(64)
    for task in zoo.tasks:
        if task.loss == "cross_entropy":
            assert (task.y[first:].sum(dim=0) > 0).all()
            assert ((task.y[first:].mean(dim=0) - task.y.mean(dim=0)).abs() < 0.08).all()


def test_the_overview_counts_losses(zoo):
    text = describe_zoo(zoo)
    losses = next(line for line in text.splitlines() if line.startswith("losses"))
    assert "cross_entropy" in losses
    assert "squared_error" in losses
    assert any(line.startswith("accuracy") for line in text.splitlines())


def test_a_zoo_of_regressions_keeps_its_figures(small_zoo):
    assert not {"validation_loss", "validation_accuracy"} & set(small_zoo.table)
    assert set(small_zoo.table["task_loss"]) == {"squared_error"}
    text = describe_zoo(small_zoo).splitlines()
    assert "losses         squared_error 6" in text
    assert not any(line.startswith("accuracy") for line in text)


def test_streams_and_merged_zoos_hold_the_same_networks(zoo, small_zoo, tmp_path):
    graphs = list(zoo.stream())
    for graph, again in zip(graphs, detokenize(tokenize(graphs)), strict=True):
        assert torch.equal(graph.state, again.state)
        assert graph.architecture == again.architecture
    other = build_here(RECIPE.changed(seed=7, n_tasks=2, n_test_tasks=1), tmp_path / "other")
    merged = merge_zoos(
        [zoo.folder, other.folder, build_here(SMALL.changed(seed=9), tmp_path / "plain").folder], tmp_path / "both"
    )
    assert verify_zoo(merged, progress=False) == len(merged)
    assert torch.equal(merged[0].state, zoo[0].state)
    table = merged.table
    assert table["validation_r2"].notna().all()
    assert table.loc[table["task_loss"] != "squared_error", "validation_accuracy"].notna().all()
