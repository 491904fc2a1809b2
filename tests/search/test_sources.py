import pytest
import torch
from torch import Generator

from netgraph import NetGraphError, NetVAE
from netgraph.search.data import Data
from netgraph.search.focusing import can_be_focused, focused
from netgraph.search.folds import Folds
from netgraph.search.running import errors_of, solve
from netgraph.search.sources import LEAST_MADE, Drawn, Mixed, Prior, Random, source_of
from netgraph.search.strategies import STRATEGIES
from netgraph.zoo import ZooRecipe
from tests.search.small import READING, random_networks, untrained

RECIPE = ZooRecipe.load("full").architectures
NAMES = ("prior", *STRATEGIES)


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    return untrained()


def task() -> Data:
    x = torch.randn(60, 4, generator=Generator().manual_seed(0))
    return Data(x, torch.tanh(2 * x[:, 0]) - x[:, 1])


@pytest.mark.parametrize("name", NAMES)
def test_a_source_gives_networks_for_the_data_set_the_same_for_a_seed(vae, name):
    data = task()
    first, again = source_of(name, vae, data, 3), source_of(name, vae, data, 3)
    for _ in range(2):
        drawn, same = first.draw(40, 1), again.draw(40, 1)
        assert all(graph.architecture.n_inputs == 4 and graph.architecture.n_outputs == 1 for graph in drawn)
        assert all(torch.equal(a.state, b.state) for a, b in zip(drawn, same, strict=True))
        errors = errors_of(solve(drawn, data))
        first.learn(errors)
        again.learn(errors)


def test_a_strategy_goes_where_errors_are_small(vae):
    data = task()
    source = source_of("genetic", vae, data, 0)
    means = []
    for turn in range(5):
        errors = errors_of(solve(source.draw(64, turn), data))
        source.learn(errors)
        means.append(float(errors.median()))
    assert means[-1] < means[0]


def test_few_networks_are_made_for_the_data_set_and_the_others_have_initial_weights(vae):
    data = task()
    source, prior = Mixed(Prior(vae, data)), Prior(vae, data)
    first, made = source.draw(16, 5), prior.draw(LEAST_MADE, 5)
    assert all(torch.equal(a.state, b.state) for a, b in zip(first, made, strict=False))
    assert [g.architecture for g in first] == [g.architecture for g in made] * 4
    assert len({g.state.numpy().tobytes() for g in first}) == 16
    assert [g.architecture for g in source.draw(16, 5)] == [g.architecture for g in first]
    source.learn(torch.zeros(16))
    second = source.draw(64, 6)
    assert len(second) == 64
    assert all(torch.equal(a.state, b.state) for a, b in zip(second, prior.draw(8, 6), strict=False))
    assert len({g.architecture for g in second[8:]}) > 40
    assert len(Mixed(Prior(vae, data)).draw(2, 5)) == 2


def other_task() -> Data:
    x = torch.randn(50, 4, generator=Generator().manual_seed(1))
    return Data(x, x[:, 2].abs())


def test_what_was_drawn_is_made_again_for_other_rows():
    vae, data, parts = untrained(READING), task(), [task().rows(range(40)), other_task()]
    prior = Prior(vae, data)
    drawn = prior.draw(6, 5)
    for part, again in zip(parts, prior.again(parts), strict=True):
        wanted = Prior(vae, part).draw(6, 5)
        assert all(torch.equal(a.state, b.state) for a, b in zip(again, wanted, strict=True))
        assert any(not torch.equal(a.state, b.state) for a, b in zip(again, drawn, strict=True))
    (same,) = prior.again([data])
    assert all(torch.equal(a.state, b.state) for a, b in zip(same, drawn, strict=True))


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_points_of_a_strategy_are_made_again_for_other_rows(name):
    data = task()
    source = source_of(name, untrained(READING), data, 3)
    drawn = source.draw(6, 5)
    same, other = source.again([data, other_task()])
    assert all(torch.equal(a.state, b.state) for a, b in zip(same, drawn, strict=True))
    assert any(not torch.equal(a.state, b.state) for a, b in zip(other, drawn, strict=True))


@pytest.mark.parametrize("columns", [4, 20])
def test_what_is_said_of_a_fold_does_not_depend_on_its_targets(columns):
    x = torch.randn(15, columns, generator=Generator().manual_seed(0))
    data = Data(x, x[:, 0] + torch.randn(15, generator=Generator().manual_seed(1)))
    of, said = Folds(data, 4, 0).fold == 2, []
    for rows in (data, Data(x, torch.where(of, 9.0, data.y))):
        source, folds = Mixed(Prior(untrained(READING), rows)), Folds(rows, 4, 0)
        made = source.draw(4, 0)
        said.append(folds.solve(source.again(folds.parts), made))
    for one, changed in zip(*said, strict=True):
        assert torch.equal(one.left_out[of], changed.left_out[of])
        assert not torch.equal(one.left_out[~of], changed.left_out[~of])
        assert not torch.equal(one.graph.state, changed.graph.state)


def test_what_knows_no_rows_is_not_made_again(vae):
    mixed = Mixed(Prior(vae, task()))
    mixed.draw(16, 5)
    assert [len(again) for again in mixed.again([other_task()] * 3)] == [LEAST_MADE] * 3
    drawn = Drawn(random_networks)
    drawn.draw(3, 0)
    assert drawn.again([other_task()] * 3) == [[], [], []]


def test_unknown_strategies_are_named(vae):
    with pytest.raises(NetGraphError, match="unknown strategy 'luck'; known: prior, genetic, cma"):
        source_of("luck", vae, task(), 0)


@pytest.mark.filterwarnings("ignore:X has 60 columns")
@pytest.mark.parametrize("name", [*NAMES, "gradient"])
def test_networks_of_every_strategy_read_all_of_many_columns(vae, name):
    x = torch.randn(30, 60, generator=Generator().manual_seed(0))
    source = source_of(name, vae, Data(x, x[:, 3]), 0)
    for seed in range(2):
        drawn = source.draw(12, seed)
        assert {graph.architecture.n_inputs for graph in drawn} == {60}
        source.learn(torch.rand(12, generator=Generator().manual_seed(seed)))


@pytest.mark.parametrize("make", [lambda vae: Mixed(Prior(vae, task())), lambda vae: Random(RECIPE, 4)])
def test_half_of_the_networks_that_were_not_made_are_focused(vae, make):
    plain, source, matrix = make(vae), make(vae), torch.tensor([2.0, 1.0, 0.5, 0.0]).double().diag()
    source.focus(matrix)
    for seed in (0, 1):
        before, after = plain.draw(24, seed), source.draw(24, seed)
        first = plain.made + (24 - plain.made) // 2
        assert all(torch.equal(a.state, b.state) for a, b in zip(before[:first], after[:first], strict=True))
        for old, new in zip(before[first:], after[first:], strict=True):
            assert torch.equal(new.state, (focused(old, matrix) if can_be_focused(old) else old).state)
        plain.learn(torch.zeros(24))
        source.learn(torch.zeros(24))
    assert any(map(can_be_focused, before[first:]))


@pytest.mark.parametrize("make", [lambda vae: Prior(vae, task()), lambda vae: Drawn(random_networks)])
def test_networks_that_know_the_rows_or_come_from_elsewhere_are_not_focused(vae, make):
    plain, source = make(vae), make(vae)
    source.focus(torch.eye(4).double() * 2)
    assert all(torch.equal(a.state, b.state) for a, b in zip(plain.draw(4, 0), source.draw(4, 0), strict=True))
