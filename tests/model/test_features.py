import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netgraph import NetGraphError, from_module
from netgraph.graph import Architecture
from netgraph.graph.architecture import TENSOR_KINDS
from netgraph.graph.layers import BY_CODE, LAYER_TYPES, N_CODES
from netgraph.model.architecture_decoder import take
from netgraph.model.features import (
    BACK,
    FEEDER,
    FRONT,
    LINEAR,
    MOVE,
    N_KINDS,
    N_SCALES,
    POSITION,
    READER,
    SIZE,
    TYPE,
    architecture_features,
)
from netgraph.tokens import END, START, Grammar, Limits
from tests.strategies import examples, graphs

lists = st.lists(graphs(), min_size=1, max_size=4)


def token_nodes(architecture: Architecture) -> list[int]:
    """Nodes with tokens of their own."""
    return [i for i, code in enumerate(architecture.layer_type) if BY_CODE[code].kind != "elementwise"]


def token_of(architecture: Architecture, node: int) -> int:
    """The token that a node has, or shares with the node that feeds it."""
    while BY_CODE[architecture.layer_type[node]].kind == "elementwise":
        node = int(architecture.parent[node])
    return token_nodes(architecture).index(node)


def is_edge(architecture: Architecture, element: int) -> bool:
    """Whether a state element is an edge of a linear layer."""
    linear = architecture.layer_type[architecture.element_target[element]] == LAYER_TYPES["Linear"].code
    return bool(linear and TENSOR_KINDS[architecture.element_kind[element]] == "edge")


@examples(30)
@given(lists)
def test_token_nodes_are_all_but_the_elementwise_ones_with_what_stands_around_them(found):
    features = architecture_features([graph.architecture for graph in found], 500)
    nodes, places = features.nodes(), features.token_node()
    first = 0
    for row, place, graph in zip(nodes, places, found, strict=True):
        key, expected = graph.architecture, token_nodes(graph.architecture)
        assert (row[len(expected) :] == -1).all()
        assert place.tolist() == [first + i for i in expected] + [0] * (len(row) - len(expected))
        first += key.num_nodes
        for token, node in zip(row, expected, strict=False):
            number = key.layer_of[node]
            layer = key.layers[number]
            readers = [other.kind.code for other in key.layers if number in other.inputs]
            linear = sum(other.type == "Linear" for other in key.layers[: number + 1])
            assert token[TYPE] == layer.kind.code
            assert token[POSITION] == node - key.offsets[number]
            assert (token[FRONT], token[BACK]) == (number, len(key.layers) - 1 - number)
            assert token[SIZE] == layer.size
            assert token[READER] == (readers[0] if readers else END)
            assert token[FEEDER] == (key.layers[layer.inputs[0]].kind.code if layer.inputs else START)
            assert token[LINEAR] == linear


@examples(30)
@given(lists)
def test_state_elements_lie_where_their_nodes_meet(found):
    features = architecture_features([graph.architecture for graph in found], 500)
    columns, width, count = features.elements(), features.width, len(found)
    assert columns["element_scale"].max(initial=0) < N_SCALES
    assert np.array_equal(np.diff(features.state_ptr), [graph.architecture.state_size for graph in found])
    for i, graph in enumerate(found):
        key = graph.architecture
        own = {name: values[features.state_ptr[i] : features.state_ptr[i + 1]] for name, values in columns.items()}
        assert (own["element_network"] == i).all()
        assert np.array_equal(own["element_kind"], key.element_kind)
        for element, (target, source) in enumerate(zip(key.element_target, key.element_source, strict=True)):
            row = i * width + token_of(key, target)
            place = count * width**2 + row * N_KINDS + key.element_kind[element]
            linear = BY_CODE[key.layer_type[target]].kind == "linear"
            fan = key.layers[key.layers[key.layer_of[target]].inputs[0]].size if linear else 1
            edge = is_edge(key, element)
            assert own["gather"][element] == (row * width + token_of(key, source) if edge else place)
            assert own["element_fan"][element] == fan
            assert own["element_scale"][element] // N_CODES**2 % N_CODES == key.layer_type[target]


@examples(30)
@given(lists)
def test_token_nodes_hold_every_element_once_beside_the_first_that_read_them(found):
    features = architecture_features([graph.architecture for graph in found], 500)
    fan = features.max_fan
    elements, outgoing = features.held(fan), features.outgoing(features.elements()["gather"])
    for i, graph in enumerate(found):
        key, first = graph.architecture, features.state_ptr[i]
        targets = [token_of(key, node) for node in key.element_target]
        sources = [token_of(key, s) if is_edge(key, e) else -1 for e, s in enumerate(key.element_source)]
        for token in range(features.width):
            held = [
                first + e for e, t in enumerate(targets) if t == token and TENSOR_KINDS[key.element_kind[e]] != "bias"
            ]
            reads = [first + e for e, s in enumerate(sources) if s == token]
            bias = [first + e for e, t in enumerate(targets) if t == token and first + e not in held]
            assert [e for e in elements[i, token, :-1] if e >= 0] == held
            assert [e for e in elements[i, token, -1:] if e >= 0] == bias
            assert [e for e in outgoing[i, token] if e >= 0] == reads[:8]
    if fan > 1:
        cut = features.held(fan - 1)
        assert np.array_equal(cut[..., :-1], elements[..., : fan - 1])
        assert np.array_equal(cut[..., -1], elements[..., -1])


@examples(30)
@given(lists)
def test_steps_are_what_generation_walks(found):
    features = architecture_features([graph.architecture for graph in found], 500)
    columns = features.steps()
    for i, graph in enumerate(found):
        key = graph.architecture
        grammar = Grammar(key.n_inputs, key.n_outputs, Limits(500))
        grammar.choose(LAYER_TYPES["Input"].code)
        steps, pointer, size, biased, layer_step = (columns[name][i] for name in columns)
        assert steps[0].tolist() == [START, START, key.n_inputs, key.n_outputs, 0]
        length = 2 + sum(len(layer.inputs) for layer in key.layers)
        for step in range(1, length - 1):
            choice, layer = int(steps[step, MOVE]), int(pointer[step])
            assert layer in grammar.readable(choice)
            assert take(grammar, choice, layer) == steps[step].tolist()
            assert (size[step] >= 0) == (biased[step] >= 0) == (choice == LAYER_TYPES["Linear"].code)
            if size[step] >= 0:
                grammar.extend(int(size[step]))
                grammar.last.bias = bool(biased[step])
            assert grammar.last.code in BY_CODE
            assert layer_step[len(grammar.layers) - 1] <= step
        assert take(grammar, END, 0) == steps[length - 1].tolist()
        assert (steps[length:] == -1).all()
        assert (layer_step[len(key.layers) :] == -1).all()
        rows = [(x.type, x.inputs, x.size, x.hyper_parameters.get("bias", True)) for x in key.layers]
        built = grammar.architecture().layers
        linear = [(a, b) for a, b in zip(rows, built, strict=True) if b.type == "Linear"]
        assert [(b.type, b.inputs, b.size) for b in built] == [row[:3] for row in rows]
        assert all(b.hyper_parameters["bias"] == a[3] for a, b in linear)


def test_networks_that_are_too_large_are_named():
    graph = from_module(torch.nn.Linear(30, 20))
    with pytest.raises(NetGraphError, match="a network with 50 nodes; this model handles at most 40"):
        architecture_features([graph.architecture], 40)
