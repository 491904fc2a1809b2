"""Random features: wide networks whose hidden weights are drawn, scaled and never trained (Rahimi & Recht 2008).

The same scaling gives small random networks a start at the columns that matter.
"""

from collections.abc import Callable, Sequence
from typing import Any
from warnings import catch_warnings

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.netgraph import NetGraph
from netgraph.search.candidates import Candidates, Random
from netgraph.stack import Stack, solve_output_layers
from netgraph.zoo import initialize

#: Activation of each network.
ACTIVATIONS = ("ReLU", "Tanh", "GELU", "SiLU")
#: Units of the hidden layer, without and with ARD scaling; chosen: solved in about the time of training small networks.
UNITS, ARD_UNITS = 192, 384
#: Share of the identity in an AGOP scaling, so that no column is lost; chosen.
SHRINKAGE = 0.1
#: Steps of the recursive feature machine; chosen: the second still helps, and costs half of the first.
STEPS = 2
#: Rows at which gradients are taken, and rows of the Gaussian process, whose time grows with their cube; chosen.
GRADIENT_ROWS, PROCESS_ROWS = 2048, 128
#: Evaluations of the marginal likelihood, at most; chosen.
EVALUATIONS = 20


class RandomFeatures(Candidates):
    """Networks of one wide hidden layer with random weights: at most four, one of each activation.

    Args:
        scaling: Matrix that multiplies the columns. ``agop``: the average gradient outer product of random features
            fitted to the rows, as in a recursive feature machine (Radhakrishnan et al. 2024). ``ard``: the inverse
            length scales of a Gaussian process, automatic relevance determination (MacKay 1996; Neal 1996); the output
            layer then reads the columns too. None: nothing.
    """

    trainable = False

    def __init__(self, scaling: str | None = "agop") -> None:
        if scaling not in (None, "agop", "ard"):
            raise NetGraphError(f"scaling is {scaling!r}; agop, ard or None")
        self.scaling = scaling
        self.uses_targets = scaling is not None

    def __repr__(self) -> str:
        return f"RandomFeatures({self.scaling!r})"

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        """Return at most four networks."""
        columns = X.shape[1]
        if self.scaling == "ard":
            matrix = ((3 * columns) ** 0.5 / ard_length_scales(X, y)).diag()  # in units of the initial deviation
            return [scaled(graph, matrix) for graph in wide_networks(columns, ARD_UNITS, seed, True, y.shape[1])[:n]]
        initial = graphs = wide_networks(columns, UNITS, seed, n_outputs=y.shape[1])[:n]
        for _ in range(STEPS if self.scaling == "agop" else 0):
            product = agop(graphs, X, y)
            matrix = (1 - SHRINKAGE) * (product + product.diagonal().diag()) / 2 + SHRINKAGE * torch.eye(columns)
            graphs = [scaled(graph, matrix) for graph in initial]
        return graphs


class ScaledRandom(Random):
    """Random architectures with initial weights, whose columns are multiplied by the diagonal of an AGOP.

    Networks in which something else than one linear layer reads the columns stay as they are.
    """

    uses_targets = True

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        """Return n networks."""
        roots = agop(wide_networks(X.shape[1], UNITS, seed, n_outputs=y.shape[1]), X, y).diagonal().sqrt()
        matrix = ((1 - SHRINKAGE) * roots / roots.mean().clamp(min=torch.finfo(roots.dtype).tiny) + SHRINKAGE).diag()
        return [scaled(g, matrix) if _reads_linearly(g) else g for g in super().sample(n, X, y, seed)]


def _reads_linearly(graph: NetGraph) -> bool:
    readers = [i for i, layer in enumerate(graph.architecture.layers) if 0 in layer.inputs]
    return readers == [graph.architecture.tensors[0].layer] and graph.architecture.layers[readers[0]].type == "Linear"


def wide_networks(n_inputs: int, units: int, seed: int, skip: bool = False, n_outputs: int = 1) -> list[NetGraph]:
    """Return a network of one hidden layer with initial weights for each of :data:`ACTIVATIONS`.

    Args:
        n_inputs: Number of features.
        units: Units of the hidden layer.
        seed: Seed of the weights.
        skip: Whether the output layer reads the features too.
        n_outputs: Units of the output layer.
    """
    generator, graphs = Generator().manual_seed(seed), []
    for activation in ACTIVATIONS:
        layers = [make_layer("Input", (), n_inputs), make_layer("Linear", (0,), units)]
        layers.append(make_layer(activation, (1,), units))
        if skip:
            layers.append(make_layer("Concat", (2, 0), units + n_inputs))
        architecture = Architecture((*layers, make_layer("Linear", (len(layers) - 1,), n_outputs)))
        graphs.append(NetGraph(architecture, initialize(architecture, generator)))
    return graphs


def scaled(graph: NetGraph, matrix: Tensor) -> NetGraph:
    """Return a network whose first layer reads ``X @ matrix``, a symmetric matrix of [features, features]."""
    first = graph.architecture.tensors[0]
    weights = graph.state[: first.size].view(first.shape).double() @ matrix.double()
    return graph.replace(state=torch.cat([weights.flatten().to(graph.state), graph.state[first.size :]]))


@torch.enable_grad()
def agop(graphs: Sequence[NetGraph], X: Tensor, y: Tensor) -> Tensor:
    """Return the average gradient outer product of networks whose output layers are fitted to the rows.

    Args:
        graphs: Networks.
        X: Features, [rows, features].
        y: Targets, [rows, outputs]; products are added up over them.

    Returns:
        Positive semidefinite, of mean 1 on its diagonal, [features, features] float64; 0 where no network changes.
    """
    stack = Stack([graph.architecture for graph in graphs])
    state = solve_output_layers(stack, stack.flatten([graph.state for graph in graphs]), X, y).state
    rows = X[:GRADIENT_ROWS].expand(len(graphs), -1, -1).clone().requires_grad_()
    output, varied = stack(state, rows), (X[0] != X).any(dim=0)
    products = torch.zeros(len(graphs), X.shape[1], X.shape[1], dtype=torch.float64)
    for number in range(y.shape[1]):
        gradient = torch.autograd.grad(output[..., number].sum(), rows, retain_graph=True)[0] * varied
        products += (gradient.mT @ gradient).double().nan_to_num()
    mean = products.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=torch.finfo(torch.float64).tiny)
    return (products / mean[:, None, None]).mean(dim=0)


def ard_length_scales(X: Tensor, y: Tensor) -> Tensor:
    """Return the length scale of each column in a Gaussian process with automatic relevance determination.

    A smooth and a linear function plus noise, of maximum marginal likelihood (Rasmussen & Williams 2006, section 5.4).

    Args:
        X: Standardized features, [rows, features]; at most :data:`PROCESS_ROWS` rows count.
        y: Standardized targets, [rows, outputs]; the length scales are those of all.

    Returns:
        [features] float64, from 0.1 to 1,000.
    """
    from scipy.optimize import minimize
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

    def optimizer(objective: Callable[..., Any], start: np.ndarray, bounds: Any) -> tuple[np.ndarray, float]:
        options = {"maxfun": EVALUATIONS}
        found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        return found.x, found.fun

    rows = np.random.default_rng(0).permutation(len(y))[:PROCESS_ROWS]
    smooth = ConstantKernel(1.0) * RBF(np.full(X.shape[1], X.shape[1] ** 0.5), (0.1, 1e3))
    kernel = smooth + ConstantKernel(0.3) * DotProduct(0.0, "fixed") + WhiteKernel(0.3)
    process = GaussianProcessRegressor(kernel, optimizer=optimizer, normalize_y=True)
    with catch_warnings(action="ignore", category=ConvergenceWarning):  # a scale at its bound: an irrelevant column
        process.fit(X[rows].double().numpy(), y[rows].double().numpy())
    scales = torch.from_numpy(np.atleast_1d(process.kernel_.k1.k1.k2.length_scale))
    return scales.where((X[0] != X).any(dim=0), 1e3)
