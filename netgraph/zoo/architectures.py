"""Random architectures."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Generator

from netgraph.graph.architecture import Architecture, Layer, make_layer
from netgraph.graph.layers import LAYER_TYPES, HyperValue
from netgraph.tasks.inputs import choose, uniform
from netgraph.tasks.settings import Between, Range, Settings, Weights, Whole, check_settings, one_of, weighted

ACTIVATIONS = tuple(name for name, kind in LAYER_TYPES.items() if kind.kind == "elementwise" and name != "Dropout")
#: Draws of an architecture that is not among those of a task yet, before one of these is taken again.
MAX_DRAWS = 30


@dataclass(frozen=True, repr=False)
class ArchitectureRecipe(Settings):
    """Distribution of random architectures: feed-forward networks that end in a linear layer.

    A hidden layer is a linear layer, a normalization, an activation, dropout, and a skip, in this order.

    Attributes:
        depths: Weight of each number of hidden layers, 1 to 8.
        widths: Fewest and most units of a hidden layer.
        width_scale: How widths are drawn between the two: ``even``, or ``log`` (as many from 4 to 8 as from 64 to 128).
        shapes: Weight of each order of the widths: ``free`` (as they were drawn), ``constant`` (all as the first),
            ``funnel`` (falling), ``bottleneck`` (falling, then rising).
        activations: Weight of each activation of the vocabulary.
        mixed: Probability that each hidden layer draws its activation; else all share one.
        normalizations: Weight of ``none``, ``LayerNorm`` and ``BatchNorm1d``, drawn for each hidden layer.
        skips: Weight of ``none``, ``Add`` (the activation plus its pre-activation), ``Concat`` (joined with the
            inputs), ``residual`` (plus the hidden layer's input, through a linear map where the widths differ) and
            ``dense`` (joined with the hidden layer's input, hence with all layers before), drawn for each hidden layer.
        dropout: Probability that a network has dropout.
        dropout_rate: Least and largest probability of a unit's dropping, one for a network, in hundredths.
        bias: Probability that a hidden linear layer has a bias.
    """

    depths: Annotated[Weights, weighted(map(str, range(1, 9)))] = field(
        default_factory=lambda: {"1": 1.0, "2": 1.0, "3": 1.0}
    )
    widths: Annotated[Whole, Between(1, 4096)] = (4, 8)
    width_scale: Annotated[str, one_of("even", "log")] = "even"
    shapes: Annotated[Weights, weighted(("free", "constant", "funnel", "bottleneck"))] = field(
        default_factory=lambda: {"free": 1.0}
    )
    activations: Annotated[Weights, weighted(ACTIVATIONS)] = field(
        default_factory=lambda: {
            "ReLU": 0.3, "Tanh": 0.3, "Sigmoid": 0.1, "SiLU": 0.1, "GELU": 0.08, "LeakyReLU": 0.07, "ELU": 0.05,
        }
    )  # fmt: skip
    mixed: Annotated[float, Between(0, 1)] = 1.0
    normalizations: Annotated[Weights, weighted(("none", "LayerNorm", "BatchNorm1d"))] = field(
        default_factory=lambda: {"none": 0.93, "LayerNorm": 0.05, "BatchNorm1d": 0.02}
    )
    skips: Annotated[Weights, weighted(("none", "Add", "Concat", "residual", "dense"))] = field(
        default_factory=lambda: {"none": 0.92, "Add": 0.05, "Concat": 0.03}
    )
    dropout: Annotated[float, Between(0, 1)] = 0.0
    dropout_rate: Annotated[Range, Between(0, 0.9)] = (0.05, 0.3)
    bias: Annotated[float, Between(0, 1)] = 1.0

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            NetGraphError: A value is not allowed; the message names ``architectures.<key>``.
        """
        check_settings(self, "architectures")


def draw_architectures(
    recipe: ArchitectureRecipe, n_inputs: int, count: int, copies: int, generator: Generator, n_outputs: int = 1
) -> Iterator[tuple[Architecture, int]]:
    """Draw architectures of different canonical hash, each several times in a row; again where the recipe has too few.

    Args:
        recipe: Their distribution.
        n_inputs: Number of inputs.
        count: Number of architectures, copies included.
        copies: Copies of each.
        generator: The only source of randomness.
        n_outputs: Number of outputs.

    Yields:
        An architecture, and the number of the copy, from 0 on.

    Example:
        >>> drawn = draw_architectures(ArchitectureRecipe(), 3, 4, 2, torch.Generator().manual_seed(0))
        >>> [copy for architecture, copy in drawn]
        [0, 1, 0, 1]
    """
    first: dict[str, Architecture] = {}
    n_copies: dict[str, int] = {}
    while count > 0:
        for _ in range(MAX_DRAWS):
            architecture = draw_architecture(recipe, n_inputs, generator, n_outputs)
            if architecture.digest not in first:
                break
        architecture = first.setdefault(architecture.digest, architecture)
        for _ in range(min(copies, count)):
            copy = n_copies.get(architecture.digest, 0)
            n_copies[architecture.digest] = copy + 1
            yield architecture, copy
        count -= copies


def draw_architecture(
    recipe: ArchitectureRecipe, n_inputs: int, generator: Generator, n_outputs: int = 1
) -> Architecture:
    """Draw the architecture of a network.

    Example:
        >>> draw_architecture(ArchitectureRecipe(), 3, torch.Generator().manual_seed(0))
        Input(3) > Linear(6) > Sigmoid(6) > Linear(7) > GELU(7) > Linear(6) > Tanh(6) > Linear(1)
    """
    widths = _widths(recipe, generator)
    shared = choose(recipe.activations, generator)
    mixed = chance(recipe.mixed, generator)
    rate = round(uniform(*recipe.dropout_rate, generator), 2) if chance(recipe.dropout, generator) else 0.0
    layers = _Layers(n_inputs)
    for width in widths:
        entered = layers.last
        linear = layers.add("Linear", (entered,), width, {"bias": chance(recipe.bias, generator)})
        normalization = choose(recipe.normalizations, generator)
        if normalization != "none":
            layers.add(normalization, (layers.last,), width)
        layers.add(choose(recipe.activations, generator) if mixed else shared, (layers.last,), width)
        if rate:
            layers.add("Dropout", (layers.last,), width, {"p": rate})
        layers.skip(choose(recipe.skips, generator), entered, linear)
    layers.add("Linear", (layers.last,), n_outputs)
    return Architecture(tuple(layers.rows))


class _Layers:
    """A layer table that grows; the name of a layer is its index in the table."""

    def __init__(self, n_inputs: int) -> None:
        self.rows: list[Layer] = [make_layer("Input", (), n_inputs, "x")]

    @property
    def last(self) -> int:
        """Index of the last layer."""
        return len(self.rows) - 1

    def add(self, kind: str, inputs: tuple[int, ...], size: int, hyper: dict[str, HyperValue] | None = None) -> int:
        """Append a layer and return its index."""
        self.rows.append(make_layer(kind, inputs, size, str(self.last), hyper))
        return self.last

    def skip(self, kind: str, entered: int, linear: int) -> None:
        """Append a skip around a hidden layer with input ``entered`` and linear layer ``linear``."""
        last, width = self.last, self.rows[-1].size
        if kind == "Add":
            self.add("Add", (last, linear), width)
        elif kind == "residual":
            same = self.rows[entered].size == width
            self.add("Add", (last, entered if same else self.add("Linear", (entered,), width, {"bias": False})), width)
        elif kind in ("Concat", "dense"):
            joined = 0 if kind == "Concat" else entered
            self.add("Concat", (last, joined), width + self.rows[joined].size)


def _widths(recipe: ArchitectureRecipe, generator: Generator) -> list[int]:
    low, high = recipe.widths
    depth = int(choose(recipe.depths, generator))
    if recipe.width_scale == "even":
        widths = torch.randint(low, high + 1, (depth,), generator=generator).tolist()
    else:
        share = torch.rand(depth, generator=generator, dtype=torch.float64)
        widths = (low * ((high + 1) / low) ** share).long().clamp(max=high).tolist()
    return _SHAPES[choose(recipe.shapes, generator)](widths)


_SHAPES: Mapping[str, Callable[[list[int]], list[int]]] = {
    "free": list,
    "constant": lambda widths: [widths[0]] * len(widths),
    "funnel": lambda widths: sorted(widths, reverse=True),
    "bottleneck": lambda widths: [*sorted(widths, reverse=True)[::2], *sorted(widths)[len(widths) % 2 :: 2]],
}


def chance(probability: float, generator: Generator) -> bool:
    """Draw True with this probability."""
    return probability > 0 and (probability >= 1 or float(torch.rand((), generator=generator)) < probability)
