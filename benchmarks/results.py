"""benchmarks/RESULTS.md: one section a benchmark, written by the script that measured it."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

import torch

PATH = Path(__file__).parent / "RESULTS.md"
HEAD = "# Results\n\nEvery section is written by the script that made it.\n"


def machine() -> str:
    """Describe where and with what the figures were made."""
    cpu = platform.processor() or "unknown CPU"
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"model name\s*:\s*(.*)", info.read_text())
        cpu = found.group(1) if found else cpu
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        cwd=PATH.parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    date = datetime.datetime.now(datetime.UTC).date()
    return f"{cpu}, {os.cpu_count()} cores; torch {torch.__version__}; commit {commit or 'unknown'}; {date}"


def write_section(name: str, command: str, lines: list[str]) -> None:
    """Replace a section, or append it."""
    text = PATH.read_text(encoding="utf-8") if PATH.exists() else HEAD
    body = "\n".join([f"## {name}", "", f"`{command}`, on {machine()}", "", *lines, ""])
    pattern = re.compile(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    text = pattern.sub(lambda _: body + "\n", text) if pattern.search(text) else f"{text.rstrip()}\n\n{body}"
    PATH.write_text(text.rstrip() + "\n", encoding="utf-8")
