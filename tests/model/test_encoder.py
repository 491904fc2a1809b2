import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from netgraph import NetGraph, from_module
from netgraph.model import VAEConfig
from netgraph.model.batch import NetBatch, net_batch
from netgraph.model.encoder import INITIAL_LOG_VARIANCE, ArchitectureEncoder
from tests.strategies import examples, graphs

CONFIG = VAEConfig(width=16, heads=2, architecture_size=18, depths=3, max_nodes=200, max_fan=60)

lists = st.lists(graphs(), min_size=2, max_size=4).map(
    lambda found: [graph.replace(state=graph.state.float()) for graph in found if graph.architecture.state_size]
)


def encoder() -> ArchitectureEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ArchitectureEncoder(CONFIG)


def cond(n: int) -> Tensor:
    return torch.ones(n, CONFIG.width)


def small(found: list[NetGraph]) -> list[NetGraph]:
    return [graph for graph in found if graph.architecture.n_inputs <= CONFIG.max_inputs and graph.num_nodes <= 200]


@torch.no_grad()
@examples(15)
@given(lists.map(small).filter(bool))
def test_a_network_is_encoded_alike_alone_and_among_others(found):
    model, batch = encoder(), net_batch(found, CONFIG)
    mean, log_variance = model(batch, batch.state, cond(len(found)))
    assert mean.shape == log_variance.shape == (len(found), CONFIG.architecture_size)
    alone = net_batch(found[:1], CONFIG)
    torch.testing.assert_close(model(alone, alone.state, cond(1))[0], mean[:1], rtol=1e-4, atol=1e-4)
    assert mean.isfinite().all()
    assert log_variance.isfinite().all()


def batch_of(*modules: nn.Module) -> NetBatch:
    return net_batch([from_module(module) for module in modules], CONFIG)


def perceptron(width: int, activation: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, width), activation, nn.Linear(width, 1))


@torch.no_grad()
def test_pools_of_layers_tell_sizes_and_activations_apart():
    batch = batch_of(perceptron(5, nn.ReLU()), perceptron(6, nn.ReLU()), perceptron(5, nn.SiLU()))
    mean, log_variance = encoder()(batch, torch.zeros_like(batch.state), cond(3))
    assert (mean[0] - mean[1]).abs().max() > 1e-3
    assert (mean[0] - mean[2]).abs().max() > 1e-3
    assert (log_variance - INITIAL_LOG_VARIANCE).abs().max() < 4


@torch.no_grad()
def test_numbers_of_absent_layers_are_the_same_for_all_networks():
    batch = batch_of(nn.Linear(3, 1), nn.Linear(2, 1))
    mean, _ = encoder()(batch, batch.state, cond(2))
    size = CONFIG.architecture_size // (CONFIG.depths + 2)
    absent = slice(2 * size, (CONFIG.depths + 1) * size)  # behind two and three linear layers
    torch.testing.assert_close(mean[0, absent], mean[1, absent])
    assert not torch.allclose(mean[0, :size], mean[1, :size])


def test_every_parameter_learns():
    model, batch = encoder(), batch_of(perceptron(5, nn.ReLU()), perceptron(6, nn.GELU()))
    mean, log_variance = model(batch, batch.state, cond(2))
    (mean.square().sum() + log_variance.square().sum()).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())
