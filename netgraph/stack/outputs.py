"""What many networks give, whatever their number."""

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
    """Run n networks chunk by chunk, and give their first outputs, [n, rows].

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
