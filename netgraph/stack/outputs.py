"""Outputs of many networks, whatever their number, and common rows on which networks are compared."""

from collections.abc import Sequence

import torch
from torch import Tensor

from netgraph.graph.architecture import Architecture
from netgraph.stack.chunking import chunks
from netgraph.stack.stack import Stack


@torch.no_grad()
def first_outputs(
    architectures: Sequence[Architecture], states: Sequence[Tensor], x: Tensor, device: str = "cpu"
) -> Tensor:
    """Return the first outputs of n networks, run chunk by chunk, [n, rows].

    Args:
        architectures: Of the networks.
        states: Likewise.
        x: Rows, [rows, inputs] for all of them, or [n, rows, inputs].
        device: Where to run them; what they give is on the CPU.
    """
    rows = x.to(device)
    found = x.new_zeros(len(architectures), x.shape[-2], device="cpu")
    for members in chunks(architectures, device):
        stack = Stack([architectures[i] for i in members], device)
        output = stack(stack.flatten([states[i] for i in members]), rows if x.ndim == 2 else rows[members])
        found[members] = output[..., 0].to(found)
    return found


def probe(n_inputs: int, n_rows: int = 64, seed: int = 0) -> Tensor:
    """Draw standard normal rows, [n_rows, n_inputs]; a column does not depend on how many others there are."""
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(n_rows, generator=generator) for _ in range(n_inputs)], dim=1)
