"""What the benchmarks of a checkpoint share: their arguments, networks out of a zoo, tables and pictures."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from results import PATH, write_section
from torch import Generator

from netgraph import NetGraph, NetVAE, Zoo

PICTURES = PATH.parent / "pictures"


@dataclass(frozen=True)
class Setup:
    """What a benchmark works with.

    Attributes:
        vae: The model.
        zoo: Networks and tasks, of which the test tasks are new to the model.
        n: Networks of a set.
        generator: Draws them.
        options: The command line.
    """

    vae: NetVAE
    zoo: Zoo
    n: int
    generator: Generator
    options: argparse.Namespace

    def networks(self, split: str, n: int | None = None) -> list[NetGraph]:
        """Draw networks of ``train`` or ``test`` tasks, in the zoo's order; ``n`` of the setup when None."""
        chosen = self.zoo.split(split)
        drawn = torch.randperm(len(chosen), generator=self.generator)[: n or self.n].tolist()
        return list(self.zoo.stream([chosen[i] for i in drawn]))

    def write(self, name: str, lines: Sequence[str]) -> None:
        """Write a section, with the command that made it, and print it."""
        parts = [f"python benchmarks/{self.options.script} {self.options.zoo.name}"]
        if self.options.checkpoint:
            parts.append(f"--checkpoint {self.options.checkpoint.name}")
        write_section(name, " ".join(parts), list(lines))
        print("\n".join(lines))


def setup(script: str, about: str, **numbers: int) -> Setup:
    """Read the command line: a zoo, a checkpoint, and whole numbers with their defaults.

    Args:
        script: File name of the benchmark.
        about: What it does.
        numbers: Further options, such as ``tasks=100``.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("zoo", type=Path, help="folder of a zoo whose test tasks the checkpoint was not trained on")
    parser.add_argument("--checkpoint", type=Path, help="safetensors file; the one that ships by default")
    for name, value in ({"n": 1000, "seed": 0} | numbers).items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{value} by default")
    options = parser.parse_args()
    options.script = script
    torch.set_num_threads(1)
    generator = Generator().manual_seed(options.seed)
    return Setup(NetVAE.from_pretrained(options.checkpoint), Zoo(options.zoo), options.n, generator, options)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lay rows out as Markdown; numbers that are no whole ones with four digits, NaN as a dash."""
    cells = [[_cell(value) for value in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in [list(head), ["---"] * len(head), *cells]]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def axes(width: float, height: float, columns: int) -> tuple[Figure, list[Any]]:
    """Give a figure with axes beside each other."""
    figure = Figure(figsize=(width, height), layout="constrained")
    found = figure.subplots(1, columns, squeeze=False)[0].tolist()
    for ax in found:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, found


def picture(figure: Figure, name: str, caption: str) -> str:
    """Write a picture beside RESULTS.md and give the line that shows it."""
    PICTURES.mkdir(exist_ok=True)
    # Without the version of matplotlib, so that equal pictures are equal files.
    figure.savefig(PICTURES / f"{name}.png", dpi=90, metadata={"Software": None})
    return f"![{caption}](pictures/{name}.png)"
