"""Options, and ways to read and print, that several commands have."""

import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Annotated

import typer

from netgraph.figures import Metric, meaning_of
from netgraph.machine import DEVICES

#: Least width of a column of meanings, in letters; chosen: some words.
LEAST_WIDTH = 32
Count = Annotated[int, typer.Option(min=1)]
OptionalCount = Annotated[int | None, typer.Option(min=1)]
Overwrite = Annotated[bool, typer.Option("--overwrite")]
Device = Annotated[str, typer.Option(metavar="|".join(DEVICES), autocompletion=lambda: list(DEVICES))]


def listed(names: str) -> tuple[str, ...]:
    """Return names that are separated by commas."""
    return tuple(name.strip() for name in names.split(","))


def print_figures(figures: Mapping[str, float], metrics: Mapping[str, Metric]) -> None:
    """Print a figure a line: its name, its value, whole numbers in full, and its meaning.

    On a terminal, meanings are wrapped in their own column, and left out where that is narrow.

    Args:
        figures: Figures by name.
        metrics: Their meanings, :data:`~netgraph.figures.MODEL` or :data:`~netgraph.figures.TABLE`.
    """
    values = {name: f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}" for name, value in figures.items()}
    names, numbers = (max(map(len, texts), default=0) for texts in (values, values.values()))
    indent = " " * (names + numbers + 4)
    width = shutil.get_terminal_size().columns if getattr(sys.stdout, "isatty", bool)() else None
    for name, value in values.items():
        start = f"{name:{names}}  {value:{numbers}}  "
        if width is None:
            print(f"{start}{meaning_of(name, metrics)}".rstrip())
        elif width < len(indent) + LEAST_WIDTH:
            print(start.rstrip())
        else:
            line = f"{start}{meaning_of(name, metrics)}"
            print(textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False))
