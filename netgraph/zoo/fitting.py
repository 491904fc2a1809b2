"""Training many networks at once, least squares, every network with its own optimizer, rates and number of steps."""

from collections.abc import Iterator, Sequence
from itertools import count

import torch
from torch import Generator, Tensor

from netgraph.graph.architecture import Architecture
from netgraph.stack import Stack, chunks
from netgraph.zoo.best import Best, Fitted
from netgraph.zoo.cohort import Cohort, Rows
from netgraph.zoo.fit_config import FitConfig

#: Steps between two looks at the validation rows.
LOOK = 50
#: Epochs between two shuffles of the rows.
SHUFFLE = 8


def fit_networks(
    architectures: Sequence[Architecture],
    states: Sequence[Tensor],
    train: Rows,
    validation: Rows,
    config: FitConfig,
    generator: Generator,
    device: torch.device | str = "cpu",
) -> Fitted:
    """Train networks of any sizes, those of similar size side by side.

    Args:
        architectures: M architectures.
        states: Their initial states, each [P].
        train: x [M, rows, inputs], zero padded, and y [M, rows, outputs].
        validation: Likewise.
        config: How.
        generator: Draws the rows of each step, the same whatever the networks are stacked with, and the dropout.
        device: Where to train.
    """
    parts = []
    seed = int(torch.randint(2**62, (), generator=generator))
    order = chunks(architectures, device)
    for members in order:
        chosen = torch.tensor(members)
        stack = Stack([architectures[i] for i in members], device)
        rows = [(x[chosen], y[chosen]) for x, y in (train, validation)]
        state = stack.flatten([states[i] for i in members])
        parts.append(fit_stack(stack, state, rows[0], rows[1], config.select(chosen), Generator().manual_seed(seed)))
    return Fitted.join(parts, [i for members in order for i in members])


def fit_stack(
    stack: Stack, state: Tensor, train: Rows, validation: Rows, config: FitConfig, generator: Generator
) -> Fitted:
    """Train every network of a stack on its own task and keep each one's best step.

    The loss is summed over networks, so that none slows another down (a mean would divide every gradient by M). Once
    fewer than half of the networks still train, the others are left out of the program.

    Args:
        stack: M networks.
        state: Their initial states, [sum P].
        train: x [M, rows, inputs] and y [M, rows, outputs].
        validation: Likewise.
        config: How.
        generator: Draws the rows of each step and the dropout.
    """
    cohort = Cohort.of(stack, state, train, validation, config)
    best = Best(stack, state, config)
    noise = Generator(stack.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    batches = _batches(train[0].shape[1], config.batch_rows, generator)
    best.keep(cohort, 0)
    best.look(cohort, 0)
    last = int(config.steps.max())
    for step in range(1, last + 1):
        order, rows = next(batches)
        if order is not None:
            cohort.shuffle(order)
        cohort.step(rows, best.falling(cohort, step - 1), noise)
        best.keep(cohort, step)
        if step % LOOK == 0 or step == last:
            best.look(cohort, step)
            running = best.running[cohort.numbers]
            if not running.any():
                break
            if 2 * int(running.sum()) < len(running):
                cohort = cohort.narrow(running)
    return best.result(validation[1].to(stack.device))


def _batches(rows: int, size: int, generator: Generator) -> Iterator[tuple[Tensor | None, slice]]:
    """Cut the rows into whole batches, the same way for every network, over and over.

    Within an epoch no row comes twice. Batches are cut from shuffled rows, each epoch from another place on; the rows
    are shuffled anew every ``SHUFFLE`` epochs, as moving all of them costs as much as some steps.

    Yields:
        The order of the rows, [rows + size], when they are shuffled; and where the rows of the batch stand.
    """
    size = min(size, rows)
    for epoch in count():
        order = None
        if epoch % SHUFFLE == 0:
            order = torch.randperm(rows, generator=generator)
            order = torch.cat([order, order[:size]])
        first = int(torch.randint(rows, (), generator=generator))
        for start in range(first, first + rows - size + 1, size):
            yield order, slice(start % rows, start % rows + size)
            order = None


def pad_rows(rows: Sequence[Tensor], width: int) -> Tensor:
    """Lay rows of different widths, each [rows, n], side by side, zero padded, [M, rows, width]."""
    padded = torch.zeros(len(rows), len(rows[0]), width)
    for target, source in zip(padded, rows, strict=True):
        target[:, : source.shape[1]] = source
    return padded
