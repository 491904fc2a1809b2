import math

import torch

from netgraph import canonicalize
from netgraph.model.batch import net_batch
from netgraph.model.encoder import Posterior
from tests.model.small import CONFIG, networks, untrained

GRAPHS = [canonicalize(graph) for graph in networks(4)]


def posterior(mean: torch.Tensor, deviation: float) -> Posterior:
    log_variance = torch.full_like(mean, 2 * math.log(deviation))
    return Posterior(torch.zeros(len(mean), 3), mean, log_variance, torch.zeros(0))


def test_draws_have_the_posterior_s_mean_and_deviation_and_a_gradient():
    mean = torch.tensor([[1.0, -2.0]]).expand(4000, 2).clone().requires_grad_()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = posterior(mean, 0.3).sample()
    torch.testing.assert_close(drawn.mean(dim=0), mean[0], atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.std(dim=0), torch.full((2,), 0.3), atol=0.02, rtol=0)
    drawn.sum().backward()
    assert torch.equal(mean.grad, torch.ones_like(mean))


def test_the_divergence_is_that_of_normal_distributions():
    mean = torch.tensor([[0.0, 0.0], [1.0, -2.0]])
    assert torch.equal(posterior(mean, 1.0).kl(), torch.tensor([0.0, 2.5]))
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, 0.4), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(posterior(mean, 0.4).kl(), expected.sum(dim=1))


@torch.no_grad()
def test_states_are_padded_with_zeros_and_cut():
    model, batch = untrained(), net_batch(GRAPHS, CONFIG)
    w = model.encoder(batch).w
    states = torch.tensor_split(w, batch.structure.state_ptr[1:-1].tolist())
    for row, state in zip(model.encoder.pad(w, batch), states, strict=True):
        assert torch.equal(row[: len(state)], state)
        assert (row[len(state) :] == 0).all()
    model.encoder.config = type("Sizes", (), {"weight_size": 9})
    cut = model.encoder.pad(w, batch)
    assert torch.equal(cut, torch.stack([state[:9] for state in states]))


@torch.no_grad()
def test_the_architecture_code_is_bounded_in_its_spread_and_depends_on_the_network():
    model, batch = untrained(), net_batch(GRAPHS, CONFIG)
    found = model.encoder(batch)
    assert found.mean.shape == found.log_variance.shape == (4, CONFIG.architecture_size)
    assert ((found.log_variance >= -10) & (found.log_variance <= 4)).all()
    assert not torch.allclose(found.mean[0], found.mean[1], atol=1e-3)
