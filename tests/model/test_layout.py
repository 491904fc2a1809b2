import pytest
import torch
from torch import Generator

from netgraph import NetGraphError, NetVAE
from netgraph.model.context import Context
from netgraph.model.layout import Layouts
from tests.model.small import untrained
from tests.model.test_generator import READING


@pytest.fixture(scope="module")
def model() -> NetVAE:
    return untrained(READING)


def drawn(model: NetVAE, counts: list[tuple[int, int]]) -> Layouts:
    noise = torch.randn(len(counts), model.config.latent_size, generator=Generator().manual_seed(0))
    return model.carry_layouts(noise, Context.of(model, len(counts), counts=counts))


@torch.no_grad()
def test_layouts_are_read_as_they_were_written(model):
    layouts = drawn(model, [(2, 1), (3, 1), (2, 2)])
    again = Layouts.from_tensors(*layouts.to_tensors())
    assert torch.equal(again.network, layouts.network)
    assert [a.key for a in again.architectures] == [a.key for a in layouts.architectures]


@torch.no_grad()
def test_parts_are_those_with_so_many_inputs_in_their_order(model):
    layouts = drawn(model, [(2, 1), (3, 1), (2, 1)])
    chosen = layouts.of_inputs(2)
    assert torch.equal(chosen.network, layouts.network[[0, 2]])
    joined = Layouts.join([layouts.of_inputs(3), chosen])
    assert [a.n_inputs for a in joined.architectures] == [3, 2, 2]
    assert len(layouts.of_inputs(4)) == 0


@torch.no_grad()
def test_noise_carried_with_its_own_layouts_gives_the_networks_it_gives_alone(model):
    noise = torch.randn(3, model.config.latent_size, generator=Generator().manual_seed(1))
    counts = [(3, 1)] * 3
    layouts = model.carry_layouts(noise, Context.of(model, 3, counts=counts))
    alone, z = model.carry(noise, counts=counts)
    given, same = model.carry(noise, counts=counts, layouts=layouts)
    assert torch.equal(z, same)
    assert all(torch.equal(a.state, b.state) for a, b in zip(alone, given, strict=True))


@torch.no_grad()
def test_a_checkpoint_keeps_the_portfolio(model, tmp_path):
    model.portfolio = drawn(model, [(2, 1), (3, 1)])
    model.save(tmp_path / "vae.safetensors")
    again = NetVAE.from_pretrained(tmp_path / "vae.safetensors")
    model.portfolio = None
    assert again.portfolio is not None
    assert [a.n_inputs for a in again.portfolio.architectures] == [2, 3]
    model.save(tmp_path / "without.safetensors")
    assert NetVAE.from_pretrained(tmp_path / "without.safetensors").portfolio is None


def test_other_layouts_than_networks_are_refused(model):
    layouts = drawn(model, [(2, 1), (2, 1)])
    with pytest.raises(NetGraphError, match="2 layouts for 3 networks"):
        model.carry(torch.zeros(3, model.config.latent_size), counts=[(2, 1)] * 3, layouts=layouts)
