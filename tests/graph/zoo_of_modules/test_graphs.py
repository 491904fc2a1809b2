import pytest
import torch
from torch_geometric.nn import GAT, GCN, GIN, MLP, EdgeCNN, GraphSAGE

from tests.graph.zoo_of_modules.exact import assert_exact, prepared

EDGES = torch.tensor([[0, 1, 2, 3, 4, 5, 0, 2], [1, 2, 3, 4, 5, 0, 3, 5]])


@pytest.mark.parametrize("model", [GCN, GraphSAGE, GIN, GAT, EdgeCNN], ids=lambda model: model.__name__)
def test_graph_networks_are_exact_for_any_number_of_vertices_and_edges(model):
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    module = prepared(model(4, 8, 2, 3, dropout=0.2))
    assert_exact(module, (x, EDGES))


def test_the_perceptron_of_graph_networks_is_exact():
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    assert_exact(prepared(MLP([4, 8, 3], dropout=0.2)), x)
