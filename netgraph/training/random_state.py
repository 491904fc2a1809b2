"""The global random generators of Python, NumPy and torch: seeded for a training, kept with it, restored after it."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, and restore their states at the end."""
    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])


def random_state(device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the states of the global generators, that of the device included: tensors by name, and plain values."""
    _, python, next_gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)
    tensors = {
        "python": torch.tensor(python),
        "numpy": torch.from_numpy(numpy["state"]["key"].astype(np.int64)),
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    plain = {"python": next_gauss, "numpy": [numpy["state"]["pos"], numpy["has_gauss"], numpy["gauss"]]}
    return tensors, plain


def set_random_state(tensors: Mapping[str, Tensor], plain: Mapping[str, Any], device: torch.device) -> None:
    """Set the global generators to what :func:`random_state` returned."""
    random.setstate((3, tuple(tensors["python"].tolist()), plain["python"]))
    np.random.set_state(("MT19937", tensors["numpy"].numpy().astype(np.uint32), *plain["numpy"]))
    torch.set_rng_state(tensors["torch"])
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"], device)
