"""The line of a user's ``forward`` that a graph cannot hold: the first one behind which a state of torch's is another.

Only a module that was found to differ is run here, under :func:`sys.settrace`.
"""

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
from torch import nn
from torch.autograd import Function
from torch.utils._python_dispatch import TorchDispatchMode

from netgraph.graph.modules.preserve import draws

_NOT_THE_USER_S = sys.stdlib_module_names | {"torch", "numpy", "netgraph"}


class Draws(TorchDispatchMode):
    """Collects the states of the random numbers behind each operation of torch's."""

    def __init__(self) -> None:
        super().__init__()
        self.states = {("torch", draws()["torch"])}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and note the states."""
        result = func(*args, **(kwargs or {}))
        self.states |= set(draws().items())
        return result


def find_lines(run: Callable[[], object], expected: set[tuple[str, int]]) -> dict[str, str]:
    """Find the first lines behind which a state is another than before the run.

    Args:
        run: Runs the module.
        expected: States of the random numbers that another network reaches too.

    Returns:
        Lines by "gradients", "autocast" or the source of the random numbers, and by "backward" the first
        ``torch.autograd.Function``.
    """
    lines: dict[str, str] = {}
    before = _states()
    last = ""

    def note(line: str) -> None:
        for key, state in _states().items():
            if state != before[key] and (key, state) not in expected:
                lines.setdefault(key, line)

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal last
        user = str(frame.f_globals.get("__name__")).partition(".")[0] not in _NOT_THE_USER_S
        here = line_of(frame.f_code, frame.f_lineno) if user else last
        if event == "call" and user and str(frame.f_back and frame.f_back.f_globals["__name__"]) == Function.__module__:
            lines.setdefault("backward", here)
        note(here if event == "call" and "`@" in here else last)  # a decorator alters states before its function runs
        last = here
        return trace if user else None

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(outer)
    note(last)
    return lines


def _states() -> dict[str, Any]:
    devices = ("cpu", "cuda")
    return draws() | {
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": tuple((torch.is_autocast_enabled(each), torch.get_autocast_dtype(each)) for each in devices),
    }


def line_of(code: CodeType, number: int) -> str:
    """Format a line of code: its function, its file, its number and its text."""
    text = linecache.getline(code.co_filename, number).strip()
    function = code.co_qualname.rpartition("<locals>.")[2]
    return f"{function} ({Path(code.co_filename).name}:{number}{f', `{text}`' if text else ''})"


def train_line(module: nn.Module) -> str:
    """Find a ``train`` or ``eval`` of a user's own, which may set other modes; "" where there is none."""
    for part in module.modules():
        for method in (getattr(part, name) for name in ("train", "eval")):
            code = getattr(method, "__code__", None)
            if code is not None and not str(getattr(method, "__module__", "")).startswith("torch."):
                return line_of(code, code.co_firstlineno)
    return ""
