"""Sources of candidate networks: one protocol, networks of the model, and networks with initial weights."""

import warnings
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.edit import prepend_linear, with_outputs
from netgraph.graph.netgraph import NetGraph
from netgraph.inputs import checkpoint_path
from netgraph.model import NetVAE
from netgraph.zoo import ArchitectureRecipe, ZooRecipe, draw_architecture, initialize

#: Least and largest number of units of a layer of small random networks; chosen: some 10 to 300 parameters.
SMALL_WIDTHS = (2, 8)
#: Least deviation of standardized rows along a direction that is read; what is below it is rounding.
SMALLEST = 1e-5


class Candidates(Protocol):
    """Source of candidate networks for a data set.

    A subclass, or any object with :meth:`sample`, is one. The search solves every candidate's output layer by ridge
    regression, of classes on their one-hot rows, scores it by its error on rows that it was not fitted to, and trains
    the best ones.

    Attributes:
        uses_targets: Whether the weights depend on ``y``. Such candidates are scored by K-fold refits: they are sampled
            again without each fold, with the same ``n`` and ``seed``. With False, which costs a sixth of the time, they
            are scored by leaving one row out.
        trainable: Whether the best candidates' hidden weights are trained.

    Example:
        >>> import torch
        >>> from netgraph import NetGraphRegressor, from_module
        >>> from netgraph.search import Candidates
        >>> class Narrow(Candidates):
        ...     uses_targets = False
        ...
        ...     def sample(self, n, X, y, seed):
        ...         generator = torch.Generator().manual_seed(seed)
        ...         graphs = []
        ...         for width in torch.randint(1, 9, (n,), generator=generator).tolist():
        ...             hidden = torch.nn.Linear(X.shape[1], width)
        ...             torch.nn.init.normal_(hidden.weight, std=X.shape[1] ** -0.5, generator=generator)
        ...             torch.nn.init.normal_(hidden.bias, generator=generator)
        ...             output = torch.nn.Linear(width, y.shape[1])
        ...             torch.nn.init.zeros_(output.weight)
        ...             torch.nn.init.zeros_(output.bias)
        ...             graphs.append(from_module(torch.nn.Sequential(hidden, torch.nn.Tanh(), output)))
        ...         return graphs
        >>> X = torch.linspace(-2, 2, 90).reshape(-1, 3).numpy()
        >>> model = NetGraphRegressor(candidates=[Narrow()], n_candidates=8, max_seconds=1).fit(X, X[:, 0] ** 2)
        >>> bool(model.score(X, X[:, 0] ** 2) > 0.9)
        True
    """

    uses_targets: bool = True
    trainable: bool = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        """Return at most ``n`` networks; fewer mean that the source is exhausted.

        Args:
            n: Number of networks, at least 1.
            X: Standardized features, [rows, features] float32.
            y: Standardized targets, or one-hot classes, [rows, outputs] float32.
            seed: The same arguments and seed give the same networks.

        Returns:
            Networks with ``features`` inputs and ``outputs`` outputs.
        """
        ...


class Random(Candidates):
    """Random architectures with PyTorch's initial weights.

    Args:
        recipe: Distribution of architectures; that of the recipe ``full`` when None.
    """

    uses_targets = False

    def __init__(self, recipe: ArchitectureRecipe | None = None) -> None:
        self.recipe = recipe

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        """Return n networks."""
        recipe = self.recipe or _full_recipe()
        generator = Generator().manual_seed(seed)
        architectures = [draw_architecture(recipe, X.shape[1], generator, y.shape[1]) for _ in range(n)]
        return [NetGraph(architecture, initialize(architecture, generator)) for architecture in architectures]


@cache
def _full_recipe() -> ArchitectureRecipe:
    return ZooRecipe.load("full").architectures


def small_recipe() -> ArchitectureRecipe:
    """Return the recipe ``full`` with one or two hidden layers of few units, which are trained fastest."""
    plain = {"none": 1.0}
    depths = {"1": 1.0, "2": 1.0}
    return replace(_full_recipe(), depths=depths, widths=SMALL_WIDTHS, normalizations=plain, skips=plain, mixed=0.0)


class Generated(Candidates):
    """Networks that a :class:`~netgraph.model.vae.NetVAE` writes for the rows.

    Function codes are drawn from q(f | X, y), and architectures for them from the prior; the hypernet alone writes the
    weights, as the best candidates are trained. Of more columns than the checkpoint covers, networks read as many
    partial least squares components (Wold et al. 1984) as it covers. Of several targets, each network is written for
    one of their principal components, and gets an output for each of them.

    Args:
        model: The model, or the file of a checkpoint; the checkpoint that ships when None.
        device: Where a checkpoint is loaded, ``cpu`` or ``cuda``.
    """

    def __init__(self, model: NetVAE | str | Path | None = None, device: str = "cpu") -> None:
        self.model = model
        self.device = device

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        """Return n networks."""
        vae = self.model if isinstance(self.model, NetVAE) else shared_model(self.model, self.device)
        projection = pls_directions(X, y, covered_inputs(vae, X.shape[1]))
        rows, graphs, targets = project(X, projection), [], principal_targets(y)
        for number, target in enumerate(targets.T[:n]):
            share = len(range(number, n, targets.shape[1]))
            graphs += vae.sample(share, X=rows, y=target, seed=seed + number, steps=0)
        return prepended([with_outputs(graph, y.shape[1]) for graph in graphs], projection)


def principal_targets(y: Tensor) -> Tensor:
    """Return the standardized principal components of targets, [rows, outputs], by falling variance; one as it is.

    Returns:
        [rows, components] float32, without components that are 0, but for the first.
    """
    if y.shape[1] == 1:
        return y
    centered = y.double() - y.double().mean(dim=0)
    variances, axes = torch.linalg.eigh(centered.T @ centered / len(y))
    kept = variances > SMALLEST * variances[-1]
    kept[-1] = True
    components: Tensor = centered @ axes[:, kept] / variances[kept].clamp(min=SMALLEST**2).sqrt()
    return components.flip(1).float()


def project(X: Tensor, projection: Tensor | None) -> Tensor:
    """Return features along directions, [features, components]; as they are without."""
    return X if projection is None else (X.double() @ projection).float()


def prepended(graphs: list[NetGraph], projection: Tensor | None) -> list[NetGraph]:
    """Return networks that read all features, from networks of their projection."""
    return graphs if projection is None else [prepend_linear(graph, projection) for graph in graphs]


def covered_inputs(vae: NetVAE, columns: int) -> int:
    """Return the largest number of inputs up to ``columns`` that a checkpoint covers."""
    return max((count for count in vae.coverage.inputs if count <= columns), default=columns)


def pls_directions(X: Tensor, y: Tensor, most: int) -> Tensor | None:
    """Return directions of partial least squares, along each of which the rows have deviation 1.

    Returns:
        [features, most] float64, 0 where the rows span fewer directions; None where there are no more features.
    """
    from sklearn.cross_decomposition import PLSRegression

    if X.shape[1] <= most:
        return None
    features = X.double().numpy()
    rank = int(np.linalg.matrix_rank(features - features.mean(axis=0)))
    directions = np.zeros((X.shape[1], most))
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # fewer components fit the target exactly
        fitted = PLSRegression(max(1, min(most, rank)), scale=False).fit(features, y.numpy()).x_rotations_
    deviation = (features @ fitted).std(axis=0)
    directions[:, : fitted.shape[1]] = np.divide(fitted, deviation, where=deviation > SMALLEST, out=0 * fitted)
    return torch.from_numpy(directions)


def shared_model(checkpoint: str | Path | None, device: str = "cpu") -> NetVAE:
    """Return the model in a file, read once in a process, and again when the file has changed.

    Raises:
        NetGraphError: When it is no path.
    """
    if not isinstance(checkpoint, str | Path | None):
        raise NetGraphError(f"checkpoint is of {type(checkpoint).__name__}; the path of a file, or None")
    path = checkpoint_path(checkpoint).absolute()
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0, device)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, device: str) -> NetVAE:
    return NetVAE.from_pretrained(path).to(device)
