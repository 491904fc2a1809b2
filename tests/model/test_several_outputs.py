"""Networks of one to three outputs through the whole model."""

from dataclasses import replace

import pytest
import torch

from netgraph import NetGraph, NetVAE, from_module
from netgraph.errors import NetGraphError
from netgraph.evaluation.metrics import output_r2
from netgraph.model.batch import net_batch
from netgraph.stack import outputs
from tests.model.small import CONFIG, perceptron

SIZES = replace(CONFIG, max_outputs=3, function_size=40)
ROWS = torch.randn(60, 3, generator=torch.Generator().manual_seed(2))


def networks() -> list[NetGraph]:
    modules = [perceptron(3, 4 + 4 * (i % 3), 1 + i % 3, seed=i) for i in range(60)]
    graphs = [from_module(module) for module in modules]
    return [graph.replace(sensitivity=torch.ones(graph.num_nodes)) for graph in graphs]


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = NetVAE.from_config(SIZES)
    model.fit_statistics([net_batch(networks()[start : start + 20], SIZES) for start in (0, 20, 40)])
    return model.eval()


def test_a_whole_latent_brings_a_network_back(vae):
    graphs = networks()[:6]
    z = vae.encode(graphs)
    assert vae.encoder.function.counts(z).tolist() == [[3, 1], [3, 2], [3, 3]] * 2
    rebuilt = vae.decode(z, architecture=graphs)
    assert output_r2(graphs, rebuilt, ROWS) > 0.999


def test_the_function_code_brings_all_outputs_into_another_architecture(vae):
    graphs = [graph for graph in networks() if graph.architecture.n_outputs == 3][:5]
    f = vae.encode(graphs)[:, vae.function]
    rebuilt = vae.decode(f, architecture=perceptron(3, 12, 3), steps=80)
    assert output_r2(graphs, rebuilt, ROWS) > 0.8
    torch.testing.assert_close(vae.encode(rebuilt)[:, 0], f[:, 0])


def test_samples_have_the_outputs_that_are_asked_for(vae):
    for n_outputs in (1, 3):
        sampled = vae.sample(4, n_inputs=3, n_outputs=n_outputs, seed=0, steps=0)
        assert {(g.architecture.n_inputs, g.architecture.n_outputs) for g in sampled} == {(3, n_outputs)}
    drawn = {g.architecture.n_outputs for g in vae.sample(40, n_inputs=3, seed=0, steps=0)}
    assert drawn == {1, 2, 3}
    for number, message in ((4, "n_outputs is 4; it must be a whole number, 1 to 3"), (0, "n_outputs is 0")):
        with pytest.raises(NetGraphError, match=message):
            vae.sample(2, n_outputs=number)


def test_samples_fit_every_target_of_a_data_set(vae):
    y = torch.stack([ROWS[:, 0].tanh(), ROWS[:, 1] - ROWS[:, 2]], dim=1)
    y = (y - y.mean(dim=0)) / y.std(dim=0)
    assert vae.encoder.function.counts(vae.encode_rows(ROWS, y).mean[None]).tolist() == [[3, 2]]
    sampled = vae.sample(3, X=ROWS, y=y, architecture=perceptron(3, 12, 2), seed=0)
    found = outputs([graph.architecture for graph in sampled], [graph.state for graph in sampled], ROWS)
    assert ((found - y).square().mean(dim=1) < 0.3).all()
    with pytest.raises(NetGraphError, match="n_outputs is 3; the targets have 2 columns"):
        vae.sample(2, X=ROWS, y=y, n_outputs=3)


def test_the_loss_sees_every_output(vae):
    batch = net_batch(networks()[:9], SIZES)
    losses = dict(vae.loss(batch).items())
    assert all(value.isfinite() for value in losses.values())
