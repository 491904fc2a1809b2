import pytest
import torch

from netgraph import NetGraphError, from_module
from netgraph.search.objectives import check_objectives, judge


def test_networks_are_judged_by_error_size_and_speed():
    small = from_module(torch.nn.Linear(3, 1))
    large = from_module(torch.nn.Sequential(torch.nn.Linear(3, 50), torch.nn.Tanh(), torch.nn.Linear(50, 1)))
    scores = judge([small, large], torch.tensor([0.5, 0.1]), ("error", "parameters", "latency"))
    assert torch.allclose(scores[:, 0], torch.tensor([0.5, 0.1]).double())
    assert scores[:, 1].tolist() == [4.0, 251.0]
    assert (scores[:, 2] > 0).all()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("error", "beauty"), "unknown objective 'beauty'; known: error, parameters, latency"),
        (("parameters",), "they begin with error"),
        ((), "objectives are empty"),
        (("error", "error"), "each once"),
    ],
)
def test_bad_objectives_are_named(names, message):
    with pytest.raises(NetGraphError, match=message):
        check_objectives(names)
