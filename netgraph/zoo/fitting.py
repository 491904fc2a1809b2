"""Batched training of many networks at once, each with its own optimizer, rates and number of steps."""

from collections.abc import Iterator, Sequence
from itertools import count

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.stack import Stack, stacked
from netgraph.zoo.fit_recipe import FitConfig
from netgraph.zoo.training_state import Fitted, Rows, TrainingState

#: Steps between two measurements of the validation error.
VALIDATION_STEPS = 50
#: Epochs between two shuffles of the rows.
SHUFFLE_EPOCHS = 8


def fit_networks(
    architectures: Sequence[Architecture],
    states: Sequence[Tensor],
    train: Rows,
    validation: Rows,
    config: FitConfig,
    generator: Generator,
    device: torch.device | str = "cpu",
    loss: str | Sequence[str] = "squared_error",
) -> Fitted:
    """Train networks of any sizes, those of similar size side by side.

    Args:
        architectures: M architectures.
        states: Their initial states, each [P].
        train: x [M, rows, inputs] and y [M, rows, outputs], both zero padded: a network with k outputs has its
            targets in the first k columns of y.
        validation: x and y of the validation rows, in the same shapes.
        config: Settings of the training.
        generator: Draws the rows of each step, the same whatever the networks are stacked with, and the dropout.
        device: Where to train.
        loss: Name of the loss, or of each network's loss, see :data:`~netgraph.tasks.losses.LOSSES`:
            ``squared_error``, ``cross_entropy`` (y one-hot, outputs are logits) or ``binary_cross_entropy`` (y of 0 and
            1, outputs are logits).

    Raises:
        NetGraphError: When a loss is unknown, there is not one a network, or y has fewer columns than a network has
            outputs.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(1, 1))
        >>> x = torch.linspace(-1, 1, 32)[None, :, None]
        >>> config = FitConfig.uniform(1, steps=200, batch_rows=32, learning_rate=0.1)
        >>> rows = x, 3 * x + 1
        >>> fitted = fit_networks([graph.architecture], [graph.state], rows, rows, config, Generator())
        >>> bool(fitted.r2 > 0.99)
        True
    """
    losses = [loss] * len(architectures) if isinstance(loss, str) else list(loss)
    if len(losses) != len(architectures):
        raise NetGraphError(f"{len(losses)} losses for {len(architectures)} networks")
    parts = []
    seed = int(torch.randint(2**62, (), generator=generator))
    order: list[int] = []
    for members, stack, state in stacked(architectures, states, device):
        order += members
        chosen = torch.tensor(members)
        rows = [(x[chosen], y[chosen]) for x, y in (train, validation)]
        own, names = Generator().manual_seed(seed), [losses[i] for i in members]
        parts.append(fit_stack(stack, state, rows[0], rows[1], config.select(chosen), own, names))
    return Fitted.join(parts, order)


def fit_stack(
    stack: Stack,
    state: Tensor,
    train: Rows,
    validation: Rows,
    config: FitConfig,
    generator: Generator,
    loss: str | Sequence[str] = "squared_error",
) -> Fitted:
    """Train every network of a stack on its own task and keep each one's best step.

    The loss is summed over networks, so that none slows another down (a mean would divide every gradient by M). Once
    fewer than half of the networks still train, the stack is compiled again without the others.

    ``stack`` holds M networks, ``state`` their initial states, [sum P]; other arguments as of :func:`fit_networks`.
    """
    losses = [loss] * len(stack) if isinstance(loss, str) else list(loss)
    training = TrainingState(stack, state, train, validation, config, losses)
    noise = Generator(stack.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    batches = _batches(train[0].shape[1], config.batch_rows, generator)
    training.checkpoint(0)
    training.validate(0)
    last = int(config.steps.max())
    for step in range(1, last + 1):
        order, rows = next(batches)
        if order is not None:
            training.shuffle(order)
        training.step(rows, step, noise)
        training.checkpoint(step)
        if step % VALIDATION_STEPS == 0 or step == last:
            training.validate(step)
            running = training.running[training.numbers]
            if not running.any():
                break
            if 2 * int(running.sum()) < len(running):
                training.narrow(running)
    return training.result(stack, validation, losses)


def _batches(rows: int, size: int, generator: Generator) -> Iterator[tuple[Tensor | None, slice]]:
    """Cut the rows into whole batches, epoch after epoch, the same for every network.

    Within an epoch no row comes twice. Batches are cut from shuffled rows, each epoch from another row on; the rows are
    shuffled anew every :data:`SHUFFLE_EPOCHS` epochs, as moving all of them costs as much as some steps.

    Yields:
        The order of the rows, [rows + size], when they are shuffled, and the slice of the batch's rows.
    """
    size = min(size, rows)
    for epoch in count():
        order = None
        if epoch % SHUFFLE_EPOCHS == 0:
            order = torch.randperm(rows, generator=generator)
            order = torch.cat([order, order[:size]])
        first = int(torch.randint(rows, (), generator=generator))
        for start in range(first, first + rows - size + 1, size):
            yield order, slice(start % rows, start % rows + size)
            order = None


def pad_rows(rows: Sequence[Tensor], width: int) -> Tensor:
    """Stack rows of different widths, each [rows, n], zero padded, [M, rows, width].

    Example:
        >>> pad_rows([torch.ones(1, 1), torch.ones(1, 2)], 2)
        tensor([[[1., 0.]],
        <BLANKLINE>
                [[1., 1.]]])
    """
    padded = torch.zeros(len(rows), len(rows[0]), width)
    for target, source in zip(padded, rows, strict=True):
        target[:, : source.shape[1]] = source
    return padded
