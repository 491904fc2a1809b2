"""Every peer keeps the contract: valid networks from latents alone, each by itself."""

import itertools

import pytest
import torch
from peers.adjacency import AdjacencyVAE, image_error
from peers.edge_list import EdgeList
from peers.fit import Schedule, by_length, masked_error, shuffled, train_for
from peers.mlp import MLPAutoencoder
from peers.nearest import Nearest
from peers.pca import PrincipalComponents
from peers.repair import rebuild
from peers.sane import SANE

from netgraph.errors import NetGraphError

from .conftest import BOUNDS

# SANE has 12 tokens of these bounds, the edge list slots of 8.
LATENT = 12 * 8
PEERS = {
    "edge_list": lambda: EdgeList(LATENT, bounds=BOUNDS, width=16),
    "sane": lambda: SANE(LATENT, bounds=BOUNDS, width=16, layers=1),
    "adjacency": lambda: AdjacencyVAE(LATENT, bounds=BOUNDS, width=8),
    "mlp": lambda: MLPAutoencoder(LATENT, bounds=BOUNDS, width=64),
    "pca": lambda: PrincipalComponents(LATENT, bounds=BOUNDS),
    "nearest": lambda: Nearest(bounds=BOUNDS),
}


@pytest.fixture(scope="module", params=PEERS)
def peer(request, examples):
    made = PEERS[request.param]()
    made.fit(examples[:30], 1.0)
    return made


def test_rebuilt_networks_are_valid(peer, graphs):
    rebuilt = rebuild(peer, graphs)
    assert len(rebuilt.graphs) == len(graphs)
    assert all(graph.validate() for graph in rebuilt.graphs)
    assert 0 <= rebuilt.unusable <= 1


def test_latents_have_the_size_that_was_asked_for(peer, graphs):
    z = peer.encode(graphs)
    assert z.shape == (len(graphs), peer.latent_size)
    assert peer.latent_size == (1 if isinstance(peer, Nearest) else LATENT)


def test_networks_of_a_batch_do_not_see_each_other(peer, graphs):
    first, second = (peer.encode([graphs[0], other])[0] for other in (graphs[1], graphs[2]))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)
    alone, beside = peer.decode(first[None])[0], peer.decode(torch.stack([first, peer.encode(graphs[3:4])[0]]))[0]
    assert (alone is None) == (beside is None)
    if alone is not None:
        assert alone.architecture.key == beside.architecture.key
        torch.testing.assert_close(alone.state, beside.state, rtol=1e-4, atol=1e-4)


def test_training_brings_networks_closer(examples, graphs):
    def found(seconds):
        peer = PEERS["mlp"]()
        peer.fit(examples, seconds)
        return sum(
            a.architecture.key == b.architecture.key for a, b in zip(graphs, rebuild(peer, graphs).graphs, strict=True)
        )

    assert found(1.5) > found(1e-3) + 10


def test_principal_components_are_exact_where_there_are_enough(examples, graphs):
    peer = PEERS["pca"]()
    peer.fit(examples, 0.0)
    z = peer.encode(graphs)
    for true, free, given in zip(graphs, peer.decode(z), peer.decode_as(z, graphs), strict=True):
        assert free.architecture.key == true.architecture.key
        torch.testing.assert_close(free.state, true.state, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(given.state, free.state)


def test_the_nearest_of_a_training_network_is_itself(examples, graphs):
    peer = PEERS["nearest"]()
    peer.fit(examples, 0.0)
    assert rebuild(peer, graphs).graphs == graphs


@pytest.mark.parametrize("make", [SANE, EdgeList])
def test_latent_sizes_that_do_not_divide_are_refused(make):
    with pytest.raises(NetGraphError, match="latent size 101 is not a multiple"):
        make(101)


def test_padding_counts_neither_above_nor_below():
    target, mask = torch.zeros(2, 100), torch.zeros(2, 100)
    mask[:, :4] = 1
    prediction = torch.where(mask > 0, 2.0, 50.0)
    assert float(masked_error(prediction, target, mask)) == 4


def test_matrices_are_compared_where_they_have_entries():
    true = torch.zeros(1, 10, 8, 8)
    true[0, 1, 2, 3] = 1
    seen, other = torch.zeros_like(true), torch.zeros_like(true)
    other[0, [0, 2, 5], 6, 6] = 9.0
    assert float(image_error(seen, true)) == pytest.approx(float(image_error(other, true)))
    other[0, 0, 2, 3] = 1.0
    assert float(image_error(other, true)) == pytest.approx(float(image_error(seen, true)) + 1)


def train_line(seconds, steps_a_second):
    """Train one weight toward 1 with a clock of our own; give the number of steps and the weight."""
    module, ticks = torch.nn.Linear(1, 1, bias=False), itertools.count()
    torch.nn.init.zeros_(module.weight)

    def loss(batch):
        return (module(torch.ones(len(batch), 1)) - 1).square().mean()

    generator = torch.Generator().manual_seed(0)
    schedule = Schedule(seconds, learning_rate=0.1)
    steps = train_for(module, loss, shuffled(6, 4), schedule, generator, lambda: next(ticks) / steps_a_second)
    return steps, module.weight.item()


def test_training_ends_with_its_time():
    assert train_line(10.0, 20)[0] == 200
    assert train_line(1e-9, 20)[0] == 1
    assert train_line(10.0, 20)[1] == pytest.approx(1, abs=0.05)


def test_epochs_hold_every_network_once():
    generator = torch.Generator().manual_seed(0)
    for compose in (shuffled(10, 4), by_length(torch.arange(10) * 100, 4)):
        batches = compose(generator)
        assert [len(batch) for batch in batches] in ([4, 4, 2], [4, 2, 4], [2, 4, 4])
        assert sorted(torch.cat(list(batches)).tolist()) == list(range(10))
    assert all(int(batch.max() - batch.min()) <= 3 for batch in batches)


def test_the_learning_rate_rises_and_falls():
    schedule = Schedule(10.0, learning_rate=1.0, warmup=0.1)
    rates = [schedule.rate(share / 100) for share in range(101)]
    peak = rates.index(max(rates))
    assert rates[0] == 0
    assert 5 <= peak <= 15
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert sorted(rates[:peak]) == rates[:peak]
