"""The latent space: are networks between two others valid and in between, and what do linear probes read from it."""

import torch
from checkpoint import Setup, axes, picture, setup, table
from netgraph.evaluation.latent_space import Described
from torch import Tensor

from netgraph import NetGraph
from netgraph.evaluation import probe_latents, smoothness
from netgraph.evaluation.interpolation import latent_paths, pairs_of_one_architecture, weight_paths
from netgraph.evaluation.linear_probes import LabelProbe, ValueProbe, main_activation

Row = list[str | int | float]


def described(chosen: Setup, graphs: list[NetGraph]) -> Described:
    """Encode networks and look up what their tasks are."""
    families = [chosen.zoo.task(graph.task).family for graph in graphs]
    return Described(graphs, families, chosen.vae.encode(graphs).cpu())


def interpolations(chosen: Setup) -> list[Row]:
    """Walk between held-out networks: any two, and two of one architecture, through latents and through weights."""
    points, n = chosen.options.points, chosen.options.pairs
    held_out = list(chosen.zoo.stream(chosen.zoo.split("test")))
    order = torch.randperm(len(held_out), generator=chosen.generator)[: 2 * n].tolist()
    alike = pairs_of_one_architecture(held_out, n, chosen.generator)
    any_two = list(zip(order[::2], order[1::2], strict=False))
    found = {"through the latent space, any two": latent(chosen, held_out, any_two)}
    if alike:
        found["through the latent space, one architecture"] = latent(chosen, held_out, alike)
        found["through canonical weights, one architecture"] = weight_paths(
            [(held_out[i], held_out[j]) for i, j in alike], points
        )
    return [row(name, paths) for name, paths in found.items()]


def latent(chosen: Setup, graphs: list[NetGraph], pairs: list[tuple[int, int]]) -> list[list[NetGraph]]:
    """Decode the ways between the latents of some pairs."""
    a, b = (chosen.vae.encode([graphs[pair[side]] for pair in pairs]) for side in (0, 1))
    return latent_paths(a, b, chosen.options.points, chosen.vae.decode)


def row(name: str, paths: list[list[NetGraph]]) -> Row:
    """Measure paths."""
    found = smoothness(paths)
    return [name, len(paths), found.validity, found.median_length, found.median_largest_step]


def probe_rows(probes: dict[str, ValueProbe | LabelProbe]) -> list[Row]:
    """Lay probes out."""
    nothing = float("nan")
    return [
        [name, probe.r2, probe.tau, nothing, nothing]
        if isinstance(probe, ValueProbe)
        else [name, nothing, nothing, probe.accuracy, probe.majority]
        for name, probe in probes.items()
    ]


def draw(held_out: Described) -> str:
    """Draw latents on their first two principal components."""
    figure, (left, right) = axes(9, 3.6, 2)
    points = components(held_out.z)
    sizes = torch.tensor([graph.architecture.state_size for graph in held_out.graphs]).double().log10()
    figure.colorbar(left.scatter(*points.T.numpy(), s=5, c=sizes.numpy(), cmap="viridis"), ax=left)
    left.set_title("log10 of the number of parameters", fontsize=9)
    kinds = [main_activation(graph.architecture) for graph in held_out.graphs]
    for kind in sorted(set(kinds)):
        own = torch.tensor([one == kind for one in kinds])
        right.scatter(*points[own].T.numpy(), s=5, label=kind)
    right.set_title("most frequent activation", fontsize=9)
    right.legend(frameon=False, fontsize=7, markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5))
    return picture(figure, "latent_space", "Latents of held-out networks on two principal components")


def components(z: Tensor) -> Tensor:
    """Give the first two principal components, [n, 2]."""
    centered = z - z.mean(dim=0)
    return centered @ torch.linalg.svd(centered, full_matrices=False)[2][:2].T


def main() -> None:
    """Measure and write the section."""
    chosen = setup("latent_space.py", __doc__, pairs=100, points=11, train=3000)
    held_out = described(chosen, chosen.networks("test"))
    train = described(chosen, chosen.networks("train", chosen.options.train))
    probes = probe_latents(train, held_out)
    points = chosen.options.points
    lines = [
        f"Straight ways between held-out networks, {points} networks each. A step is the root mean square difference "
        "of two neighbors' outputs on 64 common rows. Relative length: the sum of the steps over the distance of the "
        f"ends, 1 at best. Largest step over mean step: 1 at best, {points - 1} for one jump. Medians over pairs.",
        "",
        *table(["", "pairs", "valid", "relative length", "largest step over mean step"], interpolations(chosen)),
        "",
        f"Linear probes: ridge and logistic regression on the {held_out.z.shape[1]:,} latent numbers of "
        f"{len(train.graphs):,} networks of training tasks, tested on {len(held_out.graphs):,} of held-out tasks.",
        "",
        *table(["read", "R²", "Kendall's tau", "accuracy", "majority share"], probe_rows(probes)),
        "",
        draw(held_out),
    ]
    chosen.write("Latent space", lines)


if __name__ == "__main__":
    main()
