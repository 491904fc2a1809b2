"""Networks that train side by side."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netgraph.stack import PlainGradient, Stack, can_run
from netgraph.zoo.fit_config import FitConfig
from netgraph.zoo.optimizers import Optimizer

Rows = tuple[Tensor, Tensor]


@dataclass
class Cohort:
    """Networks that train side by side, m of the M with which training began.

    Attributes:
        stack: Their executor.
        state: Their states, [sum P].
        optimizer: Their optimizer.
        numbers: Their numbers among all, [m].
        elements: The numbers of their state elements among all, [sum P].
        train: x [m, rows, inputs] and y [m, rows, outputs].
        validation: Likewise.
        order: The order in which the rows stand from which steps are cut; its first rows come again at its end.
        size: Rows of a step.
    """

    stack: Stack
    state: Tensor
    optimizer: Optimizer
    numbers: Tensor
    elements: Tensor
    train: Rows
    validation: Rows
    order: Tensor
    size: int

    def __post_init__(self) -> None:
        """Lay the rows out as the executor reads them."""
        self._plain = PlainGradient(self.stack, self.size) if can_run(self.stack) else None
        self.shuffle(self.order)

    def shuffle(self, order: Tensor) -> None:
        """Bring the rows into another order."""
        self.order = order.to(self.stack.device)
        x, y = (rows.index_select(1, self.order) for rows in self.train)
        self._inputs = self.stack.arrange(x).contiguous()  # [m, inputs, rows]
        self._target = (y if self._plain is None else y[self._plain.order]).mT.contiguous()  # [m, outputs, rows]

    @classmethod
    def of(cls, stack: Stack, state: Tensor, train: Rows, validation: Rows, config: FitConfig) -> "Cohort":
        """Begin the training of a stack."""
        device = stack.device
        return cls(
            order=torch.arange(train[0].shape[1], device=device),
            size=min(config.batch_rows, train[0].shape[1]),
            stack=stack,
            state=state.detach().to(device),
            optimizer=Optimizer.of(stack, config.learning_rate, config.weight_decay, config.optimizer, config.clip),
            numbers=torch.arange(len(stack), device=device),
            elements=torch.arange(len(state), device=device),
            train=(train[0].to(device), train[1].to(device)),
            validation=(validation[0].to(device), validation[1].to(device)),
        )

    def step(self, rows: slice, falling: Tensor | float, generator: Generator) -> None:
        """Take one step on some of the rows.

        Args:
            rows: Where they stand.
            falling: What each network's learning rate is multiplied with, [m], or one number for all.
            generator: Of the dropout.
        """
        gradient = self._gradient(self._inputs[:, :, rows], self._target[:, :, rows], generator)
        with torch.no_grad():
            self.state = self.optimizer.step(self.stack, self.state, gradient, falling)

    def _gradient(self, inputs: Tensor, target: Tensor, generator: Generator) -> Tensor:
        """Give the gradient of the squared error, its mean over rows and outputs, summed over networks."""
        if self._plain is not None:
            return self._plain.gradient(self.state, inputs, target)
        leaf = self.state.detach().requires_grad_()
        error = self.stack.run(leaf, inputs, training=True, generator=generator).mT - target
        return torch.autograd.grad(error.square().mean(dim=(1, 2)).sum(), leaf)[0]

    def finished(self) -> Tensor:
        """Give the states as networks are kept: with running statistics of all training rows."""
        return self.stack.with_batch_statistics(self.state, self.train[0])

    def error(self, state: Tensor) -> Tensor:
        """Measure the squared error of finished states on the validation rows, [m]."""
        with torch.no_grad():
            error: Tensor = self.stack(state, self.validation[0]) - self.validation[1]
        return error.square().mean(dim=(1, 2))

    def narrow(self, running: Tensor) -> "Cohort":
        """Go on with those networks only that still train, [m] bool."""
        kept = running.nonzero().flatten()
        elements = self.stack.spread(running).nonzero().flatten()
        train, validation = ((x[kept], y[kept]) for x, y in (self.train, self.validation))
        return Cohort(
            stack=Stack([self.stack.architectures[i] for i in kept.tolist()], self.stack.device),
            state=self.state.detach()[elements],
            optimizer=self.optimizer.select(elements, kept),
            numbers=self.numbers[kept],
            elements=self.elements[elements],
            train=train,
            validation=validation,
            order=self.order,
            size=self.size,
        )
