"""Optimizers over the concatenated states of many networks, every network with its own kind and rates."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from netgraph.graph.architecture import TENSOR_KINDS

if TYPE_CHECKING:
    from netgraph.stack import Stack

OPTIMIZERS = ("sgd", "adam", "adamw")
#: Of SGD the first is the momentum.
BETAS, EPSILON = (0.9, 0.99), 1e-8
_EDGE, _BIAS = TENSOR_KINDS.index("edge"), TENSOR_KINDS.index("bias")


@dataclass
class Optimizer:
    """SGD with momentum, Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019), each network with its own.

    Weights decay, biases do not; buffers do not change. The decay of SGD and Adam is added to the gradient, that of
    AdamW is subtracted from the weight.

    Attributes:
        rate: Learning rate of each state element, [sum P]; or one number where all networks have the same.
        coupled: Decay that is added to the gradient, [sum P]; None where no network has any.
        decoupled: Decay that is subtracted from the element in a step, [sum P].
        plain: Whether the element is trained by SGD, [sum P]; None where none is.
        first: Mean of its gradients, [sum P].
        second: Mean of their squares, [sum P].
        clip: Largest norm of a network's gradient.
        finite: Whether every gradient of each network so far was, [M].
        time: Steps taken.
    """

    rate: Tensor | float
    coupled: Tensor | None
    decoupled: Tensor
    plain: Tensor | None
    first: Tensor
    second: Tensor
    clip: float
    finite: Tensor
    time: int = 0

    @classmethod
    def of(cls, stack: "Stack", learning_rate: Tensor, weight_decay: Tensor, kind: Tensor, clip: float) -> "Optimizer":
        """Build the optimizer of a stack.

        Args:
            stack: M networks.
            learning_rate: Of each network, [M].
            weight_decay: Of each network, [M].
            kind: Index into :data:`OPTIMIZERS` of each network, [M].
            clip: Largest norm of a network's gradient.
        """
        slot = torch.cat([torch.from_numpy(a.element_kind) for a in stack.architectures]).to(stack.device)
        alike = float(learning_rate[0]) if bool((learning_rate == learning_rate[0]).all()) else None
        rate, decay, kind = (stack.spread(values.to(stack.device)) for values in (learning_rate, weight_decay, kind))
        rate, decay = rate * ((slot == _EDGE) | (slot == _BIAS)), decay * (slot == _EDGE)
        decoupled = kind == OPTIMIZERS.index("adamw")
        plain = kind == OPTIMIZERS.index("sgd")
        return cls(
            rate=rate if alike is None else alike,
            coupled=None if decoupled.all() else decay * ~decoupled,
            decoupled=rate * decay * decoupled,
            plain=plain if plain.any() else None,
            first=torch.zeros_like(rate),
            second=torch.zeros_like(rate),
            clip=clip,
            finite=torch.ones(len(stack), dtype=torch.bool, device=stack.device),
        )

    def step(self, stack: "Stack", state: Tensor, gradient: Tensor, annealing: Tensor | float) -> Tensor:
        """Return the states after a step.

        Args:
            stack: The networks.
            state: Their states, [sum P].
            gradient: Of the loss, [sum P]; a network whose gradient is not finite keeps its state.
            annealing: Factor of the learning rates: one number, or one for each network, [M].
        """
        self.time += 1
        gradient = self._clipped(stack, gradient)
        if self.coupled is not None:
            gradient = gradient.addcmul(self.coupled, state)
        self.first.lerp_(gradient, 1 - BETAS[0])
        self.second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        correction = math.sqrt(1 - BETAS[1] ** self.time) / (1 - BETAS[0] ** self.time)
        scale = self.second.sqrt().add_(EPSILON * math.sqrt(1 - BETAS[1] ** self.time))
        if self.plain is not None:  # the momentum of SGD is a sum and not a mean
            scale.masked_fill_(self.plain, (1 - BETAS[0]) * correction)
        if not isinstance(self.rate, Tensor) and not isinstance(annealing, Tensor):
            decayed = state.addcmul(self.decoupled, state, value=-annealing)
            return decayed.addcdiv_(self.first, scale, value=-annealing * correction * self.rate)
        update = (self.first / scale).mul_(self.rate).addcmul_(self.decoupled, state, value=1 / correction)
        if isinstance(annealing, Tensor):
            return state.sub(update.mul_(stack.spread(annealing)), alpha=correction)
        return state.sub(update, alpha=correction * annealing)

    def _clipped(self, stack: "Stack", gradient: Tensor) -> Tensor:
        norm = stack.norms(gradient)
        factor = self.clip / norm.clamp(min=self.clip)
        if not factor.is_cuda and bool((factor == 1).all()):  # a GPU would have to be waited for
            return gradient
        self.finite &= norm.isfinite()
        return gradient.nan_to_num(0.0, 0.0, 0.0).mul_(stack.spread(factor.nan_to_num(0.0)))

    def select(self, elements: Tensor, networks: Tensor) -> "Optimizer":
        """Return the optimizer of some elements and networks, given by their numbers."""
        names = ("rate", "coupled", "decoupled", "plain", "first", "second")
        values = {name: getattr(self, name) for name in names}
        chosen: dict[str, Any] = {name: value[elements] for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **chosen, finite=self.finite[networks])
