"""Limits of decoded networks."""

from dataclasses import dataclass
from itertools import groupby

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.layers import BY_CODE, LAYER_TYPES

_LINEAR, _ADD, _CONCAT, _INPUT = (LAYER_TYPES[name].code for name in ("Linear", "Add", "Concat", "Input"))


@dataclass(frozen=True)
class Limits:
    """Limits of decoded networks.

    Attributes:
        nodes: Budget of nodes; at least the numbers of inputs and outputs.
        types: Codes of the layer types that may be opened; all when None. Linear always may, and so may Concat, unless
            one layer at most is loose, or two for no longer than one layer and Add may join them: completing a network
            can need them.
        layers: Budget of layers, inputs included; at least 2. None, here and below, for no limit but that of nodes.
        units: Most nodes of a linear layer that is not the output.
        loose: Most layers that no layer reads yet, at least 1: the branches of a network.
        apart: Most layers in a row after which more than one is loose: the length of branches.
    """

    nodes: int
    types: frozenset[int] | None = None
    layers: int | None = None
    units: int | None = None
    loose: int | None = None
    apart: int | None = None

    def __post_init__(self) -> None:
        """Refuse limits that no network keeps.

        Raises:
            NetGraphError: It names the limit.
        """
        least = {"nodes": 2, "layers": 2, "units": 1, "loose": 1, "apart": 0}
        for name, value in least.items():
            if getattr(self, name) is not None and getattr(self, name) < value:
                raise NetGraphError(f"limits: {name} is {getattr(self, name)}; at least {value}")

    @property
    def pairs(self) -> bool:
        """Whether no Concat may be opened, since an Add always can join the two layers that are loose at most."""
        few = self.loose is not None and self.loose <= 2 and self.apart is not None and self.apart <= 1
        if self.types is None or _CONCAT in self.types:
            return False
        return self.loose == 1 or (few and _ADD in self.types)

    @property
    def openable(self) -> frozenset[int]:
        """Codes of the layer types that may be opened."""
        if self.types is None:
            return frozenset(BY_CODE) - {_INPUT}
        return (self.types | ({_LINEAR} if self.pairs else {_LINEAR, _CONCAT})) - {_INPUT}


def loose_after(architecture: Architecture) -> list[int]:
    """Count the layers that nothing reads yet after each layer, from left to right."""
    loose: set[int] = set()
    counts = []
    for i, layer in enumerate(architecture.layers):
        loose -= set(layer.inputs)
        loose.add(i)
        counts.append(len(loose))
    return counts


def longest_apart(architecture: Architecture) -> int:
    """Count the layers in a row after which more than one is loose, at most."""
    runs = groupby(loose_after(architecture), key=lambda count: count > 1)
    return max([len(list(run)) for apart, run in runs if apart], default=0)
