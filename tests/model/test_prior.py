from dataclasses import replace

import torch
from netgraph.model.slots import Slots, holders, split

from netgraph import NetVAE
from netgraph.model import PriorConfig
from netgraph.model.batch import structure_batch
from netgraph.model.prior import FlowPrior, _solve
from tests.model import small

CONFIG = replace(small.CONFIG, prior=PriorConfig(width=32, heads=2, place_layers=1, layout_layers=1, steps=8))


def new_vae(seed: int = 0) -> NetVAE:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        vae = NetVAE(CONFIG)
        torch.nn.init.normal_(vae.prior.network.out.weight, std=0.3)
        torch.nn.init.normal_(vae.prior.place.out.weight, std=0.3)
    vae.structure.coverage = replace(small.EVERYTHING, types=frozenset({"Input", "Linear", "ReLU", "Tanh"}))
    return vae.eval()


def test_the_solver_is_exact_on_straight_paths_and_close_on_curved_ones():
    x, goal = torch.randn(5, 2, 3), torch.randn(5, 2, 3)
    assert torch.allclose(_solve(lambda at, time: goal - x, x, 3), goal, atol=1e-6)
    grown = _solve(lambda at, time: at, x, 64)
    assert torch.allclose(grown, x * torch.e, rtol=1e-3)


def test_the_same_noise_gives_the_same_networks_and_their_latents_decode_to_them():
    vae = new_vae()
    noise = torch.randn(12, CONFIG.latent_size, generator=torch.Generator().manual_seed(0))
    graphs, z = vae.carry(noise)
    assert not torch.equal(z, noise)
    for one, other in zip(graphs, vae.decode(z), strict=True):
        assert one.architecture == other.architecture
        assert torch.allclose(one.state, other.state, atol=1e-4)
    alone, _ = vae.carry(noise[3:4])
    assert alone[0].architecture == graphs[3].architecture
    assert torch.allclose(alone[0].state, graphs[3].state, atol=1e-4)


def test_places_that_an_architecture_has_not_stay_empty():
    vae = new_vae()
    noise = torch.randn(6, CONFIG.latent_size, generator=torch.Generator().manual_seed(1))
    graphs, z = vae.carry(noise)
    filled = Slots(holders(structure_batch([g.architecture for g in graphs], CONFIG).carriers), CONFIG).filled
    places = split(z, CONFIG)[1]
    assert (places[~filled.expand_as(places)] == 0).all()
    assert (places[filled.expand_as(places)] != 0).all()


def test_the_condition_reaches_the_samples():
    vae = new_vae()
    given = vae.sample(8, torch.full((37,), 2.0), seed=0, n_inputs=3)
    other = vae.sample(8, torch.full((37,), -2.0), seed=0, n_inputs=3)
    assert any(
        a.architecture != b.architecture or not torch.equal(a.state, b.state) for a, b in zip(given, other, strict=True)
    )


def test_the_flow_learns_a_distribution_that_is_far_from_the_noise():
    """Two clusters of layouts, at 3 and at -3 in every number: carried noise falls into one or the other."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = FlowPrior(CONFIG)
        optimizer = torch.optim.Adam(prior.parameters(), 3e-3)
        architectures = [graph.architecture for graph in new_vae().sample(32, seed=0)]
        batch = structure_batch(architectures, CONFIG)
        for _ in range(150):
            sign = torch.randint(0, 2, (32, 1), generator=generator) * 2.0 - 1
            z = 3 * sign + 0.1 * torch.randn(32, CONFIG.latent_size, generator=generator)
            layout, places = prior.losses(
                z, batch, prior.embed_condition(torch.full((32, 37), torch.nan), torch.zeros(32).long())
            )
            optimizer.zero_grad()
            (layout + places).backward()
            optimizer.step()
    noise = torch.randn(32, CONFIG.layout_slots + 1, 4, generator=generator)
    with torch.no_grad():
        prior.eval()
        condition = prior.embed_condition(torch.full((32, 37), torch.nan), torch.zeros(32).long())
        carried = prior.carry_network(noise, condition)[:, :-1].mean(dim=(1, 2))
    assert (carried.abs() > 2).float().mean() > 0.8
    assert {True, False} == set((carried > 0).tolist())
