"""Ablations: trainings of equal time of the model with one switch changed each."""

import tempfile
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pandas as pd
import torch
from torch import Generator

from benchmarks.peers.training import EqualTime
from benchmarks.reconstruction import COLUMNS
from benchmarks.report import Picture, table
from benchmarks.zoos import examples, open_or_build
from netgraph import NetGraphError, Zoo
from netgraph.evaluation import evaluate_reconstruction, evaluate_samples
from netgraph.model import VAEConfig
from netgraph.training import Example, TrainConfig, config_for, train
from netgraph.zoo import ZooRecipe

TITLE = "Ablations"
ABOUT = (
    "Networks of held-out tasks of a smaller zoo of the quick recipe, rebuilt free-running, and samples from N(0, I), "
    "by models trained for equal time on one thread, one switch changed each. The trainings are short: an "
    "advantage here may be one of speed alone."
)
BASE = VAEConfig()
VARIANTS = {
    "base": BASE,
    "no message passing": replace(BASE, message_rounds=0),
    "no direct path": replace(BASE, direct=False),
    "no behavior terms": replace(BASE, loss=replace(BASE.loss, output=0.0, hidden=0.0)),
    "no weighting by sensitivity": replace(BASE, loss=replace(BASE.loss, sensitivity=False)),
    "KL weight times 10": replace(BASE, loss=replace(BASE.loss, kl=10 * BASE.loss.kl)),
}
TRAINING = TrainConfig(batch_size=32, learning_rate=3e-3, max_epochs=10_000, prior_epochs=10_000, mixed=True)
#: Training time of the prior, over that of the model.
PRIOR = 0.3
REBUILT = COLUMNS | {"architecture_accuracy": "architecture exact"}
SAMPLED = {"sample_quality": "sample quality", "sample_working": "working samples"}


def grid(
    seconds: float = 40.0,
    n: int = 500,
    variants: list[str] | None = None,
    seeds: int = 1,
    zoo: str = "runs/benchmark_quick",
) -> list[dict[str, Any]]:
    """Return a run for each variant and seed.

    Args:
        seconds: Training time of each model; its prior is trained for a third of it.
        n: Most networks rebuilt, and sampled.
        variants: Names of the variants; all when None.
        seeds: Number of seeds.
        zoo: Folder of a zoo; one of the quick recipe with fewer tasks is built where there is none.
    """
    if unknown := set(variants or ()) - VARIANTS.keys():
        raise NetGraphError(f"--variants: unknown {min(unknown)!r}; known: {', '.join(VARIANTS)}")
    common = {"seconds": seconds, "n": n, "zoo": zoo}
    return [{"variant": name, "seed": seed} | common for name in variants or VARIANTS for seed in range(seeds)]


@lru_cache(maxsize=1)
def zoo_of(folder: str) -> tuple[Zoo, list[Example], list[Example]]:
    """Open a zoo, and read its training and held-out networks."""
    zoo = open_or_build(folder, lambda: ZooRecipe.load("quick").changed(n_tasks=240, n_test_tasks=40))
    return zoo, examples(zoo, "train"), examples(zoo, "test")


def measure(variant: str, seed: int, seconds: float, n: int, zoo: str) -> dict[str, Any]:
    """Train a variant, rebuild held-out networks and sample."""
    source, known, held_out = zoo_of(zoo)
    config, training = config_for(source, VARIANTS[variant]), replace(TRAINING, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        pace = EqualTime({"VAE": seconds, "prior": PRIOR * seconds})
        vae = train(known, folder, config, training, callbacks=[pace])
    generator = Generator().manual_seed(0)
    drawn = [held_out[i] for i in torch.randperm(len(held_out), generator=generator)[:n].tolist()]
    drawn = [example for example in drawn if vae.coverage.covers(example.graph.architecture)]
    true = [example.graph for example in drawn]
    figures = evaluate_reconstruction(true, vae.decode(vae.encode(true)), [example.x for example in drawn]).metrics
    figures |= evaluate_samples(vae.sample(n, seed=0), true, [example.graph for example in known], generator, n)
    return {name: figures[name] for name in (*REBUILT, *SAMPLED)} | {"steps": vae.card["steps"], "networks": len(true)}


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate the variants, in their order here."""
    first, means = runs.iloc[0], runs.groupby("variant")[["steps", *REBUILT, *SAMPLED]].mean()
    ordered = means.loc[[name for name in VARIANTS if name in means.index]]
    about = f"{first['networks']:,} networks, {first['seconds']:g} s of training; seeds: {runs['seed'].nunique()}."
    return [about, table(ordered.astype({"steps": int}).rename(columns=REBUILT | SAMPLED))]
