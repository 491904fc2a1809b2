from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from netgraph import NetGraph, NetVAE, from_module
from netgraph.model import VAEConfig
from netgraph.model.batch import net_batch, structure_batch
from netgraph.model.encoder import INITIAL_LOG_VARIANCE
from netgraph.model.slots import Slots, holders, spill
from tests.model.small import CONFIG as SMALL
from tests.model.small import fitting
from tests.strategies import examples, graphs

CONFIG = replace(SMALL, place_depths=3, place_positions=8, slot_size=6, max_nodes=200, weight_layers=3, spill=True)


def small(found: list[NetGraph]) -> list[NetGraph]:
    return [NetGraph(g.architecture, g.state.float(), torch.rand(g.num_nodes)) for g in fitting(found)]


lists = st.lists(graphs(), min_size=1, max_size=4).map(small).filter(bool)


@examples(40)
@given(lists)
def test_each_spilled_weight_has_a_number_of_its_own_that_nothing_else_uses(found):
    for graph in found:
        key = graph.architecture.key
        spilled = spill(key, CONFIG)
        assert len(np.unique(spilled.cells)) == len(spilled.cells) == len(spilled.elements)
        assert (spilled.cells < CONFIG.place_slots * CONFIG.slot_size).all()
        slots = Slots(holders(structure_batch([key], CONFIG).carriers), CONFIG)
        filled = slots.filled[0, :, 0].numpy()
        assert not filled[spilled.places].any()
        assert set(spilled.cells // CONFIG.slot_size) <= set(np.flatnonzero(filled)) | set(spilled.places)
        assert len(spill(key, replace(CONFIG, spill=False)).elements) == 0


def wide(width: int) -> NetGraph:
    """A network whose neurons read more than their slots can hold."""
    with torch.random.fork_rng():
        torch.manual_seed(width)
        graph = from_module(nn.Sequential(nn.Linear(9, width), nn.Tanh(), nn.Linear(width, 1)))
    return graph.replace(sensitivity=torch.ones(graph.num_nodes))


def coded(config: VAEConfig, graph: NetGraph) -> torch.Tensor:
    """What an untrained direct path gives for a network's standardized state."""
    torch.manual_seed(0)
    vae = NetVAE(config).eval()
    for corrected in (vae.weights.edge.target, vae.weights.vertex, vae.encoder.place):
        nn.init.zeros_(corrected.weight)
        nn.init.zeros_(corrected.bias)
    batch = net_batch([graph], config)
    mean, _ = vae.encoder(batch, batch.state, vae.condition(batch.meta_features))
    return vae.weights(mean, vae.condition(batch.meta_features), batch.structure)


@pytest.mark.parametrize("width", [3, 8])
def test_a_table_with_room_holds_every_weight(width):
    graph = wide(width)
    assert len(spill(graph.architecture.key, CONFIG).elements) == 5 * width
    with torch.no_grad():
        error = (coded(CONFIG, graph) - graph.state).abs()
        lossy = (coded(replace(CONFIG, spill=False), graph) - graph.state).abs()
    assert float(error.max()) < 1e-6
    assert float(lossy.max()) > 0.1


def test_a_full_table_takes_what_it_can():
    graph = from_module(nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)))
    taken = spill(graph.architecture.key, CONFIG)
    assert len(taken.elements) == len(taken.cells) > 0
    assert len(taken.elements) < 8 * 16 + 8 * 4


def test_spilled_numbers_are_encoded_trained_and_sampled():
    vae = NetVAE(CONFIG).eval()
    graphs = [wide(3), wide(8)]
    vae.structure.know([graph.architecture for graph in graphs])
    batch = net_batch(graphs, CONFIG)
    z, log_variance = vae.encode_batch(batch)
    table = z[:, CONFIG.layout_size : CONFIG.code_size]
    assert torch.equal(
        table.flatten()[batch.structure.spilled_cell],
        vae.scales.standardize(batch.state, batch.structure)[batch.structure.spilled],
    )
    spread = log_variance[:, CONFIG.layout_size : CONFIG.code_size].flatten()
    assert (spread[batch.structure.spilled_cell] == INITIAL_LOG_VARIANCE).all()
    condition = vae.prior.embed_condition(batch.meta_features, batch.structure.steps[:, 0, 2])
    vae.prior.train()
    nn.init.normal_(vae.prior.place.out.weight)
    sum(vae.prior.losses(z.detach(), batch.structure, condition)).backward()
    assert vae.prior.spilled.weight.grad.abs().sum() > 0
    assert all(graph.validate() for graph in vae.sample(4, seed=0))
    assert torch.allclose(vae.encode(graphs[:1]), vae.encode(graphs)[:1], atol=1e-5)
