"""benchmarks/RESULTS.md: one section a benchmark, written by the script that measured it."""

import re
from pathlib import Path

from netgraph.machine import provenance

PATH = Path(__file__).parent / "RESULTS.md"
HEAD = "# Results\n\nEvery section is written by the script that made it.\n"


def machine() -> str:
    """Describe where and with what the figures were made."""
    made = provenance()
    return f"{made['machine']}; torch {made['torch']}; commit {made['commit']}; {made['date']}"


def write_section(name: str, command: str, lines: list[str]) -> None:
    """Replace a section, or append it."""
    text = PATH.read_text(encoding="utf-8") if PATH.exists() else HEAD
    body = "\n".join([f"## {name}", "", f"`{command}`, on {machine()}", "", *lines, ""])
    pattern = re.compile(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    text = pattern.sub(lambda _: body + "\n", text) if pattern.search(text) else f"{text.rstrip()}\n\n{body}"
    PATH.write_text(text.rstrip() + "\n", encoding="utf-8")
