import numpy as np
import torch

from netgraph.tasks import TAIL, compressed


def test_what_lies_far_out_counts_logarithmically_in_its_order_and_without_a_kink():
    x = torch.linspace(-40, 40, 8001, dtype=torch.float64)
    found = compressed(x)
    inside = x.abs() <= TAIL
    assert torch.equal(found[inside], x[inside])
    assert torch.equal(found, -compressed(-x))
    slope = found.diff() / x.diff()
    assert (slope > 0).all()
    assert slope.diff().abs().max() < 0.011
    assert np.isclose(compressed(torch.tensor(TAIL + np.expm1(2.0))), TAIL + 2.0)
