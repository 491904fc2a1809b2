from dataclasses import replace

import torch
from torch import Tensor

from netgraph.model.prior import BANDWIDTH, Exemplars, Flow, Prior, bounded
from tests.model import small
from tests.model.test_function import of_one_output

CONFIG = replace(small.CONFIG, prior_width=32, prior_layers=2, prior_steps=8)


def flow(size: int = 3, condition: int = 2) -> Flow:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Flow(size, condition, CONFIG)


def test_the_solver_is_exact_on_straight_paths_and_close_on_curved_ones(monkeypatch):
    model, x, goal, none = flow(), torch.randn(5, 3), torch.randn(5, 3), torch.zeros(5, 2)
    monkeypatch.setattr(model, "velocity", lambda at, time, condition: goal - x)
    assert torch.allclose(model.carry(x, none), goal, atol=1e-6)
    model.steps = 64
    monkeypatch.setattr(model, "velocity", lambda at, time, condition: at)
    assert torch.allclose(model.carry(x, none), x * torch.e, rtol=1e-3)
    monkeypatch.setattr(model, "velocity", lambda at, time, condition: time[:, None].expand(-1, 3))
    assert torch.allclose(model.carry(x, none), x + 0.5, atol=1e-5)  # the times run from 0 to 1


def test_a_new_flow_carries_noise_to_codes_of_the_statistics_it_has():
    model, codes = flow(), 5 + 2 * torch.randn(400, 3, generator=torch.Generator().manual_seed(1))
    model.statistics.fit(codes)
    noise = torch.randn(2000, 3, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        carried = model.carry(noise, torch.zeros(2000, 2))
    torch.testing.assert_close(carried.mean(dim=0), codes.mean(dim=0), atol=0.4, rtol=0)
    torch.testing.assert_close(carried.std(dim=0), codes.std(dim=0), atol=0.2, rtol=0)


def test_each_code_is_carried_from_its_own_noise_alone():
    model = flow()
    torch.nn.init.normal_(model.out[1].weight)
    noise, condition = torch.randn(6, 3), torch.randn(6, 2)
    with torch.no_grad():
        together, alone = model.carry(noise, condition), model.carry(noise[2:3], condition[2:3])
        assert not torch.allclose(model.carry(noise, condition + 1), together, atol=1e-3)
    torch.testing.assert_close(together[2:3], alone)


def clusters(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Function codes around 3 or -3, architecture codes of the same sign, and numbers of inputs that tell it."""
    sign = torch.randint(0, 2, (n, 1), generator=generator) * 2.0 - 1
    f = sign * 3 + 0.1 * torch.randn(n, CONFIG.function_size, generator=generator)
    a = sign * 3 + 0.1 * torch.randn(n, CONFIG.architecture_size, generator=generator)
    return f, a, of_one_output(torch.where(sign[:, 0] > 0, 2, 1))


def test_the_prior_learns_codes_that_are_far_from_the_noise_and_their_conditions():
    generator = torch.Generator().manual_seed(0)
    unknown = torch.full((256, CONFIG.n_meta_features), torch.nan)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = Prior(CONFIG)
        prior.fit(*clusters(256, generator), unknown)
        optimizer, losses = torch.optim.Adam(prior.parameters(), 3e-3), []
        for _ in range(200):
            loss = prior.loss(*clusters(256, generator), unknown)
            losses.append(float(loss.detach()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    noise = torch.randn(256, CONFIG.function_size, generator=generator)
    n_inputs, position = torch.tensor([1, 2] * 128), torch.rand(256, generator=generator)
    counts = of_one_output(n_inputs)
    with torch.no_grad():
        prior.eval()
        f = prior.carry_function(noise, counts, position, unknown)
        a = prior.architecture.carry(torch.randn(256, CONFIG.architecture_size), prior.embed(counts, unknown), f)
    assert torch.equal(f[:, 0], noise[:, 0])  # that of the inputs is N(0, 1) by definition
    side = torch.where(n_inputs == 2, 1.0, -1.0)
    for codes in (f[:, 1:], a):
        assert ((codes.mean(dim=1) * side) > 2).float().mean() > 0.9


def exemplars(n_inputs: Tensor, meta_features: Tensor | None = None) -> tuple[Exemplars, Tensor]:
    """Exemplars of function codes that are N(0, 1), and those codes."""
    known = torch.full((len(n_inputs), 37), torch.nan) if meta_features is None else meta_features
    f = torch.randn(len(n_inputs), CONFIG.function_size, generator=torch.Generator().manual_seed(3))
    found = Exemplars(CONFIG)
    found.fit(f, of_one_output(n_inputs), known)
    return found, f[:, 1:]


def drawn_from(found: Exemplars, n_inputs: int, meta_features: Tensor, n: int = 200) -> Tensor:
    """The exemplars that are drawn at positions from 0 to 1; without noise a code is its exemplar, a bit smaller."""
    position = torch.linspace(0.001, 0.999, n)
    noise, counts = torch.zeros(n, CONFIG.function_size - 1), of_one_output(torch.full((n,), n_inputs))
    return found.carry(noise, counts, position, meta_features.expand(n, -1)) / (1 - BANDWIDTH**2) ** 0.5


UNKNOWN = torch.full((1, 37), torch.nan)


def test_function_codes_lie_around_those_of_networks_with_as_many_inputs():
    n_inputs = torch.tensor([1] * 90 + [2] * 5 + [4] * 5)
    found, codes = exemplars(n_inputs)
    for count in (1, 2, 4):
        own = codes[n_inputs == count]
        distance = torch.cdist(drawn_from(found, count, UNKNOWN), own, compute_mode="donot_use_mm_for_euclid_dist")
        assert (distance.amin(dim=1) < 1e-4).all()
        assert len(distance.argmin(dim=1).unique()) > min(
            len(own) - 1, 10
        )  # all positions lead to exemplars of their own
        noise = torch.randn(4000, CONFIG.function_size - 1, generator=torch.Generator().manual_seed(4))
        place = torch.full((4000,), 0.5)
        around = found.carry(noise, of_one_output(torch.full((4000,), count)), place, UNKNOWN.expand(4000, -1))
        torch.testing.assert_close(around.std(dim=0), torch.full((11,), BANDWIDTH), atol=0.02, rtol=0)
    noise = torch.randn(9, CONFIG.function_size - 1)
    unseen = found.carry(noise, of_one_output(torch.full((9,), 3)), torch.rand(9), UNKNOWN.expand(9, -1))
    assert torch.equal(unseen, noise)  # no network has as many inputs


def test_a_pair_of_numbers_of_inputs_and_outputs_has_a_share_as_the_square_root_of_its_networks():
    for repeats, shares in (((300, 75), (43, 21)), ((900, 225, 100), (36, 18, 12)), ((300, 1, 1), (62, 1, 1))):
        found, _ = exemplars(torch.repeat_interleave(torch.arange(1, len(repeats) + 1), torch.tensor(repeats)))
        counted = torch.bincount(found.counts[:, 0])[1:]
        assert (counted - torch.tensor(shares)).abs().max() <= 2
        assert len(found.code.unique(dim=0)) == CONFIG.exemplars  # no network is drawn twice


def test_the_size_of_large_outputs_does_not_reach_an_architecture():
    f = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    larger = torch.cat([f[:, :1], 1000 * f[:, 1:]], dim=1)
    assert bounded(larger)[:, 1:].square().mean(dim=1).allclose(torch.ones(5))
    torch.testing.assert_close(bounded(larger), bounded(100 * larger / torch.tensor([100.0] + [1.0] * 11)))
    small = torch.cat([f[:, :1], 0.1 * f[:, 1:]], dim=1)
    assert torch.equal(bounded(small), small)


def test_each_network_is_an_exemplar_where_they_are_fewer():
    found, codes = exemplars(torch.tensor([1] * 9 + [2] * 3))
    drawn = torch.cdist(found.code, codes).argmin(dim=1).bincount(minlength=12)
    assert drawn.max() - drawn.min() <= 1


def test_exemplars_of_data_sets_alike_are_drawn_more_often_however_far_all_are():
    n_inputs = torch.full((40,), 3)
    side = (torch.arange(40) % 2 * 2.0 - 1)[:, None]
    found, codes = exemplars(n_inputs, side.expand(-1, 37))
    for value in (0.3, 1.0, 5.0, -0.3, -1.0, -5.0):
        drawn = torch.cdist(drawn_from(found, 3, torch.full((1, 37), value)), codes).argmin(dim=1)
        share = (side[drawn, 0] * value > 0).float().mean()
        assert share > 0.97
    drawn = torch.cdist(drawn_from(found, 3, UNKNOWN), codes).argmin(dim=1)
    assert 0.3 < (side[drawn, 0] > 0).float().mean() < 0.7  # nothing is known of the data set


def test_meta_features_reach_the_codes():
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = Prior(CONFIG).eval()
        torch.nn.init.normal_(prior.architecture.out[1].weight)
    f, a = (torch.randn(60, size, generator=generator) for size in (CONFIG.function_size, CONFIG.architecture_size))
    prior.fit(f, a, of_one_output(torch.full((60,), 3)), torch.randn(60, 37, generator=generator))
    counts, place, values = (
        of_one_output(torch.full((4,), 3)),
        torch.tensor([0.1, 0.4, 0.6, 0.9]),
        (2.0, -2.0, torch.nan),
    )
    with torch.no_grad():
        functions = [prior.carry_function(f[:4], counts, place, torch.full((4, 37), value)) for value in values]
        embedded = [prior.embed(counts, torch.full((4, 37), value)) for value in values]
        codes = [prior.architecture.carry(a[:4], cond, f[:4]) for cond in embedded]
    for found in (functions, codes):
        assert not torch.allclose(found[0], found[1], atol=1e-3)
        assert found[2].isfinite().all()
