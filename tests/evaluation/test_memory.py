import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, nn

from netgraph import NetGraphError, canonicalize, from_module, metrics
from netgraph.evaluation import nearness, random_like
from netgraph.evaluation.memory import align
from tests.strategies import examples, graphs, random_graph, randomize


def network(width: int = 8, seed: int = 0, activation: type[nn.Module] = nn.Tanh):
    hidden = [nn.Linear(3, width), activation(), nn.Linear(width, width), activation()]
    return from_module(randomize(nn.Sequential(*hidden, nn.Linear(width, 1)), seed))


def perturb(graphs, level: float, generator: Generator):
    """Add noise to canonical networks, ``level`` times the root mean square of each of their tensors."""
    noisy = []
    for graph in map(canonicalize, graphs):
        scale = [graph.tensor(one).square().mean().sqrt().expand(one.size) for one in graph.architecture.tensors]
        noise = torch.randn(len(graph.state), generator=generator)
        noisy.append(graph.replace(state=graph.state + level * torch.cat(scale) * noise))
    return noisy


def distance(a, b) -> float:
    return float((a.state.double() - b.state.double()).norm())


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU, nn.Sigmoid])
def test_noise_that_exchanges_units_in_the_canonical_order_is_seen_through(activation):
    found = [canonicalize(network(16, seed, activation)) for seed in range(8)]
    noisy = perturb(found, 0.1, Generator().manual_seed(0))
    aligned = [distance(align(a, b), b) for a, b in zip(noisy, found, strict=True)]
    assert sum(aligned) < 0.67 * sum(distance(canonicalize(a), b) for a, b in zip(noisy, found, strict=True))
    assert all(own <= 1.3 * distance(a, b) for own, a, b in zip(aligned, noisy, found, strict=True))


@examples(30)
@given(graphs(), st.integers(0, 2**20))
def test_alignment_keeps_the_function_and_never_moves_away(graph, seed):
    reference = random_graph(graph.architecture, seed)
    aligned = align(graph, reference)
    target = canonicalize(reference)
    x = torch.randn(8, graph.architecture.n_inputs, generator=Generator().manual_seed(0))
    assert metrics.output_r2(graph, aligned, x) == pytest.approx(1, abs=1e-4)
    assert distance(aligned, target) <= distance(canonicalize(graph), target) * (1 + 1e-6) + 1e-9


def test_alignment_finds_a_permuted_and_flipped_network():
    one, other = network(seed=1), network(seed=1)
    order = torch.randperm(8, generator=Generator().manual_seed(0))
    sign = torch.tensor([1.0, -1.0] * 4)
    first, _, second = (other.tensor(t) for t in other.architecture.tensors[:3])
    bias = other.tensor(other.architecture.tensors[1])
    first.copy_((sign[:, None] * first)[order])
    bias.copy_((sign * bias)[order])
    second.copy_((second * sign)[:, order])
    assert distance(one, other) > 0.1
    assert distance(align(other, one), canonicalize(one)) < 1e-5


def test_nearness_of_copies_and_strangers():
    training = [network(seed=seed) for seed in range(6)]
    found = nearness([canonicalize(training[2]), network(seed=50), network(5)], training)
    assert found.weights[0] < 1e-6
    assert found.behavior[0] < 1e-5
    assert found.weights[1] > 0.3
    assert found.weights[2] == math.inf
    assert found.behavior[2] > 0
    assert found.share_with_twin == pytest.approx(2 / 3)
    assert found.median_weights == pytest.approx(float(found.weights[:2].mean()))
    assert math.isnan(nearness([network(5)], training).median_weights)


def test_more_noise_leads_farther_away():
    training = [network(seed=seed) for seed in range(10)]
    levels = [nearness(perturb(training, level, Generator().manual_seed(0)), training) for level in (0, 0.03, 0.1, 0.3)]
    weights, behavior = ([getattr(one, f"median_{name}") for one in levels] for name in ("weights", "behavior"))
    assert weights[0] < 1e-6
    assert weights == sorted(weights)
    assert behavior == sorted(behavior)
    assert weights[2] == pytest.approx(0.1, rel=0.2)


def test_bad_input_is_named():
    with pytest.raises(NetGraphError, match="cannot align"):
        align(network(4), network(5))
    with pytest.raises(NetGraphError, match="training: no graphs"):
        nearness(random_like([network()], Generator().manual_seed(0)), [])
