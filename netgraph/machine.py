"""The machine: provenance of figures, choice of a device, number of threads."""

import datetime
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from netgraph.errors import NetGraphError, unknown

if TYPE_CHECKING:
    import torch

#: Kinds of devices.
DEVICES = ("cpu", "cuda")


def processor() -> str:
    """Return the name of the processor and its number of cores."""
    name = platform.processor() or "unknown CPU"
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = re.search(r"model name\s*:\s*(.*)", info.read_text(encoding="utf-8"))
        name = model.group(1) if model else name
    return f"{name}, {os.cpu_count()} cores"


def commit() -> str:
    """Return the commit of the source tree that netgraph runs from; ``unknown`` where a wheel is installed."""
    try:
        result = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return "unknown"
    return result.stdout.strip() or "unknown"


def provenance() -> dict[str, str]:
    """Return machine, versions, commit and day."""
    import torch

    return {
        "machine": processor(),
        "torch": torch.__version__,
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def check_device(device: "str | torch.device") -> str:
    """Return the name of a device, if there is such a one.

    Raises:
        NetGraphError: When it is neither ``cpu`` nor ``cuda``, or torch finds no GPU.
    """
    kind, _, _ = str(device).partition(":")
    if kind not in DEVICES:
        raise unknown("device", device, DEVICES)
    if kind == "cuda":
        if version("torch").endswith("+cpu"):  # known without its import, which takes a second
            raise NetGraphError(f"device {str(device)!r}: this torch is built for the CPU alone")
        import torch

        if not torch.cuda.is_available():
            raise NetGraphError(f"device {str(device)!r}: torch finds no GPU here")
    return str(device)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Work with ``n`` threads, then with as many as before.

    On many small tensors one thread is the fastest (18 training steps a second against 2 to 16 with two threads on two
    cores), and the only one whose speed does not collapse when another process wants a core.
    """
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with threadpool_limits(n, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
