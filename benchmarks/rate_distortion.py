"""Rate and distortion: networks of unseen tasks rebuilt from latents of many sizes, also by peers."""

from functools import lru_cache
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from benchmarks.function_code import multilayer_perceptron
from benchmarks.peers import PEERS, Padding
from benchmarks.report import Picture, table
from benchmarks.zoos import SEEN, UNSEEN, checkpoint_of, seen, unseen, with_rows
from netgraph import NetGraph, canonicalize
from netgraph.evaluation import evaluate_reconstruction
from netgraph.zoo import FitConfig, fit_networks, initialize

TITLE = "Rate and distortion"
ABOUT = (
    "Networks of unseen tasks, whole vocabulary, encoded and decoded free-running; outputs on the rows of each "
    "network's task. The first numbers of netgraph's latent z = [f | a | w] are given: of fewer than f and a, "
    "the architecture is given too, as it is to the peers throughout. `half` and `all`: as many as make the "
    "average number of latent numbers used, which are no more than f, a and a network's parameters, half or all of the "
    "average number of parameters. Peers have equal total numbers, and are trained on the first training networks for "
    "equal seconds on one thread (PCA and nearest neighbor are closed forms); their vectors are padded to several "
    "thousand numbers, of which an average network has a tenth. Edge F1 and architecture: where netgraph decodes the "
    "architecture. Cosine: last hidden activations. Hard targets: networks of 8 inputs and equal ReLU layers, trained "
    "for 300 steps of AdamW on sin(x · w) + 0.5 x₀ x₁."
)
OURS = "netgraph"
RATES = (8, 16, 32, 64, 96, 128, 192, 256)
SHARES = {"half": 0.5, "all": 1.0}
COLUMNS = {
    "output_r2_median": "output R², median",
    "output_r2_p10": "10th percentile",
    "cosine_similarity": "cosine",
    "edge_f1": "edge F1",
    "architecture_accuracy": "architecture exact",
}
#: Units and layers of the networks on hard targets, their number, inputs, and rows of each.
UNITS, DEPTHS, COUNT, INPUTS, ROWS = (24, 32), (2, 3, 4), 20, 8, 512


def grid(
    n: int = 1000,
    seconds: float = 40.0,
    training: int = 6000,
    checkpoint: str | None = None,
    zoo: str = UNSEEN,
    training_zoo: str = SEEN,
) -> list[dict[str, Any]]:
    """Return a run for each method and number of latent numbers.

    Args:
        n: Most networks.
        seconds: Training time of each peer.
        training: Most networks that peers are trained on.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo of unseen tasks, one network each; built where there is none.
        training_zoo: Folder of the checkpoint's training zoo; its first shard is built where there is none.
    """
    common = {"n": n, "seconds": seconds, "training": training, "checkpoint": checkpoint}
    common |= {"zoo": zoo, "training_zoo": training_zoo}
    hard = [(f"{units} units, {depth} layers", OURS, share) for units in UNITS for depth in DEPTHS for share in SHARES]
    runs = [("unseen", method, rate) for rate in (*RATES, *SHARES) for method in (OURS, *PEERS)] + hard
    return [{"networks": name, "method": method, "numbers": rate} | common for name, method, rate in runs]


@lru_cache(maxsize=2)
def networks_of(networks: str, n: int, checkpoint: str | None, zoo: str) -> tuple[list[NetGraph], list[Tensor], Tensor]:
    """Return networks, rows to compare outputs on, and latents."""
    vae = checkpoint_of(checkpoint)
    hard = [(units, depth) for units in UNITS for depth in DEPTHS if networks == f"{units} units, {depth} layers"]
    graphs, rows = trained_on_hard_targets(*hard[0]) if hard else with_rows(unseen(zoo, checkpoint), vae, n)
    return graphs, rows, vae.encode(graphs)


def trained_on_hard_targets(units: int, depth: int) -> tuple[list[NetGraph], list[Tensor]]:
    """Train networks on targets that bend, and draw other rows."""
    generator = Generator().manual_seed(units + depth)
    x, other = (torch.randn(COUNT, ROWS, INPUTS, generator=generator) for _ in range(2))
    w = torch.randn(COUNT, INPUTS, 1, generator=generator) * INPUTS**-0.5
    y = (x @ w).sin() + 0.5 * x[..., :1] * x[..., 1:2]
    architecture = multilayer_perceptron(INPUTS, (units,) * depth, "ReLU")
    states = [initialize(architecture, generator) for _ in range(COUNT)]
    config = FitConfig.uniform(COUNT, steps=300, batch_rows=128, learning_rate=0.01)
    fitted = fit_networks([architecture] * COUNT, states, (x, y), (x, y), config, generator)
    return [canonicalize(NetGraph(architecture, state)) for state in fitted.states], list(other)


def numbers_for(average: float, size: Tensor, first: int) -> int:
    """Return the width of z of which networks with so many parameters, [n], use an average number of numbers at most.

    Args:
        average: The average.
        size: Parameters of the networks, which have no further numbers of w.
        first: Numbers of f and a.
    """
    widths = torch.arange(1, first + int(size.max()) + 1)
    used = torch.minimum(widths[:, None], first + size).double().mean(dim=1)
    return int((used <= average + 1e-6).sum())


def measure(
    networks: str,
    method: str,
    numbers: int | str,
    n: int,
    seconds: float,
    training: int,
    checkpoint: str | None,
    zoo: str,
    training_zoo: str,
) -> dict[str, Any]:
    """Rebuild networks from so many numbers."""
    vae = checkpoint_of(checkpoint)
    true, rows, z = networks_of(networks, n, checkpoint, zoo)
    architectures = [graph.architecture for graph in true]
    size = torch.tensor([architecture.state_size for architecture in architectures])
    average = SHARES[numbers] * float(size.double().mean()) if isinstance(numbers, str) else float(numbers)
    result: dict[str, Any] = {"average": average, "count": len(true), "parameters": float(size.double().mean())}
    if method == OURS:
        first = vae.architecture.stop
        width = numbers if isinstance(numbers, int) else numbers_for(average, size, first)
        rebuilt = vae.decode(z[:, :width], architecture=None if width >= first else architectures)
        result |= {"width": width}
    else:
        known = [graph for graph in seen(training_zoo, checkpoint) if graph.architecture.n_outputs == 1][:training]
        peer = PEERS[method](round(average), Padding([*architectures, *(graph.architecture for graph in known)]))
        peer.fit(known, seconds)
        rebuilt = peer.decode(peer.encode(true), architectures)
        result |= {"width": round(average), "training_networks": len(known), "padded": peer.padding.size}
    figures = evaluate_reconstruction(true, rebuilt, rows).metrics
    return result | {name: figures[name] for name in COLUMNS}


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate methods and numbers, draw R² over them, and tabulate the networks on hard targets."""
    given = (runs["method"] != OURS) | (runs["width"] < 96)
    runs.loc[given, ["edge_f1", "architecture_accuracy"]] = float("nan")
    runs = runs.rename(columns=COLUMNS).sort_values(["average", COLUMNS["output_r2_median"]], ascending=[True, False])
    unseen_runs, hard = (runs[(runs["networks"] == "unseen") == flag] for flag in (True, False))
    counts = " to ".join(f"{value:,.0f}" for value in unseen_runs["training_networks"].agg(["min", "max"]).unique())
    about = (
        f"Networks: {unseen_runs['count'].max():,} to rebuild, of {unseen_runs['parameters'].mean():.0f} parameters on "
        f"average; {counts} to train peers on, {runs['seconds'].iloc[0]:g} s each; padded vectors of "
        f"{unseen_runs['padded'].max():,.0f} numbers."
    )
    columns = ["numbers", "method", "average", *COLUMNS.values()]
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    medians = unseen_runs.pivot_table(COLUMNS["output_r2_median"], "average", "method", sort=False).clip(lower=-1)
    axes = figure.subplots()
    for method in medians:  # a method may lack some numbers
        medians[method].dropna().plot(ax=axes, marker="o", logx=True, label=method)
    axes.set(xlabel="latent numbers, average", ylabel="median output R²")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    parts: list[str | Picture] = [about, table(unseen_runs[columns])]
    parts.append(Picture("rate_distortion", "Output R² over the number of latent numbers", figure))
    columns = ["networks", *columns[:1], *columns[2:]]
    return [*parts, "Hard targets:", table(hard.sort_values("networks")[columns])] if len(hard) else parts
