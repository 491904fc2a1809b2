"""Networks made of networks: a linear map before one, another output layer, the weighted sum of several."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture, Layer, TensorSpec, make_layer
from netgraph.graph.arguments import Network, as_graph, as_graphs
from netgraph.graph.netgraph import NetGraph


def output_layer(architecture: Architecture) -> tuple[TensorSpec, TensorSpec] | None:
    """Return the weight, [outputs, fan-in], and the bias of the last layer, if that is linear and has both."""
    last = len(architecture.layers) - 1
    tensors = [tensor for tensor in architecture.tensors if tensor.layer == last]
    if architecture.layers[last].type != "Linear" or len(tensors) < 2:
        return None
    weight, bias = tensors
    return weight, bias


def with_outputs(graph: NetGraph, n_outputs: int) -> NetGraph:
    """Return a network with the same hidden layers and a linear output layer of ``n_outputs`` units, its weights 0.

    A network with as many outputs is returned as it is.

    Example:
        >>> from netgraph import from_module
        >>> with_outputs(from_module(torch.nn.Linear(2, 1)), 3).architecture
        Input(2) > Linear(3)
    """
    *hidden, last = graph.architecture.layers
    if last.size == n_outputs:
        return graph
    architecture = Architecture((*hidden, make_layer("Linear", last.inputs[:1], n_outputs)))
    zeros = sum(tensor.size for tensor in architecture.tensors if tensor.layer == len(hidden))
    kept = architecture.state_size - zeros
    return NetGraph(architecture, torch.cat([graph.state[:kept], graph.state.new_zeros(zeros)]))


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

    The networks share the input; their last hidden layers are concatenated and feed one linear layer.

    Args:
        graphs: Networks with the same inputs and outputs, each with a linear output layer with a bias.
        weights: Weight of each.

    Raises:
        NetGraphError: When a network ends in another layer, or has another number of outputs.

    Example:
        >>> from netgraph import from_module
        >>> nets = [from_module(torch.nn.Sequential(torch.nn.Linear(3, n), torch.nn.Linear(n, 1))) for n in (4, 5)]
        >>> weighted_sum(nets, [0.5, 0.5]).architecture
        Input(3) > Linear(4) > Linear(5) > Concat(9) > Linear(1)
    """
    graphs = as_graphs(graphs, "weighted_sum")
    first = graphs[0].architecture
    layers, ends, states, output_weights = [first.layers[0]], [], [], []
    biases = torch.zeros(first.n_outputs)
    for graph, weight in zip(graphs, weights, strict=True):
        output = output_layer(graph.architecture)
        if output is None or graph.architecture.n_outputs != first.n_outputs:
            last = graph.architecture.layers[-1].type
            raise NetGraphError(f"a network that ends in {last} cannot join an ensemble")
        start, end = output[0].offset, output[1].offset
        ends.append(append_hidden(layers, graph.architecture))
        states.append(graph.state[:start])
        output_weights.append(weight * graph.state[start:end].view(first.n_outputs, -1))
        biases = biases + weight * graph.state[end : end + first.n_outputs]
    if len(ends) > 1:
        layers.append(Layer("Concat", tuple(ends), sum(layers[i].size for i in ends)))
        ends = [len(layers) - 1]
    layers.append(Layer("Linear", (ends[0],), first.n_outputs, hyper=first.layers[-1].hyper))
    state = torch.cat([*states, torch.cat(output_weights, dim=1).flatten(), biases])
    return NetGraph(Architecture(tuple(layers)), state)


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
