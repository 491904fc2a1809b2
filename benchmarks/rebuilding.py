"""Held-out networks rebuilt from their latents, free-running: how well, and which ones are in the tail."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from checkpoint import Setup, axes, picture, setup, table
from torch import Tensor

from netgraph import NetGraph, metrics
from netgraph.evaluation import Reconstruction, evaluate_reconstruction
from netgraph.evaluation.behavior import low_decile, median
from netgraph.evaluation.linear_probes import depth, main_activation
from netgraph.graph import Architecture

Row = list[str | int | float]
HEAD = ["", "n", "validity", "edge F1", "cosine", "output R², median", "10th percentile", "architecture exact"]


def widths(architecture: Architecture) -> list[int]:
    """Sizes of the hidden linear layers, those of skips included."""
    return [layer.size for layer in architecture.layers if layer.type == "Linear"][:-1]


def is_small(architecture: Architecture) -> bool:
    """Whether a network has 2-10 inputs and 1-3 hidden layers, all of 4-16 units."""
    inside = all(4 <= width <= 16 for width in widths(architecture))
    return inside and 2 <= architecture.n_inputs <= 10 and 1 <= depth(architecture) <= 3


def has(kind: str) -> Callable[[Architecture], str]:
    """Say whether a network has a layer of some type."""
    return lambda architecture: "yes" if any(layer.type == kind for layer in architecture.layers) else "no"


TRAITS: dict[str, Callable[[Architecture], int | str]] = {
    "parameters": lambda architecture: architecture.state_size,
    "hidden layers": depth,
    "widest hidden layer": lambda architecture: max(widths(architecture), default=0),
    "inputs": lambda architecture: architecture.n_inputs,
    "activation (most frequent)": main_activation,
    "LayerNorm": has("LayerNorm"),
    "Add (skips, residual joins)": has("Add"),
}
#: Traits of few values, each a group of its own; other numbers are cut at their quartiles.
EACH = ("hidden layers",)


def groups(graphs: Sequence[NetGraph]) -> Iterator[tuple[str, Tensor]]:
    """Cut networks into groups by each trait; give the name of each group and who is in it, [n] bool."""
    for name, trait in TRAITS.items():
        values = [trait(graph.architecture) for graph in graphs]
        if name in EACH or isinstance(values[0], str):
            for value in sorted(set(values)):
                yield f"{name}: {value}", torch.tensor([own == value for own in values])
        else:
            yield from quartiles(name, np.array(values))


def quartiles(name: str, values: np.ndarray) -> Iterator[tuple[str, Tensor]]:
    """Cut networks at the quartiles of a number."""
    edges = np.unique(np.quantile(values, [0.25, 0.5, 0.75], method="lower"))
    group = np.searchsorted(edges, values)
    for number in np.unique(group).tolist():
        own = values[group == number]
        yield f"{name}: {own.min():,} to {own.max():,}", torch.from_numpy(group == number)


class Rebuilt:
    """Networks and what was rebuilt of them, each pair measured once.

    Args:
        chosen: What to work with.
        graphs: n networks of held-out tasks.
    """

    def __init__(self, chosen: Setup, graphs: Sequence[NetGraph]) -> None:
        self.true, self.made = graphs, chosen.vae.decode(chosen.vae.encode(graphs))
        tasks = {number: chosen.zoo.task(number).x for number in sorted({graph.task for graph in graphs})}
        self.xs = [tasks[graph.task] for graph in graphs]
        self.valid = torch.tensor([metrics.is_valid(graph) for graph in self.made]).double()
        pairs = list(zip(self.true, self.made, strict=True))
        self.same = torch.tensor([a.architecture.key == b.architecture.key for a, b in pairs]).double()
        self.f1 = metrics.edge_f1_per_pair(self.true, self.made)
        self.figures: Reconstruction = evaluate_reconstruction(self.true, self.made, self.xs)

    def row(self, name: str, chosen: Tensor) -> Row:
        """Give the figures of some of them, [n] bool."""
        r2 = self.figures.output_r2[chosen]
        means = [float(values[chosen].mean()) for values in (self.valid, self.f1, self.figures.cosine)]
        return [name, int(chosen.sum()), *means, median(r2), low_decile(r2), float(self.same[chosen].mean())]


def draw(r2: Tensor, small: Tensor) -> str:
    """Draw how output R² is distributed."""
    figure, (ax,) = axes(8, 3, 1)
    for name, values in (("all", r2), ("small", r2[small])):
        if len(values):
            ax.hist(values.clamp(min=-1).numpy(), bins=80, range=(-1, 1), alpha=0.6, label=name)
    ax.set(xlabel="output R² (below −1: at −1)", ylabel="networks", yscale="log")
    ax.legend(frameon=False)
    return picture(figure, "rebuilding", "Output R² of rebuilt held-out networks")


def main() -> None:
    """Measure and write the section."""
    chosen = setup("rebuilding.py", __doc__, n=2000)
    graphs = chosen.networks("test")
    rebuilt = Rebuilt(chosen, graphs)
    small = torch.tensor([is_small(graph.architecture) for graph in graphs])
    rows = [rebuilt.row("all", torch.ones(len(graphs), dtype=torch.bool))]
    if small.any():
        rows.append(rebuilt.row("small", small))
    lines = [
        f"{len(graphs):,} networks of held-out tasks, encoded and decoded free-running: nothing of the true network is "
        "given. Small: 2–10 inputs, 1–3 hidden layers of 4–16 units. Outputs on the rows of each network's own task.",
        "",
        *table(HEAD, rows),
        "",
        "Who is in the tail; numbers are cut at their quartiles:",
        "",
        *table(HEAD, [rebuilt.row(name, own) for name, own in groups(graphs)]),
        "",
        draw(rebuilt.figures.output_r2, small),
    ]
    chosen.write("Rebuilding", lines)


if __name__ == "__main__":
    main()
