import torch
from torch import nn

from netgraph import canonicalize, from_module
from netgraph.model.batch import ArchitectureBatch, net_batch
from netgraph.model.scales import LARGEST, SMALLEST_VARIANCE, Scales
from tests.model.small import CONFIG, networks
from tests.strategies import randomize

GRAPHS = [canonicalize(graph) for graph in networks(6)]


def fitted() -> tuple[Scales, torch.Tensor, ArchitectureBatch]:
    batch = net_batch(GRAPHS, CONFIG)
    scales = Scales()
    scales.fit(batch.state, batch.structure.element_scale, batch.structure.element_fan)
    return scales, batch.state, batch.structure


def test_standardized_weights_have_mean_0_and_deviation_1_and_are_restored():
    scales, state, structure = fitted()
    standardized = scales.standardize(state, structure)
    assert abs(float(standardized.mean())) < 0.1
    assert 0.8 < float(standardized.std()) < 1.3
    torch.testing.assert_close(scales.restore(standardized, structure), state, rtol=1e-5, atol=1e-6)


def test_a_kind_that_was_not_seen_keeps_its_numbers_and_a_rare_one_borrows_from_its_tensors():
    scales, state, structure = fitted()
    seen = torch.zeros(len(scales.mean), dtype=torch.bool)
    seen[structure.element_scale] = True
    per_kind = len(seen) // 5
    weights = slice(0, per_kind)  # the first kind of tensor
    unseen = ~seen[weights]
    assert len(scales.scale[weights][unseen].unique()) == 1  # all borrow the same
    assert float(scales.scale[weights][unseen][0]) > 0
    norms = slice(3 * per_kind, 5 * per_kind)  # of which there is none
    assert (scales.mean[norms] == 0).all()
    assert (scales.scale[norms] == 1).all()
    assert state.isfinite().all()


def test_no_number_gives_an_infinite_weight_and_variances_stay_positive():
    layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    graph = canonicalize(from_module(randomize(layers, 0).eval()))
    structure, scales = net_batch([graph], CONFIG).structure, Scales()
    for value in (-1e30, 1e30):
        state = scales.restore(torch.full((len(graph.state),), value), structure)
        assert state.isfinite().all()
        assert state.abs().max() <= torch.sinh(torch.tensor(LARGEST))
        assert (state[structure.element_kind == 3] >= SMALLEST_VARIANCE).all()
        assert (state[structure.element_kind == 4] == 0).all()


def test_wide_layers_have_weights_of_the_same_standardized_size():
    graphs = []
    for width in (4, 16):
        module = nn.Sequential(nn.Linear(width, 3), nn.Tanh(), nn.Linear(3, 1))
        with torch.no_grad():
            module[0].weight.fill_(0.5 / width**0.5)
        graphs.append(from_module(module))
    structure = net_batch(graphs, CONFIG).structure
    standardized = Scales().standardize(torch.cat([graph.state for graph in graphs]), structure)
    first = [standardized[start] for start in structure.state_ptr[:-1].tolist()]
    torch.testing.assert_close(first[0], first[1])
    torch.testing.assert_close(first[0], torch.asinh(torch.tensor(0.5)))
