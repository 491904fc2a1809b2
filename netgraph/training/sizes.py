"""Sizes of a model, derived from a zoo before any work, and the networks that a model cannot be trained on."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture, Layer
from netgraph.graph.modules.program import Program
from netgraph.model.config import VAEConfig
from netgraph.model.coverage import SETTINGS
from netgraph.model.vae import NetVAE
from netgraph.zoo import Zoo
from netgraph.zoo.manifest import ShardSizes
from netgraph.zoo.sizes import network_sizes, sum_up

#: Most nodes of a network. Chosen: attention grows with the square of the tokens, about half as many as nodes; at 1,024
#: nodes the weights of one layer's attention take half a gigabyte for a batch of 64 networks and 2 heads.
MOST_NODES = 1024
#: Most state elements of a network: as many as the largest size of a checkpoint.
MOST_STATE = 2**16
#: Most outputs of a network (chosen: each then has two numbers of a function code of 64).
MOST_OUTPUTS = 32
#: Fewest incoming numbers of a node: those of a BatchNorm1d.
LEAST_FAN = 4
#: Share of the networks whose linear layers are pooled apart; those of deeper ones share some.
OWN_POOLS = 0.995
#: Reasons that a message lists.
_SHOWN = 4


@dataclass(frozen=True)
class Limits:
    """Limits of the networks that a model is trained on.

    Attributes:
        nodes: Most nodes.
        state: Most state elements.
        outputs: Most outputs.
        fan: Most incoming weights of a node; None for no limit.
        counts: Numbers of inputs and of outputs; None for any.
        types: Layer types; None for all.
    """

    nodes: int = MOST_NODES
    state: int = MOST_STATE
    outputs: int = MOST_OUTPUTS
    fan: int | None = None
    counts: tuple[frozenset[int], frozenset[int]] | None = None
    types: frozenset[str] | None = None

    @classmethod
    def of(cls, start: NetVAE | None) -> "Limits":
        """Return the limits of a model of its own sizes, or of one that is trained further."""
        if start is None:
            return cls()
        config, coverage = start.config, start.coverage
        counts = coverage.inputs, coverage.outputs
        return cls(config.max_nodes, config.weight_size, config.max_outputs, config.max_fan, counts, coverage.types)

    def admit(self, sizes: ShardSizes) -> bool:
        """Return whether all networks that are summed up are within the limits; False where that cannot be told."""
        fits = sizes.nodes <= self.nodes and sizes.state <= self.state and sizes.outputs <= self.outputs
        decoded = all(tuple(setting.split(".")) in SETTINGS for setting in sizes.settings)
        return fits and decoded and not sizes.general and self.types is None

    def reason(self, architecture: Architecture | Program) -> str | None:
        """Return the reason for which a model cannot be trained on a network; None where it can."""
        if isinstance(architecture, Program):
            return "that are not feed-forward"
        sizes = network_sizes(architecture)
        if sizes.outputs > self.outputs:
            return f"of more than {self.outputs} outputs (max_outputs)"
        if sizes.nodes > self.nodes:
            return f"of more than {self.nodes:,} nodes (max_nodes)"
        if sizes.state > self.state:
            return f"of more than {self.state:,} numbers (weight_size)"
        if self.fan is not None and sizes.fan > self.fan:
            return f"of more than {self.fan} weights a node (max_fan)"
        for name, known in zip(("inputs", "outputs"), self.counts or (), strict=False):
            if getattr(sizes, name) not in known:
                return f"with {getattr(sizes, name)} {name}, which the checkpoint does not cover"
        return next(filter(None, map(self._layer_reason, architecture.layers)), None)

    def _layer_reason(self, layer: Layer) -> str | None:
        if self.types is not None and layer.type not in self.types:
            return f"with layers of type {layer.type}, which the checkpoint does not cover"
        for name, value in layer.hyper:
            if (layer.type, name) not in SETTINGS:
                return f"with {layer.type} of {name}={value!r}, which no model decodes"
        return None


def config_for(
    zoo: Zoo, config: VAEConfig | None = None, *, start: NetVAE | None = None, skip_too_large: bool = False
) -> VAEConfig:
    """Return a model's configuration with room for every network of a zoo, held-out ones included.

    Only the manifest is read, and where a network does not fit the architectures, so that a zoo that no model can be
    trained on is refused at once.

    Args:
        zoo: The zoo.
        config: Everything else; the defaults when None.
        start: A model that is trained further, whose sizes are kept.
        skip_too_large: Whether networks that a model cannot be trained on are left out.

    Returns:
        A configuration whose ``max_inputs``, ``max_outputs``, ``max_nodes``, ``max_fan``, ``depths`` and
        ``weight_size`` are the zoo's.

    Raises:
        NetGraphError: When the zoo has no networks, or some that a model cannot be trained on: too large ones, others
            than feed-forward ones, or beyond the model that is trained further.

    Example:
        >>> config_for(Zoo("my_zoo")).max_inputs
        5
    """
    return fit_to_zoo(zoo, config, start, skip_too_large)[0]


def fit_to_zoo(
    zoo: Zoo, config: VAEConfig | None, start: NetVAE | None, skip_too_large: bool
) -> tuple[VAEConfig, frozenset[int]]:
    """Return the configuration of :func:`config_for`, and the numbers of the networks that are left out."""
    if not len(zoo):
        raise NetGraphError(f"{zoo.folder}: no networks to train on")
    limits, left_out = Limits.of(start), frozenset[int]()
    whole = len(zoo) == zoo.len()
    sizes = zoo.sizes if whole else sum_up(zoo.architectures())
    if not limits.admit(sizes):
        architectures = list(zoo.architectures())
        reasons = {i: reason for i, one in enumerate(architectures) if (reason := limits.reason(one)) is not None}
        left_out = frozenset(reasons)
        if reasons and (not skip_too_large or len(reasons) == len(architectures)):
            raise NetGraphError(f"{zoo.folder}: {_describe(reasons.values(), len(zoo), skip_too_large)}")
        sizes = sum_up(one for i, one in enumerate(architectures) if i not in reasons)
    return (_resized(config or VAEConfig(), sizes) if start is None else start.config), left_out


def _describe(reasons: Iterable[str], n: int, skipped: bool) -> str:
    counted = Counter(reasons)
    listed = [f"{count:,} {reason}" for reason, count in counted.most_common(_SHOWN)]
    if (others := counted.total() - sum(count for _, count in counted.most_common(_SHOWN))) > 0:
        listed.append(f"{others:,} others")
    remedy = "none is left" if skipped else "--skip-too-large leaves them out"
    return f"a model cannot be trained on {counted.total():,} of {n:,} networks: {', '.join(listed)}; {remedy}"


def _resized(config: VAEConfig, sizes: ShardSizes) -> VAEConfig:
    """Return a configuration with room for networks."""
    depth = np.repeat(np.arange(len(sizes.depths)), sizes.depths)
    return replace(
        config,
        max_inputs=sizes.inputs,
        max_outputs=sizes.outputs,
        max_nodes=sizes.nodes,
        max_fan=max(LEAST_FAN, sizes.fan),
        depths=min(config.architecture_size - 2, max(1, int(np.quantile(depth, OWN_POOLS, method="higher")))),
        weight_size=sizes.state,
    )
