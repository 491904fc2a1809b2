from dataclasses import replace

import pytest
import torch
from torch import Generator, nn

from netgraph import NetGraph, NetGraphError, NetVAE, from_module
from netgraph.model import GeneratorConfig, Rows
from netgraph.model.batch import structure_batch
from netgraph.model.context import Context, encode_rows
from netgraph.model.coverage import Coverage
from netgraph.model.loss import generated_errors
from netgraph.stack import LastLayer, Stack
from tests.model.small import CONFIG, EVERYTHING, untrained

SIZES = GeneratorConfig(width=16, heads=2, layers=1, row_width=8, row_heads=2, row_rounds=1, inducing_points=4)
LAYERS = (nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
READING = replace(CONFIG, slot_size=6, generator=SIZES)


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    model = untrained(READING)
    of_layers = Coverage.of([from_module(nn.Sequential(*LAYERS)).architecture])
    model.structure.coverage = replace(of_layers, types=EVERYTHING.types, inputs=frozenset({2, 3, 4}))
    return model


def data(columns: int = 3, rows: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=generator)
    return x, x[:, 0] - 0.5 * x[:, -1]


def outputs(graphs: list[NetGraph], x: torch.Tensor) -> torch.Tensor:
    stack = Stack([graph.architecture for graph in graphs])
    return stack(stack.flatten([graph.state for graph in graphs]), x)[..., 0]


def test_networks_for_rows_read_their_columns_and_fit_them(vae):
    x, y = data()
    graphs = vae.sample(24, seed=0, rows=Rows.of(x, y))
    assert {(g.architecture.n_inputs, g.architecture.n_outputs) for g in graphs} == {(3, 1)}
    assert all(graph.validate() for graph in graphs)
    linear = LastLayer(Stack([graph.architecture for graph in graphs])).given
    errors = (outputs(graphs, x) - y).square().mean(dim=1)[linear]
    assert len(errors) > 2
    assert (errors <= y.var(correction=0) + 1e-4).all()  # a last layer that is solved is no worse than the mean


def test_the_same_noise_and_rows_give_the_same_networks_whatever_the_order_of_rows(vae):
    (x, y), order = data(), torch.randperm(40, generator=Generator().manual_seed(1))
    one, two, moved = (
        vae.sample(4, seed=5, rows=rows) for rows in (Rows.of(x, y), Rows.of(x, y), Rows.of(x[order], y[order]))
    )
    assert all(torch.equal(a.state, b.state) for a, b in zip(one, two, strict=True))
    torch.testing.assert_close(outputs(one, x), outputs(moved, x), rtol=1e-3, atol=1e-3)


def test_hidden_layers_depend_on_the_rows():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = NetVAE(READING).eval()
    model.structure.coverage = EVERYTHING
    torch.nn.init.normal_(model.generator.out.weight)
    (x, y), noise = data(), torch.randn(2, READING.latent_size, generator=Generator().manual_seed(0))
    _, one = model.carry(noise, rows=Rows.of(x, y))
    _, two = model.carry(noise, rows=Rows.of(x, torch.sin(3 * x[:, 1])))
    layout = READING.layout_size
    assert torch.equal(one[:, :layout], two[:, :layout])
    assert not torch.allclose(one[:, layout:], two[:, layout:], atol=1e-3)


def test_several_data_sets_share_the_networks(vae):
    sets = [Rows.of(*data(columns, seed=columns)) for columns in (2, 4)]
    padded = torch.cat([torch.cat([sets[0].x, torch.zeros(1, 40, 2)], dim=2), sets[1].x])
    both = Rows(padded, torch.cat([one.y for one in sets]), torch.tensor([2, 4]))
    noise = torch.randn(4, READING.latent_size, generator=Generator().manual_seed(0))
    together, _ = vae.carry(noise, rows=both)
    alone = vae.carry(noise[:2], rows=sets[0])[0] + vae.carry(noise[2:], rows=sets[1])[0]
    for graph, single in zip(together, alone, strict=True):
        assert graph.architecture == single.architecture
        torch.testing.assert_close(graph.state, single.state, rtol=1e-3, atol=1e-3)


def test_rows_may_be_encoded_once_for_all_networks(vae):
    rows = Rows.of(*data())
    with torch.no_grad():
        encoded = encode_rows(vae, rows)
    assert encode_rows(vae, encoded).tokens is encoded.tokens
    for one, two in zip(vae.sample(3, seed=0, rows=rows), vae.sample(3, seed=0, rows=encoded), strict=True):
        assert torch.equal(one.state, two.state)
    assert encoded.first(10).tokens is None


def test_errors_on_unseen_rows_have_a_gradient_in_the_generator(vae):
    (x, y), n = data(), 3
    architectures = [from_module(nn.Sequential(*LAYERS)).architecture] * n
    rows = Rows.of(x, y)
    context = Context.of(vae, n, rows=rows.first(30))
    z = torch.randn(n, READING.latent_size, generator=Generator().manual_seed(0))
    whole = rows.part([0] * n)
    errors = generated_errors(vae, z, structure_batch(architectures, READING), Stack(architectures), context, whole, 30)
    assert errors.shape == (n,)
    gradient = torch.autograd.grad(errors.sum(), vae.generator.out.weight)[0]
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_what_does_not_fit_is_said(vae):
    x, y = data()
    with pytest.raises(NetGraphError, match="this model was made without a generator"):
        untrained(CONFIG).sample(2, rows=Rows.of(x, y))
    with pytest.raises(NetGraphError, match="a network of 5 inputs for rows of 3 columns"):
        vae.sample(2, rows=Rows.of(x, y), n_inputs=5)
    with pytest.raises(NetGraphError, match="6 columns; this model reads at most 4"):
        vae.sample(2, rows=Rows.of(*data(columns=6)))


def test_a_checkpoint_keeps_the_generator(vae, tmp_path):
    vae.save(tmp_path / "vae.safetensors")
    again = NetVAE.from_pretrained(tmp_path / "vae.safetensors")
    assert again.config == READING
    rows = Rows.of(*data())
    for one, two in zip(vae.sample(3, seed=0, rows=rows), again.sample(3, seed=0, rows=rows), strict=True):
        assert torch.equal(one.state, two.state)
