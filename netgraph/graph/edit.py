"""Networks made of networks: a linear map before one, the weighted sum of several."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture, Layer, make_layer
from netgraph.graph.arguments import Network, as_graph, as_graphs
from netgraph.graph.netgraph import NetGraph


def output_node(architecture: Architecture) -> tuple[int, int, int] | None:
    """Return the offset and size of the weight and the offset of the bias, if the last layer is one linear node."""
    last = len(architecture.layers) - 1
    tensors = [tensor for tensor in architecture.tensors if tensor.layer == last]
    if architecture.layers[last].type != "Linear" or architecture.n_outputs > 1 or len(tensors) < 2:
        return None
    weight, bias = tensors
    return weight.offset, weight.size, bias.offset


def prepend_linear(graph: Network, matrix: Tensor) -> NetGraph:
    """Return a network that reads ``X @ matrix``, with the matrix, [features, inputs], as its first linear layer.

    Example:
        >>> from netgraph import from_module
        >>> prepend_linear(from_module(torch.nn.Linear(2, 1)), torch.ones(5, 2)).architecture
        Input(5) > Linear(2) > Linear(1)
    """
    graph = as_graph(graph, "prepend_linear")
    features, inputs = matrix.shape
    layers = [make_layer("Input", (), features), make_layer("Linear", (0,), inputs)]
    append_hidden(layers, graph.architecture, 1)
    layers.append(_moved(graph.architecture.layers[-1], {i: i + 1 for i in range(len(layers))}))
    state = torch.cat([matrix.T.reshape(-1).float(), torch.zeros(inputs), graph.state.cpu()])
    return NetGraph(Architecture(tuple(layers)), state)


def weighted_sum(graphs: Iterable[Network], weights: Sequence[float]) -> NetGraph:
    """Return the one network that computes the weighted sum of networks' outputs.

    The networks share the input; their last hidden layers are concatenated and feed one linear unit.

    Args:
        graphs: Networks with the same inputs, each with one linear output unit with a bias.
        weights: Weight of each.

    Raises:
        NetGraphError: When a network ends in another layer.

    Example:
        >>> from netgraph import from_module
        >>> nets = [from_module(torch.nn.Sequential(torch.nn.Linear(3, n), torch.nn.Linear(n, 1))) for n in (4, 5)]
        >>> weighted_sum(nets, [0.5, 0.5]).architecture
        Input(3) > Linear(4) > Linear(5) > Concat(9) > Linear(1)
    """
    graphs = as_graphs(graphs, "weighted_sum")
    layers, ends = [graphs[0].architecture.layers[0]], []
    states, output_weights, bias = [], [], torch.zeros(1)
    for graph, weight in zip(graphs, weights, strict=True):
        output = output_node(graph.architecture)
        if output is None:
            last = graph.architecture.layers[-1].type
            raise NetGraphError(f"a network that ends in {last} cannot join an ensemble")
        start, size, bias_at = output
        ends.append(append_hidden(layers, graph.architecture))
        states.append(graph.state[:start])
        output_weights.append(weight * graph.state[start : start + size])
        bias = bias + weight * graph.state[bias_at]
    if len(ends) > 1:
        layers.append(Layer("Concat", tuple(ends), sum(layers[i].size for i in ends)))
        ends = [len(layers) - 1]
    layers.append(Layer("Linear", (ends[0],), 1, hyper=graphs[0].architecture.layers[-1].hyper))
    return NetGraph(Architecture(tuple(layers)), torch.cat([*states, *output_weights, bias]))


def append_hidden(layers: list[Layer], architecture: Architecture, source: int = 0) -> int:
    """Append the hidden layers of an architecture, with the layer ``source`` as their input.

    Returns:
        The position of the layer that feeds the last.
    """
    position = {0: source}
    for i, layer in enumerate(architecture.layers[1:-1], start=1):
        position[i] = len(layers)
        layers.append(_moved(layer, position))
    return position[architecture.layers[-1].inputs[0]]


def _moved(layer: Layer, position: dict[int, int]) -> Layer:
    return Layer(layer.type, tuple(position[i] for i in layer.inputs), layer.size, hyper=layer.hyper)
