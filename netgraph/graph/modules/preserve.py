"""Runs of a user's module that leave no trace: its tensors, attributes, modes and the random numbers are put back."""

import copy
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def draws() -> dict[str, int]:
    """Return a hash of the state of each source of random numbers: another one after a draw."""
    numpy: Any = np.random.get_state()
    states = {"Python": hash(random.getstate()), "NumPy": hash((numpy[1].tobytes(), *numpy[2:]))}
    tensors = {"torch": torch.get_rng_state()} | {f"cuda:{i}": torch.cuda.get_rng_state(i) for i in _devices()}
    return states | {name: hash(state.numpy().tobytes()) for name, state in tensors.items()}


def seed(number: int) -> None:
    """Seed every source of random numbers; not a device that is not in use, whose seed would be set when it is."""
    random.seed(number)
    np.random.seed(number)
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)


def _devices() -> list[int]:
    """List the GPUs that draw random numbers: before a first use of them none does."""
    return list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []


@contextmanager
def draws_restored() -> Iterator[None]:
    """Put back the states of all random numbers, and the grad mode; leave inference mode, where nothing trains."""
    states, gradients = (random.getstate(), np.random.get_state()), torch.is_grad_enabled()
    try:
        with torch.random.fork_rng(_devices()), torch.inference_mode(False), torch.set_grad_enabled(gradients):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def preserved(module: nn.Module) -> Iterator[None]:
    """Put back the tensors, attributes, gradients and modes of a module, and the random numbers, after a block.

    Modules, tensors, lists, dictionaries and sets keep their identity, so that closures still refer to them. Any
    other object is lent as a copy; one that cannot be copied (a lock, a file) is lent itself, its attributes put back.
    """
    undo: list[Callable[[], object]] = []
    try:
        _Loan(module, undo)
        with draws_restored():
            yield
    finally:
        for restore in reversed(undo):
            restore()


class _Loan:
    """Notes how to put back all that is reachable from a module."""

    def __init__(self, module: nn.Module, undo: list[Callable[[], object]]) -> None:
        self.undo = undo
        self.lent: dict[int, Any] = {}
        self.known: list[Any] = []  # keeps what is lent alive: identities are not reused
        tensors = [*module.parameters(), *module.buffers()]
        self.copied: dict[int, Any] = {id(value): value for value in [*module.modules(), *tensors]}
        for value in [*tensors, *module.modules()]:
            self.lend(value)

    def lend(self, value: Any) -> Any:
        """Return the value, or the copy that stands in for it."""
        if id(value) not in self.lent:
            self.lent[id(value)] = value
            self.known.append(value)
            self.lent[id(value)] = self._noted(value)
        return self.lent[id(value)]

    def _noted(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, nn.Module):
            self._container(vars(value))
            self.lend(type(value))
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, dict | list | deque | set):
            self._container(value)
        elif isinstance(value, tuple):
            for item in value:
                self.lend(item)
        elif type(value) is not object and not isinstance(value, ModuleType):
            return self._object(value)
        return value

    def _container(self, value: Any) -> None:
        items = list(value.items() if isinstance(value, dict) else value)
        self.undo.append(partial(_restore_items, value, items))
        for key, item in () if isinstance(value, set) else items if isinstance(value, dict) else enumerate(items):
            lent = self.lend(item)
            if lent is not item:
                value[key] = lent

    def _class(self, value: type) -> None:
        """Note the plain attributes of a user's class: counters and lists that all its modules share."""
        for name, item in () if value.__module__.startswith("torch.") else list(vars(value).items()):
            if isinstance(item, int | float | str | list | dict | set) and not name.startswith("__"):
                self.lend(item)
                self.undo.append(partial(setattr, value, name, item))

    def _object(self, value: Any) -> Any:
        held = getattr(value, "__dict__", None)
        if held == {}:
            return value  # nothing to alter, and perhaps a sentinel
        try:
            return copy.deepcopy(value, self.copied)
        except Exception:  # whatever a foreign class raises: it cannot be copied
            if isinstance(held, dict):
                self.undo.append(partial(_restore_items, held, list(held.items())))
            return value

    def _tensor(self, value: Tensor) -> None:
        self.copied[id(value)] = value
        if value.layout == torch.strided and not value.is_meta:
            memory = value.data
            self.undo.append(partial(_restore_tensor, value, memory, memory.clone(), value.requires_grad))
            if value.is_leaf:
                self.undo.append(partial(setattr, value, "grad", value.grad))


def _restore_items(value: Any, items: list[Any]) -> None:
    value.clear()
    (value.extend if isinstance(value, list | deque) else value.update)(items)


def _restore_tensor(value: Tensor, memory: Tensor, content: Tensor, requires_grad: bool) -> None:
    if not torch.equal(memory, content):
        memory.copy_(content)
    if value.data_ptr() != memory.data_ptr() or value.stride() != memory.stride() or value.shape != memory.shape:
        value.data = memory
    if value.is_leaf and value.requires_grad != requires_grad:
        value.requires_grad_(requires_grad)
