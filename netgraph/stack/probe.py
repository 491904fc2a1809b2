"""Common rows on which networks of any number of inputs are compared."""

import torch
from torch import Tensor


def probe(n_inputs: int, n_rows: int = 64, seed: int = 0) -> Tensor:
    """Draw standard normal rows, [n_rows, n_inputs]; a column does not depend on how many others there are."""
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(n_rows, generator=generator) for _ in range(n_inputs)], dim=1)
