from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Generator

from netgraph import NetGraph, NetVAE
from netgraph.search import SearchConfig, try_real
from netgraph.search.data import Data
from netgraph.search.deadline import Deadline
from netgraph.search.fit import find, predict, solve
from netgraph.search.sources import BATCH, Drawn, Prior
from netgraph.zoo.architectures import ArchitectureRecipe, draw_architecture, initialize
from tests.search.small import untrained

SMALL = SearchConfig(n_candidates=24, n_tuned=6, rungs=(10, 20), learning_rate=2e-2)


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    return untrained()


def task(rows: int = 80) -> Data:
    x = torch.randn(rows, 4, generator=Generator().manual_seed(0))
    return Data(x, torch.tanh(2 * x[:, 0]) - x[:, 1])


def random_networks(n: int, seed: int) -> list[NetGraph]:
    generator = Generator().manual_seed(seed)
    drawn = [draw_architecture(ArchitectureRecipe(), 4, generator) for _ in range(n)]
    return [NetGraph(architecture, initialize(architecture, generator)) for architecture in drawn]


def test_a_search_tunes_the_best_candidates_and_gives_the_best_of_them(vae):
    data = task()
    found = find(Prior(vae, data), data, SMALL)
    assert len(found.graphs) == len(found.errors) == 6
    assert found.errors.tolist() == sorted(found.errors.tolist())
    assert (predict(found.graph, data.x) - data.y).square().mean() < 0.5 * data.y.var()
    assert [note["stage"] for note in found.history] == ["drawn", "drawn", "tuned for 10 steps", "tuned for 20 steps"]
    assert [note["networks"] for note in found.history] == [16, 24, 6, 3]
    assert 0 < found.standard_error < 1


def test_any_source_of_networks_is_searched_and_no_round_makes_the_best_worse():
    data = task()
    drawn = find(Drawn(random_networks), data, replace(SMALL, rungs=()))
    tuned = find(Drawn(random_networks), data, SMALL)
    assert tuned.errors[0] <= drawn.errors[0]
    assert all(a.architecture in {g.architecture for g in drawn.graphs} for a in tuned.graphs)
    again = find(Drawn(random_networks), data, SMALL)
    assert torch.equal(again.graph.state, tuned.graph.state)
    other = find(Drawn(random_networks), data, replace(SMALL, seed=1))
    assert not torch.equal(other.errors, tuned.errors)


def test_the_clock_ends_the_drawing_and_the_rounds():
    seconds = iter(range(1000))
    deadline = Deadline(8.0, clock=lambda: float(next(seconds)))
    config = replace(SMALL, n_candidates=20 * BATCH, rungs=(5, 5, 5, 5))
    found = find(Drawn(random_networks), task(), config, deadline)
    stages = [note["stage"] for note in found.history]
    assert stages == ["drawn", "tuned for 5 steps", "tuned for 5 steps"]
    assert len(found.graphs) == config.n_tuned


def test_of_many_candidates_a_share_is_tuned_in_groups():
    found = find(Drawn(random_networks), task(), replace(SMALL, rungs=(5,), tuned_share=0.5))
    assert [note["networks"] for note in found.history] == [16, 24, 6, 6]
    assert len(found.graphs) == 12


def test_solving_keeps_architectures_and_says_how_well_rows_are_predicted_that_were_left_out():
    graphs, data = random_networks(40, 3), task()
    solved, errors = solve(graphs, data)
    fitted = torch.stack([(predict(graph, data.x) - data.y).square().mean() for graph in solved])
    assert [g.architecture for g in solved] == [g.architecture for g in graphs]
    assert (errors >= fitted * 0.999).all()
    assert errors.median() < data.y.var()


def test_a_real_data_set_is_tried_beside_its_baselines(vae):
    result = try_real(vae, "diabetes", SMALL, n_splits=2)
    assert set(result.scores) == set(result.spread)
    assert result.scores["ridge regression"] > 0.3
    assert all(np.isfinite(list(result.scores.values())))
    assert result.graph.architecture.n_inputs == 10
