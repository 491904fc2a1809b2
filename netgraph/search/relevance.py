"""How far a target goes straight on along each column, which no network has to be trained for.

A Gaussian process (Rasmussen & Williams 2006) explains a target by a smooth function, a linear one, and noise. Each
column has a length scale of its own in the smooth one; those that make the target most likely (their section 5.4.1) are
short where the target bends, and long where it is linear in a column or does not depend on it: automatic relevance
determination (MacKay 1996; Neal 1996).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from netgraph.search.data import Data
from netgraph.stack.kernel import squared_distances

#: Most rows that a process explains, whose time grows with their cube.
MOST_ROWS = 256
#: Times that the likelihood is evaluated before the last iteration.
EVALUATIONS = 40
#: What the variances of the smooth function, the linear one and the noise begin with.
VARIANCES = (1.0, 0.3, 0.3)
#: Least and largest length scales of standardized columns, and variances of a standardized target.
LENGTHS, RANGE = (0.1, 1e3), (1e-4, 1e4)
#: Stands for the likelihood of a process that cannot be computed.
IMPOSSIBLE = 1e10

#: Gives the covariance of rows and its derivative by their squared distance, each like the distances, [rows, rows].
Kernel = Callable[[Tensor], tuple[Tensor, Tensor]]


def squared_exponential(squared: Tensor) -> tuple[Tensor, Tensor]:
    """The kernel of functions that are smooth to any order (Rasmussen & Williams 2006, equation 4.9)."""
    covariance = (-squared / 2).exp()
    return covariance, -covariance / 2


def matern(squared: Tensor) -> tuple[Tensor, Tensor]:
    """The kernel of functions with two derivatives, Matérn's of order 5/2 (their equation 4.17)."""
    far = (5 * squared).sqrt()
    decay = (-far).exp()
    return (1 + far + far.square() / 3) * decay, -5 / 6 * (1 + far) * decay


def length_scales(data: Data, kernel: Kernel = squared_exponential, over: Callable[[], bool] = lambda: False) -> Tensor:
    """Find the length scale of each column.

    All begin with the root of their number, by which rows are as alike at first however many columns there are.

    Args:
        data: Standardized rows; of more than :data:`MOST_ROWS`, as many are drawn.
        kernel: Of the smooth function.
        over: Says that time is over, which is asked after every iteration; the scales so far are given then.

    Returns:
        [columns] float64, in deviations of the column, within :data:`LENGTHS`; the largest where it does not vary.
    """
    from scipy.optimize import minimize

    process, columns = _Process(data, kernel), data.x.shape[1]
    begin = np.log([*[columns**0.5] * columns, *VARIANCES])
    bounds = np.log([*[LENGTHS] * columns, *[RANGE] * len(VARIANCES)])
    found = minimize(
        process,
        begin,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        callback=lambda intermediate_result: _stop_if(over()),
        options={"maxfun": EVALUATIONS},
    )
    varying = (process.x != process.x[0]).any(dim=0)
    return torch.from_numpy(found.x[:columns]).exp().where(varying, LENGTHS[1])


def _stop_if(over: bool) -> None:
    if over:
        raise StopIteration


class _Process:
    """The negative logarithm of a target's likelihood for each row, but for a constant, and its gradient.

    Args:
        data: The rows.
        kernel: Of the smooth function.
    """

    def __init__(self, data: Data, kernel: Kernel) -> None:
        some = data.rows(np.random.default_rng(0).permutation(len(data.y))[:MOST_ROWS])
        self.x, self.kernel = some.x.double(), kernel
        self.y = some.y.double() - some.y.double().mean()
        self.linear = self.x @ self.x.mT

    def __call__(self, logarithms: np.ndarray) -> tuple[float, np.ndarray]:
        """Give both for the logarithms of length scales and of the three variances (their equations 5.8 and 5.9)."""
        *lengths, smooth, linear, noise = np.exp(logarithms)
        near = self.x / torch.tensor(lengths)
        covariance, slope = self.kernel(squared_distances(near, near))
        total = smooth * covariance + linear * self.linear
        total.diagonal().add_(noise)
        factor, failed = torch.linalg.cholesky_ex(total)
        if failed:
            return IMPOSSIBLE, np.zeros_like(logarithms)
        inverse = torch.cholesky_inverse(factor)
        explained = inverse @ self.y
        loss = float(self.y @ explained / 2 + factor.diagonal().log().sum())
        by_covariance = (inverse - torch.outer(explained, explained)) / 2
        by_distance = smooth * by_covariance * slope
        by_lengths = 4 * (near * (by_distance @ near - by_distance.sum(dim=1)[:, None] * near)).sum(dim=0)
        by_variances = [
            smooth * float((by_covariance * covariance).sum()),
            linear * float((by_covariance * self.linear).sum()),
            noise * float(by_covariance.trace()),
        ]
        gradient = np.concatenate([by_lengths.numpy(), by_variances])
        return loss / len(self.y), gradient / len(self.y)
