from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netgraph import NetGraphError, detokenize, from_module, to_module, tokenize
from netgraph.graph.architecture import TENSOR_KINDS, Architecture
from netgraph.graph.layers import LAYER_TYPES
from netgraph.tokens import END, START, STAY, Grammar, Limits, stream
from netgraph.tokens.grammar import MAX_OPERANDS, longest_apart, loose_after
from tests.strategies import built, examples, graphs, modules, random_graph, rows


@examples(50)
@given(modules(), st.sampled_from([1, 2, 3, 16]))
def test_modules_survive_the_whole_way(module, chunk):
    (graph,) = detokenize(tokenize([from_module(module)], chunk))
    x = rows(module)
    rebuilt = to_module(graph)
    assert torch.equal(rebuilt(x), module(x))
    assert set(rebuilt.state_dict()) == set(module.state_dict())


@examples(40)
@given(graphs(), st.integers(1, 20))
def test_graphs_survive_bit_for_bit(graph, chunk):
    graph = graph.replace(sensitivity=torch.rand(graph.num_nodes, dtype=graph.state.dtype))
    (again,) = detokenize(tokenize([graph], chunk))
    assert again.architecture == graph.architecture
    assert torch.equal(again.state, graph.state)
    assert torch.equal(again.sensitivity, graph.sensitivity)


def node_by_node(architecture: Architecture, chunk: int) -> list[tuple]:
    """The stream as its definition says it: type, index, parent, elements and bias of every token."""
    tokens = []
    for node, number in enumerate(architecture.layer_of):
        layer, position = architecture.layers[number], node - architecture.offsets[number]
        owned = [i for i, target in enumerate(architecture.element_target) if target == node]
        kinds = [TENSOR_KINDS[architecture.element_kind[i]] for i in owned]
        held = [i for i, kind in zip(owned, kinds, strict=True) if kind != "bias"]
        feeding = architecture.sources(int(number))[position] if layer.inputs else [-1]
        for turn in range(max(len(feeding) if layer.type == "Add" else 1, -(-len(held) // chunk))):
            parent = feeding[turn if layer.type == "Add" else 0]
            bias = owned[kinds.index("bias")] if "bias" in kinds and turn == 0 else -1
            tokens.append((layer.kind.code, node, parent, held[turn * chunk : (turn + 1) * chunk], bias))
    return tokens


@examples(40)
@given(graphs(), st.sampled_from([1, 2, 3, 16]))
def test_a_stream_says_what_its_definition_says(graph, chunk):
    tokens, architecture = stream(graph.architecture, chunk), graph.architecture
    columns = (tokens.layer_type, tokens.index, tokens.parent, tokens.elements, tokens.bias_element)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    cut = [(kind, index, parent, [i for i in elements if i >= 0], bias) for kind, index, parent, elements, bias in rows]
    start = (START, architecture.n_inputs, architecture.n_outputs, [], -1)
    end = (END, architecture.num_nodes, architecture.num_nodes - architecture.n_outputs, [], -1)
    assert cut == [start, *node_by_node(architecture, chunk), end]
    firsts = {int(first) for first in architecture.offsets[:-1]}
    new = [index != before for before, index in zip([-1, *tokens.index[1:-1]], tokens.index[1:-1], strict=False)]
    assert tokens.opens[1:-1].tolist() == [n and i in firsts for n, i in zip(new, tokens.index[1:-1], strict=True)]


def limits_of(architecture, nodes):
    """The limits that a network just keeps; the budget of nodes is given."""
    return Limits(
        nodes,
        frozenset(architecture.layer_type.tolist()),
        len(architecture.layers),
        max((layer.size for layer in architecture.layers[:-1] if layer.type == "Linear"), default=1),
        max(loose_after(architecture)),
        longest_apart(architecture),
    )


@st.composite
def limits(draw, least):
    """Limits with a budget of at least as many nodes."""
    return Limits(
        least + draw(st.integers(0, 40)),
        layers=draw(st.none() | st.integers(2, 8)),
        units=draw(st.none() | st.integers(1, 5)),
        loose=draw(st.none() | st.integers(1, 3)),
        apart=draw(st.none() | st.integers(0, 3)),
        types=draw(st.none() | st.frozensets(st.sampled_from([4, 5, 14, 16])) | st.just(frozenset({4, 6, 14, 16, 17}))),
    )


@examples(120)
@given(st.data(), st.integers(1, 6), st.integers(1, 4))
def test_every_string_under_the_mask_is_runnable_and_within_the_limits(data, n_inputs, n_outputs):
    most = data.draw(limits(n_inputs + n_outputs))
    architecture = built(data.draw, Grammar(n_inputs, n_outputs, most))
    assert reads(architecture, most)
    found = limits_of(architecture, architecture.num_nodes)
    assert found.nodes <= most.nodes
    assert most.layers is None or found.layers <= most.layers
    assert most.units is None or found.units <= max(most.units, n_outputs)
    assert most.loose is None or found.loose <= most.loose
    assert most.apart is None or found.apart <= most.apart
    assert all(len(layer.inputs) <= MAX_OPERANDS for layer in architecture.layers if layer.type == "Add")
    module = to_module(random_graph(architecture))
    assert module(torch.zeros(3, n_inputs)).shape == (3, n_outputs)


@examples(60)
@given(graphs())
def test_as_many_branches_as_a_network_has_admit_it_and_no_fewer(graph):
    architecture = graph.architecture
    own = limits_of(architecture, 9 * architecture.num_nodes + 9)
    roomy = replace(own, layers=None, units=None)
    assert reads(architecture, roomy)
    assert own.loose == 1 or not reads(architecture, replace(roomy, loose=own.loose - 1))
    assert own.apart == 0 or not reads(architecture, replace(roomy, apart=own.apart - 1))


def reads(architecture, limits):
    """Whether a grammar admits every layer of an architecture."""
    grammar = Grammar(architecture.n_inputs, architecture.n_outputs, limits)
    grammar.choose(LAYER_TYPES["Input"].code)
    for layer in architecture.layers[1:]:
        for turn, operand in enumerate(layer.inputs):
            choice = STAY if turn else layer.kind.code
            if operand not in grammar.readable(choice):
                return False
            grammar.choose(choice, operand)
        if layer.type == "Linear":
            grammar.extend(layer.size)
        if grammar.last.size != layer.size:
            return False
    return bool(grammar.readable(END))


def node_tokens(architecture):
    """Type, index and parent of every token between start and end."""
    tokens = stream(architecture, chunk=architecture.num_nodes)
    columns = (tokens.layer_type[1:-1], tokens.index[1:-1], tokens.parent[1:-1])
    return list(zip(*(column.tolist() for column in columns), strict=True))


@examples(15)
@given(st.lists(graphs(), min_size=2, max_size=4))
def test_a_batch_is_its_networks_side_by_side(found):
    found = [graph.replace(state=graph.state.float()) for graph in found]
    found = [graph.replace(sensitivity=graph.sensitivity.float()) for graph in found]
    batch = tokenize(found)
    for row, graph in enumerate(found):
        alone = tokenize([graph])
        length = alone.mask.sum()
        assert torch.equal(batch.weight[row, :length], alone.weight[0])
        assert torch.equal(batch.parent[row, :length], alone.parent[0])


def test_the_stream_opens_with_the_numbers_of_inputs_and_outputs():
    batch = tokenize([from_module(torch.nn.Linear(5, 2))])
    assert batch.layer_type[0, 0] == START
    assert (batch.index[0, 0], batch.parent[0, 0]) == (5, 2)
    assert batch.layer_type[0, batch.mask[0].sum() - 1] == END


@pytest.mark.parametrize(
    ("field", "position", "value"), [("parent", 6, 99), ("layer_type", 7, 5), ("layer_type", 0, 4), ("parent", 0, 7)]
)
def test_streams_that_break_the_grammar_are_refused(field, position, value):
    batch = tokenize([from_module(torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 1)))])
    column = getattr(batch, field).clone()
    column[0, position] = value
    with pytest.raises(NetGraphError):
        detokenize(replace(batch, **{field: column}))


def test_mixed_types_are_refused():
    graph = from_module(torch.nn.Linear(2, 1))
    with pytest.raises(NetGraphError, match="one floating-point type"):
        tokenize([graph, from_module(torch.nn.Linear(2, 1).double())])
    with pytest.raises(NetGraphError, match="one floating-point type"):
        tokenize([])
    with pytest.raises(NetGraphError, match="chunk is 0"):
        tokenize([graph], chunk=0)


@pytest.mark.parametrize(("name", "value"), [("nodes", 1), ("layers", 1), ("units", 0), ("loose", 0), ("apart", -1)])
def test_limits_that_no_network_keeps_are_named(name, value):
    with pytest.raises(NetGraphError, match=f"limits: {name} is {value}"):
        replace(Limits(10), **{name: value})
