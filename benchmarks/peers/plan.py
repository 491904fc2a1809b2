"""The architectures of the benchmark's zoo, written down as the peers decode them."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from netgraph.errors import NetGraphError
from netgraph.graph import Architecture, Layer
from netgraph.graph.architecture import make_layer

ACTIVATIONS = ("ReLU", "Tanh", "Sigmoid", "SiLU", "GELU", "LeakyReLU", "ELU")


@dataclass(frozen=True)
class Level:
    """A hidden layer: a linear layer with biases and what follows it.

    Attributes:
        width: Its units.
        activation: One of ``ACTIVATIONS``.
        normalized: Whether a LayerNorm stands before the activation.
        added: Whether the linear layer's values are added to the activation's.
    """

    width: int
    activation: str = "ReLU"
    normalized: bool = False
    added: bool = False


@dataclass(frozen=True)
class Plan:
    """A network with one output: its number of inputs and its hidden layers."""

    inputs: int
    levels: tuple[Level, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return tuple(level.width for level in self.levels)


@dataclass(frozen=True)
class Bounds:
    """Sizes of the networks that the peers are made for; the defaults are those of datasets/benchmark.yaml.

    Attributes:
        inputs: Most inputs.
        depth: Most hidden layers.
        width: Most units of a hidden layer.
        least_inputs: Fewest inputs.
        least_width: Fewest units of a hidden layer.
    """

    inputs: int = 10
    depth: int = 3
    width: int = 16
    least_inputs: int = 2
    least_width: int = 4


@lru_cache(maxsize=2**15)
def architecture_of(plan: Plan) -> Architecture:
    """Lay out a plan as the zoo does."""
    rows = [make_layer("Input", (), plan.inputs, "x")]

    def add(kind: str, inputs: tuple[int, ...], size: int) -> int:
        rows.append(make_layer(kind, inputs, size, str(len(rows) - 1)))
        return len(rows) - 1

    last = 0
    for level in plan.levels:
        linear = last = add("Linear", (last,), level.width)
        if level.normalized:
            last = add("LayerNorm", (last,), level.width)
        last = add(level.activation, (last,), level.width)
        if level.added:
            last = add("Add", (last, linear), level.width)
    add("Linear", (last,), 1)
    return Architecture(tuple(rows))


@lru_cache(maxsize=2**15)
def plan_of(architecture: Architecture) -> Plan:
    """Read the plan of an architecture.

    Raises:
        NetGraphError: When it has a layer, an order or a setting that the benchmark's zoo does not have.
    """
    opened = [i for i, layer in enumerate(architecture.layers) if layer.type == "Linear"]
    spans = [architecture.layers[a:b] for a, b in pairwise(opened)]
    plan = Plan(architecture.n_inputs, tuple(_level(span) for span in spans))
    if architecture_of(plan).key != architecture.key:
        raise NetGraphError(f"{architecture}: not an architecture that datasets/benchmark.yaml draws")
    return plan


def _level(layers: tuple[Layer, ...]) -> Level:
    types = [layer.type for layer in layers]
    activations = [name for name in types if name in ACTIVATIONS]
    activation = activations[0] if activations else ACTIVATIONS[0]
    return Level(layers[0].size, activation, "LayerNorm" in types, "Add" in types)
