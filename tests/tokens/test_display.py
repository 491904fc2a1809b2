"""Token batches at a prompt and in a notebook."""

from dataclasses import fields, replace

import torch
from hypothesis import given
from torch import nn

from netgraph import from_module, tokenize
from netgraph.graph import LAYER_TYPES
from netgraph.tokens import Grammar, Limits, stream
from tests.shown import cells, parsed
from tests.strategies import examples, graphs


def dense():
    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    return from_module(module)


def test_one_line_counts_networks_and_tokens():
    batch = tokenize([dense(), from_module(nn.Linear(2, 1))])
    assert repr(batch) == "TokenBatch(2 networks, 15 tokens, longest 10, 16 weights each, float32)"
    assert repr(stream(dense().architecture)) == "Stream(10 tokens, 16 weights each)"
    assert repr(tokenize([dense()], chunk=2)).startswith("TokenBatch(1 network, 12 tokens, longest 12, 2 weights each")


def test_a_grammar_tells_how_far_it_is():
    grammar = Grammar(2, 1, Limits(1000))
    grammar.choose(LAYER_TYPES["Input"].code)
    assert repr(grammar) == "Grammar(1 output, 1 layer so far, at most 1,000 nodes)"


def test_the_first_tokens_are_shown_with_readable_names():
    graph = dense()
    header, start, *nodes, end = cells(tokenize([graph])._repr_html_())
    assert header == ["position", "type", "layer", "index", "parent", "weights", "bias", "sensitivity"]
    assert start[:5] == ["0", "START", "", "3 inputs", "1 output"]
    assert [row[1] for row in nodes] == ["Input"] * 3 + ["Linear"] * 2 + ["ReLU"] * 2 + ["Linear"]
    assert [row[2] for row in nodes if row[2]] == [layer.name for layer in graph.architecture.layers]
    assert nodes[3][3:5] == ["3", "0"]
    assert nodes[3][5] == ", ".join(f"{value:.2g}" for value in graph.state[:3].tolist())
    assert nodes[3][6] == f"{float(graph.state[6]):.4g}"
    assert nodes[0][7] == "–"  # not measured
    assert end[:5] == ["9", "END", "", "8 nodes", "outputs from 7 on"]


@examples(10)
@given(graphs())
def test_any_batch_is_shown(graph):
    batch = tokenize([graph] * 3, chunk=4)
    assert "\n" not in repr(batch)
    assert len(batch._repr_html_()) < 12_000
    assert parsed(batch._repr_html_()).findall("p")[-1].text.endswith("2 more networks")


def test_general_networks_are_shown():
    network = from_module(nn.Sequential(nn.Conv2d(1, 2, 5), nn.Softsign()), torch.zeros(1, 1, 8, 8))
    rows = cells(tokenize([network])._repr_html_())
    assert [row[1] for row in rows[1:]] == ["START", "Input", *["Conv2d"] * 4, *["Softsign"] * 2, "END"]
    assert rows[3][5].endswith("… 16 in all")


def test_odd_batches_are_shown():
    batch = tokenize([from_module(nn.Sequential(nn.Linear(400, 3)))])
    assert "more tokens of this network" in batch._repr_html_()
    columns = {one.name: getattr(batch, one.name)[:0] for one in fields(batch) if one.name not in ("names", "general")}
    empty = replace(batch, **columns, names=())
    assert repr(empty).startswith("TokenBatch(0 networks, 0 tokens")
    parsed(empty._repr_html_())
    unknown = replace(batch, layer_type=torch.full_like(batch.layer_type, 10_000), names=(("<b>",),))
    assert "type 10000" in unknown._repr_html_()
    assert "<b>" not in unknown._repr_html_()
