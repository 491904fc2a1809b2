from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from netgraph.graph.layers import LAYER_TYPES
from netgraph.tokens import END, STAY, Grammar, Limits
from tests.strategies import examples, graphs
from tests.tokens.test_tokens import limits_of

LINEAR = LAYER_TYPES["Linear"].code


@examples(60)
@given(graphs(), st.integers(0, 20))
def test_every_network_is_built_layer_by_layer(graph, spare):
    architecture = graph.architecture
    own = replace(limits_of(architecture, 9 * architecture.num_nodes + spare), layers=None, units=None)
    grammar = Grammar(architecture.n_inputs, architecture.n_outputs, own)
    grammar.choose(LAYER_TYPES["Input"].code)
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


def test_two_branches_that_no_layer_can_add_are_joined_by_a_concat():
    most = Limits(20, types=frozenset({LINEAR}), loose=2, apart=1)
    assert LAYER_TYPES["Concat"].code in most.openable
    assert LAYER_TYPES["Concat"].code not in replace(most, types=frozenset({LINEAR, 16})).openable
