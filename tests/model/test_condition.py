import numpy as np
import pytest
import torch

from netgraph import NetGraphError, from_module, get_meta_features, with_sensitivity
from netgraph.model.condition import Condition
from netgraph.training import Batches, Example, TrainConfig
from tests.model.small import CONFIG, perceptron, untrained


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
