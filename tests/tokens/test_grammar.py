from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st

from netgraph import to_module
from netgraph.graph.layers import LAYER_TYPES
from netgraph.tokens import CONTINUE, END, STAY, Grammar, Limits
from tests.strategies import examples, graphs, random_graph
from tests.tokens.test_tokens import limits, limits_of, reads

LINEAR = LAYER_TYPES["Linear"].code


def choices(grammar):
    """Every choice that may follow, with the layers that it may read."""
    readable = {choice: grammar.readable(choice) for choice in (*grammar.types, STAY, END)}
    return {choice: layers for choice, layers in readable.items() if layers}


def opened(n_inputs, n_outputs, most):
    """A grammar after its input layer."""
    grammar = Grammar(n_inputs, n_outputs, most)
    grammar.choose(LAYER_TYPES["Input"].code)
    return grammar


@st.composite
def built_by_layers(draw):
    """Draw limits, and an architecture built within them layer by layer."""
    n_inputs, n_outputs = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    most = draw(limits(n_inputs + n_outputs))
    grammar = opened(n_inputs, n_outputs, most)
    while not grammar.ended:
        found = choices(grammar)
        assert found
        choice = draw(st.sampled_from(sorted(found)))
        grammar.choose(choice, draw(st.sampled_from(found[choice])))
        if choice == LINEAR:
            grammar.extend(draw(st.integers(1, 50)))
    return most, grammar.architecture()


@examples(120)
@given(built_by_layers())
def test_networks_built_layer_by_layer_run_and_are_within_the_limits_node_by_node_too(built):
    most, architecture = built
    found = limits_of(architecture, architecture.num_nodes)
    units = None if most.units is None else max(most.units, architecture.n_outputs)
    for kept, limit in ((found.layers, most.layers), (found.units, units), (found.loose, most.loose)):
        assert limit is None or kept <= limit
    assert found.nodes <= most.nodes
    module = to_module(random_graph(architecture))
    assert module(torch.zeros(3, architecture.n_inputs)).shape == (3, architecture.n_outputs)
    assert reads(architecture, most)


@examples(60)
@given(graphs(), st.integers(0, 20))
def test_what_is_built_node_by_node_is_built_layer_by_layer(graph, spare):
    architecture = graph.architecture
    own = replace(limits_of(architecture, 9 * architecture.num_nodes + spare), layers=None, units=None)
    grammar = opened(architecture.n_inputs, architecture.n_outputs, own)
    for layer in architecture.layers[1:]:
        for turn, operand in enumerate(layer.inputs):
            choice = STAY if turn else layer.kind.code
            assert operand in grammar.readable(choice)
            grammar.choose(choice, operand)
        if layer.type == "Linear":
            grammar.extend(layer.size)
            grammar.last.bias = layer.hyper_parameters["bias"]
        assert grammar.last.size == layer.size
    grammar.choose(END, *grammar.readable(END))
    assert grammar.ended
    rows = [(layer.type, layer.inputs, layer.size) for layer in grammar.architecture().layers]
    assert rows == [(layer.type, layer.inputs, layer.size) for layer in architecture.layers]


@examples(120)
@given(st.data(), st.integers(1, 6), st.integers(1, 4))
def test_a_linear_layer_is_extended_as_far_as_it_goes_node_by_node(data, n_inputs, n_outputs):
    most = data.draw(limits(n_inputs + n_outputs))
    by_nodes, by_layers = Grammar(n_inputs, n_outputs, most), opened(n_inputs, n_outputs, most)
    advance(by_nodes)
    for _ in range(data.draw(st.integers(1, 6))):
        found = {choice: layers for choice, layers in choices(by_layers).items() if choice not in (STAY, END)}
        plain = sorted(choice for choice in found if LAYER_TYPES["Add"].code != choice != LAYER_TYPES["Concat"].code)
        if not plain:
            return
        choice = data.draw(st.sampled_from(plain))
        layer = data.draw(st.sampled_from(found[choice]))
        start = by_layers.layers[layer].start
        assert start in by_nodes.moves()[choice]
        by_layers.choose(choice, layer)
        by_nodes.push(choice, start)
        advance(by_nodes)
        if choice == LINEAR:
            size = data.draw(st.integers(1, 50))
            while goes_on(by_nodes, size):
                by_nodes.push(CONTINUE, by_nodes.moves()[CONTINUE][0])
            by_layers.extend(size)
        assert by_nodes.last.size == by_layers.last.size
        assert by_nodes.num_nodes == by_layers.num_nodes


def advance(grammar):
    """Push all moves that leave no choice."""
    while grammar.forced:
        ((move, (parent,)),) = grammar.moves().items()
        grammar.push(move, parent)


def goes_on(grammar, size):
    """Whether a linear layer is to have another node: it is too small, or nothing else can follow."""
    moves = grammar.moves()
    return CONTINUE in moves and (grammar.last.size < size or len(moves) == 1)


def test_two_branches_that_no_layer_can_add_are_joined_by_a_concat():
    most = Limits(20, types=frozenset({LINEAR}), loose=2, apart=1)
    assert LAYER_TYPES["Concat"].code in most.openable
    assert LAYER_TYPES["Concat"].code not in replace(most, types=frozenset({LINEAR, 16})).openable
