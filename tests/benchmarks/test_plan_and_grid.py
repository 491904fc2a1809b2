"""Architectures as plans, networks on the grid, and lists of edges."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peers.edges import BIAS, candidates, edges_of, level_of, types_of
from peers.grid import Grid, Scaler
from peers.plan import ACTIVATIONS, Bounds, Level, Plan, architecture_of, plan_of
from peers.repair import fill, smallest

from netgraph import NetGraph
from netgraph.errors import NetGraphError
from netgraph.graph import Architecture
from netgraph.graph.architecture import make_layer

from .conftest import BOUNDS

LEVELS = st.builds(Level, st.integers(1, 16), st.sampled_from(ACTIVATIONS), st.booleans(), st.booleans())
PLANS = st.builds(Plan, st.integers(1, 10), st.lists(LEVELS, max_size=3).map(tuple))


@given(PLANS)
def test_plans_survive_the_architecture_and_the_codes(plan):
    architecture = architecture_of(plan)
    architecture.validate()
    assert plan_of(architecture) == plan
    assert plan_of(architecture.key) == plan
    assert Grid().read_code(Grid().code(plan)) == plan


@given(PLANS, st.randoms(use_true_random=False))
def test_codes_are_read_through_noise(plan, random):
    code = Grid().code(plan)
    noise = torch.tensor([random.uniform(-0.49, 0.49) for _ in range(len(code))])
    assert Grid().read_code(code + noise) == plan


def test_other_architectures_are_refused():
    rows = [make_layer("Input", (), 2), make_layer("Identity", (0,), 2), make_layer("Linear", (1,), 1)]
    with pytest.raises(NetGraphError, match=r"Identity\(2\).*benchmark.yaml"):
        plan_of(Architecture(tuple(rows)))
    with pytest.raises(NetGraphError, match="beyond"):
        Grid(BOUNDS).places(Plan(9, (Level(2),)))


@given(PLANS)
def test_every_state_element_has_a_place_of_its_own(plan):
    at, gain = Grid().places(plan)
    architecture = architecture_of(plan)
    assert len(at) == architecture.state_size == len(set(at.tolist()))
    assert int(gain.sum()) == sum(level.width for level in plan.levels if level.normalized)


def test_networks_come_back_from_the_grid(graphs):
    grid = Grid(BOUNDS)
    tables = grid.lay(graphs)
    scaler = Scaler(grid, tables)
    standardized = scaler.standardize(tables)
    assert torch.all(standardized[~tables.mask] == 0)
    present = standardized[:, grid.groups == 0][tables.mask[:, grid.groups == 0]]
    assert abs(float(present.mean())) < 1e-5
    assert float(present.std()) == pytest.approx(1, abs=1e-4)
    for true, back in zip(graphs, grid.read(scaler.restore(standardized), tables.codes), strict=True):
        assert back.architecture.key == true.architecture.key
        torch.testing.assert_close(back.state, true.state)


def test_what_cannot_be_read_is_the_smallest_network(graphs):
    grid = Grid(BOUNDS)
    tables = grid.lay(graphs[:3])
    tables.codes[0, : BOUNDS.inputs] = 0
    tables.values[1, tables.mask[1]] = float("nan")
    found = grid.read(tables.values, tables.codes)
    assert [graph is None for graph in found] == [True, True, False]
    filled = fill(found, graphs[:3])
    assert filled.unusable == pytest.approx(2 / 3)
    assert filled.graphs[0].architecture.n_inputs == graphs[0].architecture.n_inputs
    assert all(graph.validate() for graph in filled.graphs)
    assert smallest(4).architecture.n_inputs == 4


@given(PLANS)
def test_edges_are_those_of_the_network(plan):
    grid = Grid()
    edges = edges_of(plan, grid)
    at, _ = grid.places(plan)
    assert sorted(edges.place.tolist()) == sorted(at.tolist())
    linear = edges.source >= 0
    assert (edges.source[linear] <= edges.target[linear]).all()
    assert (edges.source == BIAS).sum() == sum(plan.widths) + 1
    assert edges.target.max() == plan.inputs + sum(plan.widths)
    assert edges.level.max() == len(plan.levels)
    read = [level_of(level.width, float(n) + 0.4) for level, n in zip(plan.levels, types_of(plan), strict=False)]
    assert read == list(plan.levels)


def test_candidates_are_all_sizes_and_differ():
    bounds = Bounds(inputs=3, depth=2, width=3, least_inputs=2, least_width=2)
    sizes, table = candidates(bounds, 30)
    assert len(sizes) == len(set(sizes)) == 2 * (2 + 4)
    assert len(table.flatten(1).unique(dim=0)) == len(sizes)
    fewer, shorter = candidates(bounds, 20)
    assert fewer == [
        size for size in sizes if len(edges_of(Plan(size[0], tuple(map(Level, size[1]))), Grid(bounds)).source) <= 20
    ]
    assert 0 < len(fewer) < len(sizes)
    assert shorter.shape == (len(fewer), 20, 2)


def test_state_lies_where_the_edges_say():
    plan = Plan(2, (Level(2, "Tanh", normalized=True),))
    architecture = architecture_of(plan)
    graph = NetGraph(architecture, torch.arange(1.0, architecture.state_size + 1))
    grid = Grid(BOUNDS)
    values = grid.lay([graph]).values[0]
    edges = edges_of(plan, grid)
    into_first = values[edges.place[edges.target == 2]]
    assert into_first.tolist() == [1, 2, 5, 7 - 1, 9]  # two weights, bias, gain less 1, bias of the LayerNorm
