"""Random architectures and initial weights."""

import torch
from torch import Generator, Tensor

from netgraph.graph.architecture import Architecture, Layer, make_layer
from netgraph.zoo.recipe import Weights, ZooRecipe


def choose(weights: Weights, generator: Generator) -> str:
    """Draw one of the weighted names."""
    drawn = torch.multinomial(torch.tensor(list(weights.values()), dtype=torch.float64), 1, generator=generator)
    return list(weights)[int(drawn)]


def integer(low: int, high: int, generator: Generator) -> int:
    """Draw an integer, both ends included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def draw_architecture(recipe: ZooRecipe, n_inputs: int, generator: Generator) -> Architecture:
    """Draw the architecture of a network with one output."""
    layers = [make_layer("Input", (), n_inputs, "x")]

    def add(kind: str, inputs: tuple[int, ...], size: int, hyper: dict[str, bool] | None = None) -> int:
        layers.append(make_layer(kind, inputs, size, str(len(layers) - 1), dict(hyper or {})))
        return len(layers) - 1

    for _ in range(int(choose(recipe.depths, generator))):
        width = integer(*recipe.widths, generator)
        has_bias = bool(torch.rand((), generator=generator) < recipe.bias)
        linear = add("Linear", (len(layers) - 1,), width, {"bias": has_bias})
        normalization = choose(recipe.normalizations, generator)
        if normalization != "none":
            add(normalization, (len(layers) - 1,), width)
        activation = add(choose(recipe.activations, generator), (len(layers) - 1,), width)
        _add_skip(layers, choose(recipe.skips, generator), linear, activation)
    add("Linear", (len(layers) - 1,), 1)
    return Architecture(tuple(layers))


def _add_skip(layers: list[Layer], skip: str, linear: int, activation: int) -> None:
    name, width = str(len(layers) - 1), layers[activation].size
    if skip == "Add":
        layers.append(make_layer("Add", (activation, linear), width, name))
    elif skip == "Concat":
        layers.append(make_layer("Concat", (activation, 0), width + layers[0].size, name))


def initialize(architecture: Architecture, generator: Generator) -> Tensor:
    """Draw the initial state as PyTorch does: weights and biases of a Linear from U(-a, a), a = 1 / sqrt(fan_in).

    Returns:
        The flat state, [P].
    """
    state = torch.zeros(architecture.state_size)
    for tensor in architecture.tensors:
        layer = architecture.layers[tensor.layer]
        inside = slice(tensor.offset, tensor.offset + tensor.size)
        if layer.type == "Linear":
            bound = architecture.layers[layer.inputs[0]].size ** -0.5
            state[inside] = bound * (2 * torch.rand(tensor.size, generator=generator) - 1)
        elif tensor.slot.kind in ("edge", "variance"):
            state[inside] = 1.0
    return state
