from dataclasses import replace

import pytest
import torch
from torch import Generator, nn

from netgraph import NetVAE, from_module
from netgraph.model import GeneratorConfig
from netgraph.model.coverage import Coverage
from netgraph.search import Generated
from netgraph.tasks import draw_task
from netgraph.training import Episodes, PortfolioConfig
from netgraph.training.portfolio import build_portfolio, greedily
from tests.model.small import CONFIG, EVERYTHING, untrained

SIZES = GeneratorConfig(width=16, heads=2, layers=1, row_width=8, row_heads=2, row_rounds=1, inducing_points=4)
SMALL = PortfolioConfig(size=3, pool=5, tasks=2)
LAYERS = (nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    model = untrained(replace(CONFIG, slot_size=6, generator=SIZES))
    of_layers = Coverage.of([from_module(nn.Sequential(*LAYERS)).architecture])
    model.structure.coverage = replace(of_layers, types=EVERYTHING.types, inputs=frozenset({2, 3}))
    return model


@pytest.fixture(scope="module")
def episodes() -> Episodes:
    tasks = [draw_task("linear", columns, 48, 10 * columns + i) for columns in (2, 3) for i in range(3)]
    return Episodes(tasks, torch.full((6, 37), torch.nan))


def test_the_next_one_is_that_which_lowers_the_least_error_most():
    errors = torch.tensor([[1.0, 9.0, 9.0], [3.0, 3.0, 3.0], [9.0, 1.0, 9.0], [9.0, 9.0, 2.0]])
    assert greedily(errors, 4) == [1, 0, 2, 3]
    assert greedily(errors, 2) == [1, 0]
    assert sorted(greedily(torch.rand(6, 4, generator=Generator().manual_seed(0)), 9)) == list(range(6))


def test_a_portfolio_has_layouts_for_every_number_of_columns_the_same_for_a_seed(vae, episodes):
    state = torch.get_rng_state()
    first, again = (build_portfolio(vae, episodes, SMALL, seed=4) for _ in range(2))
    assert [a.n_inputs for a in first.architectures] == [2, 2, 2, 3, 3, 3]
    assert torch.equal(first.network, again.network)
    assert not torch.equal(first.network, build_portfolio(vae, episodes, SMALL, seed=5).network)
    assert torch.equal(torch.get_rng_state(), state)


def test_generated_candidates_fill_in_the_architectures_of_the_portfolio_in_turn(vae, episodes):
    x = torch.randn(30, 3, generator=Generator().manual_seed(0))
    vae.portfolio = build_portfolio(vae, episodes, SMALL)
    try:
        sampled, other = (Generated(vae).sample(5, x, y, seed=0) for y in (x[:, 0], x[:, 1].abs()))
        again = Generated(vae).sample(5, x, x[:, 0], seed=0)
    finally:
        portfolio, vae.portfolio = vae.portfolio, None
    own = portfolio.of_inputs(3).architectures
    assert [g.architecture for g in sampled] == [g.architecture for g in other] == [*own, *own[:2]]
    assert all(torch.equal(a.state, b.state) for a, b in zip(sampled, again, strict=True))
    assert not any(torch.equal(a.state, b.state) for a, b in zip(sampled, other, strict=True))
    assert not torch.equal(sampled[0].state, sampled[3].state)
