from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraph import NetGraphError, detokenize, from_module, to_module, tokenize
from netgraph.graph.architecture import SLOT_KINDS, Architecture
from netgraph.tokens import END, START, stream
from netgraph.tokens.grammar import MAX_OPERANDS, Grammar
from tests.strategies import graphs, modules, random_graph, rows


@settings(deadline=None, max_examples=50)
@given(modules(), st.sampled_from([1, 2, 3, 16]))
def test_modules_survive_the_whole_way(module, chunk):
    (graph,) = detokenize(tokenize([from_module(module)], chunk))
    x = rows(module)
    rebuilt = to_module(graph)
    assert torch.equal(rebuilt(x), module(x))
    assert set(rebuilt.state_dict()) == set(module.state_dict())


@settings(deadline=None, max_examples=40)
@given(graphs(), st.integers(1, 20))
def test_graphs_survive_bit_for_bit(graph, chunk):
    graph = graph.replace(sensitivity=torch.rand(graph.num_nodes, dtype=graph.state.dtype))
    (again,) = detokenize(tokenize([graph], chunk))
    assert again.architecture == graph.architecture
    assert torch.equal(again.state, graph.state)
    assert torch.equal(again.sensitivity, graph.sensitivity)


def vertex_by_vertex(architecture: Architecture, chunk: int) -> list[tuple]:
    """The stream as its definition says it: type, index, parent, slots and bias of every token."""
    tokens = []
    for vertex, number in enumerate(architecture.layer_of):
        layer, position = architecture.layers[number], vertex - architecture.offsets[number]
        owned = [i for i, target in enumerate(architecture.slot_target) if target == vertex]
        kinds = [SLOT_KINDS[architecture.slot_kind[i]] for i in owned]
        held = [i for i, kind in zip(owned, kinds, strict=True) if kind != "bias"]
        feeding = architecture.sources(int(number))[position] if layer.inputs else [-1]
        for turn in range(max(len(feeding) if layer.type == "Add" else 1, -(-len(held) // chunk))):
            parent = feeding[turn if layer.type == "Add" else 0]
            bias = owned[kinds.index("bias")] if "bias" in kinds and turn == 0 else -1
            tokens.append((layer.kind.code, vertex, parent, held[turn * chunk : (turn + 1) * chunk], bias))
    return tokens


@settings(deadline=None, max_examples=40)
@given(graphs(), st.sampled_from([1, 2, 3, 16]))
def test_a_stream_says_what_its_definition_says(graph, chunk):
    tokens, architecture = stream(graph.architecture, chunk), graph.architecture
    columns = (tokens.layer_type, tokens.index, tokens.parent, tokens.slots, tokens.bias_slot)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    cut = [(kind, index, parent, [i for i in slots if i >= 0], bias) for kind, index, parent, slots, bias in rows]
    start = (START, architecture.n_inputs, architecture.n_outputs, [], -1)
    end = (END, architecture.num_nodes, architecture.num_nodes - architecture.n_outputs, [], -1)
    assert cut == [start, *vertex_by_vertex(architecture, chunk), end]
    firsts = {int(first) for first in architecture.offsets[:-1]}
    new = [index != before for before, index in zip([-1, *tokens.index[1:-1]], tokens.index[1:-1], strict=False)]
    assert tokens.opens[1:-1].tolist() == [n and i in firsts for n, i in zip(new, tokens.index[1:-1], strict=True)]


@settings(deadline=None, max_examples=80)
@given(
    st.data(),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(0, 40),
    st.none() | st.integers(2, 8),
    st.none() | st.integers(1, 5),
)
def test_every_string_under_the_mask_is_runnable(data, n_inputs, n_outputs, room, max_layers, max_units):
    grammar = Grammar(n_inputs, n_outputs, n_inputs + n_outputs + room, max_layers=max_layers, max_units=max_units)
    while not grammar.ended:
        moves = grammar.moves()
        assert moves
        move = data.draw(st.sampled_from(sorted(moves)))
        grammar.push(move, data.draw(st.sampled_from(moves[move])) if moves[move] else -1)
    architecture = grammar.architecture()
    assert architecture.num_nodes <= n_inputs + n_outputs + room
    assert max_layers is None or len(architecture.layers) <= max_layers
    widest = max([layer.size for layer in architecture.layers if layer.type == "Linear"], default=0)
    assert max_units is None or widest <= max(max_units, n_outputs)
    assert all(len(layer.inputs) <= MAX_OPERANDS for layer in architecture.layers if layer.type == "Add")
    module = to_module(random_graph(architecture))
    assert module(torch.zeros(3, n_inputs)).shape == (3, n_outputs)


@settings(deadline=None, max_examples=15)
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
