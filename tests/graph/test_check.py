import pytest

from netgraph.errors import InvalidGraphError
from netgraph.graph.architecture import Architecture, Layer, make_layer
from netgraph.graph.check import check_architecture, check_architectures
from netgraph.graph.table import LayerTable

INPUT, DENSE = make_layer("Input", (), 2), make_layer("Linear", (0,), 3)
BROKEN = [
    ((), "opens with its Input layer"),
    ((DENSE,), r"layer 0 \(Linear\): an Input layer stands first"),
    ((INPUT, INPUT), r"layer 1 \(Input\): an Input layer stands first"),
    ((INPUT, DENSE, make_layer("Add", (1,), 3, "sum")), r"layer 2 \(sum\): a Add layer cannot have 1 operands here"),
    ((INPUT, make_layer("Linear", (1,), 3)), r"layer 1 \(Linear\): fed by layers \(1,\), which are not all earlier"),
    ((INPUT, make_layer("Linear", (-1,), 3)), r"fed by layers \(-1,\), which are not all earlier"),
    ((INPUT, make_layer("Linear", (0,), 0)), "has no nodes"),
    ((INPUT, DENSE, make_layer("ReLU", (1,), 2)), r"size 2, but its operands have \[3\]"),
    ((INPUT, DENSE, make_layer("Concat", (0, 1), 6)), r"size 6, but its operands have \[2, 3\]"),
    ((INPUT, DENSE, DENSE), r"layer 1 \(Linear\): feeds nothing"),
    ((INPUT, Layer("Dropout", (0,), 2, hyper=(("p", 2.0),))), "p is not a value of its type"),
    ((INPUT, Layer("LeakyReLU", (0,), 2, hyper=(("negative_slope", None),))), "negative_slope is not a value"),
]


@pytest.mark.parametrize(("layers", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_the_layer_that_cannot_stand_where_it_stands_is_named(layers, message):
    architecture = Architecture(layers)
    with pytest.raises(InvalidGraphError, match=message):
        check_architecture(architecture)
    if layers:
        with pytest.raises(InvalidGraphError, match="of architecture 1: "):
            check_architectures(LayerTable.pack([Architecture((INPUT, DENSE)), architecture]))
