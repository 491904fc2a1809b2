import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, nn

from netgraph import NetGraphError, from_module
from netgraph.evaluation import probe_latents, smoothness
from netgraph.evaluation.linear_probes import Described, depth, main_activation, probe_label, probe_value
from tests.strategies import examples, graphs, randomize


def network(*hidden: int, seed: int = 0, activation: type[nn.Module] = nn.Tanh):
    sizes = [3, *hidden]
    parts = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), activation())]
    return from_module(randomize(nn.Sequential(*parts, nn.Linear(sizes[-1], 1)), seed))


def scaled(graph, factor: float):
    """The network with its output multiplied: behavior is linear in the factor."""
    state = graph.state.clone()
    for tensor in graph.architecture.tensors:
        if tensor.layer == len(graph.architecture.layers) - 1:
            state[tensor.offset : tensor.offset + tensor.size] *= factor
    return graph.replace(state=state)


def test_smoothness_by_hand():
    one = network(4)
    straight = smoothness([[scaled(one, factor) for factor in (0, 1, 2, 3)]])
    assert straight.relative_length[0] == pytest.approx(1)
    assert straight.largest_step[0] == pytest.approx(1)
    jump = smoothness([[scaled(one, factor) for factor in (0, 0, 0, 3)]])
    assert jump.largest_step[0] == pytest.approx(3)
    detour = smoothness([[scaled(one, factor) for factor in (0, 3, 1)]])
    assert detour.relative_length[0] == pytest.approx(5)
    circle = smoothness([[scaled(one, factor) for factor in (1, 2, 1)]])
    assert circle.median_length == math.inf
    still = smoothness([[one] * 4])
    assert (still.median_length, still.median_largest_step) == (1, 1)


def test_paths_with_invalid_networks_count_for_validity_only():
    one = network(4)
    broken = one.replace(state=torch.full_like(one.state, float("nan")))
    found = smoothness([[one, broken, one], [scaled(one, f) for f in (0, 1, 2)]])
    assert found.validity == pytest.approx(5 / 6)
    assert found.relative_length.tolist() == pytest.approx([1])
    assert math.isnan(smoothness([[broken, broken]]).median_length)


@examples(15)
@given(graphs(), st.integers(2, 6))
def test_a_path_between_equal_networks_stays_where_it_is(graph, points):
    found = smoothness([[graph] * points])
    assert found.validity == 1
    assert found.median_length == 1


def latents(n: int, seed: int, columns: int = 40) -> torch.Tensor:
    z = torch.randn(n, columns, generator=Generator().manual_seed(seed))
    z[:, 5:9] = 7.0  # constant
    z[:, 9] *= 1e-6  # as good as constant
    return z


def test_a_linear_value_is_read_and_noise_is_not():
    z, other = latents(300, 0), latents(200, 1)
    value = probe_value(z, (z[:, 0] - 2 * z[:, 1]).tolist(), other, (other[:, 0] - 2 * other[:, 1]).tolist())
    assert value.r2 > 0.99
    assert value.tau > 0.95
    noise = torch.randn(500, generator=Generator().manual_seed(2)).tolist()
    assert abs(probe_value(z, noise[:300], other, noise[300:]).tau) < 0.15


def test_latents_may_have_more_columns_than_networks():
    z, other = latents(60, 0, 500), latents(50, 1, 500)
    z[:, 0] *= 20
    other[:, 0] *= 20
    assert probe_value(z, z[:, 0].tolist(), other, other[:, 0].tolist()).tau > 0.1


def test_a_label_is_read_beside_the_majority():
    z, other = latents(300, 0), latents(200, 1)
    ours, theirs = (["up" if row[0] + 0.5 > 0 else "down" for row in part] for part in (z, other))
    found = probe_label(z, ours, other, theirs)
    assert found.accuracy > found.majority + 0.1
    assert found.majority == pytest.approx(theirs.count("up") / 200)
    with pytest.raises(NetGraphError, match="one label only, 'up'"):
        probe_label(z, ["up"] * 300, other, theirs)


def test_what_architectures_are_probed_for():
    assert depth(network(4, 5).architecture) == 2
    assert main_activation(network(4, 5, activation=nn.ReLU).architecture) == "ReLU"
    linear = from_module(randomize(nn.Sequential(nn.Linear(3, 1)), 0))
    assert (depth(linear.architecture), main_activation(linear.architecture)) == (0, "none")
    mixed = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 4), nn.Tanh(), nn.Dropout())
    mixed = from_module(randomize(nn.Sequential(*mixed, nn.Linear(4, 1)), 0).eval())
    assert (depth(mixed.architecture), main_activation(mixed.architecture)) == (2, "ReLU")


def test_all_probes_at_once():
    def described(n: int, seed: int) -> Described:
        found = [network(*[4] * (1 + i % 3), seed=seed + i, activation=(nn.Tanh, nn.ReLU)[i % 2]) for i in range(n)]
        for graph in found:
            graph.r2 = 1 - 10.0 ** float(graph.state[0])
        z = latents(n, seed)
        for i, graph in enumerate(found):
            z[i, 20], z[i, 21], z[i, 22] = depth(graph.architecture), i % 2, graph.state[0]
        return Described(found, [("a", "b")[i % 2] for i in range(n)], z)

    found = probe_latents(described(120, 0), described(60, 1000))
    assert found["depth (hidden layers)"].r2 > 0.9
    assert found["log10 of the number of parameters"].tau > 0.7
    assert found["log10 of the validation error (1 - R²)"].r2 > 0.9
    assert found["activation (most frequent)"].accuracy > 0.9
    assert found["task family"].accuracy > found["task family"].majority


def test_bad_input_is_named():
    z = latents(10, 0)
    with pytest.raises(NetGraphError, match="all the same"):
        probe_value(torch.ones(10, 4), [0.0, 1.0] * 5, torch.ones(10, 4), [0.0, 1.0] * 5)
    with pytest.raises(NetGraphError, match="10 and 10 latents for 9 and 10 values"):
        probe_value(z, [0.0] * 9, z, [0.0] * 10)
    with pytest.raises(NetGraphError, match="paths of"):
        smoothness([])
    with pytest.raises(NetGraphError, match="0 and 0 networks"):
        probe_latents(Described([], [], z[:0]), Described([], [], z[:0]))
