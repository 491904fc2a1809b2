import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from netgraph import NetGraph, NetGraphError, NetVAE, canonicalize, from_module, to_module
from netgraph.graph import Architecture
from netgraph.graph.layers import LAYER_TYPES
from netgraph.model.batch import net_batch
from netgraph.model.checkpoint import SHIPPED
from netgraph.model.layout import layout
from netgraph.model.loss import compute_losses, observe
from netgraph.model.response import respond
from netgraph.model.structure import push, push_forced
from netgraph.stack import Stack
from netgraph.tokens import END, Grammar, Limits
from netgraph.zoo import ZooRecipe
from tests.model.small import CONFIG, fitting, untrained
from tests.strategies import examples, graphs


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    return untrained(CONFIG)


def small(found: list[NetGraph]) -> list[NetGraph]:
    """Networks that fit the model, as float32, with a sensitivity."""
    return [NetGraph(g.architecture, g.state.float(), torch.rand(g.num_nodes)) for g in fitting(found)]


lists = st.lists(graphs(), min_size=2, max_size=4).map(small).filter(lambda found: len(found) >= 2)


@examples(15)
@given(lists)
def test_a_network_is_encoded_and_decoded_alike_alone_and_among_others(vae, found):
    z = vae.encode(found)
    assert z.shape == (len(found), CONFIG.latent_size)
    assert torch.allclose(vae.encode(found[:1]), z[:1], atol=1e-4)
    decoded, alone = vae.decode(z), vae.decode(z[:1])
    assert decoded[0].architecture == alone[0].architecture
    assert torch.allclose(decoded[0].state, alone[0].state, atol=1e-4)


@examples(15)
@given(lists)
def test_steps_are_what_generation_walks(found):
    """Every step is a free choice, between steps all is forced, and generation tells a step what training did."""
    for graph in found:
        key = graph.architecture.key
        steps = layout(key, 200).steps
        grammar = Grammar(key.n_inputs, key.n_outputs, Limits(200))
        push_forced(grammar)
        for step, biased in zip(steps[1:-1].tolist(), layout(key, 200).biased[1:-1].tolist(), strict=True):
            assert not grammar.forced
            start = max(i for i in grammar.starts if i <= max(step[3], 0))
            moves = {step[0]: [step[3]]}
            assert push(grammar, moves, step[0], grammar.starts[start]) == step
            assert (biased >= 0) == (step[0] == LAYER_TYPES["Linear"].code)
            if biased >= 0:
                grammar.last.bias = bool(biased)
        assert push(grammar, {}, END, 0)[0] == steps[-1, 0]
        assert [layer.type for layer in grammar.architecture().layers] == [layer.type for layer in key.layers]
        assert [layer.inputs for layer in grammar.architecture().layers] == [layer.inputs for layer in key.layers]
        assert [layer.size for layer in grammar.architecture().layers] == [layer.size for layer in key.layers]
        assert biases(grammar.architecture()) == biases(key)


def biases(architecture: Architecture) -> list[bool]:
    return [x.hyper_parameters["bias"] for x in architecture.layers if x.type == "Linear"]


def test_samples_are_runnable_seeded_and_of_the_asked_shape(vae):
    one, two = vae.sample(20, seed=3), vae.sample(20, seed=3)
    assert all(torch.equal(a.state, b.state) for a, b in zip(one, two, strict=True))
    for graph in one:
        assert torch.isfinite(to_module(graph)(torch.zeros(2, graph.architecture.n_inputs))).all()
    given = vae.sample(5, torch.zeros(37), seed=0, n_inputs=7, n_outputs=2)
    assert {(g.architecture.n_inputs, g.architecture.n_outputs) for g in given} == {(7, 2)}


def test_decoded_networks_respond_as_their_latents_say():
    graphs = [from_module(nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))) for _ in range(3)]
    torch.manual_seed(0)
    model = NetVAE(CONFIG).eval()
    model.structure.know([graphs[0].architecture])
    z = torch.randn(3, CONFIG.latent_size)
    z[:, -2:] = 0.1
    decoded = model.decode(z, counts=[(3, 1)] * 3)
    found = torch.cat([respond(Stack([graph.architecture]), graph.state) for graph in decoded])
    asked = model.responses.restore(z[:, -2:])
    assert torch.allclose(found[:, 0], asked[:, 0], atol=1e-3)


def test_every_term_reaches_the_parameters(vae):
    found = [canonicalize(g) for g in small(vae.sample(12, seed=1, n_inputs=3)) if g.architecture.state_size > 4]
    assert len(found) > 2
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = NetVAE(CONFIG)
        losses = compute_losses(model, net_batch(found, CONFIG), observe(found, [torch.randn(16, 3)] * len(found)))
    for name, value in losses.items():
        gradients = torch.autograd.grad(value, list(model.parameters()), retain_graph=True, allow_unused=True)
        assert torch.isfinite(value), name
        assert any(g is not None and g.abs().sum() > 0 for g in gradients), name


def test_unmeasured_sensitivity_is_refused(vae):
    found = vae.sample(2, seed=0, n_inputs=2)
    with pytest.raises(NetGraphError, match="sensitivity is NaN"):
        compute_losses(vae, net_batch(found, CONFIG), observe(found, [torch.zeros(4, 2)] * 2))


def test_checkpoints_keep_the_model_and_refuse_others(vae, tmp_path):
    path = tmp_path / "vae.safetensors"
    vae.save(path)
    again = NetVAE.from_pretrained(path)
    assert all(torch.equal(a, b) for a, b in zip(vae.state_dict().values(), again.state_dict().values(), strict=True))
    record = path.with_suffix(".json")
    content = json.loads(record.read_text())
    for changes, message in (
        ({"version": 99}, "version 99"),
        ({"format": "other"}, "not a netgraph.NetVAE record"),
        ({"layer_types": {"Input": 4}}, "vocabulary"),
        ({"sha256": "0"}, "damaged"),
    ):
        record.write_text(json.dumps(content | changes))
        with pytest.raises(NetGraphError, match=message):
            NetVAE.from_pretrained(path)
    with pytest.raises(NetGraphError, match="no such file"):
        NetVAE.from_pretrained(tmp_path / "absent.safetensors")


def test_the_checkpoint_that_ships_samples_networks():
    model = NetVAE.from_pretrained()
    samples = model.sample(20, seed=0)
    assert all(graph.validate() for graph in samples)
    assert model.encode(samples).shape == (20, model.config.latent_size)
    assert {"recipe", "seed", "steps", "seconds", "prior_steps", "machine", "commit", "date", "figures"} <= set(
        model.card
    )
    assert model.card["recipe"] == json.loads(json.dumps(asdict(ZooRecipe.load("full"))))
    assert SHIPPED.stat().st_size + SHIPPED.with_suffix(".json").stat().st_size < 20 * 2**20


def test_bad_input_is_named(vae):
    with pytest.raises(NetGraphError, match=r"z has shape \(2, 3\)"):
        vae.decode(torch.zeros(2, 3))
    with pytest.raises(NetGraphError, match="expected 37 meta-features"):
        vae.sample(2, torch.zeros(36))
    with pytest.raises(NetGraphError, match="cannot sample 0"):
        vae.sample(0)
    with pytest.raises(NetGraphError, match="no graphs"):
        vae.encode([])
    graph = vae.sample(1, seed=0)[0]
    with pytest.raises(NetGraphError, match="network 1: a weight is not finite"):
        vae.encode([graph, graph.replace(state=graph.state * torch.nan)])
    with pytest.raises(NetGraphError, match="not a multiple"):
        replace(CONFIG, width=15)


Z = torch.zeros(2, CONFIG.latent_size)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (Z * torch.nan, r"z\[0\] is not finite"),
        (torch.cat([Z, Z + torch.inf]), r"z\[2\] is not finite"),
        (Z.double() + 1e300, r"z\[0\] is not finite"),
        (Z[:0], r"z has shape \(0, \d+\); expected"),
        (Z[0], r"z has shape \(\d+,\)"),
        (Z[None], r"z has shape \(1, 2, \d+\)"),
        (Z.to(torch.complex64), "z is complex"),
        (None, "z is a NoneType; expected numbers"),
        ("z", "z is a str"),
    ],
)
def test_latents_that_are_none_are_named(vae, z, message):
    with pytest.raises(NetGraphError, match=message):
        vae.decode(z)
    with pytest.raises(NetGraphError, match=message.replace("z", "noise", 1)):
        vae.carry(z)


def test_latents_of_other_types_are_decoded_alike(vae):
    expected = vae.decode(Z + 0.5)
    for z in (Z.double() + 0.5, (Z + 0.5).numpy(), (Z + 0.5).tolist(), (Z + 0.5).requires_grad_()):
        assert all(torch.equal(a.state, b.state) for a, b in zip(vae.decode(z), expected, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 2.5}, "cannot sample 2.5 networks"),
        ({"n": True}, "cannot sample True networks"),
        ({"n": -3}, "cannot sample -3 networks"),
        ({"n": "2"}, "cannot sample 2 networks: n is a whole number"),
        ({"n": None}, "cannot sample None"),
        ({"seed": -1}, "seed is -1; it must be a whole number, at least 0"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": True}, "seed is True"),
        ({"seed": "0"}, "seed is '0'"),
        ({"seed": 2**80}, "seed is 1208925819614629174706176"),
        ({"n_inputs": 2.0}, r"network 0: expected numbers of inputs and outputs, not \(2.0, 1\)"),
        ({"n_inputs": True}, r"not \(True, 1\)"),
        ({"n_inputs": -1}, r"not \(-1, 1\)"),
        ({"n_inputs": 500}, "network 0: 500 inputs"),
        ({"n_inputs": 2, "n_outputs": 500}, "network 0: 500 outputs"),
        ({"n_outputs": 500}, "samples: 500 outputs; this model was trained on"),
        ({"rows": 3}, "rows is a int; expected Rows"),
        ({"n_outputs": 2}, "n_outputs is 2, and n_inputs is not given"),
        ({"meta_features": torch.zeros(36)}, "expected 37"),
        ({"meta_features": torch.tensor([*[0.0] * 36, torch.nan])}, "meta-features"),
    ],
)
def test_samples_that_cannot_be_drawn_are_named(vae, arguments, message):
    with pytest.raises(NetGraphError, match=message) as error:
        vae.sample(**{"n": 2, "seed": 0} | arguments)
    assert "\n" not in str(error.value)


def test_arguments_of_other_types_are_named(vae):
    for call, message in (
        (lambda: vae.decode(Z, counts=5), "expected numbers of inputs and outputs of 2 networks, not 5"),
        (lambda: vae.decode(Z, generator=3), "generator is 3; expected a torch.Generator"),
        (lambda: vae.carry(Z * 0 + 1e30), "lies too far out"),
    ):
        with pytest.raises(NetGraphError, match=message):
            call()
    counts = torch.tensor([[3, 1], [5, 1]])
    for pairs in (counts, counts.numpy(), [(3, 1), (5, 1)]):
        assert [graph.architecture.n_inputs for graph in vae.decode(Z, counts=pairs)] == [3, 5]


def test_whole_numbers_of_numpy_are_numbers(vae):
    assert len(vae.sample(np.int64(2), seed=np.int32(1), n_inputs=np.int8(3))) == 2


def test_layers_that_a_model_was_not_trained_on_are_named(vae):
    model = NetVAE(CONFIG)
    known = from_module(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))
    model.structure.know([known.architecture])
    assert model.encode([known]).shape == (1, CONFIG.latent_size)
    with pytest.raises(NetGraphError, match="network 1, layer 1: this model was not trained on layers of type Tanh"):
        model.encode([known, from_module(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)))])
    limits = model.structure.limits
    assert (limits.nodes, limits.layers, limits.units) == (CONFIG.max_nodes, 4, 3)
    assert (limits.loose, limits.apart) == (1, 0)
