import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from netgraph import NetGraph, NetGraphError, NetVAE, canonicalize, from_module, to_module
from netgraph.inputs import SHIPPED_FILE
from netgraph.model.batch import net_batch
from netgraph.stack import Stack, first_outputs
from netgraph.zoo import ZooRecipe
from tests.model.small import CONFIG, fitting, networks, perceptron, untrained
from tests.strategies import examples, graphs

F, A = CONFIG.function_size, CONFIG.function_size + CONFIG.architecture_size
NETWORKS = networks(6)


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    """An untrained model that knows the statistics of its networks, and covers everything."""
    model = untrained()
    coverage = model.coverage
    model.fit_statistics([net_batch([canonicalize(graph) for graph in NETWORKS], CONFIG)])
    model.decoder.architecture.coverage = coverage
    return model


def outputs(found: list[NetGraph], n_inputs: int = 3) -> torch.Tensor:
    x = torch.randn(40, n_inputs, generator=torch.Generator().manual_seed(5))
    return first_outputs([g.architecture for g in found], [g.state for g in found], x)


def alike(found: list[NetGraph], other: list[NetGraph]) -> bool:
    return all(
        a.architecture.key == b.architecture.key and torch.equal(a.state, b.state)
        for a, b in zip(found, other, strict=True)
    )


lists = st.lists(graphs(), min_size=2, max_size=4).map(fitting).filter(lambda found: len(found) >= 2)


@examples(15)
@given(lists)
def test_a_network_is_encoded_and_decoded_alike_alone_and_among_others(vae, found):
    z = vae.encode(found)
    assert z.shape == (len(found), CONFIG.latent_size)
    assert torch.allclose(vae.encode(found[:1]), z[:1], atol=1e-4)
    cut = z[:, : A + 5]
    together, alone = vae.decode(cut, steps=0), vae.decode(cut[:1], steps=0)
    assert together[0].architecture.key == alone[0].architecture.key
    assert torch.allclose(together[0].state, alone[0].state, atol=1e-3)


@examples(15)
@given(lists)
def test_the_whole_latent_and_the_architecture_give_the_network_back(vae, found):
    counted = [torch.from_numpy(graph.architecture.element_kind) != 4 for graph in found]
    for graph, back, kept in zip(found, vae.decode(vae.encode(found), architecture=found), counted, strict=True):
        true = canonicalize(graph).state
        assert torch.allclose(back.state[kept], true[kept], rtol=1e-5, atol=1e-5)


def test_a_latent_has_three_parts_and_its_weights_are_zero_beyond_a_network_s_own(vae):
    z = vae.encode(NETWORKS)
    parts = [z[:, part] for part in (vae.function, vae.architecture, vae.weights)]
    assert torch.equal(torch.cat(parts, dim=1), z)
    assert [part.shape[1] for part in parts] == [F, A - F, CONFIG.weight_size]
    for row, graph in zip(parts[2], NETWORKS, strict=True):
        size = len(graph.state)
        assert (row[size:] == 0).all()
        assert (row[:size] != 0).all()


def test_a_permuted_network_has_the_same_latent(vae):
    module = perceptron(3, 6, 1)
    other = perceptron(3, 6, 1)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    with torch.no_grad():
        other[0].weight.copy_(module[0].weight[order])
        other[0].bias.copy_(module[0].bias[order])
        other[2].weight.copy_(module[2].weight[:, order])
    one, two = vae.encode([module, other])
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_modules_are_encoded_as_their_graphs(vae):
    modules = [perceptron(3, 4, 1), perceptron(2, 5, 5, 1)]
    assert torch.equal(vae.encode(modules), vae.encode([from_module(module) for module in modules]))


@pytest.mark.parametrize("width", [1, 2, F // 2, F, F + 3, A, A + 1, A + 20, CONFIG.latent_size])
def test_latents_may_be_cut_anywhere(vae, width):
    z = vae.encode(NETWORKS)[:, :width]
    decoded = vae.decode(z)
    assert all(graph.validate() and graph.architecture.n_inputs == 3 for graph in decoded)
    given_ones = vae.decode(z, architecture=NETWORKS)
    assert [g.architecture.key for g in given_ones] == [g.architecture.key for g in NETWORKS]
    assert all(graph.state.isfinite().all() for graph in [*decoded, *given_ones])


def test_a_prefix_of_the_weight_code_stays_as_it_is_but_for_the_output_layer(vae):
    z = vae.encode(NETWORKS)[:, : A + 7]
    for graph, true in zip(vae.decode(z, architecture=NETWORKS), NETWORKS, strict=True):
        hidden = min(7, len(true.state) - true.architecture.layers[-2].size - 1)
        torch.testing.assert_close(graph.state[:hidden], canonicalize(true).state[:hidden], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(graph.state[hidden:], canonicalize(true).state[hidden:], atol=1e-3)


def test_every_network_is_decoded_from_its_own_latent_alone(vae):
    z, order = vae.encode(NETWORKS)[:, :A], torch.tensor([4, 1, 5, 0, 2, 3])
    together, moved = (
        vae.decode(z, architecture=NETWORKS),
        vae.decode(z[order], architecture=[NETWORKS[i] for i in order]),
    )
    for i, graph in zip(order.tolist(), moved, strict=True):
        torch.testing.assert_close(together[i].state, graph.state, rtol=1e-3, atol=1e-3)
    (alone,) = vae.decode(z[2:3], architecture=NETWORKS[2])
    torch.testing.assert_close(alone.state, together[2].state, rtol=1e-3, atol=1e-3)


def test_one_architecture_serves_all_networks_as_a_graph_a_module_or_itself(vae):
    z, module = vae.encode(NETWORKS)[:, :F], perceptron(3, 8, 1)
    graph = from_module(module)
    results = [vae.decode(z, architecture=given_one) for given_one in (module, graph, graph.architecture, [graph] * 6)]
    assert all(alike(found, results[0]) for found in results)
    assert {found.architecture.key for found in results[0]} == {graph.architecture.key}
    assert len({tuple(found.state.tolist()) for found in results[0]}) == 6
    sampled = vae.sample(3, architecture=module, n_inputs=3, seed=0)
    assert {found.architecture.key for found in sampled} == {graph.architecture.key}


def test_steps_of_variable_projection_bring_the_outputs_nearer(vae):
    z = vae.encode(NETWORKS)[:, :F]
    rows = vae.encoder.function.rows(3)
    target = vae.encoder.function.decode(z, torch.tensor([[3, 1]]).expand(6, -1))[..., 0]
    target = target - target.mean(dim=1, keepdim=True)

    def error(steps: int) -> torch.Tensor:
        found = vae.decode(z, architecture=perceptron(3, 6, 1), steps=steps)
        output = first_outputs([g.architecture for g in found], [g.state for g in found], rows)
        return ((output - output.mean(dim=1, keepdim=True) - target).square().mean() / target.square().mean()).log()

    assert error(40) < error(0) - 0.5


def test_the_seed_is_that_of_all_noise(vae):
    z = vae.encode(NETWORKS)
    assert alike(vae.decode(z[:, :F], seed=3), vae.decode(z[:, :F], seed=3))
    assert not alike(vae.decode(z[:, :F], seed=3), vae.decode(z[:, :F], seed=4))
    whole = [vae.decode(z, architecture=NETWORKS, seed=seed) for seed in (3, 4)]
    assert alike(*whole)  # nothing is left to draw
    assert alike(vae.sample(5, seed=3), vae.sample(5, seed=3))
    assert not alike(vae.sample(5, seed=3), vae.sample(5, seed=4))
    assert not alike(vae.sample(5), vae.sample(5))


def test_neither_encoding_nor_sampling_touches_the_global_generator(vae):
    state = torch.get_rng_state()
    vae.decode(vae.encode(NETWORKS)[:, :F])
    vae.sample(2, seed=0)
    vae.sample(2)
    assert torch.equal(torch.get_rng_state(), state)


def test_samples_are_runnable_and_of_the_asked_shape(vae):
    for graph in vae.sample(20, seed=3):
        assert torch.isfinite(to_module(graph)(torch.zeros(2, graph.architecture.n_inputs))).all()
    sampled = vae.sample(5, torch.zeros(37), seed=0, n_inputs=5)
    assert {(g.architecture.n_inputs, g.architecture.n_outputs) for g in sampled} == {(5, 1)}
    counts = {g.architecture.n_inputs for g in untrained().sample(60, seed=0, steps=0)}
    assert counts == set(range(1, CONFIG.max_inputs + 1))  # a model that has seen no networks draws all alike


def data(n: int = 50, columns: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(n, columns, generator=torch.Generator().manual_seed(1))
    y = torch.tanh(2 * x[:, 0]) - x[:, 1]
    return x, (y - y.mean()) / y.std()


def test_samples_for_a_data_set_fit_its_rows_and_differ(vae):
    x, y = data()
    found = vae.sample(8, X=x, y=y, architecture=perceptron(3, 6, 1), seed=0)
    errors = (first_outputs([g.architecture for g in found], [g.state for g in found], x) - y).square().mean(dim=1)
    assert (errors < 0.4).all()
    assert len({tuple(g.state.tolist()) for g in found}) == 8
    assert {g.architecture.n_inputs for g in vae.sample(4, X=x.numpy(), y=y.tolist(), seed=0)} == {3}


def test_a_data_set_is_encoded_near_the_networks_that_fit_it(vae):
    x, y = data(200)
    mean, deviation = posterior = vae.encode_rows(x, y)
    assert posterior.mean is mean
    assert mean.shape == deviation.shape == (F,)
    assert (deviation >= 0).all()
    assert vae.encoder.function.counts(mean[None]).tolist() == [[3, 1]]
    predicted = vae.encoder.function.decode(mean[None], torch.tensor([[3, 1]]))[0, :, 0]
    rows = vae.encoder.function.rows(3)
    true = torch.tanh(2 * rows[:, 0]) - rows[:, 1]
    assert torch.corrcoef(torch.stack([predicted, true]))[0, 1] > 0.9
    few, many = (vae.encode_rows(*data(n)).deviation[1:].norm() for n in (10, 200))
    assert many < few


def test_the_meta_features_reach_what_is_sampled_and_decoded(vae):
    one, two = (vae.sample(8, torch.full((37,), value), seed=0, n_inputs=3) for value in (2.0, -2.0))
    assert not alike(one, two)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = untrained()
        nn.init.normal_(model.decoder.condition.embed[2].weight)
    z = vae.encode(NETWORKS)[:, :A]
    found = [model.decode(z, torch.full((37,), value), steps=0) for value in (3.0, -3.0)]
    assert not alike(*found)
    rows = torch.stack([torch.full((37,), 3.0)] * 6)
    assert alike(model.decode(z, rows, steps=0), found[0])


def test_every_term_of_the_loss_is_finite_and_reaches_the_parameters():
    model = untrained().train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        batch = net_batch([canonicalize(graph) for graph in networks(12)], CONFIG)
        losses = model.loss(batch)
    for name, value in losses.items():
        assert torch.isfinite(value), name
        gradients = torch.autograd.grad(value, list(model.parameters()), retain_graph=True, allow_unused=True)
        assert any(g is not None and g.abs().sum() > 0 for g in gradients), name


def test_the_loss_is_that_of_a_given_executor_too():
    batch = net_batch([canonicalize(graph) for graph in NETWORKS], CONFIG)
    model, found = untrained(), []
    for stack in (None, Stack(batch.structure.architectures)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            found.append([value.detach() for _, value in model.loss(batch, stack).items()])
    assert found[0] == found[1]


def test_unmeasured_sensitivity_is_refused(vae):
    unmeasured = [canonicalize(graph.replace(sensitivity=graph.sensitivity * torch.nan)) for graph in NETWORKS]
    with pytest.raises(NetGraphError, match="sensitivity is NaN"):
        vae.loss(net_batch(unmeasured, CONFIG))


def test_statistics_do_not_depend_on_the_call_before_and_leave_parameters_alone():
    model = untrained()
    batches = [net_batch(NETWORKS[:4], CONFIG, torch.randn(4, 37)).packed(), net_batch(NETWORKS[4:], CONFIG)]
    parameters = {name: value.clone() for name, value in model.named_parameters()}
    state = torch.get_rng_state()
    model.fit_statistics(batches)
    assert torch.equal(torch.get_rng_state(), state)
    first = {name: value.clone() for name, value in model.state_dict().items()}
    model.fit_statistics(batches)
    assert all(torch.equal(value, first[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, parameters[name]) for name, value in model.named_parameters())
    weights = [model.encode([graph])[0, model.weights][: len(graph.state)] for graph in NETWORKS]
    assert abs(float(torch.cat(weights).mean())) < 0.1
    assert 0.8 < float(torch.cat(weights).std()) < 1.3


def test_statistics_are_of_batches_of_networks():
    model = untrained()
    model.fit_statistics([net_batch(NETWORKS[:1], CONFIG)])
    assert all(value.isfinite().all() for value in model.state_dict().values())
    with pytest.raises(NetGraphError, match="no networks to take statistics from"):
        model.fit_statistics([])
    with pytest.raises(NetGraphError, match=r"such as Batches\(...\).networks; not NetGraph"):
        model.fit_statistics(NETWORKS)


def test_the_checkpoint_that_ships_samples_networks():
    model = NetVAE.from_pretrained()
    samples = model.sample(20, seed=0)
    assert all(graph.validate() for graph in samples)
    assert model.encode(samples).shape == (20, model.config.latent_size)
    assert {"recipe", "seed", "steps", "seconds", "prior_steps", "machine", "commit", "date", "figures"} <= set(
        model.card
    )
    assert model.card["recipe"] == json.loads(json.dumps(asdict(ZooRecipe.load("full"))))
    assert SHIPPED_FILE.stat().st_size + SHIPPED_FILE.with_suffix(".json").stat().st_size < 20 * 2**20


Z = torch.zeros(2, CONFIG.latent_size)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (Z * torch.nan, r"z\[0\] is not finite"),
        (torch.cat([Z, Z + torch.inf]), r"z\[2\] is not finite"),
        (Z.double() + 1e300, r"z\[0\] is not finite"),
        (Z[:0], r"z has shape \(0, \d+\); expected \[n, 1 to \d+\], n at least 1"),
        (Z[:, :0], r"z has shape \(2, 0\); expected"),
        (torch.cat([Z, Z], dim=1), rf"z has shape \(2, \d+\); expected \[n, 1 to {CONFIG.latent_size}\]"),
        (Z[0], r"z has shape \(\d+,\)"),
        (Z[None], r"z has shape \(1, 2, \d+\)"),
        (Z.to(torch.complex64), "z is complex"),
        (None, "z is a NoneType; expected numbers"),
        ("z", "z is a str"),
    ],
)
def test_latents_that_are_none_are_named(vae, z, message):
    with pytest.raises(NetGraphError, match=message) as error:
        vae.decode(z)
    assert "\n" not in str(error.value)


def test_latents_of_other_types_are_decoded_alike(vae):
    cut = Z[:, :A] + 0.5
    expected = vae.decode(cut)
    for z in (cut.double(), cut.numpy(), cut.tolist(), cut.clone().requires_grad_()):
        assert alike(vae.decode(z), expected)
    far = vae.decode(Z[:, :A] + 1e20)
    assert all(graph.validate() and graph.state.isfinite().all() for graph in far)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 2.5}, "cannot sample 2.5 networks"),
        ({"n": True}, "cannot sample True networks"),
        ({"n": -3}, "cannot sample -3 networks"),
        ({"n": 0}, "cannot sample 0 networks"),
        ({"n": "2"}, "cannot sample 2 networks: n is a whole number"),
        ({"n": None}, "cannot sample None"),
        ({"seed": -1}, "seed is -1; it must be a whole number, at least 0"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": True}, "seed is True"),
        ({"seed": "0"}, "seed is '0'"),
        ({"seed": 2**80}, "seed is 1208925819614629174706176"),
        ({"steps": -1}, "steps is -1; it must be a whole number, at least 0"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"n_inputs": 2.0}, "n_inputs is 2.0"),
        ({"n_inputs": True}, "n_inputs is True"),
        ({"n_inputs": -1}, "n_inputs is -1; it must be a whole number, 1 to 6"),
        ({"n_inputs": 500}, "n_inputs is 500"),
        ({"X": torch.zeros(4, 2)}, "X is given without y"),
        ({"y": torch.zeros(4)}, "y is given without X"),
        ({"X": torch.zeros(4, 9), "y": torch.zeros(4)}, "a data set: 9 inputs; this model was trained on 1 to 6"),
        ({"X": torch.zeros(4, 2), "y": torch.zeros(4), "n_inputs": 3}, "n_inputs is 3; the rows have 2 columns"),
        ({"meta_features": torch.zeros(36)}, "expected 37"),
        ({"meta_features": torch.tensor([*[0.0] * 36, torch.nan])}, "meta-features"),
        ({"architecture": perceptron(3, 4, 1), "n_inputs": 2}, "architecture 0 has 3 inputs; its function reads 2"),
    ],
)
def test_samples_that_cannot_be_drawn_are_named(vae, arguments, message):
    with pytest.raises(NetGraphError, match=message) as error:
        vae.sample(**{"n": 2, "seed": 0} | arguments)
    assert "\n" not in str(error.value)


def test_whole_numbers_of_numpy_are_numbers(vae):
    assert len(vae.sample(np.int64(2), seed=np.int32(1), n_inputs=np.int8(3), steps=np.int16(1))) == 2


def test_sizes_that_do_not_fit_are_named():
    for change, message in (
        ({"width": 15}, "width 15 is not a multiple of heads 2"),
        ({"architecture_size": 4}, "architecture_size 4; depths 3 asks for at least 5"),
        ({"function_size": 1}, "function_size 1; at least 2"),
    ):
        with pytest.raises(NetGraphError, match=message):
            replace(CONFIG, **change)
    with pytest.raises(NetGraphError, match=r"function_size 60; at least 2 and at most n_rows \+ 1, 49"):
        NetVAE.from_config(replace(CONFIG, function_size=60))


def test_layers_that_a_model_was_not_trained_on_are_named():
    model = NetVAE.from_config(CONFIG)
    known = from_module(perceptron(2, 3, 1, activation=nn.ReLU))
    model.decoder.architecture.cover([known.architecture])
    assert model.encode([known]).shape == (1, CONFIG.latent_size)
    with pytest.raises(NetGraphError, match="network 1, layer 1: this model was not trained on layers of type Tanh"):
        model.encode([known, perceptron(2, 3, 1)])
    limits = model.decoder.architecture.limits
    assert (limits.nodes, limits.layers, limits.units) == (CONFIG.max_nodes, 4, 3)
    assert (limits.loose, limits.apart) == (1, 0)


def test_the_checkpoint_that_ships_has_a_name():
    named, left_out = NetVAE.from_pretrained("shipped"), NetVAE.from_pretrained()
    assert named.card == left_out.card
