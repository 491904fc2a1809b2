import torch

from netgraph.model.condition import Condition


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
