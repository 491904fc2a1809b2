import pytest

from netgraph import NetGraphError
from netgraph.graph.frozen import registry


def test_a_registry_keeps_its_order_and_takes_no_key_twice():
    table = registry([("b", 1), ("a", 2)])
    assert list(table.items()) == [("b", 1), ("a", 2)]
    with pytest.raises(TypeError):
        table["c"] = 3
    with pytest.raises(NetGraphError, match="a is registered twice"):
        registry([("a", 1), ("b", 1), ("a", 2)])
