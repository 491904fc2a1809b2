import pytest
import torch
from torch import nn

from netgraph import NetGraphError, NetVAE, canonicalize, from_module
from netgraph.graph.netgraph import NetGraph
from netgraph.model.batch import NetBatch, net_batch
from netgraph.model.slots import split
from tests.model.small import CONFIG


def graph(seed: int, hidden: nn.Module) -> NetGraph:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return canonicalize(from_module(nn.Sequential(nn.Linear(3, 4), hidden, nn.Linear(4, 1))))


def batches(graphs: list[NetGraph], size: int) -> list[NetBatch]:
    rows = torch.randn(len(graphs), CONFIG.n_meta_features, generator=torch.Generator().manual_seed(0))
    parts = range(0, len(graphs), size)
    return [net_batch(graphs[i : i + size], CONFIG, 3 + 2 * rows[i : i + size]).packed() for i in parts]


GRAPHS = [graph(seed, nn.Tanh() if seed % 2 else nn.ReLU()) for seed in range(12)]


def model() -> NetVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NetVAE(CONFIG)


def test_weights_outputs_meta_features_and_latents_are_standardized_and_the_vocabulary_is_known():
    vae, networks = model(), batches(GRAPHS, 4)
    vae.fit_statistics(networks)
    nets = net_batch(GRAPHS, CONFIG, torch.cat([batch.meta_features for batch in networks]))
    response = vae.responses.standardize(nets.response)
    meta_features = vae.condition.standardize(nets.meta_features)
    for values in (response, meta_features):
        torch.testing.assert_close(values.mean(dim=0), torch.zeros(values.shape[1]), atol=1e-4, rtol=0)
        torch.testing.assert_close(values.std(dim=0, correction=0), torch.ones(values.shape[1]), atol=1e-3, rtol=0)
    weights = vae.scales.standardize(nets.state, nets.structure)
    assert abs(float(weights.mean())) < 0.1
    assert 0.8 < float(weights.std()) < 1.2
    latent = vae.prior.standardize_network(vae.prior.of_network(vae.draw_posterior(nets)))
    assert float(latent.mean(dim=0).abs().max()) < 1.5
    assert {x.type for g in vae.sample(20, seed=0) for x in g.architecture.layers} <= {
        "Input",
        "Linear",
        "ReLU",
        "Tanh",
    }


def test_statistics_draw_no_random_number_keep_every_mode_and_do_not_depend_on_the_call_before():
    vae, networks = model(), batches(GRAPHS, 4)
    vae.train()
    vae.prior.eval()
    state = torch.get_rng_state()
    vae.fit_statistics(networks)
    assert torch.equal(torch.get_rng_state(), state)
    assert vae.encoder.training
    first = {name: value.clone() for name, value in vae.state_dict().items()}
    vae.fit_statistics(networks)
    assert all(torch.equal(value, first[name]) for name, value in vae.state_dict().items())
    changed = {name for name, value in model().state_dict().items() if not torch.equal(value, first[name])}
    assert changed
    assert not changed & dict(vae.named_parameters()).keys()


def test_statistics_of_the_latents_follow_the_encoder():
    vae, networks = model(), batches(GRAPHS, 4)
    vae.fit_statistics(networks)
    before = vae.prior.place_mean.clone()
    with torch.no_grad():
        for value in vae.encoder.parameters():
            value.mul_(1.5)
    vae.fit_statistics(networks)
    assert not torch.equal(vae.prior.place_mean, before)
    nets = networks[0].unpacked()
    places = split(vae.draw_posterior(nets), CONFIG)[1]
    assert places.isfinite().all()


def test_one_network_is_enough_and_none_is_not():
    vae = model()
    vae.fit_statistics(batches(GRAPHS[:1], 1))
    assert all(value.isfinite().all() for value in vae.state_dict().values())
    with pytest.raises(NetGraphError, match="no networks to take statistics from"):
        vae.fit_statistics([])
    with pytest.raises(NetGraphError, match=r"such as Batches\(...\).networks; got a NetGraph"):
        vae.fit_statistics(GRAPHS)
