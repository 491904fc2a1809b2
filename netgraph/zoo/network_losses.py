"""The losses of networks that are trained side by side, each with its own."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from netgraph.tasks.losses import Loss, Padding, get_loss


class NetworkLosses:
    """The loss of each of M networks, computed side by side for those of one loss.

    Args:
        names: Name of each network's loss.
        n_outputs: Number of outputs of each network, [M].
        dim: Axis of the outputs, as of :class:`~netgraph.tasks.losses.Loss`.

    Raises:
        NetGraphError: When a name is unknown.

    Example:
        >>> losses = NetworkLosses(["squared_error", "binary_cross_entropy"], torch.tensor([1, 1]))
        >>> losses.value(torch.zeros(2, 5, 1), torch.ones(2, 5, 1))
        tensor([1.0000, 0.6931])
    """

    def __init__(self, names: Sequence[str], n_outputs: Tensor, dim: int = -1) -> None:
        self.names, self._dim, width = list(names), dim, int(n_outputs.max())
        #: Each loss, the numbers of its networks (all of them where it is the only one) and their padding.
        self._parts: list[tuple[Loss, Tensor | slice, Padding | None]] = []
        for name in dict.fromkeys(names):
            members = torch.tensor([i for i, own in enumerate(names) if own == name], device=n_outputs.device)
            padding = Padding.of(n_outputs[members], dim, width)
            self._parts.append((get_loss(name), slice(None) if len(members) == len(names) else members, padding))

    @property
    def have_classes(self) -> bool:
        """Whether some of them are losses of classes."""
        return any(loss.hits is not None for loss, *_ in self._parts)

    def value(self, output: Tensor, y: Tensor) -> Tensor:
        """Compute each network's loss, [M]."""
        return self._each(lambda loss, own, padding: loss.value(output[own], y[own], padding, self._dim), output)

    def gradient(self, output: Tensor, y: Tensor, out: Tensor) -> Tensor:
        """Write the gradient of the sum of all losses at the outputs to ``out``, and return it."""
        for loss, own, padding in self._parts:
            if isinstance(own, slice):
                return loss.gradient(output, y, padding, self._dim, out=out)
            out[own] = loss.gradient(output[own], y[own], padding, self._dim)
        return out

    def explained(self, value: Tensor, y: Tensor) -> Tensor:
        """Compute the share of each network's loss that it explains, [M]."""
        return self._each(lambda loss, own, padding: loss.explained(value[own], y[own], padding), value)

    def accuracy(self, output: Tensor, y: Tensor) -> Tensor:
        """Compute each network's accuracy, [M], NaN for squared error."""
        missing = output.new_full((len(output),), torch.nan)
        return self._each(
            lambda loss, own, padding: missing[own] if loss.hits is None else loss.score(output[own], y[own], padding),
            output,
        )

    def _each(self, measure: Callable[[Loss, Any, Padding | None], Tensor], like: Tensor) -> Tensor:
        """Return a figure of each network, [M], by the loss that it has."""
        figures = like.new_empty(len(self.names))
        for loss, own, padding in self._parts:
            figures[own] = measure(loss, own, padding)
        return figures
