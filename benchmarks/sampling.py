"""Sampling: networks drawn from N(0, I) by a checkpoint, beside random weights and other trained networks."""

import math
from typing import Any, Literal

import pandas as pd
import torch
from torch import Generator

from benchmarks.report import Picture, table
from benchmarks.zoos import SEEN, UNSEEN, checkpoint_of, covered, seen, unseen
from netgraph import metrics
from netgraph.evaluation import evaluate_samples, random_like

TITLE = "Sampling"
ABOUT = (
    "Samples of a checkpoint from N(0, I) beside trained networks of tasks that it has not seen, one a task, in two "
    "halves: the reference, and the other trained networks that are the floor. Random weights: PyTorch's initial ones "
    "in the samples' architectures. `sample_quality` is of unbiased energy distances between outputs on 64 common "
    "rows, mostly mean and deviation; `shape_quality` of AUCs of a two-sample test (gradient boosting, 5 shuffled "
    "folds) that sees each network's standardized outputs only, numbers of inputs matched. Both are 0 for random "
    "weights and 1 for trained networks. `function_spread`: total deviation of outputs, samples over trained networks. "
    "Nearest neighbor: root mean square difference of the outputs to the nearest training network, median; a set that "
    "only remembers is as near as training networks with a little noise."
)
#: Names of the sets in the results; of each, its name among the figures of evaluate_samples, and in the section.
SETS = {
    "sampled": ("sample", "sampled"),
    "trained": ("floor", "other trained networks"),
    "random": ("random", "random weights"),
    "noisy": ("", "training networks with noise"),
}
QUALITIES = ("shape_quality", "sample_quality", "function_spread")
#: Deviation of that noise, over the root mean square of a network's parameters.
NOISE = 0.1
LEVELS: dict[str, Literal["network", "architecture"]] = {"": "network", "architecture_": "architecture"}
SHARES = ("validity", *(f"{level}{share}" for level in LEVELS for share in ("uniqueness", "novelty")))


def grid(
    n: int = 1500, seeds: int = 2, checkpoint: str | None = None, zoo: str = UNSEEN, training_zoo: str = SEEN
) -> list[dict[str, Any]]:
    """Return a run for each seed.

    Args:
        n: Number of samples; of each number of inputs the two-sample test takes as many as of trained networks.
        seeds: Number of seeds of samples, random weights and folds.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo of unseen tasks, one network each; built where there is none.
        training_zoo: Folder of the checkpoint's training zoo; its first shard is built where there is none.
    """
    places = {"checkpoint": checkpoint, "zoo": zoo, "training_zoo": training_zoo}
    return [{"n": n, "seed": seed} | places for seed in range(seeds)]


def measure(n: int, seed: int, checkpoint: str | None, zoo: str, training_zoo: str) -> dict[str, Any]:
    """Sample, and compare with trained networks and random weights."""
    vae, training = checkpoint_of(checkpoint), seen(training_zoo, checkpoint)
    generator = Generator().manual_seed(seed)
    known = covered(unseen(zoo, checkpoint), vae)
    order = torch.randperm(len(known), generator=generator).tolist()
    ordered = sorted((known[i] for i in order), key=lambda graph: graph.architecture.n_inputs)
    reference, trained = ordered[::2], ordered[1::2]  # of equal numbers of inputs
    drawn = vae.sample(n, seed=seed)
    samples = [graph for graph in drawn if metrics.is_valid(graph)]
    noisy = []
    for graph in training[:: max(1, len(training) // len(trained))]:
        noise = NOISE * graph.state.square().mean().sqrt() * torch.randn(graph.state.shape, generator=generator)
        noisy.append(graph.replace(state=graph.state + noise))
    sets = dict(zip(SETS, (samples, trained, random_like(samples, generator), noisy), strict=True))
    figures = evaluate_samples(drawn, reference, trained, generator, n)
    figures |= {f"{level}novelty": metrics.novelty(samples, training, name) for level, name in LEVELS.items()}
    result: dict[str, Any] = {name: figures.get(name, math.nan) for name in (*SHARES, *QUALITIES)}
    for name, (key, _) in SETS.items():
        result[f"auc_{name}"] = figures.get(f"{key}_auc")
        result[f"distance_{name}"] = figures.get(f"{key}_behaviour_distance")
        result[f"nearest_{name}"] = float(metrics.nearest_distance(sets[name], training).median())
    return result | {"side": figures["n_shape"], "samples": len(drawn), "training_networks": len(training)}


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate sets of networks, and the samples' qualities and shares."""
    mean = runs.mean(numeric_only=True)
    columns = {"AUC": "auc", "energy distance": "distance", "to the nearest training network": "nearest"}
    sets = pd.DataFrame(
        {head: {words: mean.get(f"{key}_{name}") for name, (_, words) in SETS.items()} for head, key in columns.items()}
    ).rename_axis("set")
    figures = runs[[*QUALITIES, *SHARES]].agg(["mean", "min", "max"]).T.rename_axis("samples")
    counts = (
        f"Networks: {mean['side']:,.0f} a side of the two-sample test, {mean['samples']:,.0f} samples, "
        f"{mean['training_networks']:,.0f} of the checkpoint's training networks; noise: a tenth of the root mean "
        f"square of a network's parameters. Means over seeds: {len(runs)}."
    )
    return [counts, table(sets), table(figures)]
