"""Generation or memory: distance to the nearest training network against quality, of samples and of simple copies."""

from collections.abc import Sequence

import torch
from checkpoint import Setup, axes, picture, setup, table

from netgraph import NetGraph, metrics
from netgraph.evaluation import behavior_distances, nearness, random_like
from netgraph.evaluation.memory import Nearness, average_pairs, perturb

LEVELS = (0.03, 0.1, 0.3, 1.0)
#: A network that is nearer than this to a training network counts as a copy of it.
COPY = 0.2


def sets_of(chosen: Setup, train: Sequence[NetGraph], held_out: Sequence[NetGraph]) -> dict[str, list[NetGraph]]:
    """Make the sets to compare; all networks are finite."""
    drawn = torch.randperm(len(train), generator=chosen.generator)[: chosen.n].tolist()
    source = [train[i] for i in drawn]
    samples = [graph for graph in chosen.vae.sample(chosen.n, seed=chosen.options.seed) if metrics.is_valid(graph)]
    return {
        "sampled from N(0, I)": samples,
        "trained on held-out tasks": list(held_out),
        **{f"training networks, noise of {level:g}": perturb(source, level, chosen.generator) for level in LEVELS},
        "two training networks averaged": average_pairs(train, chosen.n, chosen.generator),
        "random initialization": random_like(samples, chosen.generator),
    }


def near(sets: dict[str, list[NetGraph]], train: Sequence[NetGraph]) -> dict[str, Nearness]:
    """Measure all sets at once, so that the training networks run once."""
    whole = nearness([graph for graphs in sets.values() for graph in graphs], train)
    sizes = [len(graphs) for graphs in sets.values()]
    parts = zip(whole.weights.split(sizes), whole.behavior.split(sizes), strict=True)
    return {name: Nearness(*part) for name, part in zip(sets, parts, strict=True)}


def qualities(
    chosen: Setup, sets: dict[str, list[NetGraph]], train: Sequence[NetGraph], held_out: Sequence[NetGraph]
) -> dict[str, float]:
    """Give the sample quality of each set, against networks that are in none of them."""
    drawn = torch.randperm(len(train), generator=chosen.generator)[: chosen.n].tolist()
    *distances, floor = behavior_distances([*sets.values(), [train[i] for i in drawn]], held_out)
    found = dict(zip(sets, distances, strict=True))
    random = found["random initialization"]
    return {name: metrics.sample_quality(random, distance, floor) for name, distance in found.items()}


def draw(found: dict[str, Nearness], quality: dict[str, float]) -> str:
    """Draw quality over distance, in behavior and in weights."""
    figure, panels = axes(10, 4, 2)
    for ax, key, label in zip(
        panels, ("median_behavior", "median_weights"), ("behavior", "weights (same architecture)"), strict=True
    ):
        for name, one in found.items():
            ax.scatter(getattr(one, key), max(-1.0, quality[name]), s=40, label=name)
        ax.set(xlabel=f"median distance to the nearest in {label}", ylabel="sample quality (below −1: at −1)")
        ax.axhline(1, color="gray", linewidth=0.7, linestyle="--")
    labels = panels[0].get_legend_handles_labels()
    figure.legend(*labels, frameon=False, fontsize=8, loc="outside lower center", ncols=3)
    return picture(figure, "memory", "Sample quality over the distance to the nearest training network")


def main() -> None:
    """Measure and write the section."""
    chosen = setup("memory.py", __doc__)
    train = list(chosen.zoo.stream(chosen.zoo.split("train")))
    held_out, reference = halves(chosen)
    sets = sets_of(chosen, train, held_out)
    found, quality = near(sets, train), qualities(chosen, sets, train, reference)
    head = ["", "networks", "same architecture", "weights", f"copies (< {COPY:g})", "behavior", "`sample_quality`"]
    rows = [[name, len(sets[name]), *distances(one), quality[name]] for name, one in found.items()]
    lines = [
        f"Distance to the nearest of {len(train):,} training networks, medians. Weights: to the nearest of the same "
        "architecture, where there is one, after alignment (canonical form, then weight matching), over the norm of "
        "its parameters. Behavior: root mean square difference of the outputs on 64 common rows to the nearest of all. "
        "Noise: deviation over the root mean square of each tensor.",
        "",
        *table(head, rows),
        "",
        draw(found, quality),
    ]
    chosen.write("Generation, not memory", lines)


def halves(chosen: Setup) -> tuple[list[NetGraph], list[NetGraph]]:
    """Draw held-out networks: some to be measured as a set, others to measure quality against."""
    both = chosen.networks("test", 2 * chosen.n)
    order = torch.randperm(len(both), generator=chosen.generator).tolist()
    cut = len(both) // 2
    return [both[i] for i in order[:cut]], [both[i] for i in order[cut:]]


def distances(one: Nearness) -> list[float]:
    """Give the share with a training network of the same architecture, medians, and the share of copies."""
    copies = float((one.weights < COPY).double().mean())
    return [one.share_with_twin, one.median_weights, copies, one.median_behavior]


if __name__ == "__main__":
    main()
