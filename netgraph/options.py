"""Options, and ways to read and print, that several commands have."""

from collections.abc import Mapping
from typing import Annotated

import typer

from netgraph.machine import DEVICES

Count = Annotated[int, typer.Option(min=1)]
OptionalCount = Annotated[int | None, typer.Option(min=1)]
Overwrite = Annotated[bool, typer.Option("--overwrite")]
Device = Annotated[str, typer.Option(metavar="|".join(DEVICES), autocompletion=lambda: list(DEVICES))]


def listed(names: str) -> tuple[str, ...]:
    """Return names that are separated by commas."""
    return tuple(name.strip() for name in names.split(","))


def print_figures(figures: Mapping[str, float]) -> None:
    """Print a figure a line, whole numbers in full."""
    for name, value in figures.items():
        print(f"{name:32s} {value:.0f}" if float(value).is_integer() else f"{name:32s} {value:.4g}")
