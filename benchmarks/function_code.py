"""The function code alone: networks written from its first numbers, into given architectures."""

from copy import deepcopy
from functools import lru_cache
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.report import Picture, table
from benchmarks.zoos import SMALL, UNSEEN, checkpoint_of, small, unseen, with_rows
from netgraph import NetGraph, metrics
from netgraph.graph import Architecture, make_layer
from netgraph.stack import first_outputs, probe

TITLE = "The function code alone"
ABOUT = (
    "Networks of unseen tasks, encoded, and written anew from the first numbers of their function codes into a given "
    "architecture. R² of the outputs, median (10th percentile), on 256 standard normal rows that decoding did not see, "
    "and on the rows of each network's task. Small: 2 to 10 inputs, 1 to 3 hidden layers of 4 to 16 units; all: the "
    "whole vocabulary of the checkpoint. The code itself: outputs on the common rows, encoded and completed. "
    "Noise: hidden weights begin with N(0, I) in standardized weights instead of those of the hypernet, with the same "
    "steps of variable projection; output layers are solved throughout."
)
#: Hidden widths and activation of the architectures; the network's own where there are none.
TARGETS: dict[str, tuple[tuple[int, ...], str]] = {
    "16 Tanh": ((16,), "Tanh"), "32-32 SiLU": ((32, 32), "SiLU"), "the original": ((), ""),
}  # fmt: skip
NUMBERS, ROWS, SEED = (64, 32, 16, 8), 256, 3


def grid(
    n: int = 1000, checkpoint: str | None = None, zoo: str = UNSEEN, small_zoo: str = SMALL
) -> list[dict[str, Any]]:
    """Return a run for each class of networks, architecture, number of numbers, and way.

    Args:
        n: Most networks.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo of unseen tasks, one network each; built where there is none.
        small_zoo: Folder of a zoo of small networks; built likewise.
    """
    ways = [(count, None, "hypernet") for count in NUMBERS]
    ways += [(NUMBERS[0], 0, "hypernet"), (NUMBERS[0], None, "noise"), (NUMBERS[0], 0, "noise")]
    return [
        {"networks": networks, "into": into, "numbers": count, "steps": steps, "start": start}
        | {"n": n, "checkpoint": checkpoint, "zoo": folder}
        for networks, folder in (("small", small_zoo), ("all", zoo))
        for into in TARGETS
        for count, steps, start in ways
    ]


class Noise(nn.Module):
    """The hypernet's place taken by the noise that it reads."""

    def forward(self, f: Tensor, moments: Tensor, batch: Any, initial: Tensor, given: Tensor) -> Tensor:
        """Return the noise."""
        return initial


@lru_cache(maxsize=1)
def encoded(networks: str, n: int, checkpoint: str | None, zoo: str) -> tuple[list[NetGraph], list[Tensor], Tensor]:
    """Return networks, the rows of their tasks, and their function codes."""
    vae = checkpoint_of(checkpoint)
    graphs, rows = with_rows({"small": small, "all": unseen}[networks](zoo, checkpoint), vae, n)
    return graphs, rows, vae.encode(graphs)[:, vae.function]


def multilayer_perceptron(n_inputs: int, widths: tuple[int, ...], activation: str) -> Architecture:
    """Return the architecture of hidden layers of some widths with one activation, and one output."""
    layers = [make_layer("Input", (), n_inputs)]
    for width in widths:
        layers.append(make_layer("Linear", (len(layers) - 1,), width))
        layers.append(make_layer(activation, (len(layers) - 1,), width))
    return Architecture((*layers, make_layer("Linear", (len(layers) - 1,), 1)))


def measure(
    networks: str, into: str, numbers: int, steps: int | None, start: str, n: int, checkpoint: str | None, zoo: str
) -> dict[str, Any]:
    """Write networks from prefixes of their function codes."""
    vae = checkpoint_of(checkpoint)
    true, rows, f = encoded(networks, n, checkpoint, zoo)
    architectures, inputs = [graph.architecture for graph in true], [graph.architecture.n_inputs for graph in true]
    widths, activation = TARGETS[into]
    given = [multilayer_perceptron(count, widths, activation) for count in inputs] if widths else architectures
    writer = vae
    if start == "noise":
        writer = deepcopy(vae)
        writer.decoder.hypernet = Noise()
    written = writer.decode(f[:, :numbers], architecture=given, steps=steps)
    fresh = probe(max(inputs), ROWS, SEED)
    function = vae.encoder.function
    common = function.rows(max(inputs))
    outputs = first_outputs(architectures, [graph.state for graph in true], common)
    counts = torch.tensor([[count, 1] for count in inputs])
    rest = function.complete(f[:, :numbers], counts)[..., 0] - outputs
    code = 1 - rest.square().mean(dim=1) / outputs.var(dim=1, correction=0)
    found = {
        "": metrics.output_r2_per_pair(true, written, fresh),
        "own_": metrics.output_r2_per_pair(true, written, rows),
    }
    result: dict[str, Any] = {"count": len(true)}
    for name, values in (found | {"code_": code.double()}).items():
        result[f"{name}median"] = float(values.median())
        result[f"{name}p10"] = float(values.quantile(0.1, interpolation="lower"))
    return result


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate R² by class, architecture and way over the number of numbers."""
    steps = runs["steps"].map(lambda count: "" if count != count or count is None else f", {count:g} steps")
    runs = runs.assign(way=runs["start"] + steps)
    index, parts = ["networks", "into", "way"], []  # type: list[str], list[str | Picture]
    parts.append(f"Networks of a class: {runs['count'].max():,} at most. On standard normal rows:")
    for name, words in {
        "": "",
        "own_": "On the rows of the tasks:",
        "code_": "The code itself, on the common rows:",
    }.items():
        both = [runs[f"{name}{figure}"].map("{:.3f}".format) for figure in ("median", "p10")]
        wide = runs.assign(cell=both[0] + " (" + both[1] + ")").pivot_table("cell", index, "numbers", aggfunc="first")
        if name == "code_":
            wide = wide.groupby("networks").first()
        parts += [words] * bool(words) + [
            table(wide[sorted(wide.columns, reverse=True)].rename(columns="{} numbers".format))
        ]
    return parts
