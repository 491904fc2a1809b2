"""What the latent space tells of networks: linear probes of validation error, size, depth, activation, task family."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.linear_probes import (
    LabelProbe,
    ValueProbe,
    depth,
    main_activation,
    probe_label,
    probe_value,
)
from netgraph.graph.netgraph import NetGraph

#: Validation errors below this one count as this one.
_LEAST_ERROR = 1e-6


@dataclass(frozen=True)
class Described:
    """Networks with what probes are to read from their latents.

    Attributes:
        graphs: n networks of a zoo, with ``r2``, as ``zoo[i]`` gives them.
        families: Task family of each.
        z: Latents, [n, latent].
    """

    graphs: Sequence[NetGraph]
    families: Sequence[str]
    z: Tensor


VALUES: dict[str, Callable[[NetGraph], float]] = {
    "log10 of the validation error (1 - R²)": lambda graph: math.log10(max(_LEAST_ERROR, 1 - graph.r2)),
    "log10 of the number of parameters": lambda graph: math.log10(max(1, graph.architecture.state_size)),
    "depth (hidden layers)": lambda graph: float(depth(graph.architecture)),
}


def probe_latents(train: Described, held_out: Described) -> dict[str, ValueProbe | LabelProbe]:
    """Fit linear probes on networks of training tasks and test them on networks of held-out tasks.

    Returns:
        By what is read: the base-10 logarithm of the validation error (1 - R^2, in variances of the target; at least
        1e-6), that of the number of parameters, the depth, the most frequent activation and the task family.

    Raises:
        NetGraphError: When there are fewer than 2 networks on a side, or their latents are all the same.
    """
    if not train.graphs or not held_out.graphs:
        raise NetGraphError(f"linear probes of {len(train.graphs)} and {len(held_out.graphs)} networks")
    found: dict[str, ValueProbe | LabelProbe] = {}
    for name, value in VALUES.items():
        ours, theirs = ([value(graph) for graph in part.graphs] for part in (train, held_out))
        found[name] = probe_value(train.z, ours, held_out.z, theirs)
    labels = [[main_activation(graph.architecture) for graph in part.graphs] for part in (train, held_out)]
    found["activation (most frequent)"] = probe_label(train.z, labels[0], held_out.z, labels[1])
    found["task family"] = probe_label(train.z, train.families, held_out.z, held_out.families)
    return found
