"""Arguments of the model, checked: networks, architectures, rows of a data set, latents, whole numbers."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch_geometric.data import Data

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.arguments import as_feed_forward
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize
from netgraph.model.coverage import Coverage
from netgraph.reading import is_whole

#: Values beyond it are of no standardized data set (chosen).
LARGEST = 1e6


def as_canonical(networks: Any, coverage: Coverage) -> list[NetGraph]:
    """Return networks, graphs or modules, in canonical form.

    Raises:
        NetGraphError: When there is none, something is no network, a network is not covered, or a weight not finite.
    """
    if isinstance(networks, Data | nn.Module) or not isinstance(networks, Iterable):
        kind = type(networks).__name__
        raise NetGraphError(f"networks to encode: expected a list of graphs or modules, got {kind}; put it in a list")
    graphs = [as_feed_forward(network, f"network {i}", "the model") for i, network in enumerate(networks)]
    if not graphs:
        raise NetGraphError("no networks to encode")
    for i, graph in enumerate(graphs):
        coverage.check(graph.architecture, f"network {i}")
        if not graph.state.isfinite().all():
            raise NetGraphError(f"network {i}: a weight is not finite")
    return [canonicalize(graph) for graph in graphs]


def as_architectures(given: Any, counts: Sequence[Sequence[int]]) -> list[Architecture]:
    """Return the architectures of n networks.

    Args:
        given: An architecture, a graph or a module for all networks, or one each.
        counts: Numbers of inputs and outputs of each network.

    Raises:
        NetGraphError: When there are more or fewer, or one has other numbers of inputs or outputs.
    """
    if isinstance(given, Iterable) and not isinstance(given, Data | nn.Module):
        listed = list(given)
        if len(listed) != len(counts):
            raise NetGraphError(f"{len(listed)} architectures for {len(counts)} networks")
        found = [_architecture(network, f"architecture {i}") for i, network in enumerate(listed)]
    else:
        found = [_architecture(given, "architecture")] * len(counts)
    for i, (architecture, (n_inputs, n_outputs)) in enumerate(zip(found, counts, strict=True)):
        if architecture.n_inputs != n_inputs:
            raise NetGraphError(f"architecture {i} has {architecture.n_inputs} inputs; its function reads {n_inputs}")
        if architecture.n_outputs != n_outputs:
            raise NetGraphError(f"architecture {i} has {architecture.n_outputs} outputs; its function has {n_outputs}")
    return found


def _architecture(given: Any, name: str) -> Architecture:
    return given if isinstance(given, Architecture) else as_feed_forward(given, name, "the model").architecture


def as_rows(
    X: ArrayLike | None, y: ArrayLike | None, n_inputs: int | None = None, n_outputs: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the rows of a data set as tensors, X [rows, features] and y [rows, outputs], of y [rows] too.

    Raises:
        NetGraphError: When one is missing, they are no numbers, a shape is another, there are fewer than two rows, a
            value is not finite, or ``n_inputs`` or ``n_outputs`` is given and not the number of columns.
    """
    if (X is None) != (y is None):
        raise NetGraphError(f"{'y' if X is None else 'X'} is given without {'X' if X is None else 'y'}")
    try:
        x, target = (torch.as_tensor(np.asarray(values), dtype=torch.float32) for values in (X, y))
    except (TypeError, ValueError):
        raise NetGraphError("X and y: expected numbers, [rows, features] and [rows, outputs]") from None
    shapes = f"X {tuple(x.shape)} and y {tuple(target.shape)}"
    target = target[:, None] if target.ndim == 1 else target
    if x.ndim != 2 or target.ndim != 2 or len(target) != len(x) or len(x) < 2 or not (x.shape[1] and target.shape[1]):
        raise NetGraphError(f"{shapes}; expected [rows, features] and [rows, outputs], at least two rows")
    if not (x.abs().max() < LARGEST and target.abs().max() < LARGEST):
        raise NetGraphError(f"X or y: a value is not finite, or beyond {LARGEST:g}; standardize columns and target")
    if n_inputs not in (None, x.shape[1]):
        raise NetGraphError(f"n_inputs is {n_inputs!r}; the rows have {x.shape[1]} columns")
    if n_outputs not in (None, target.shape[1]):
        raise NetGraphError(f"n_outputs is {n_outputs!r}; the targets have {target.shape[1]} columns")
    return x, target


def as_latents(values: Any, size: int, like: Tensor) -> Tensor:
    """Return latents, or their first numbers, as a tensor of another's type and device, [n, k], k at most ``size``.

    Raises:
        NetGraphError: When they are no numbers, have another shape, or are not finite, or there are none.
    """
    try:
        z = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        raise NetGraphError(f"z is a {type(values).__name__}; expected numbers, [n, 1 to {size}]") from None
    if z.ndim != 2 or not 1 <= z.shape[1] <= size or not len(z):
        raise NetGraphError(f"z has shape {tuple(z.shape)}; expected [n, 1 to {size}], n at least 1")
    if z.is_complex():
        raise NetGraphError("z is complex; expected real numbers")
    z = z.to(like)
    for i in (~z.isfinite()).any(dim=1).nonzero().flatten().tolist():
        raise NetGraphError(f"z[{i}] is not finite")
    return z


def check_whole(value: Any, name: str, least: int = 0, most: int = 2**63) -> None:
    """Raise if a value is no whole number from ``least`` to ``most``.

    Raises:
        NetGraphError: It names the value.
    """
    if not is_whole(value, least) or value > most:
        span = f"at least {least}" if most == 2**63 else f"{least} to {most}"
        raise NetGraphError(f"{name} is {value!r}; it must be a whole number, {span}")


def seeded(seed: int | None) -> torch.Generator:
    """Return a generator with a seed, with a new one when None.

    Raises:
        NetGraphError: When it is no whole number from 0 on.
    """
    generator = torch.Generator()
    if seed is None:
        generator.seed()
        return generator
    check_whole(seed, "seed")
    return generator.manual_seed(int(seed))
