"""Tokens of networks that are not feed-forward; each network of tests/graph/zoo_of_modules goes through them there."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from netgraph import NetGraph, NetGraphError, detokenize, from_module, to_module, tokenize
from netgraph.graph.modules.registry import CODES
from netgraph.tokens import END, PAD, START
from netgraph.tokens.program_stream import program_stream
from tests.graph.zoo_of_modules.exact import prepared
from tests.graph.zoo_of_modules.test_attention import GPT
from tests.strategies import examples, graphs, modules, randomize

IMAGE = torch.zeros(1, 2, 8, 8)


def convolution(seed: int = 0, width: int = 3) -> NetGraph:
    layers = nn.Conv2d(2, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten(), nn.Linear(36 * width, 2)
    return from_module(randomize(nn.Sequential(*layers), seed), IMAGE)


def dense(seed: int = 0) -> NetGraph:
    return from_module(randomize(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)), seed))


def assert_same(again, graph):
    assert again.architecture == graph.architecture
    for key in ("state", "sensitivity", "other_state"):
        assert torch.equal(again[key].nan_to_num(-1), graph[key].nan_to_num(-1))


@pytest.mark.parametrize("chunk", [1, 5, 16, 1000])
def test_each_number_is_carried_once(chunk):
    for graph in (convolution(), from_module(prepared(GPT()), torch.zeros(2, 6, dtype=torch.long))):
        stream = program_stream(graph.program, chunk)
        carried = [*stream.elements[stream.elements >= 0], *stream.bias_element[stream.bias_element >= 0]]
        assert sorted(carried) == list(range(graph.state.numel()))


def test_a_channel_carries_its_kernel_its_bias_and_its_statistics():
    graph = convolution()
    tokens = tokenize([graph], chunk=6)
    channel, norm = 2, 2 + 3  # the first of each layer, behind two inputs
    at = (tokens.index[0] == channel) & (tokens.layer_type[0] == CODES["Conv2d"])
    kernels, norms = map(to_module(graph).get_submodule, "01")
    assert torch.equal(tokens.weight[0, at].flatten(), kernels.weight[0].flatten())
    assert tokens.bias[0, at].tolist() == [kernels.bias[0].item(), 0, 0]
    assert tokens.opens[0, at].tolist() == [True, False, False]
    (at,) = ((tokens.index[0] == norm) & (tokens.layer_type[0] == CODES["BatchNorm2d"])).nonzero()
    carried = [norms.weight[0].detach(), norms.running_mean[0], norms.running_var[0], 0, 0, 0]
    assert tokens.weight[0, at[0]].tolist() == [float(value) for value in carried]
    assert (tokens.layer_type[0, 0], tokens.index[0, 0], tokens.parent[0, 0]) == (START, 2, 2)
    assert tokens.layer_type[0, -1] == END
    assert tokens.index[0, -1] == graph.num_nodes


@examples(15)
@given(st.lists(graphs(), max_size=3), st.integers(0, 3), st.sampled_from([1, 3, 16]))
def test_mixed_batches_come_back(feed_forward, position, chunk):
    found = [graph.replace(state=graph.state.float()) for graph in feed_forward]
    found = [graph.replace(sensitivity=torch.rand(graph.num_nodes)) for graph in found]
    found = [*found[:position], convolution(), *found[position:], convolution(1), convolution(2, 4)]
    tokens = tokenize(found, chunk)
    for again, graph in zip(detokenize(tokens), found, strict=True):
        assert_same(again, graph)
    for row, graph in enumerate(found):
        alone = tokenize([graph], chunk)
        length = int(alone.mask.sum())
        for name in ("layer_type", "index", "parent", "opens", "weight", "bias", "attributes", "sensitivity", "mask"):
            column, own = getattr(tokens, name)[row], getattr(alone, name)[0]
            assert torch.equal(column[:length].nan_to_num(-1), own.nan_to_num(-1))
            assert not column[length:].any()
        assert (tokens.layer_type[row, length:] == PAD).all()


@examples(15)
@given(modules())
def test_a_feed_forward_network_beside_a_general_one_has_the_stream_that_it_always_had(module):
    graph = from_module(module.float())
    mixed, alone = tokenize([graph, convolution()]), tokenize([graph])
    assert not alone.general
    assert mixed.general.keys() == {1}
    assert mixed.names[0] == alone.names[0]
    assert mixed.layer_type.dtype == alone.layer_type.dtype


class Counted(nn.Module):
    """A parameter used directly, one of another type, a buffer that nothing reads, and no node of its own for each."""

    def __init__(self):
        super().__init__()
        self.scale, self.narrow = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(3, dtype=torch.float16))
        self.register_buffer("steps", torch.tensor(2**40 + 1))
        self.register_buffer("unread", torch.arange(5.0))

    def forward(self, x):
        return torch.tanh(x * self.scale) + self.narrow.float() + self.steps % 3


def test_numbers_of_no_node_and_of_other_types_come_back():
    graph = from_module(Counted(), torch.zeros(2, 3))
    tokens = tokenize([graph], chunk=2)
    (again,) = detokenize(tokens)
    assert_same(again, graph)
    assert int((tokens.layer_type == END).sum()) > 1
    assert to_module(again).steps == 2**40 + 1


def test_a_network_without_any_number_comes_back():
    graph = from_module(nn.Sequential(nn.Conv2d(2, 2, 1, bias=False), nn.MaxPool2d(2)), IMAGE)
    pooling = from_module(nn.MaxPool2d(2), IMAGE)
    for again, one in zip(detokenize(tokenize([graph, pooling])), (graph, pooling), strict=True):
        assert_same(again, one)


def test_tokens_are_no_views_of_a_network():
    graph = convolution()
    tokens, before = tokenize([graph]), graph.clone()
    graph.state.zero_()
    graph.other_state.zero_()
    assert_same(detokenize(tokens)[0], before)


@pytest.mark.parametrize("name", ["layer_type", "index", "parent"])
def test_a_stream_of_another_network_is_refused(name):
    tokens = tokenize([dense(), convolution()])
    column = getattr(tokens, name).clone()
    column[1, 4] += 1
    with pytest.raises(NetGraphError, match=f"network 1, token 4: its {name} is not that of its program"):
        detokenize(replace(tokens, **{name: column}))
    mask = tokens.mask.clone()
    mask[1, -1] = False
    with pytest.raises(NetGraphError, match=r"network 1: \d+ tokens where its layers need \d+"):
        detokenize(replace(tokens, mask=mask))


def test_a_chunk_is_one_weight_at_least():
    for chunk in (0, 1.5, "16"):
        for graph in (convolution(), dense()):
            with pytest.raises(NetGraphError, match=f"chunk is {chunk}; a token carries at least 1 weight"):
                tokenize([graph], chunk=chunk)
