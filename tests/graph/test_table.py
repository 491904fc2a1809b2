import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraph.errors import InvalidGraphError
from netgraph.graph.architecture import TENSOR_KINDS, Architecture, Layer, make_layer
from netgraph.graph.table import LayerTable, runs, starts
from tests.strategies import examples, graphs

architectures = st.lists(graphs().map(lambda graph: graph.architecture), min_size=1, max_size=4)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=6))
def test_runs_stand_one_after_the_other(pairs):
    first, counts = (np.array(column, dtype=np.int64) for column in (zip(*pairs, strict=True) if pairs else ([], [])))
    assert runs(first, counts).tolist() == [a + i for a, n in pairs for i in range(n)]
    assert starts(counts).tolist() == [sum(n for _, n in pairs[:i]) for i in range(len(pairs) + 1)]


@examples(60)
@given(architectures)
def test_architectures_are_unpacked_as_they_were(found):
    table = LayerTable.pack(found)
    for row, architecture in enumerate(found):
        again, fresh = table.architecture(row), Architecture(architecture.layers)
        assert again == fresh
        assert hash(again) == hash(fresh)
        assert [type(v) for layer in again.layers for _, v in layer.hyper] == [
            type(v) for layer in fresh.layers for _, v in layer.hyper
        ]
        assert (again.num_nodes, again.state_size) == (fresh.num_nodes, fresh.state_size)
        assert np.array_equal(again.offsets, fresh.offsets)


@examples(60)
@given(architectures)
def test_the_state_lies_where_each_architecture_says(found):
    table, sizes = LayerTable.pack(found), starts(np.array([one.state_size for one in found]))
    expected = [
        (int(table.layer_start[row]) + t.layer, TENSOR_KINDS.index(t.kind), t.size, int(sizes[row]) + t.offset)
        for row, architecture in enumerate(found)
        for t in architecture.tensors
    ]
    state = table.state
    given_ = zip(state.layer, state.kind, state.width * state.rows, state.start[:-1], strict=True)
    assert [tuple(map(int, one)) for one in given_] == expected
    assert table.state_size.tolist() == [one.state_size for one in found]
    assert table.num_nodes.tolist() == [one.num_nodes for one in found]


@examples(40)
@given(architectures, st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_rows_are_taken_and_tables_joined(found, rows):
    rows = [row % len(found) for row in rows]
    table = LayerTable.pack(found)
    joined = LayerTable.join([table.take(np.array(rows)), table])
    assert [joined.architecture(i) for i in range(len(joined))] == [found[i] for i in rows] + found


def test_an_empty_table_is_a_table():
    table = LayerTable.pack([])
    assert len(table) == len(table.state_size) == len(table.state.layer) == 0


def test_hyper_parameters_that_have_their_defaults_are_left_out():
    layers = (Layer("Input", (), 2), Layer("Linear", (0,), 1, "out", (("bias", True),)))
    assert LayerTable.pack([Architecture(layers)]).architecture(0).layers[1].hyper == ()


def test_none_is_a_value_of_its_own():
    layers = (make_layer("Input", (), 2), make_layer("BatchNorm1d", (0,), 2, "norm", {"momentum": None}))
    assert LayerTable.pack([Architecture(layers)]).architecture(0).layers[1].hyper == (("momentum", None),)


def test_an_unknown_hyper_parameter_is_named():
    layers = (Layer("Input", (), 2), Layer("Linear", (0,), 1, "out", (("slope", 0.1),)))
    with pytest.raises(InvalidGraphError, match=r"layer out \(Linear\) has no hyper-parameter 'slope'"):
        LayerTable.pack([Architecture(layers)])
