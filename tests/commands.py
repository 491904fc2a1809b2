"""The command ``netgraph``: in this process, and in one of its own that is sent a signal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from netgraph.cli import main

#: Longest time, in seconds, until a process has got as far as a test waits for.
PATIENCE = 200


def netgraph(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process; return what a process of its own would leave."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(arguments))
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def stopped(sent: signal.Signals, ready: Callable[[], object], *arguments: str) -> tuple[int, str]:
    """Start the command in a process, send a signal once something is ready; return exit code and standard error."""
    process = subprocess.Popen(
        [sys.executable, "-m", "netgraph.cli", *arguments],
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    deadline = time.monotonic() + PATIENCE
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, sent)
    said = process.communicate(timeout=PATIENCE)[1]
    return process.returncode, said


def hear_interrupts() -> None:
    """Undo what a shell does to jobs in the background, whose children would ignore the signal."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
