"""Rebuilding: networks of unseen tasks through the latent of a checkpoint, and the worst cases."""

from typing import Any

import pandas as pd
import torch
from torch import Generator

from benchmarks.report import Picture, table
from benchmarks.zoos import UNSEEN, checkpoint_of, covered, unseen
from netgraph import NetGraph, metrics
from netgraph.evaluation import evaluate_reconstruction

TITLE = "Rebuilding"
ABOUT = (
    "Networks of tasks that a checkpoint has not seen, encoded and decoded free-running: nothing of a network is given "
    "beside its latent. Outputs on the rows of each network's task; groups of widths are cut at quartiles. The worst "
    "networks have the least output R²."
)
WORST = 8
#: Figures without values for each network: their means.
MEANS = ("edge_accuracy", "weight_within_tolerance", "parameter_cosine_similarity", "output_r2_mean_clamped")
TRAITS = ("parameters", "hidden linear layers", "widest layer")
PERCENTILES = {"median": 0.5, "10th percentile": 0.1, "1st percentile": 0.01}
SHARES = ("valid", "architecture exact", "edge F1")


def grid(n: int = 1000, checkpoint: str | None = None, zoo: str = UNSEEN, split: str = "test") -> list[dict[str, Any]]:
    """Return the only run.

    Args:
        n: Most networks, drawn at random.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo, such as one of the quick recipe; one of unseen tasks is built where there is none.
        split: Split of the zoo, ``test`` or ``train``.
    """
    return [{"n": n, "checkpoint": checkpoint, "zoo": zoo, "split": split}]


def measure(n: int, checkpoint: str | None, zoo: str, split: str) -> dict[str, Any]:
    """Rebuild networks; a list for each figure and each trait, with a value for each network."""
    vae, source = checkpoint_of(checkpoint), unseen(zoo, checkpoint)
    known = covered(source, vae, split)
    order = torch.randperm(len(known), generator=Generator().manual_seed(0))[:n].tolist()
    true = [known[i] for i in order]
    rebuilt = vae.decode(vae.encode(true))
    compared = evaluate_reconstruction(true, rebuilt, [source.task(graph.task).x for graph in true])
    return {
        "latent_size": vae.config.latent_size,
        "outside": len(source.split(split)) - len(known),
        "architecture": [repr(graph.architecture) for graph in true],
        "parameters": [graph.architecture.state_size for graph in true],
        "hidden linear layers": [len(widths(graph)) for graph in true],
        "widest layer": [max(widths(graph), default=0) for graph in true],
        "valid": [metrics.is_valid(graph) for graph in rebuilt],
        "architecture exact": [a.architecture.key == b.architecture.key for a, b in zip(true, rebuilt, strict=True)],
        "edge F1": compared.edge_f1.tolist(),
        "cosine": compared.cosine.tolist(),
        "output R²": compared.output_r2.tolist(),
    } | {name: compared.metrics[name] for name in MEANS}


def widths(graph: NetGraph) -> list[int]:
    """Return the sizes of the hidden linear layers, skips included."""
    return [layer.size for layer in graph.architecture.layers if layer.type == "Linear"][:-1]


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate all networks of the last run, groups of them, and the worst."""
    run = runs.iloc[-1]
    networks = pd.DataFrame({name: run[name] for name in ("architecture", *TRAITS, *SHARES, "cosine", "output R²")})
    rate = networks["parameters"].median() / run["latent_size"]
    about = (
        f"Networks: {len(networks):,}; outside of the checkpoint's coverage and left out: {run['outside']:,}. Latent "
        f"numbers: {run['latent_size']:,}; parameters of the median network over these: {rate:.2f}."
    )
    means = pd.DataFrame({"mean": {name.replace("_", " "): run[name] for name in MEANS}}).rename_axis("all networks")
    worst = networks.nsmallest(WORST, "output R²")[["architecture", "parameters", "output R²", "cosine", "edge F1"]]
    return [about, table(groups(networks), 4), table(means, 4), table(worst)]


def groups(networks: pd.DataFrame) -> pd.DataFrame:
    """Return shares, medians and percentiles of all networks, and of groups with equal or similar traits."""
    rows = {"all": figures(networks)}
    for trait in TRAITS:
        values = networks[trait]
        parts = values if trait == "hidden linear layers" else pd.qcut(values, 4, duplicates="drop")
        for _, part in networks.groupby(parts, observed=True):
            low, high = part[trait].min(), part[trait].max()
            rows[f"{trait}: {low:,}" + (f" to {high:,}" if high > low else "")] = figures(part)
    return pd.DataFrame(rows).T.rename_axis("networks").astype({"n": int})


def figures(part: pd.DataFrame) -> dict[str, float]:
    """Return the figures of some networks."""
    row = {"n": len(part)} | {name: float(part[name].mean()) for name in SHARES}
    for name in ("cosine", "output R²"):
        for words, share in PERCENTILES.items():
            row[f"{name}, {words}"] = float(part[name].quantile(share, interpolation="lower"))
    return row
