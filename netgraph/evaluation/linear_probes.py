"""Linear probes (Alain & Bengio 2016): properties of networks read from latents, on networks of held-out tasks."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph

Floats = npt.NDArray[np.float64]

#: Penalties of the ridge regression, of which leave-one-out errors choose one; columns are standardized.
PENALTIES = (1e-1, 1e0, 1e1, 1e2, 1e3, 1e4)
#: Inverse penalty of the logistic regression.
INVERSE_PENALTY = 0.03
#: A latent number that deviates by less than this share of the one that deviates most is taken as constant.
CONSTANT = 1e-3
#: Validation errors below this one count as this one.
_LEAST_ERROR = 1e-6


@dataclass(frozen=True)
class ValueProbe:
    """A value read from latents by ridge regression.

    Attributes:
        r2: R^2 on held-out networks.
        tau: Kendall's tau-b on them, in [-1, 1]; 0 where the prediction is constant.
    """

    r2: float
    tau: float


@dataclass(frozen=True)
class LabelProbe:
    """A label read from latents by logistic regression.

    Attributes:
        accuracy: Share of held-out networks whose label is right.
        majority: Share that is right when every network is given the most frequent label of the others.
    """

    accuracy: float
    majority: float


def probe_value(z: Tensor, values: Sequence[float], held_out_z: Tensor, held_out: Sequence[float]) -> ValueProbe:
    """Fit a linear map from latents to a value and test it on held-out networks.

    Args:
        z: Latents, [n, latent]; those numbers that are constant are left out.
        values: The value of each, [n].
        held_out_z: Latents of networks of other tasks, [m, latent].
        held_out: Their values, [m].

    Raises:
        NetGraphError: When there are fewer than 2 networks on a side, lengths differ, or every latent number is
            constant.
    """
    from scipy.stats import kendalltau
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score

    x, held_out_x = _features(z, held_out_z, len(values), len(held_out))
    predicted = RidgeCV(alphas=PENALTIES).fit(x, np.asarray(values)).predict(held_out_x)
    tau = float(kendalltau(predicted, held_out).statistic)
    return ValueProbe(float(r2_score(held_out, predicted)), 0.0 if math.isnan(tau) else tau)


def probe_label(z: Tensor, labels: Sequence[str], held_out_z: Tensor, held_out: Sequence[str]) -> LabelProbe:
    """Fit a linear classifier of latents and test it on held-out networks; arguments, errors as :func:`probe_value`.

    Raises:
        NetGraphError: Also when all labels are the same.
    """
    from sklearn.linear_model import LogisticRegression

    x, held_out_x = _features(z, held_out_z, len(labels), len(held_out))
    if len(set(labels)) < 2:
        raise NetGraphError(f"a linear probe of one label only, {labels[0]!r}")
    predicted = LogisticRegression(C=INVERSE_PENALTY, max_iter=2000).fit(x, np.asarray(labels)).predict(held_out_x)
    most_frequent = Counter(labels).most_common(1)[0][0]
    right = np.asarray(held_out)
    return LabelProbe(float((predicted == right).mean()), float((right == most_frequent).mean()))


def _features(z: Tensor, held_out_z: Tensor, n: int, m: int) -> tuple[Floats, Floats]:
    """Return the latents without constant columns, standardized with the first latents' mean and deviation."""
    if len(z) != n or len(held_out_z) != m or min(n, m) < 2:
        raise NetGraphError(f"a linear probe of {len(z)} and {len(held_out_z)} latents for {n} and {m} values")
    x, held_out_x = (rows.detach().cpu().double().numpy() for rows in (z, held_out_z))
    deviation = x.std(axis=0)
    kept = deviation > CONSTANT * deviation.max()
    if not kept.any():
        raise NetGraphError("a linear probe of latents that are all the same")
    mean, scale = x[:, kept].mean(axis=0), deviation[kept]
    return (x[:, kept] - mean) / scale, (held_out_x[:, kept] - mean) / scale


def depth(architecture: Architecture) -> int:
    """Count the hidden layers: elementwise layers but Dropout."""
    return len(_activations(architecture))


def main_activation(architecture: Architecture) -> str:
    """Return the activation of most hidden layers, the first of those with equally many; ``none`` without any."""
    return next((name for name, _ in Counter(_activations(architecture)).most_common(1)), "none")


def _activations(architecture: Architecture) -> list[str]:
    return [row.type for row in architecture.layers if row.kind.kind == "elementwise" and row.type != "Dropout"]


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
    values = {
        "log10 of the validation error (1 - R²)": lambda graph: math.log10(max(_LEAST_ERROR, 1 - graph.r2)),
        "log10 of the number of parameters": lambda graph: math.log10(max(1, graph.architecture.state_size)),
        "depth (hidden layers)": lambda graph: float(depth(graph.architecture)),
    }
    for name, value in values.items():
        ours, theirs = ([value(graph) for graph in part.graphs] for part in (train, held_out))
        found[name] = probe_value(train.z, ours, held_out.z, theirs)
    labels = [[main_activation(graph.architecture) for graph in part.graphs] for part in (train, held_out)]
    found["activation (most frequent)"] = probe_label(train.z, labels[0], held_out.z, labels[1])
    found["task family"] = probe_label(train.z, train.families, held_out.z, held_out.families)
    return found
