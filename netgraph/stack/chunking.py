"""Cutting many networks into stacks of similar size, so that little is spent on padding; and their outputs."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from netgraph.graph.architecture import Architecture, Ints
from netgraph.stack.plain import is_plain
from netgraph.stack.stack import Stack

#: Most units of a chunk, each network counted with its widest layer. The values of plain networks then stay in the
#: cache of one core; others, of which autograd keeps a record, gain more from fewer operations, a GPU from little else.
MAX_UNITS_PLAIN, MAX_UNITS, MAX_UNITS_GPU = 4_096, 16_384, 2**22
#: Multiplications that padding may waste in a chunk, a row: as much time as another chunk's operations cost to start.
WASTE = 200_000
#: Most weights of a chunk, so that they, their gradients and their moments stay in the cache too.
MAX_WEIGHTS, MAX_WEIGHTS_GPU = 2**17, 2**26
#: Share of a chunk's multiplications that padding may waste whatever the chunk's size.
WASTE_SHARE = 0.25


def chunks(architectures: Sequence[Architecture], device: torch.device | str = "cpu") -> list[list[int]]:
    """Cut networks into chunks to be stacked.

    Networks are sorted by their layers' sizes, the plain ones apart, as they are trained faster. A chunk is closed when
    another network would make it too large for the cache, or when padding it to the new network's sizes would cost more
    than starting another chunk.

    Args:
        architectures: The networks.
        device: Where they will run.

    Returns:
        Numbers of the networks of each chunk; each network is in one.

    Example:
        >>> chunks([netgraph.from_module(torch.nn.Linear(2, width)).architecture for width in (1, 1000, 1)])
        [[0, 2, 1]]
    """
    linear = []  # fan-in and size of each linear layer of each network, (1, 1) where there is none
    for layers in (architecture.layers for architecture in architectures):
        pairs = [(layers[layer.inputs[0]].size, layer.size) for layer in layers if layer.type == "Linear"]
        linear.append(np.array(pairs or [(1, 1)], dtype=np.int64))
    plain = [is_plain(architecture) for architecture in architectures]
    powers = [np.ceil(np.log2(sizes.max(axis=1))).tolist() for sizes in linear]  # of two, that hold each layer
    order = sorted(range(len(linear)), key=lambda i: (not plain[i], len(linear[i]), powers[i]))
    sizes = np.zeros((len(linear), max(map(len, linear), default=0), 2), dtype=np.int64)
    for row, i in zip(sizes, order, strict=True):
        row[: len(linear[i])] = linear[i]
    widths = np.array([max(layer.size for layer in architectures[i].layers) for i in order])
    cut: list[list[int]] = []
    start, n_plain, on_cpu = 0, sum(plain), torch.device(device).type == "cpu"
    while start < len(order):
        end, most = (n_plain, MAX_UNITS_PLAIN) if start < n_plain else (len(order), MAX_UNITS)
        most, weights = (most, MAX_WEIGHTS) if on_cpu else (MAX_UNITS_GPU, MAX_WEIGHTS_GPU)
        units = (end - start) * int(widths[start:end].max())
        most = -(-units // -(-units // most))  # so that no small chunk remains at the end
        end = min(end, start + most)
        taken = _fitting(sizes[start:end], widths[start:end], most, weights)
        cut.append(order[start : start + taken])
        start += taken
    return cut


def _fitting(sizes: Ints, widths: Ints, most: int, weights: int) -> int:
    """Return the number of networks, from the first on, that make a chunk.

    Args:
        sizes: Sizes of their linear layers, [networks, layers, 2].
        widths: Sizes of their widest layers, [networks].
        most: Most units of a chunk.
        weights: Most weights of a chunk.
    """
    units = np.arange(1, len(widths) + 1) * np.maximum.accumulate(widths)
    own = sizes.prod(axis=2).sum(axis=1).cumsum()
    largest = np.maximum.accumulate(sizes, axis=0).prod(axis=2)
    padded = (largest * (sizes[:, :, 0] > 0).cumsum(axis=0)).sum(axis=1)
    fits = (units <= most) & (own <= weights) & (padded - own <= WASTE + WASTE_SHARE * own)
    return max(1, len(fits) if fits.all() else int(fits.argmin()))


def stacked(
    architectures: Sequence[Architecture], states: Sequence[Tensor], device: torch.device | str = "cpu"
) -> Iterator[tuple[list[int], Stack, Tensor]]:
    """Stack networks chunk by chunk.

    Yields:
        Numbers of the networks of a chunk, their executor, and their concatenated states, [sum P].

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> [len(stack) for _, stack, _ in stacked([graph.architecture] * 3, [graph.state] * 3)]
        [3]
    """
    for members in chunks(architectures, device):
        stack = Stack([architectures[i] for i in members], device)
        yield members, stack, stack.flatten([states[i] for i in members])


@torch.no_grad()
def outputs(architectures: Sequence[Architecture], states: Sequence[Tensor], x: Tensor, device: str = "cpu") -> Tensor:
    """Return the outputs of n networks, run chunk by chunk, [n, rows, most outputs], zero padded, on the CPU.

    Args:
        architectures: n architectures.
        states: Their states, each [P].
        x: Rows, [rows, inputs] for all of them, or [n, rows, inputs].
        device: Where to run them.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 4))
        >>> outputs([graph.architecture] * 3, [graph.state] * 3, probe(2)).shape
        torch.Size([3, 64, 4])
    """
    rows, most = x.to(device), max((architecture.n_outputs for architecture in architectures), default=1)
    values = x.new_zeros(len(architectures), x.shape[-2], most, device="cpu")
    for members, stack, state in stacked(architectures, states, device):
        output = stack(state, rows if x.ndim == 2 else rows[members])
        values[members, :, : output.shape[2]] = output.to(values)
    return values


def first_outputs(
    architectures: Sequence[Architecture], states: Sequence[Tensor], x: Tensor, device: str = "cpu"
) -> Tensor:
    """Return the first outputs of n networks, [n, rows], on the CPU; arguments as of :func:`outputs`.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> first_outputs([graph.architecture] * 3, [graph.state] * 3, probe(2)).shape
        torch.Size([3, 64])
    """
    return outputs(architectures, states, x, device)[..., 0]


def probe(n_inputs: int, n_rows: int = 64, seed: int = 0) -> Tensor:
    """Draw the common rows on which networks are compared, standard normal, [n_rows, n_inputs].

    A column does not depend on the number of columns.

    Example:
        >>> torch.equal(probe(3)[:, :2], probe(2))
        True
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(n_rows, generator=generator) for _ in range(n_inputs)], dim=1)
