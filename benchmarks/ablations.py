"""Ablations: trainings of equal steps with one switch changed each, and parts of the base model left out."""

import tempfile
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pandas as pd
import torch
from torch import Generator

from benchmarks.function_code import Noise
from benchmarks.report import Picture, table
from benchmarks.zoos import examples, open_or_build
from netgraph import NetGraphError, NetVAE, Zoo, metrics
from netgraph.evaluation import evaluate_samples
from netgraph.model import VAEConfig
from netgraph.training import Example, TrainConfig, config_for, train
from netgraph.zoo import ZooRecipe

TITLE = "Ablations"
ABOUT = (
    "Networks of held-out tasks of a smaller zoo of the quick recipe, rebuilt free-running: R² on the rows of their "
    "tasks from f into the original architecture, given, and the share of architectures that are exact from f and a; "
    "and samples from N(0, I), whose shape forty held-out tasks cannot tell. Models of one switch each, trained for "
    "equal steps; without hypernet, without steps and without exemplars are the base model with the hypernet's place "
    "taken by noise, without variable projection after the hypernet (its output layers are solved), and with f drawn "
    "from N(0, I) itself."
)
BASE = VAEConfig()
TRAINED = {
    "base": BASE,
    "without message passing": replace(BASE, message_rounds=0),
    "without meta-features": replace(BASE, condition_dropout=1.0),
}
VARIANTS = (*TRAINED, "without hypernet", "without steps", "without hypernet and steps", "without exemplars")
FIGURES = ("f: R², median", "10th percentile", "architecture exact", "sample quality")


def grid(
    steps: int = 400,
    n: int = 500,
    variants: list[str] | None = None,
    seeds: int = 1,
    zoo: str = "runs/benchmark_quick",
) -> list[dict[str, Any]]:
    """Return a run for each variant and seed.

    Args:
        steps: Training steps of each model; its prior takes twice as many.
        n: Most networks rebuilt, and sampled.
        variants: Names of the variants; all when None.
        seeds: Number of seeds.
        zoo: Folder of a zoo; one of the quick recipe with fewer tasks is built where there is none.
    """
    if unknown := set(variants or ()).difference(VARIANTS):
        raise NetGraphError(f"--variants: unknown {min(unknown)!r}; known: {', '.join(VARIANTS)}")
    common = {"steps": steps, "n": n, "zoo": zoo}
    return [{"variant": name, "seed": seed} | common for seed in range(seeds) for name in variants or VARIANTS]


@lru_cache(maxsize=1)
def zoo_of(folder: str) -> tuple[Zoo, list[Example], list[Example]]:
    """Open a zoo, and read its training and held-out networks."""
    zoo = open_or_build(folder, lambda: ZooRecipe.load("quick").changed(n_tasks=240, n_test_tasks=40))
    return zoo, examples(zoo, "train"), examples(zoo, "test")


@lru_cache(maxsize=1)
def trained(name: str, seed: int, steps: int, zoo: str) -> NetVAE:
    """Train a model."""
    source, known, _ = zoo_of(zoo)
    schedule = {"max_epochs": 10**5, "max_steps": steps, "prior_epochs": 10**5, "prior_steps": 2 * steps}
    with tempfile.TemporaryDirectory() as folder:
        training = TrainConfig(batch_size=32, mixed=True, seed=seed, **schedule)
        return train(known, folder, config_for(source, TRAINED[name]), training)


def measure(variant: str, seed: int, steps: int, n: int, zoo: str) -> dict[str, Any]:
    """Train a variant, or take the base; rebuild held-out networks and sample."""
    source, known, held_out = zoo_of(zoo)
    vae = trained(variant if variant in TRAINED else "base", seed, steps, zoo)
    generator = Generator().manual_seed(0)
    drawn = [held_out[i] for i in torch.randperm(len(held_out), generator=generator)[:n].tolist()]
    drawn = [example for example in drawn if vae.coverage.covers(example.graph.architecture)]
    true, rows = [example.graph for example in drawn], [source.tasks[example.graph.task].x for example in drawn]
    features = torch.stack([example.meta_features for example in drawn])
    meta_features = None if variant == "without meta-features" else features.numpy()
    writer, fit_steps = vae, 0 if variant.endswith("steps") else None
    if "hypernet" in variant:
        writer = deepcopy(vae)
        writer.decoder.hypernet = Noise()
    z = vae.encode(true, meta_features)
    written = writer.decode(z[:, vae.function], meta_features, true, steps=fit_steps)
    r2 = metrics.output_r2_per_pair(true, written, rows)
    whole = writer.decode(z[:, : vae.architecture.stop], meta_features, steps=fit_steps)
    exact = [a.architecture.key == b.architecture.key for a, b in zip(true, whole, strict=True)]
    if variant == "without exemplars":
        samples = writer.decode(torch.randn(n, vae.config.function_size, generator=generator), steps=fit_steps)
    else:
        samples = writer.sample(n, seed=0, steps=fit_steps)
    figures = evaluate_samples(samples, true, [example.graph for example in known], generator, n)
    quantiles = float(r2.median()), float(r2.quantile(0.1, interpolation="lower"))
    values = (*quantiles, sum(exact) / len(exact), figures["sample_quality"])
    return dict(zip(FIGURES, values, strict=True)) | {"networks": len(true)}


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate the variants, in their order here."""
    first, means = runs.iloc[0], runs.groupby("variant")[list(FIGURES)].mean()
    ordered = means.loc[[name for name in VARIANTS if name in means.index]]
    about = f"{first['networks']:,} networks, {first['steps']:,} steps of training; seeds: {runs['seed'].nunique()}."
    return [about, table(ordered)]
