"""Writable copies of weights and biases: what is written is what the network computes with, and nothing is lost."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from netgraph import NetGraphError, from_module, to_module
from tests.graph.zoo_of_modules.exact import prepared
from tests.graph.zoo_of_modules.test_attention import GPT
from tests.strategies import examples, graphs, randomize


def dense():
    return from_module(randomize(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)), 0))


class Mixed(nn.Module):
    """Parameters of two types, and a kernel shorter than another."""

    def __init__(self):
        super().__init__()
        self.long, self.short, self.narrow = nn.Conv1d(1, 2, 3), nn.Conv1d(2, 2, 1), nn.Linear(3, 2).half()

    def forward(self, x):
        return self.short(self.long(x)).float(), self.narrow(x[:, 0, :3].half())


def mixed():
    return from_module(randomize(Mixed(), 0), torch.zeros(1, 1, 5))


@examples(30)
@given(graphs(), st.integers(0, 2**20))
def test_what_is_written_is_what_is_read(graph, seed):
    generator, state = torch.Generator().manual_seed(seed), graph.state.clone()
    edit, own = graph.edit(), graph.architecture
    weighted, biased = ~graph.structural, torch.from_numpy(own.bias_element >= 0)
    edit.edge_weight[weighted] = torch.randn(int(weighted.sum()), generator=generator).to(state)
    edit.bias[biased] = torch.randn(int(biased.sum()), generator=generator).to(state)
    changed = edit.graph()
    assert torch.equal(changed.edge_weight, edit.edge_weight)
    assert torch.equal(changed.bias, edit.bias)
    assert changed.architecture is graph.architecture
    assert torch.equal(graph.state, state)
    kept = torch.from_numpy(~np.isin(np.arange(len(state)), [*own.edge_element, *own.bias_element]))
    assert torch.equal(changed.state[kept], state[kept])


def test_a_kernel_and_numbers_of_other_types_are_written():
    graph, x = mixed(), torch.randn(1, 1, 5, generator=torch.Generator().manual_seed(0))
    edit = graph.edit()
    for row, (_, target) in enumerate(graph.edge_index.t().tolist()):
        filled = ~graph.structural[row] & (graph.edge_weight[row] != 0)
        edit.edge_weight[row, filled] = 0.5 * target
    changed = edit.graph()
    assert torch.equal(changed.edge_weight, edit.edge_weight)
    assert not torch.equal(changed.other_state, graph.other_state)
    before, after = to_module(graph)(x), to_module(changed)(x)
    assert not any(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert torch.equal(graph.edit().graph().other_state, graph.other_state)


def test_the_copy_keeps_attributes_and_is_not_measured():
    graph = dense().replace(sensitivity=torch.rand(12), task=3)
    edit = graph.edit()
    edit.bias[3] = 2
    changed = edit.graph()
    assert changed.task == 3
    assert changed.sensitivity.isnan().all()
    assert not graph.sensitivity.isnan().any()
    assert changed.bias[3] == 2


def test_a_field_may_be_replaced_by_any_array():
    edit = dense().edit()
    edit.bias = np.where(edit.bias != 0, 1.0, 0.0)
    assert edit.graph().bias[3] == 1


def test_tied_weights_change_together():
    graph = from_module(prepared(GPT()), torch.zeros(2, 6, dtype=torch.long))
    edit = graph.edit()
    edit.edge_weight[0, 0] = 9.0
    assert int((edit.graph().edge_weight == 9).sum()) > 1


def test_two_values_for_one_weight_are_refused():
    graph = from_module(prepared(GPT()), torch.zeros(2, 6, dtype=torch.long))
    edit = graph.edit()
    edit.edge_weight[0, 0] = 9.0
    rows, places = (edit.graph().edge_weight == 9).nonzero().t()
    edit.edge_weight[rows, places] = torch.arange(len(rows)).float() + 20
    with pytest.raises(NetGraphError, match="edges that share one weight are given different ones"):
        edit.graph()


def setting(key, place, value):
    def change(edit):
        getattr(edit, key)[place] = value

    return change


WRONG = {
    "input": (setting("bias", 0, 1.0), "edit: node 0 has no bias of its own"),
    "structural": (setting("edge_weight", 12, 2.0), r"edit: edge 12 \(3 to 7\) is structural: no parameter"),
    "nan": (setting("bias", 3, float("nan")), "0.bias holds NaN"),
    "shape": (lambda edit: setattr(edit, "bias", torch.zeros(3)), r"edit: bias has shape \(3,\), .*\(12,\)"),
    "text": (lambda edit: setattr(edit, "bias", "zero"), "edit: bias holds no numbers"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_what_no_network_holds_is_refused(change, message):
    edit = dense().edit()
    change(edit)
    with pytest.raises(NetGraphError, match=message) as caught:
        edit.graph()
    assert "\n" not in str(caught.value)


def test_a_kernel_has_no_more_weights_than_its_layer():
    graph = mixed()
    edit = graph.edit()
    short = int(((graph.edge_weight != 0).sum(1) == 1).nonzero()[-1])
    edit.edge_weight[short, 2] = 1
    with pytest.raises(NetGraphError, match=rf"edge {short} .* has fewer weights"):
        edit.graph()
