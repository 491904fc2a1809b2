import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from netgraph import NetGraph, NetGraphError, canonicalize, from_module, to_module
from netgraph.graph import Architecture
from netgraph.model import VAEConfig
from netgraph.model.architecture_decoder import ArchitectureDecoder
from netgraph.model.batch import architecture_batch
from netgraph.model.coverage import Coverage
from tests.strategies import Residual, examples, graphs, random_graph

CONFIG = VAEConfig(width=16, heads=2, architecture_size=16, depths=3, max_nodes=60, max_fan=60)
N = 24


def decoder(seed: int = 0) -> ArchitectureDecoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ArchitectureDecoder(CONFIG).eval()


def drawn(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Architecture codes and conditioning of n networks."""
    generator = Generator().manual_seed(seed)
    return torch.randn(n, CONFIG.architecture_size, generator=generator), torch.randn(
        n, CONFIG.width, generator=generator
    )


def counts(n: int) -> list[tuple[int, int]]:
    """Numbers of inputs and outputs of n networks."""
    return [(1 + i % 5, 1 + i % 3) for i in range(n)]


def architectures() -> list[Architecture]:
    """Several networks, with a residual connection, a normalization and a layer without bias."""
    plain = [(3, 5, nn.ReLU()), (2, 9, nn.Tanh()), (4, 2, nn.SiLU())]
    modules = [nn.Sequential(nn.Linear(i, h), act, nn.Linear(h, 1)) for i, h, act in plain]
    modules.append(
        nn.Sequential(nn.Linear(3, 4, bias=False), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 6), nn.Linear(6, 1))
    )
    modules.append(nn.Sequential(nn.Linear(2, 3), Residual(nn.Sequential(nn.Linear(3, 3), nn.ELU())), nn.Linear(3, 1)))
    return [canonicalize(from_module(module)).architecture for module in modules]


@pytest.mark.parametrize("seed", range(3))
def test_initial_weights_decode_to_networks_that_run_within_the_limits(seed):
    model = decoder(seed)
    model.cover(architectures())
    limits = model.limits
    for architecture in model.generate(*drawn(4 * N, seed), counts(4 * N)):
        assert architecture.num_nodes <= CONFIG.max_nodes
        assert len(architecture.layers) <= limits.layers
        module = to_module(random_graph(architecture))
        assert module(torch.zeros(2, architecture.n_inputs)).shape == (2, architecture.n_outputs)


def test_a_network_is_decoded_alike_alone_and_among_others():
    model = decoder()
    model.cover(architectures())
    a, cond = drawn(N)
    together = model.generate(a, cond, counts(N))
    assert len({architecture.key for architecture in together}) > 1
    assert [model.generate(a[i : i + 1], cond[i : i + 1], counts(N)[i : i + 1])[0] for i in range(N)] == together
    assert [(architecture.n_inputs, architecture.n_outputs) for architecture in together] == counts(N)


def test_losses_of_a_network_do_not_depend_on_the_others():
    model, found = decoder(), architectures()
    a, cond = drawn(len(found))
    alone = [model.losses(a[i : i + 1], cond[i : i + 1], batch(found[i : i + 1])) for i in range(len(found))]
    together = model.losses(a, cond, batch(found))
    for term, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(term, torch.stack(parts).mean())


def batch(found):
    return architecture_batch(found, CONFIG)


def test_training_lowers_every_loss_until_networks_come_back_exactly():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, found = ArchitectureDecoder(CONFIG), architectures()
        model.cover(found)
        (a, cond), nets = drawn(len(found)), batch(found)
        first = model.losses(a, cond, nets)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(80):
            optimizer.zero_grad()
            sum(model.losses(a, cond, nets)).backward()
            optimizer.step()
    assert all(after < before for before, after in zip(first, model.losses(a, cond, nets), strict=True))
    given = [(architecture.n_inputs, architecture.n_outputs) for architecture in found]
    assert model.generate(a, cond, given) == [architecture.key for architecture in found]


@examples(15)
@given(st.lists(graphs(), min_size=1, max_size=4))
def test_gradients_of_the_losses_are_finite_for_any_network(found: list[NetGraph]):
    found = [graph.architecture for graph in found if graph.num_nodes <= CONFIG.max_nodes]
    if not found:
        return
    model = decoder()
    for term in model.losses(*drawn(len(found)), batch(found)):
        gradients = torch.autograd.grad(term, list(model.parameters()), retain_graph=True, allow_unused=True)
        assert term.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)


def test_the_coverage_is_part_of_the_state_and_sets_the_limits():
    model = decoder()
    model.cover(architectures())
    assert model.coverage == Coverage.of(architectures())
    again = decoder(1)
    again.load_state_dict(model.state_dict())
    assert again.coverage == model.coverage
    assert (again.limits.units, again.limits.loose, again.limits.apart) == (9, 1, 0)
    leaky = from_module(nn.Sequential(nn.Linear(2, 3), nn.LeakyReLU(0.3), nn.Linear(3, 1)))
    with pytest.raises(NetGraphError, match="LeakyReLU with negative_slope"):
        model.cover([leaky.architecture])
