from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from netgraph import NetGraph, NetGraphError, NetVAE, canonicalize, from_module
from netgraph.model.batch import structure_batch
from netgraph.model.slots import split
from netgraph.stack import Stack
from netgraph.zoo.architectures import initialize
from tests.model import small as small_model
from tests.strategies import examples, graphs

CONFIG = replace(small_model.CONFIG, slot_size=8)


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    return small_model.untrained(CONFIG)


def small(found: list[NetGraph]) -> list[NetGraph]:
    generator = torch.Generator().manual_seed(0)
    return [NetGraph(g.architecture, initialize(g.architecture, generator)) for g in small_model.fitting(found)]


lists = st.lists(graphs(), min_size=2, max_size=4).map(small).filter(lambda found: len(found) >= 2)


def rows(found: list[NetGraph], seed: int = 0) -> list[torch.Tensor]:
    """Rows for each network, of different numbers."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(8 + 3 * i, g.architecture.n_inputs, generator=generator) for i, g in enumerate(found)]


@torch.no_grad()
def errors(vae: NetVAE, found: list[NetGraph], z: torch.Tensor, xs: list[torch.Tensor]) -> torch.Tensor:
    """Mean squared error of the outputs on the rows, the true architectures given, one network at a time."""
    measured = []
    for graph, own, x in zip(found, z, xs, strict=True):
        batch = structure_batch([graph.architecture], CONFIG)
        condition = vae.condition(vae.condition.rows(None, 1))
        state = vae.scales.restore(vae.weights(own[None], condition, batch), batch)
        stack = Stack([graph.architecture])
        true = stack(stack.flatten([canonicalize(graph).state.float()]), x[None])
        measured.append((stack(state, x[None]) - true).square().mean())
    return torch.stack(measured)


@examples(10)
@given(lists)
def test_a_refined_latent_is_never_worse_on_its_rows_and_decodes_to_the_same_architecture(vae, found):
    xs = rows(found)
    start, refined = vae.encode(found), vae.refine(found, xs, steps=5)
    before, after = errors(vae, found, start, xs), errors(vae, found, refined, xs)
    assert (after <= before * (1 + 1e-3) + 1e-6).all()
    assert torch.allclose(split(start, CONFIG)[0], split(refined, CONFIG)[0], atol=1e-6)


@examples(10)
@given(lists)
def test_other_networks_of_the_batch_do_not_matter(vae, found):
    xs = rows(found)
    together, alone = vae.refine(found, xs, steps=2), vae.refine(found[:1], xs[:1], steps=2)
    assert torch.allclose(*(errors(vae, found[:1], z[:1], xs[:1]) for z in (together, alone)), rtol=1e-2, atol=1e-5)


def perceptrons(count: int = 6) -> list[NetGraph]:
    """Networks of 3 inputs with initial weights."""
    generator = torch.Generator().manual_seed(1)
    shapes = [from_module(nn.Sequential(nn.Linear(3, 3 + i), nn.Tanh(), nn.Linear(3 + i, 1))) for i in range(count)]
    return [NetGraph(g.architecture, initialize(g.architecture, generator)) for g in shapes]


def test_refining_brings_the_outputs_nearer(vae):
    found = perceptrons()
    xs = rows(found)
    before, after = (errors(vae, found, z, xs) for z in (vae.encode(found), vae.refine(found, xs, steps=30)))
    assert after.mean() < 0.8 * before.mean()


def test_no_step_gives_what_the_encoder_gives_and_the_mode_stays(vae):
    found = perceptrons(3)
    vae.train()
    assert torch.equal(vae.refine(found, rows(found), steps=0), vae.encode(found))
    assert vae.training
    vae.eval()


def test_bad_input_is_named(vae):
    found = perceptrons(2)
    xs = rows(found)
    with pytest.raises(NetGraphError, match="1 tensors of rows for 2 networks"):
        vae.refine(found, xs[:1])
    with pytest.raises(NetGraphError, match=r"rows of network 1: expected finite values, \[rows, 3\]"):
        vae.refine(found, [xs[0], xs[1][:, :2]])
    with pytest.raises(NetGraphError, match="rows of network 0"):
        vae.refine(found, [xs[0] * float("nan"), xs[1]])
    with pytest.raises(NetGraphError, match="steps is -1"):
        vae.refine(found, xs, steps=-1)
    with pytest.raises(NetGraphError, match="no graphs"):
        vae.refine([], [])
    with pytest.raises(NetGraphError, match="expected rows of 2 networks, got NoneType"):
        vae.refine(found, None)
    with pytest.raises(NetGraphError, match="rows of network 0"):
        vae.refine(found, [xs[0] * 1j, xs[1]])
    for rate in ("0.1", None, float("nan"), 0.0):
        with pytest.raises(NetGraphError, match="learning_rate is"):
            vae.refine(found, xs, learning_rate=rate)


def test_rows_are_arrays_or_lists_too(vae):
    found = perceptrons(2)
    xs = rows(found)
    expected = vae.refine(found, xs, steps=1)
    for each in ([x.numpy() for x in xs], [x.double() for x in xs], tuple(x.tolist() for x in xs)):
        assert torch.equal(vae.refine(found, each, steps=1), expected)
