"""The writer of RESULTS.md: all of it, from the JSON files of the runs."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.harness import QUESTIONS, RUNS, load_runs, question_of
from netgraph import NetGraphError
from netgraph.files import make_folder, write_atomically

RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD = "# Results\n\nWritten by `python -m benchmarks.report` from runs of `python -m benchmarks.harness`."


@dataclass(frozen=True)
class Picture:
    """A picture of a section: the name of its file without an ending, its caption, and the figure."""

    name: str
    caption: str
    figure: Figure


def table(frame: pd.DataFrame, digits: int = 3) -> str:
    """Return a DataFrame as Markdown, a named index first: floats with some digits, NaN and None as a dash."""

    def cell(value: Any) -> str:
        if value is None or value != value:
            return "–"
        if isinstance(value, float):
            return f"{value:,.{digits}f}"
        return f"{value:,}" if type(value) is int else str(value)

    named = any(name is not None for name in frame.index.names)
    frame = frame.reset_index() if named else frame
    rows = [[cell(value) for value in row] for row in frame.astype(object).to_numpy()]
    lines = [[str(name) for name in frame.columns], ["---"] * len(frame.columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def section(question: str, runs: Path, pictures: Path) -> str:
    """Return the section of a question from the folder of all runs, and write its pictures into a folder."""
    module, frame = question_of(question), load_runs(question, runs)
    parts = [f"## {module.TITLE}", module.ABOUT]
    if frame.empty:
        return "\n\n".join([*parts, f"Not measured yet: `python -m benchmarks.harness {question}`."])
    parts.append(f"{origin(frame)}.")
    for part in module.report(frame):
        if not isinstance(part, str):
            make_folder(pictures)
            # Without the version of matplotlib, so that equal pictures are equal files.
            part.figure.savefig(pictures / f"{part.name}.png", dpi=90, metadata={"Software": None})
            part = f"![{part.caption}]({pictures.name}/{part.name}.png)"
        parts.append(part)
    return "\n\n".join(parts)


def origin(frame: pd.DataFrame) -> str:
    """Return commands, machines, versions, commits and days of runs, and their time."""
    known = {name: sorted(set(frame[name])) for name in ("command", "machine", "torch", "commit", "date")}
    commands = ", ".join(f"`{command}`" for command in known.pop("command"))
    machine, torch, commit, date = (", ".join(values) for values in known.values())
    minutes = frame["run_seconds"].sum() / 60
    return f"{commands}, on {machine}; torch {torch}; commit {commit}; {date}; {len(frame):,} runs, {minutes:.1f} min"


def write(path: Path, runs: Path, questions: Iterable[str] = QUESTIONS) -> None:
    """Write RESULTS.md anew, and its pictures into the folder ``pictures`` beside it."""
    sections = [section(question, runs, path.parent / "pictures") for question in questions]
    write_atomically(path, ("\n\n".join([HEAD, *sections]) + "\n").encode())


def main() -> None:
    """Write RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the JSON files")
    parser.add_argument("--out", type=Path, default=RESULTS, help="benchmarks/RESULTS.md by default")
    options = parser.parse_args()
    try:
        make_folder(options.out.parent)
        write(options.out, options.runs)
    except NetGraphError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
