"""Every peer keeps the contract: latents of one size, networks from latents and architectures, each by itself."""

import pytest
import torch

from benchmarks.peers import PEERS, MLPAutoencoder, NearestNetwork, Padding, PrincipalComponents
from benchmarks.peers.training import learning_rate
from netgraph import NetGraph, NetGraphError
from netgraph.graph import Architecture, make_layer
from netgraph.zoo import initialize
from tests.benchmarks.conftest import LAYERS, draw_graph

LATENT = 26
WIDE = [
    *(make_layer("Input", (), 3, "x"), make_layer("Linear", (0,), 6, "0"), make_layer("LayerNorm", (1,), 6, "1")),
    *(make_layer("ReLU", (2,), 6, "2"), make_layer("Linear", (3,), 2, "3"), make_layer("Tanh", (4,), 2, "4")),
    make_layer("Linear", (5,), 1, "5"),
]


@pytest.fixture(scope="module")
def mixed(graphs):
    """Networks of two architectures, in turn."""
    generator = torch.Generator().manual_seed(1)
    return [graph for pair in zip(graphs, (draw_graph(generator, WIDE) for _ in graphs), strict=True) for graph in pair]


@pytest.fixture(scope="module")
def padding(mixed):
    return Padding(graph.architecture for graph in mixed)


@pytest.fixture(scope="module", params=PEERS)
def peer(request, mixed, padding):
    peer = PEERS[request.param](LATENT, padding)
    peer.fit(mixed[:60], 0.5)
    return peer


def decoded(peer, graphs):
    return peer.decode(peer.encode(graphs), [graph.architecture for graph in graphs])


def test_tensors_of_one_place_are_aligned_and_come_back(mixed, padding):
    vectors, there = padding.pad(mixed)
    assert padding.size == 6 * 3 + 6 + 6 + 6 + 2 * 6 + 2 + 4 + 1
    assert there.sum(dim=1).tolist() == [graph.architecture.state_size for graph in mixed]
    for vector, graph in zip(vectors, mixed, strict=True):
        assert torch.equal(vector[padding.places(graph.architecture)], graph.state)
    narrow, wide = mixed[0], mixed[1]
    weight = padding.places(narrow.architecture)[:12].view(4, 3)
    assert torch.equal(weight, padding.places(wide.architecture)[:18].view(6, 3)[:4])
    assert padding.places(narrow.architecture)[-1] == padding.places(wide.architecture)[-1]


def test_latents_have_one_size_and_networks_come_back(peer, mixed):
    z = peer.encode(mixed)
    rebuilt = decoded(peer, mixed)
    assert z.shape == (len(mixed), LATENT)
    assert len(rebuilt) == len(mixed)
    assert all(graph.validate() for graph in rebuilt)
    if not isinstance(peer, NearestNetwork):
        assert [a.architecture.key for a in rebuilt] == [b.architecture.key for b in mixed]


def test_networks_of_a_batch_do_not_see_each_other(peer, mixed):
    first, second = (peer.encode([mixed[0], other])[0] for other in mixed[1:3])
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)
    alone, beside = (decoded(peer, [mixed[0], *others])[0] for others in ([], mixed[3:4]))
    assert alone.architecture.key == beside.architecture.key
    torch.testing.assert_close(alone.state, beside.state, rtol=1e-4, atol=1e-4)


def test_the_order_of_a_batch_is_that_of_its_latents(peer, mixed):
    order = [3, 0, 2, 1]
    z, architectures = peer.encode(mixed[:4]), [graph.architecture for graph in mixed[:4]]
    torch.testing.assert_close(peer.encode([mixed[i] for i in order]), z[order], rtol=1e-4, atol=1e-4)
    straight = peer.decode(z, architectures)
    for i, graph in zip(order, peer.decode(z[order], [architectures[i] for i in order]), strict=True):
        torch.testing.assert_close(graph.state, straight[i].state, rtol=1e-4, atol=1e-4)


def test_principal_components_are_exact_where_there_are_enough(graphs):
    peer = PrincipalComponents(LATENT, Padding(graph.architecture for graph in graphs))
    peer.fit(graphs, 0.0)
    for true, rebuilt in zip(graphs, decoded(peer, graphs), strict=True):
        torch.testing.assert_close(rebuilt.state, true.state, rtol=1e-3, atol=1e-3)


def test_the_nearest_neighbor_is_a_training_network_and_of_one_of_them_itself(mixed, padding):
    peer = NearestNetwork(LATENT, padding)
    peer.fit(mixed[:60], 0.0)
    neighbors = decoded(peer, mixed)
    assert all(one is other for one, other in zip(neighbors[:60], mixed[:60], strict=True))
    assert all(any(one is other for other in mixed[:60]) for one in neighbors[60:])


def test_the_nearest_neighbor_has_as_many_inputs(graphs):
    other = draw_graph(torch.Generator().manual_seed(0), [make_layer("Input", (), 2, "x"), *LAYERS[1:]])
    peer = NearestNetwork(LATENT, Padding([graphs[0].architecture, other.architecture]))
    peer.fit([*graphs[:5], other], 0.0)
    assert decoded(peer, [other.replace(state=other.state + 10)])[0] is other


def test_training_brings_networks_closer(graphs):
    def error(seconds):
        peer = MLPAutoencoder(LATENT, Padding(graph.architecture for graph in graphs))
        peer.fit(graphs, seconds)
        pairs = zip(graphs, decoded(peer, graphs), strict=True)
        return sum(float((a.state - b.state).square().mean()) for a, b in pairs)

    assert error(1.0) < error(1e-6) / 2


def test_an_architecture_without_a_place_is_named(graphs):
    padding = Padding(graph.architecture for graph in graphs)
    larger = Architecture((LAYERS[0], make_layer("Linear", (0,), 5, "0"), make_layer("Linear", (1,), 1, "1")))
    with pytest.raises(NetGraphError, match=r"no place for in 1 Linear weight"):
        padding.pad([NetGraph(larger, initialize(larger, torch.Generator().manual_seed(0)))])


def test_the_learning_rate_rises_and_falls():
    rates = [learning_rate(1.0, share / 100) for share in range(101)]
    peak = rates.index(max(rates))
    assert rates[0] < 0.1
    assert 1 <= peak <= 5
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert sorted(rates[:peak]) == rates[:peak]
