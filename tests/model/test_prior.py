from dataclasses import replace

import torch
from torch import Tensor

from netgraph.model.function import FunctionCode
from netgraph.model.prior import Flow, Prior
from tests.model import small

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
    return f, a, torch.where(sign[:, 0] > 0, 2, 1)


def test_the_flows_learn_codes_that_are_far_from_the_noise_and_their_conditions():
    generator = torch.Generator().manual_seed(0)
    unknown = torch.full((256, CONFIG.n_meta_features), torch.nan)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = Prior(CONFIG)
        prior.fit(FunctionCode(CONFIG), clusters(256, generator)[1], unknown)
        optimizer, losses = torch.optim.Adam(prior.parameters(), 3e-3), []
        for _ in range(200):
            function, architecture = prior.losses(*clusters(256, generator), unknown)
            losses.append((float(function.detach()), float(architecture.detach())))
            optimizer.zero_grad()
            (function + architecture).backward()
            optimizer.step()
    for values in zip(*losses, strict=True):
        assert sum(values[-20:]) < 0.5 * sum(values[:20])
    noise = torch.randn(256, CONFIG.function_size, generator=generator)
    n_inputs = torch.tensor([1, 2] * 128)
    with torch.no_grad():
        prior.eval()
        f = prior.carry_function(noise, n_inputs, unknown)
        a = prior.carry_architecture(torch.randn(256, CONFIG.architecture_size), f, n_inputs, unknown)
    assert torch.equal(f[:, 0], noise[:, 0])  # that of the inputs is N(0, 1) by definition
    side = torch.where(n_inputs == 2, 1.0, -1.0)
    for codes in (f[:, 1:], a):
        assert ((codes.mean(dim=1) * side) > 2).float().mean() > 0.9


def test_meta_features_reach_the_codes():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = Prior(CONFIG).eval()
        prior.fit(FunctionCode(CONFIG), torch.randn(9, CONFIG.architecture_size), torch.randn(9, 37))
        torch.nn.init.normal_(prior.function.out[1].weight)
    noise, n_inputs = torch.randn(4, CONFIG.function_size), torch.full((4,), 3)
    with torch.no_grad():
        found = [prior.carry_function(noise, n_inputs, torch.full((4, 37), value)) for value in (2.0, -2.0, torch.nan)]
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    assert found[2].isfinite().all()
