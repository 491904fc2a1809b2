"""What networks that a model makes read of a table of more columns than it knows: some directions of them."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from netgraph.graph.architecture import Architecture, Layer, make_layer
from netgraph.graph.netgraph import NetGraph
from netgraph.model.vae import NetVAE
from netgraph.search.data import Data, evenly_spaced
from netgraph.search.running import MOST_ROWS
from netgraph.tasks.dataset import Floats

#: Rows for each column from which on the target has a say in the directions. Errors on rows left out, which know them,
#: are then at most about a tenth of the noise too small; where there are fewer rows, the target must not be asked.
ROWS_A_COLUMN = 10
#: Least deviation along a direction, relative to the greatest.
SMALLEST = 1e-5


class Projection:
    """Directions of the columns of a data set, which become the first layer of networks that read along them.

    Partial least squares (Wold et al. 1984) where there are many rows for the columns, else principal components. A
    table of few columns is read as it is.

    Args:
        data: The rows.
        most: Most inputs of a network.

    Attributes:
        matrix: Directions, along each of which the rows have deviation 1, [columns, inputs] float64; None where all
            columns are inputs.
        note: What a user should know of them, in one line; None where all columns are inputs.
    """

    def __init__(self, data: Data, most: int) -> None:
        rows, columns = data.x.shape
        self.matrix: Tensor | None = None
        self.note: str | None = None
        if columns > most:
            x, supervised = data.x.double().numpy(), rows >= ROWS_A_COLUMN * columns
            some = evenly_spaced(rows, MOST_ROWS)
            directions = (
                _least_squares(x[some], data.y.numpy()[some], most) if supervised else _principal(x[some], most)
            )
            deviation = (x @ directions).std(axis=0)
            self.matrix = torch.from_numpy(directions / np.where(deviation > 0, deviation, 1.0))
            named = "partial least squares" if supervised else "principal components"
            count = directions.shape[1]
            self.note = f"X has {columns} columns; networks made for it read {count} projections ({named})"

    def warn(self, stacklevel: int) -> None:
        """Tell the user, as a warning of a caller so many levels up."""
        if self.note:
            warnings.warn(self.note, UserWarning, stacklevel=stacklevel + 1)

    def data(self, data: Data) -> Data:
        """Give rows as the networks read them."""
        return data if self.matrix is None else Data((data.x.double() @ self.matrix).float(), data.y)

    def networks(self, graphs: Sequence[NetGraph]) -> list[NetGraph]:
        """Give networks that read all columns, for those that read along the directions."""
        return list(graphs) if self.matrix is None else [_prepended(graph, self.matrix) for graph in graphs]


def _least_squares(x: Floats, y: Floats, most: int) -> Floats:
    from sklearn.cross_decomposition import PLSRegression

    count = _principal(x, most).shape[1]
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # that fewer explain the target
        directions: Floats = PLSRegression(count, scale=False).fit(x, y).x_rotations_
    return directions[:, _known((x @ directions).std(axis=0))]


def _principal(x: Floats, most: int) -> Floats:
    from scipy.linalg import eigh

    centered = x - x.mean(axis=0)
    wide = x.shape[1] > len(x)
    products = centered @ centered.T if wide else centered.T @ centered
    last = len(products) - 1
    squares, axes = eigh(products, subset_by_index=[max(0, last + 1 - most), last])
    lengths = squares[::-1].clip(min=0.0) ** 0.5
    known, axes = _known(lengths), axes[:, ::-1]
    found: Floats = (centered.T @ axes if wide else axes)[:, known]
    return found


def _known(lengths: Floats) -> np.ndarray:
    """Say along which directions the rows differ by more than rounding; always along the first."""
    known: np.ndarray = lengths > SMALLEST * lengths.max()
    known[0] = True
    return known


def _prepended(graph: NetGraph, matrix: Tensor) -> NetGraph:
    """Give a network with a linear layer in front of it, whose weights are a matrix, [columns, inputs]."""
    layers = graph.architecture.layers[1:]
    columns, inputs = matrix.shape
    moved = (Layer(one.type, tuple(i + 1 for i in one.inputs), one.size, hyper=one.hyper) for one in layers)
    architecture = Architecture((make_layer("Input", (), columns), make_layer("Linear", (0,), inputs), *moved))
    return NetGraph(architecture, torch.cat([matrix.T.reshape(-1).float(), torch.zeros(inputs), graph.state]))


def most_inputs(vae: NetVAE, columns: int) -> int:
    """Return the number of inputs of networks for a number of columns: the largest that the model covers."""
    read = vae.config.max_nodes if vae.generator is None else int(vae.generator.rows.max_columns)
    return max((count for count in vae.coverage.inputs if count <= min(columns, read)), default=columns)
