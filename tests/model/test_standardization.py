import numpy as np
import pytest
import torch
from torch import nn

from netgraph import NetGraphError, canonicalize, from_module, get_meta_features, with_sensitivity
from netgraph.model.batch import ArchitectureBatch, net_batch
from netgraph.model.standardization import LARGEST, SMALLEST_VARIANCE, Condition, Scales
from netgraph.training import Batches, Example, TrainConfig
from tests.model.small import CONFIG, networks, perceptron, untrained
from tests.strategies import randomize

GRAPHS = [canonicalize(graph) for graph in networks(6)]


def test_statistics_are_those_of_data_sets_whose_meta_features_are_known():
    known = torch.tensor([[0.0, 10.0], [2.0, 30.0]])
    condition, alone = Condition(2, 4, 0.0), Condition(2, 4, 0.0)
    condition.fit(torch.cat([known, torch.full((3, 2), torch.nan)]))
    alone.fit(known)
    assert torch.equal(condition.mean, alone.mean)
    assert torch.equal(condition.standardize(known), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))


def test_meta_features_that_nobody_knows_leave_gradients_finite():
    rows = torch.full((5, 2), torch.nan)
    condition = Condition(2, 4, 0.0)
    condition.fit(rows)
    embedded = condition(rows)
    assert torch.equal(embedded, condition.null.expand(5, 4))
    embedded.sum().backward()
    assert all(value.grad is None or value.grad.isfinite().all() for value in condition.parameters())


def test_a_model_takes_what_get_meta_features_gives():
    generator = torch.Generator().manual_seed(0)
    found = get_meta_features(torch.randn(50, 3, generator=generator), torch.randn(50, generator=generator))
    vae, graph = untrained(CONFIG), with_sensitivity(from_module(perceptron(3, 4, 1)), torch.ones(4, 3))
    tensor = torch.tensor(found.to_numpy())
    assert torch.equal(vae.encode([graph], found), vae.encode([graph], tensor))
    sampled, again = (vae.sample(2, features, seed=0) for features in (found, tensor))
    assert all(torch.equal(a.state, b.state) for a, b in zip(sampled, again, strict=True))
    example = Example(graph, found)
    assert torch.equal(example.meta_features, tensor.float())
    assert len(Batches([example] * 2, CONFIG, TrainConfig(batch_size=2))) == 1
    z = vae.encode([graph])
    for wrong, message in (
        (found[:5], "by name"),
        (torch.zeros(5), "expected 37 meta-features"),
        (np.full(37, np.inf), "finite"),
        ([[0.0] * 37] * 3, "meta-features of 3 data sets"),
        ("x", "not numbers"),
    ):
        for call in (
            lambda wrong: vae.encode([graph], wrong),
            lambda wrong: vae.sample(2, wrong, seed=0),
            lambda wrong: vae.decode(z, wrong),
            lambda wrong: Batches([Example(graph, wrong)], CONFIG, TrainConfig()),
        ):
            with pytest.raises(NetGraphError, match=r"meta-features") as caught:
                call(wrong)
            assert len(str(caught.value).splitlines()) == 1
        with pytest.raises(NetGraphError, match=message):
            vae.encode([graph], wrong)


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
