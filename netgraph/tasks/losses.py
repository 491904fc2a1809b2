"""Losses of tasks: value, gradient at the outputs in closed form, and the score that is reported beside it.

Each loss is the negative log-likelihood of a generalized linear model with its canonical link (McCullagh & Nelder
1989), so its gradient at the outputs is a multiple of prediction - target.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

from netgraph.errors import NetGraphError

#: Output that stands for a missing class: its probability is 0, and finite, so that 0 times it is 0.
_ABSENT = -1e30
#: Least loss of the best constant output that a loss is divided by.
_LEAST_BASELINE = 1e-12


@dataclass(frozen=True)
class Padding:
    """Zero padded outputs of networks with different numbers of outputs.

    Attributes:
        count: Number of outputs of each network, [M].
        own: 1 for its own outputs and 0 for the others, [M, 1, outputs]; or [M, outputs, 1], as the executor's.
        absent: 0 for its own outputs, and the logit of a missing class for the others, in the same shape.
    """

    count: Tensor
    own: Tensor
    absent: Tensor

    @classmethod
    def of(cls, count: Tensor, dim: int = -1, width: int | None = None) -> "Padding | None":
        """Return the padding of networks with these numbers of outputs, [M]; None where nothing is padded.

        Args:
            count: Number of outputs of each network, [M].
            dim: Axis of the outputs: -1, or -2 as the executor's.
            width: Outputs of the padded tensor; the most of a network when None.
        """
        width = width or int(count.max())
        if int(count.min()) == width:
            return None
        own = (torch.arange(width, device=count.device) < count[:, None]).float().unsqueeze(-3 - dim)
        return cls(count, own, (1 - own) * _ABSENT)


@dataclass(frozen=True, repr=False)
class Loss:
    """A loss of the outputs of many networks: for each network the mean over its rows.

    Tensors of outputs and targets have the axes [..., rows, outputs]; with ``dim=-2`` [..., outputs, rows], as the
    executor's. Where networks have different numbers of outputs, their ``padding`` is given.

    Attributes:
        name: Its name, a key of :data:`LOSSES`.
        score_name: Name of its score: ``r2`` or ``accuracy``.
        joint: Whether the outputs of a row are one distribution: their terms are added up, otherwise averaged.
        factor: Factor of prediction - target in the gradient.
        inverse_link: Prediction of outputs, of their shape, along ``dim``: themselves, or probabilities. It may be
            written to ``out``.
        terms: Terms of the loss, of the shape of the outputs, along ``dim``.
        entropy: Least mean of the terms of targets, [..., rows, outputs], that one constant output reaches,
            [..., outputs].
        hits: Whether predicted and true classes are the same, [..., rows, outputs or 1]; None where there are none.

    Example:
        >>> loss = get_loss("cross_entropy")
        >>> logits, y = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> round(float(loss.value(logits, y)), 4), float(loss.score(logits, y))
        (0.7201, 0.5)
    """

    name: str
    score_name: str
    joint: bool
    factor: float
    inverse_link: Callable[[Tensor, int, Tensor | None], Tensor]
    terms: Callable[[Tensor, Tensor, int], Tensor]
    entropy: Callable[[Tensor], Tensor]
    hits: Callable[[Tensor, Tensor], Tensor] | None

    def __repr__(self) -> str:
        return f"Loss({self.name})"

    def predict(self, output: Tensor, padding: Padding | None = None) -> Tensor:
        """Return the predictions of outputs, of their shape: themselves, or the probabilities of classes."""
        return self.inverse_link(self._without_padding(output, padding), -1, None)

    def value(self, output: Tensor, y: Tensor, padding: Padding | None = None, dim: int = -1) -> Tensor:
        """Compute each network's loss, [...]: the mean over rows, and over outputs unless they are joint."""
        terms = self.terms(self._without_padding(output, padding), y, dim)
        if padding is not None:
            terms = terms * padding.own
        return terms.sum(dim=(-2, -1)) / self._count(output, padding, dim)

    def gradient(
        self,
        output: Tensor,
        y: Tensor,
        padding: Padding | None = None,
        dim: int = -1,
        out: Tensor | None = None,
    ) -> Tensor:
        """Compute the gradient of the sum of :meth:`value` at the outputs, of their shape; into ``out`` if given."""
        prediction = self.inverse_link(self._without_padding(output, padding), dim, out)
        gradient: Tensor = torch.sub(prediction, y, out=out)
        scale = self.factor / self._count(output, padding, dim)
        if padding is None or self.joint:  # no probability and no target of a missing class
            return gradient.mul_(scale)
        return gradient.mul_(padding.own * torch.as_tensor(scale)[:, None, None])

    def baseline(self, y: Tensor, padding: Padding | None = None) -> Tensor:
        """Compute the loss of the best constant outputs, [...]: of squared error the variance, else an entropy."""
        return self.entropy(y).sum(dim=-1) / self._width(y, padding, -1)

    def explained(self, value: Tensor, y: Tensor, padding: Padding | None = None) -> Tensor:
        """Compute the share of the loss that networks explain, 1 - value / baseline, [...].

        That is R^2 for squared error, and for classes McFadden's R^2 (1974), scikit-learn's ``d2_log_loss_score``.
        """
        return 1 - value / self.baseline(y, padding).clamp(min=_LEAST_BASELINE)

    def score(self, output: Tensor, y: Tensor, padding: Padding | None = None) -> Tensor:
        """Compute each network's score, [...]: R^2, or the share of rows whose class is right, a mean over outputs."""
        if self.hits is None:
            return self.explained(self.value(output, y, padding), y, padding)
        hits = self.hits(self._without_padding(output, padding), y).to(output)
        if padding is not None and not self.joint:
            hits = hits * padding.own
        return hits.sum(dim=(-2, -1)) / self._count(output, padding, -1)

    def _without_padding(self, output: Tensor, padding: Padding | None) -> Tensor:
        """Return the outputs with padded classes that do not enter the distribution of the others."""
        return output if padding is None or not self.joint else output + padding.absent

    def _width(self, values: Tensor, padding: Padding | None, dim: int) -> int | Tensor:
        """Return the number of outputs that a mean is taken over."""
        if self.joint:
            return 1
        return values.shape[dim] if padding is None else padding.count

    def _count(self, output: Tensor, padding: Padding | None, dim: int) -> int | Tensor:
        """Return the number of terms that a mean is taken over."""
        return output.shape[-3 - dim] * self._width(output, padding, dim)


def _same(output: Tensor, dim: int, out: Tensor | None) -> Tensor:
    return output


def _softmax(output: Tensor, dim: int, out: Tensor | None) -> Tensor:
    probability: Tensor = torch.softmax(output, dim, out=out)
    return probability


def _sigmoid(output: Tensor, dim: int, out: Tensor | None) -> Tensor:
    probability: Tensor = torch.sigmoid(output, out=out)
    return probability


def _variance(y: Tensor) -> Tensor:
    return (y - y.mean(dim=-2, keepdim=True)).square().mean(dim=-2)


def _class_entropy(y: Tensor) -> Tensor:
    entropy: Tensor = torch.special.entr(y.mean(dim=-2))
    return entropy


def _binary_entropy(y: Tensor) -> Tensor:
    share = y.mean(dim=-2)
    entropy: Tensor = torch.special.entr(share) + torch.special.entr(1 - share)
    return entropy


#: Losses by name. Targets of squared error are standardized numbers, of cross-entropy one-hot rows, a column a class,
#: and of binary cross-entropy 0 or 1 in every column; the outputs of the latter two are logits.
LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        loss.name: loss
        for loss in (
            Loss(
                name="squared_error",
                score_name="r2",
                joint=False,
                factor=2.0,
                inverse_link=_same,
                terms=lambda output, y, dim: (output - y).square(),
                entropy=_variance,
                hits=None,
            ),
            Loss(
                name="cross_entropy",
                score_name="accuracy",
                joint=True,
                factor=1.0,
                inverse_link=_softmax,
                terms=lambda output, y, dim: -y * F.log_softmax(output, dim),
                entropy=_class_entropy,
                hits=lambda output, y: output.argmax(dim=-1, keepdim=True) == y.argmax(dim=-1, keepdim=True),
            ),
            Loss(
                name="binary_cross_entropy",
                score_name="accuracy",
                joint=False,
                factor=1.0,
                inverse_link=_sigmoid,
                terms=lambda output, y, dim: F.softplus(output) - output * y,
                entropy=_binary_entropy,
                hits=lambda output, y: (output > 0) == (y > 0.5),
            ),
        )
    }
)


def get_loss(name: str) -> Loss:
    """Return a loss by its name.

    Raises:
        NetGraphError: When the name is unknown.

    Example:
        >>> get_loss("squared_error").score_name
        'r2'
    """
    if name not in LOSSES:
        raise NetGraphError(f"unknown loss {name!r}; known: {', '.join(LOSSES)}")
    return LOSSES[name]
