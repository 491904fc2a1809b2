import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from netgraph import NetGraph
from netgraph.graph import Architecture
from netgraph.model import VAEConfig
from netgraph.model.batch import net_batch, structure_batch
from netgraph.model.slots import Direct, Slots, join, split
from tests.strategies import examples, graphs

CONFIG = VAEConfig(place_depths=8, place_positions=48, slot_size=56, max_fan=50, max_nodes=200)


def fitting(found: list[NetGraph]) -> list[NetGraph]:
    """Networks whose numbers all have places of their own: a linear layer first, after each at most one norm."""
    return [
        NetGraph(g.architecture, g.state.float(), torch.ones(g.num_nodes))
        for g in found
        if g.architecture.n_outputs == 1
        and g.architecture.layers[1].type == "Linear"
        and g.num_nodes <= 200
        and max(layer.size for layer in g.architecture.layers) <= 24
        and sum(layer.type == "Linear" for layer in g.architecture.layers) <= 8
        and not doubly_normalized(g.architecture)
    ]


def doubly_normalized(architecture: Architecture) -> bool:
    """Whether two norms follow the same number of linear layers: they share slots."""
    depths = np.cumsum([layer.type == "Linear" for layer in architecture.layers])
    norms = [int(d) for d, layer in zip(depths, architecture.layers, strict=True) if layer.kind.kind == "norm"]
    return len(set(norms)) < len(norms)


lists = st.lists(graphs(), min_size=3, max_size=5).map(fitting).filter(bool)


@examples(20)
@given(lists)
def test_what_is_written_to_a_place_is_read_there(found):
    carriers = structure_batch([g.architecture for g in found], CONFIG).carriers
    slots = Slots(carriers, CONFIG)
    depth = carriers[..., 7]
    mark = torch.stack([depth, carriers[..., 1] * (depth > 0), carriers[..., 3] == 0], dim=-1).float()
    back = slots.read(slots.mean(mark))
    assert torch.equal(back, mark * slots.present[..., None])
    assert torch.equal(slots.sum(torch.ones_like(mark)).sum(dim=(1, 2)) / 3, slots.present.sum(dim=1).float())
    assert torch.allclose(
        slots.pool(mark)[:, -1], (mark * slots.real[..., None]).sum(dim=1) / slots.real.sum(dim=1, keepdim=True)
    )


def test_split_and_join_are_inverse():
    z = torch.randn(3, CONFIG.latent_size)
    layout, places = split(z, CONFIG)
    assert layout.shape[1:] == (CONFIG.layout_slots, 56)
    assert torch.equal(join(layout, places), z[:, : CONFIG.code_size])


@examples(20)
@given(lists)
def test_the_direct_path_starts_out_lossless_where_a_slot_has_room(found):
    batch = net_batch(found, CONFIG)
    carriers = batch.structure.carriers
    weight = torch.cat([batch.state, torch.zeros(1)])
    incoming, own = weight[batch.incoming], weight[batch.own]
    slots = Slots(carriers, CONFIG)
    with torch.no_grad():
        table = slots.sum(Direct(CONFIG).encode(incoming, own, weight[batch.to_output][..., None], carriers))
        direct = Direct(CONFIG).decode(slots.read(table), carriers).flatten()
    back = torch.cat([direct, torch.zeros(1)])[batch.structure.slot_direct]
    counted = batch.structure.slot_kind != 4
    assert torch.equal(back[counted], batch.state[counted])


@examples(10)
@given(lists)
def test_packing_keeps_every_number(found):
    batch = net_batch(found, CONFIG, torch.rand(len(found), 37))
    again = batch.packed().unpacked()
    for part, other in ((batch, again), (batch.structure, again.structure)):
        for name, value in vars(part).items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, getattr(other, name)), name
                assert value.dtype == getattr(other, name).dtype
