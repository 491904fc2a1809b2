"""Every peer keeps the contract: latents of one size, networks from latents alone, each by itself."""

import pytest
import torch

from benchmarks.peers import PEERS, MLPAutoencoder, NearestNetwork, PrincipalComponents
from benchmarks.peers.training import EqualTime, learning_rate
from netgraph import from_module
from netgraph.errors import NetGraphError

# netgraph has slots of 4 numbers for 2 of the 4 neurons: (1 + 2) + (2 + 1) slots, and 2 numbers.
LATENT = 26


@pytest.fixture(scope="module", params=PEERS)
def peer(request, examples):
    peer = PEERS[request.param](LATENT)
    peer.fit(examples[:30], 0.5)
    return peer


def test_latents_have_one_size_and_networks_come_back(peer, graphs):
    z = peer.encode(graphs)
    rebuilt = peer.decode(z)
    assert z.shape == (len(graphs), LATENT)
    assert len(rebuilt) == len(graphs)
    assert all(graph.validate() for graph in rebuilt)


def test_networks_of_a_batch_do_not_see_each_other(peer, graphs):
    first, second = (peer.encode([graphs[0], other])[0] for other in graphs[1:3])
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)
    alone, beside = peer.decode(first[None])[0], peer.decode(torch.stack([first, peer.encode(graphs[3:4])[0]]))[0]
    assert alone.architecture.key == beside.architecture.key
    torch.testing.assert_close(alone.state, beside.state, rtol=1e-4, atol=1e-4)


def test_the_order_of_a_batch_is_that_of_its_latents(peer, graphs):
    order = [3, 0, 2, 1]
    z = peer.encode(graphs[:4])
    torch.testing.assert_close(peer.encode([graphs[i] for i in order]), z[order], rtol=1e-4, atol=1e-4)
    for i, graph in zip(order, peer.decode(z[order]), strict=True):
        torch.testing.assert_close(graph.state, peer.decode(z)[i].state, rtol=1e-4, atol=1e-4)


def test_principal_components_are_exact_where_there_are_enough(examples, graphs):
    peer = PrincipalComponents(LATENT)
    peer.fit(examples, 0.0)
    for true, rebuilt in zip(graphs, peer.decode(peer.encode(graphs)), strict=True):
        torch.testing.assert_close(rebuilt.state, true.state, rtol=1e-3, atol=1e-3)


def test_the_nearest_neighbor_is_a_training_network_and_of_one_of_them_itself(examples, graphs):
    peer = NearestNetwork(LATENT)
    peer.fit(examples[:30], 0.0)
    known = torch.stack([graph.state for graph in graphs[:30]])
    neighbors = torch.stack([graph.state for graph in peer.decode(peer.encode(graphs))])
    torch.testing.assert_close(neighbors[:30], known, rtol=1e-5, atol=1e-6)
    difference = (neighbors[30:, None] - known).abs().amax(dim=2)  # [networks, training networks]
    assert (difference.amin(dim=1) < 1e-5).all()


def test_training_brings_networks_closer(examples, graphs):
    def error(seconds):
        peer = MLPAutoencoder(LATENT)
        peer.fit(examples, seconds)
        pairs = zip(graphs, peer.decode(peer.encode(graphs)), strict=True)
        return sum(float((a.state - b.state).square().mean()) for a, b in pairs)

    assert error(1.0) < error(1e-6) / 2


def test_another_architecture_is_refused(examples):
    peer = PrincipalComponents(LATENT)
    peer.fit(examples, 0.0)
    other = from_module(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1)))
    with pytest.raises(NetGraphError, match=r"network 0: .*ReLU.*knows .*Tanh"):
        peer.encode([other])


def test_a_latent_that_netgraph_has_no_slots_for_is_refused(examples):
    with pytest.raises(NetGraphError, match="latent size 20: netgraph takes at least 26 here"):
        PEERS["netgraph"](20).fit(examples, 0.1)


def test_the_learning_rate_rises_and_falls():
    rates = [learning_rate(1.0, share / 100) for share in range(101)]
    peak = rates.index(max(rates))
    assert rates[0] < 0.1
    assert 1 <= peak <= 5
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert sorted(rates[:peak]) == rates[:peak]


def test_a_schedule_ends_with_its_time():
    class Module:
        part, seconds, steps_done, total_steps = "VAE", 2.0, 20, 10**6

    module = Module()
    callback = EqualTime({"VAE": 10.0})
    callback.on_train_batch_start(None, module, None, 0)
    assert module.total_steps == 100
    module.seconds, module.steps_done = 11.0, 90
    callback.on_train_batch_start(None, module, None, 0)
    assert module.total_steps == 90
    module.part = "prior"
    module.total_steps = 7
    callback.on_train_batch_start(None, module, None, 0)
    assert module.total_steps == 7
