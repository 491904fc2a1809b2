"""Held-out networks rebuilt from their latents, free-running: how well, and which ones are in the tail."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from checkpoint import Setup, axes, picture, setup, table
from torch import Tensor

from netgraph import NetGraph, NetVAE, metrics
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
        vae: The model.
        graphs: n networks of held-out tasks.
        z: Their latents, [n, latent].
        xs: Rows on which outputs are compared, [rows, inputs] each.
    """

    def __init__(self, vae: NetVAE, graphs: Sequence[NetGraph], z: Tensor, xs: Sequence[Tensor]) -> None:
        self.true, self.made = graphs, vae.decode(z)
        self.valid = torch.tensor([metrics.is_valid(graph) for graph in self.made]).double()
        pairs = list(zip(self.true, self.made, strict=True))
        self.same = torch.tensor([a.architecture.key == b.architecture.key for a, b in pairs]).double()
        self.figures: Reconstruction = evaluate_reconstruction(self.true, self.made, xs)

    def row(self, name: str, chosen: Tensor) -> Row:
        """Give the figures of some of them, [n] bool."""
        r2 = self.figures.output_r2[chosen]
        means = [float(values[chosen].mean()) for values in (self.valid, self.figures.edge_f1, self.figures.cosine)]
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


def rows_of(chosen: Setup, graphs: Sequence[NetGraph]) -> list[Tensor]:
    """Read the rows of each network's task."""
    tasks = {number: chosen.zoo.task(number).x for number in sorted({graph.task for graph in graphs})}
    return [tasks[graph.task] for graph in graphs]


def all_and_small(rebuilt: Rebuilt, small: Tensor, name: str = "") -> list[Row]:
    """Give the figures of all networks and of the small ones."""
    sets = {"all": torch.ones_like(small), "small": small}
    return [rebuilt.row(", ".join(filter(None, (name, key))), own) for key, own in sets.items() if own.any()]


def refinement(chosen: Setup, graphs: Sequence[NetGraph], z: Tensor, small: Tensor) -> list[str]:
    """Refine latents on half of the rows, and compare outputs on the other half."""
    steps = chosen.options.refine
    halves = [(x[: len(x) // 2], x[len(x) // 2 :]) for x in rows_of(chosen, graphs)]
    seen, unseen = ([pair[side] for pair in halves] for side in (0, 1))
    latents = {"encoded": z, f"refined, {steps} steps": chosen.vae.refine(graphs, seen, steps)}
    rows = [
        row
        for name, own in latents.items()
        for row in all_and_small(Rebuilt(chosen.vae, graphs, own, unseen), small, name)
    ]
    return [
        "Latents refined by gradient steps on half of the rows of each network's task; outputs compared on the other:",
        "",
        *table(HEAD, rows),
        "",
    ]


def main() -> None:
    """Measure and write the section."""
    chosen = setup("rebuilding.py", __doc__, n=2000, refine=20)
    graphs = chosen.networks("test")
    z = chosen.vae.encode(graphs)
    rebuilt = Rebuilt(chosen.vae, graphs, z, rows_of(chosen, graphs))
    small = torch.tensor([is_small(graph.architecture) for graph in graphs])
    lines = [
        f"{len(graphs):,} networks of held-out tasks, encoded and decoded free-running: nothing of the true network is "
        "given. Small: 2–10 inputs, 1–3 hidden layers of 4–16 units. Outputs on the rows of each network's own task.",
        "",
        *table(HEAD, all_and_small(rebuilt, small)),
        "",
        *(refinement(chosen, graphs, z, small) if chosen.options.refine else []),
        "Who is in the tail; numbers are cut at their quartiles:",
        "",
        *table(HEAD, [rebuilt.row(name, own) for name, own in groups(graphs)]),
        "",
        draw(rebuilt.figures.output_r2, small),
    ]
    chosen.write("Rebuilding", lines)


if __name__ == "__main__":
    main()
