"""Interruptible training: model, optimizer and random state in one safetensors file; its JSON record comes last.

The global random generators of Python, NumPy and torch are seeded for a training, kept with it, and restored after it.
"""

import math
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import building_from, read_tensors, record_path, write_tensors
from netgraph.reading import field_of
from netgraph.training.history import forget_later_points
from netgraph.training.module import Paced

FORMAT, VERSION = "netgraph.training", 2
#: Last position within the state of numpy's Mersenne Twister, which does not check it.
_LAST_POSITION = 624
MODEL, OPTIMIZER, RANDOM = "model.", "optimizer.", "random."


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
    """Set the states of the global generators, as :func:`random_state` returned them."""
    random.setstate((3, tuple(tensors["python"].tolist()), plain["python"]))
    np.random.set_state(("MT19937", tensors["numpy"].numpy().astype(np.uint32), *plain["numpy"]))
    torch.set_rng_state(tensors["torch"])
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"], device)


@dataclass(frozen=True)
class _Random:
    """Plain values of the states of the global generators, see :func:`random_state`."""

    python: float | None
    numpy: tuple[int, int, float]


class Resume(lightning.Callback):
    """Writes the state of the training at intervals, and reads it when the training starts again.

    It is the last of the callbacks, so that the random state is that of the next step. An interrupt waits for the end
    of the step at hand, because a state in the middle of a step is none; a second one does not wait.

    Args:
        path: The safetensors file; its record stands beside it.
        seconds: Time between two writes.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds = path, seconds
        self.written = time.monotonic()
        self.begun, self.interrupted = -1, False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Continue an interrupted training; an interrupt is noted from here on."""
        if record_path(self.path).exists():
            restore(self.path, pl_module, trainer.optimizers[0])
            if trainer.is_global_zero:
                forget_later_points(trainer.logger.experiment, pl_module.steps_done)
            if trainer.global_rank:  # the file has the random state of the first process
                torch.manual_seed(pl_module.config.seed + pl_module.steps_done + trainer.global_rank * 2**32)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._hear)

    def _hear(self, *_: Any) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Note which step is under way."""
        self.begun = pl_module.steps_done

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stop after an interrupt; write when the time between two writes is over."""
        if trainer.strategy.reduce_boolean_decision(self.interrupted, all=False):  # on any device
            raise KeyboardInterrupt
        if time.monotonic() - self.written >= self.seconds:
            self.write(trainer, pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the end."""
        self.write(trainer, pl_module)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Write the state at an interrupt, unless a step is half done."""
        if isinstance(exception, KeyboardInterrupt) and pl_module.steps_done > self.begun >= 0:
            self.write(trainer, pl_module)

    def write(self, trainer: Any, pl_module: Any) -> None:
        """Write the state of the training; one process of several does."""
        if trainer.is_global_zero:
            save(self.path, pl_module, trainer.optimizers[0])
        self.written = time.monotonic()


def save(path: Path, module: Paced, optimizer: torch.optim.Optimizer) -> None:
    """Write model, optimizer, random state and progress."""
    state_dict = module.vae.state_dict()
    tensors: dict[str, Tensor] = {MODEL + name: value for name, value in state_dict.items() if module.learns(name)}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"{OPTIMIZER}{i}.{name}": torch.as_tensor(value) for name, value in state.items()}
    generators, plain = random_state(module.device)
    tensors |= {RANDOM + name: value for name, value in generators.items()}
    skipped = {"skipped": module.skipped, "skipped_in_a_row": module.skipped_in_a_row}
    progress = {"steps": module.steps_done, "seconds": module.seconds, "random": plain, **skipped}
    progress |= {"lowest": module.lowest if module.lowest < math.inf else None, "waited": module.epochs_waited}
    write_tensors(path, tensors, FORMAT, VERSION, progress)


def restore(path: Path, module: Paced, optimizer: torch.optim.Optimizer) -> None:
    """Read a state that :func:`save` wrote.

    Raises:
        StoreError: When a file is missing, damaged or of another version.
        NetGraphError: When it is of a model of other sizes.
    """
    tensors, record = read_tensors(path, FORMAT, VERSION)
    with building_from(path, record):
        counts = [field_of(record, key, int) for key in ("steps", "skipped", "skipped_in_a_row")]
        seconds = field_of(record, "seconds", float)
        plain = field_of(record, "random", _Random)
        held_out = {"lowest": None, "waited": 0} | record  # which older ones do not have
        lowest = None if held_out["lowest"] is None else field_of(held_out, "lowest", float)
        waited = field_of(held_out, "waited", int)
        if min(*counts, seconds) < 0 or not 0 <= plain.numpy[0] <= _LAST_POSITION:
            raise StoreError("steps, seconds, skipped or the position of numpy's generator is out of range")
        values = _named(tensors, MODEL)
        learned = {name: value.shape for name, value in module.vae.state_dict().items() if module.learns(name)}
        if learned != {name: value.shape for name, value in values.items()}:
            raise NetGraphError(f"{path}: the training of a model of other sizes; choose another folder")
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _named(tensors, OPTIMIZER).items():
            i, key = name.split(".")
            state.setdefault(int(i), {})[key] = value
        _check_moments(state, optimizer)
        module.vae.load_state_dict(values, strict=False)
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        module.steps_done, module.skipped, module.skipped_in_a_row = counts
        module.seconds_before = seconds
        module.lowest, module.epochs_waited = math.inf if lowest is None else lowest, waited
        set_random_state(_named(tensors, RANDOM), asdict(plain), module.device)


def restore_weights(path: Path, module: Paced) -> None:
    """Read the weights alone of a state that :func:`save` wrote.

    Raises:
        StoreError: When a file is missing, damaged or of another version.
    """
    tensors, record = read_tensors(path, FORMAT, VERSION)
    with building_from(path, record):
        module.vae.load_state_dict(_named(tensors, MODEL), strict=False)


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _check_moments(state: dict[int, dict[str, Tensor]], optimizer: torch.optim.Optimizer) -> None:
    """Raise if AdamW's state has other shapes than its parameters; it is empty before the first step."""
    learned = [value for group in optimizer.param_groups for value in group["params"]]
    for i, moments in state.items():
        for key, shape in (("step", ()), ("exp_avg", learned[i].shape), ("exp_avg_sq", learned[i].shape)):
            if moments[key].shape != shape:
                raise StoreError(
                    f"tensor 'optimizer.{i}.{key}' has shape {tuple(moments[key].shape)}, not {tuple(shape)}"
                )
