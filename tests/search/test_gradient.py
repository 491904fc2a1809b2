from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chi
from torch import Generator

from netgraph import NetVAE
from netgraph.model.descend import descend
from netgraph.model.slots import split
from netgraph.search import NetGraphRegressor
from netgraph.search.data import Data
from netgraph.search.gradient import Gradient, near
from netgraph.search.running import errors_of, solve
from netgraph.search.sources import Prior
from tests.search.small import CONFIG, untrained


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    return untrained()


def task(rows: int = 120) -> Data:
    x = torch.randn(rows, 3, generator=Generator().manual_seed(0))
    return Data(x, torch.tanh(2 * x[:, 0]) - x[:, 1])


def source(vae, data: Data | None = None) -> Gradient:
    data = data or task()
    return Gradient(Prior(vae, data), data)


def same(graphs, others) -> bool:
    return all(torch.equal(a.state, b.state) for a, b in zip(graphs, others, strict=True))


def moved(vae, data: Data):
    """Networks and latents of the prior, and those of them that moved."""
    found = source(vae, data)
    noise = torch.randn(24, CONFIG.latent_size, generator=Generator().manual_seed(1))
    graphs, z = found.prior.carry(noise)
    return graphs, z, found.move(graphs, list(z))


def origins(z: torch.Tensor, latents: list[torch.Tensor]) -> list[int]:
    """Which latents those that moved were: the slots of the layout stay."""
    starts = {row.numpy().tobytes(): i for i, row in enumerate(z[:, : CONFIG.layout_size])}
    return [starts[own[: CONFIG.layout_size].numpy().tobytes()] for own in latents]


def test_the_first_batch_are_draws_of_the_prior_and_later_ones_move_on_from_the_best(vae):
    data = task()
    searching, prior = source(vae, data), Prior(vae, data)
    first = searching.draw(24, 7)
    assert same(first, prior.draw(24, 7))
    errors = errors_of(solve(first, data))
    searching.learn(errors)
    later = searching.draw(24, 8)
    n_moved = next(k for k in range(1, 13) if same(later[k:], prior.draw(24 - k, 8)))
    best = {first[i].architecture for i in errors.argsort()[:12].tolist()}
    assert {graph.architecture for graph in later[:n_moved]} <= best
    assert float(errors_of(solve(later, data)).min()) < float(errors.min())


def test_a_seed_gives_the_same_networks_again(vae):
    data = task()
    first, again = source(vae, data), source(vae, data)
    for seed in range(3):
        drawn = first.draw(16, seed)
        assert same(drawn, again.draw(16, seed))
        errors = errors_of(solve(drawn, data))
        first.learn(errors)
        again.learn(errors)


def test_moved_latents_have_lower_leave_one_out_errors_than_their_starts(vae):
    data = task()
    graphs, z, (better, latents) = moved(vae, data)
    origin = origins(z, latents)
    assert len(better) > 12
    before, after = (errors_of(solve(own, data)) for own in ([graphs[i] for i in origin], better))
    assert (after < before).double().mean() > 0.9
    assert after.mean() < before.mean()
    assert [g.architecture for g in better] == [graphs[i].architecture for i in origin]


def test_what_has_moved_is_what_its_latent_decodes_to(vae):
    data = task()
    _, _, (graphs, latents) = moved(vae, data)
    prior = Prior(vae, data)
    decoded = vae.decode(torch.stack(latents), prior.meta_features, counts=[(3, 1)] * len(latents))
    for graph, again in zip(graphs, decoded, strict=True):
        assert graph.architecture == again.architecture
        assert torch.allclose(graph.state, again.state, atol=1e-4, rtol=1e-3)


def distances(vae, z: torch.Tensor) -> torch.Tensor:
    return ((split(z, CONFIG)[1] - vae.prior.place_mean) / vae.prior.place_scale).norm(dim=-1)


def test_slots_stay_in_the_trust_region(vae):
    most = float(chi.isf(1e-6, CONFIG.slot_size))
    start = 2 * torch.randn(8, CONFIG.latent_size, generator=Generator().manual_seed(0))
    allowed = distances(vae, start).clamp(min=most)
    places = split(start, CONFIG)[1]
    keep = near(vae.prior, start)
    assert torch.equal(keep(places), places)
    wild = torch.cat([start[:, : CONFIG.layout_size], (5 * keep(5 * places)).flatten(1)], dim=1)
    kept = keep(split(torch.nn.functional.pad(wild, (0, 2)), CONFIG)[1])
    found = ((kept - vae.prior.place_mean) / vae.prior.place_scale).norm(dim=-1)
    assert (found <= allowed * (1 + 1e-5)).all()
    assert (found > 0.99 * allowed).any()


def test_latents_that_moved_are_in_the_trust_region(vae):
    _, z, (_, latents) = moved(vae, task())
    allowed = distances(vae, z[origins(z, latents)]).clamp(min=float(chi.isf(1e-6, CONFIG.slot_size)))
    assert (distances(vae, torch.stack(latents)) <= allowed * (1 + 1e-5)).all()


def test_a_gradient_that_is_not_finite_stops_only_its_own_latent():
    z = torch.ones(3, CONFIG.latent_size)

    def judge(code: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        square = code.square().sum(dim=1)
        spoiled = square * torch.tensor([1.0, float("nan"), 1.0])
        return spoiled, spoiled

    found = descend(z, CONFIG, judge, 10, 0.05)
    assert torch.equal(found[1], z[1])
    assert (found[[0, 2]].square().sum(dim=1) < z[[0, 2]].square().sum(dim=1)).all()
    assert torch.equal(found[:, : CONFIG.layout_size], z[:, : CONFIG.layout_size])


def test_networks_that_overflow_are_left_alone(vae):
    data = task()
    far = replace(data, x=data.x * 1e20)
    found = Gradient(Prior(vae, data), far)
    graphs, z = found.prior.carry(torch.randn(8, CONFIG.latent_size, generator=Generator().manual_seed(1)))
    networks, latents = found.move(graphs, list(z))
    assert networks == latents == []


def test_the_estimator_searches_by_gradients(tmp_path, vae):
    vae.save(tmp_path / "vae.safetensors")
    x = np.random.default_rng(0).normal(size=(120, 3))
    estimator = NetGraphRegressor(str(tmp_path / "vae.safetensors"), n_candidates=64, strategy="gradient")
    assert estimator.fit(x, np.tanh(2 * x[:, 0]) - x[:, 1]).score(x, np.tanh(2 * x[:, 0]) - x[:, 1]) > 0.8
