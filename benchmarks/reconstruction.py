"""Rate and distortion: held-out networks rebuilt from latents of a few sizes, by netgraph and by its peers."""

from functools import lru_cache
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.peers import PEERS
from benchmarks.report import Picture, table
from benchmarks.zoos import examples, open_or_build
from netgraph import NetGraphError
from netgraph.evaluation import evaluate_reconstruction
from netgraph.training import Example

TITLE = "Reconstruction: rate and distortion"
ABOUT = (
    "Networks of held-out tasks of datasets/benchmark.yaml, encoded and decoded: one architecture, canonical form on "
    "every side, equal latent size and equal seconds of training on one thread (PCA and nearest neighbor are closed "
    "forms). Outputs are compared on the rows of each network's task. The peers are given the architecture; netgraph "
    "decodes it from the latent too, so that edge F1 has a meaning for it alone. The latent of the nearest neighbor is "
    "one number, whatever the size. Cosine: last hidden activations. Parameters a number: of a network, over those of "
    "its latent."
)
#: The smallest latents in which netgraph has slots for 2, 4 and 8 of the 8 neurons of a layer.
LATENTS = (38, 54, 86)
COLUMNS = {
    "output_r2_median": "output R², median",
    "output_r2_p10": "10th percentile",
    "output_r2_mean_clamped": "mean (each ≥ −1)",
    "cosine_similarity": "cosine",
    "edge_f1": "edge F1",
}


def grid(
    seconds: float = 30.0, latents: list[int] | None = None, seeds: int = 1, zoo: str = "runs/benchmark_zoo"
) -> list[dict[str, Any]]:
    """Return a run for each latent size, peer and seed.

    Args:
        seconds: Training time of each.
        latents: Total latent sizes; 38, 54 and 86 when None.
        seeds: Number of seeds of initial weights and batches.
        zoo: Folder of a zoo of one architecture; datasets/benchmark.yaml is built where there is none.
    """
    if seconds <= 0:
        raise NetGraphError(f"--seconds {seconds:g}: must be above 0")
    return [
        {"peer": peer, "latent": latent, "seconds": seconds, "seed": seed, "zoo": zoo}
        for latent in latents or LATENTS
        for peer in PEERS
        for seed in range(seeds)
    ]


@lru_cache(maxsize=1)
def data_of(folder: str) -> tuple[list[Example], list[Example]]:
    """Read training and held-out networks of a zoo."""
    zoo = open_or_build(folder, lambda: "benchmark")
    return examples(zoo, "train"), examples(zoo, "test")


def measure(peer: str, latent: int, seconds: float, seed: int, zoo: str) -> dict[str, Any]:
    """Fit a peer, and compare held-out networks with their reconstructions."""
    train, test = data_of(zoo)
    fitted = PEERS[peer](latent, seed)
    fitted.fit(train, seconds)
    true = [example.graph for example in test]
    rebuilt = fitted.decode(fitted.encode(true))
    figures = evaluate_reconstruction(true, rebuilt, [example.x for example in test]).metrics
    parameters = true[0].architecture.state_size
    counts = {"networks": len(true), "train_networks": len(train), "parameters": parameters}
    return {name: figures[name] for name in COLUMNS} | counts


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate each peer and latent size, and draw R² over the latent size."""
    runs = runs.assign(rate=runs["parameters"] / runs["latent"])
    runs.loc[runs["peer"] != "netgraph", "edge_f1"] = float("nan")
    first = runs.iloc[0]
    means = runs.groupby(["latent", "peer"], sort=False)[["rate", *COLUMNS]].mean()
    ordered = means.sort_values(["latent", "output_r2_median"], ascending=[True, False])
    counts = (
        f"Networks: {first['networks']:,} to rebuild, {first['train_networks']:,} to train on, "
        f"{first['parameters']:,} parameters each; {first['seconds']:g} s of training; seeds: {runs['seed'].nunique()}."
    )
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    medians = means["output_r2_median"].unstack("peer").clip(lower=-1)
    medians.plot(ax=figure.subplots(), marker="o", xlabel="latent numbers", ylabel="median output R²")
    picture = Picture("reconstruction", "Output R² over the latent size", figure)
    return [counts, table(ordered.rename(columns={"rate": "parameters a number"} | COLUMNS)), picture]
