"""The prior of the noise, N(0, I): draws from it, and the region where it has its mass."""

import torch
from torch import Tensor

from netgraph.search.strategies.base import Strategy, check_blocks, check_count, check_told

#: Probability that a norm lies within the trust region under N(0, I); half of the rest is left out at either end.
MASS = 1 - 1e-6


class PriorRandom(Strategy):
    """Draws from N(0, I), whatever it is told: the baseline of every search."""

    def ask(self, n: int) -> Tensor:
        """Draw n points, [n, d]."""
        check_count(n)
        return clip_to_prior(torch.randn(n, self.size, generator=self.generator), self.blocks)

    def tell(self, points: Tensor, scores: Tensor) -> None:
        """Check the arguments and forget them."""
        check_told(points, scores, self.size)


def clip_to_prior(points: Tensor, blocks: Tensor | None = None) -> Tensor:
    """Project points into the trust region: the norms that N(0, I) has with probability 1 - 1e-6.

    A norm of k coordinates of N(0, I) follows the chi distribution with k degrees of freedom: in many dimensions nearly
    all of it lies in a thin shell around sqrt(k), and neither farther out nor at the center. The region bounds
    the norm of each block and of the whole vector. The projection is radial within each block and leaves points of the
    region as they are, bit for bit. A block that is exactly 0 has no direction and gets that of (1, ..., 1).

    Args:
        points: Finite, [n, d].
        blocks: Which coordinates belong together, [d] long; only the norm of the whole is bounded when None.

    Returns:
        Projected points, [n, d], of the same type and on the same device.

    Raises:
        NetGraphError: When ``blocks`` is not [d] long.
    """
    check_blocks(blocks, points.shape[1])
    label = torch.zeros(points.shape[1], dtype=torch.long) if blocks is None else blocks.unique(return_inverse=True)[1]
    label = label.to(points.device)
    sizes = label.bincount().double()  # [B]
    square = _block_sums(points.double().square(), label, len(sizes))
    points = points.where(square[:, label] > 0, 1.0)
    square = square.where(square > 0, sizes)
    aim = _bound_total(square.clamp(*_square_bounds(sizes)), sizes)
    return (points * (aim / square).sqrt()[:, label]).to(points.dtype)


def _block_sums(values: Tensor, label: Tensor, n_blocks: int) -> Tensor:
    return values.new_zeros(len(values), n_blocks).index_add_(1, label, values)  # [n, d] -> [n, B]


def _square_bounds(sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Give the least and the largest squared norm of blocks of these sizes."""
    from scipy.stats import chi

    low, high = chi.interval(MASS, sizes.cpu().numpy())
    return torch.as_tensor(low**2).to(sizes), torch.as_tensor(high**2).to(sizes)


def _bound_total(square: Tensor, sizes: Tensor) -> Tensor:
    """Bound the squared norm of the whole, moving all blocks toward their means, so that none leaves its bounds.

    Args:
        square: Squared norms of the blocks, within their bounds, [n, B].
        sizes: Numbers of coordinates, which are the means of the squared norms, [B].
    """
    total, mean = square.sum(dim=1, keepdim=True), sizes.sum()
    excess = total - total.clamp(*_square_bounds(mean))
    share = torch.where(excess == 0, 0.0, excess / (total - mean))
    return square + share * (sizes - square)
