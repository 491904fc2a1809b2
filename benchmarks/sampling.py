"""Sampling: networks drawn from N(0, I) by a checkpoint, beside random weights and other trained networks."""

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pandas as pd
import torch
from torch import Generator

from benchmarks.report import Picture, table
from benchmarks.zoos import SEEN, UNSEEN, checkpoint_of, covered, seen, unseen
from netgraph import metrics
from netgraph.evaluation import evaluate_samples

TITLE = "Sampling"
ABOUT = (
    "Samples of a checkpoint from N(0, I), of one output, beside trained networks of tasks that it has not seen, one a "
    "task, in two halves: the reference, and the other trained networks that are the floor. Random weights: PyTorch's "
    "initial ones in the samples' architectures. `sample_quality` is of unbiased energy distances between outputs on "
    "64 common rows, mostly mean and deviation; `shape_quality` of AUCs of a two-sample test (gradient boosting, 5 "
    "shuffled folds) that sees each network's standardized outputs only, numbers of inputs matched. Both are 0 for "
    "random weights and 1 for trained networks. `function_spread`: total deviation of the samples' outputs over that "
    "of the reference. Novelty is against the checkpoint's training networks. Networks a second: on two cores, by one "
    "process of two threads or two processes of one, after a first call."
)
FIGURES = (
    *("shape_quality", "sample_auc", "random_auc", "floor_auc", "sample_quality", "function_spread", "validity"),
    *("uniqueness", "novelty", "architecture_uniqueness", "architecture_novelty"),
)
#: Cores of the machine that speed is told of, and processes that share them.
CORES, PROCESSES = 2, (1, 2)


def grid(
    n: int = 1600,
    seeds: int = 2,
    speed: int = 1000,
    checkpoint: str | None = None,
    zoo: str = UNSEEN,
    training_zoo: str = SEEN,
) -> list[dict[str, Any]]:
    """Return a run for each seed, with the checkpoint's steps of variable projection and without.

    Args:
        n: Number of samples; of each number of inputs the two-sample test takes as many as of trained networks.
        seeds: Number of seeds of samples, random weights and folds.
        speed: Number of networks whose sampling is timed.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo of unseen tasks, one network each; built where there is none.
        training_zoo: Folder of the checkpoint's training zoo; its first shard is built where there is none.
    """
    places = {"n": n, "speed": speed, "checkpoint": checkpoint, "zoo": zoo, "training_zoo": training_zoo}
    return [{"steps": steps, "seed": seed} | places for steps in (None, 0) for seed in range(seeds)]


def measure(
    steps: int | None, seed: int, n: int, speed: int, checkpoint: str | None, zoo: str, training_zoo: str
) -> dict[str, Any]:
    """Sample, compare with trained networks and random weights, and time sampling."""
    vae, training = checkpoint_of(checkpoint), seen(training_zoo, checkpoint)
    generator = Generator().manual_seed(seed)
    known = covered(unseen(zoo, checkpoint), vae)
    order = torch.randperm(len(known), generator=generator).tolist()
    ordered = sorted((known[i] for i in order), key=lambda graph: graph.architecture.n_inputs)
    reference, trained = ordered[::2], ordered[1::2]  # of equal numbers of inputs
    drawn = vae.sample(n, n_outputs=1, seed=seed, steps=steps)
    figures = evaluate_samples(drawn, reference, trained, generator, n)
    samples = [graph for graph in drawn if metrics.is_valid(graph)]
    figures["novelty"] = metrics.novelty(samples, training)
    figures["architecture_novelty"] = metrics.novelty(samples, training, "architecture")
    counts = {"samples": len(drawn), "side": figures["n_shape"], "training_networks": len(training)}
    rates = {f"rate_{count}": sampled_a_second(speed, steps, count, checkpoint) for count in PROCESSES}
    return {name: figures.get(name) for name in FIGURES} | counts | rates


def sampled_a_second(n: int, steps: int | None, processes: int, checkpoint: str | None) -> float:
    """Return the networks that processes which share the cores sample in a second."""
    context, each = get_context("spawn"), n // processes
    with context.Manager() as manager, ProcessPoolExecutor(processes, context) as pool:
        barrier, options = manager.Barrier(processes), (CORES // processes, each, steps, checkpoint)
        jobs = [pool.submit(timed_sample, barrier, seed, *options) for seed in range(processes)]
        spans = [job.result() for job in jobs]
    return each * processes / (max(end for _, end in spans) - min(start for start, _ in spans))


def timed_sample(
    barrier: Any, seed: int, n_threads: int, n: int, steps: int | None, checkpoint: str | None
) -> tuple[float, float]:
    """Sample once to warm up, wait for the other processes, and sample; return when it began and ended."""
    torch.set_num_threads(n_threads)
    vae = checkpoint_of(checkpoint)
    vae.sample(16, seed=seed, steps=steps)
    barrier.wait()
    started = time.monotonic()
    vae.sample(n, seed=seed, steps=steps)
    return started, time.monotonic()


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate figures and speed, with the checkpoint's steps and without."""
    runs = runs.assign(way=runs["steps"].isna().map({True: "default steps", False: "no steps"}))
    groups, first = runs.groupby("way"), runs.iloc[0]
    counts = (
        f"Networks: {runs['samples'].max():,} samples, {runs['side'].mean():,.0f} a side of the two-sample test, "
        f"{first['training_networks']:,} training networks of the checkpoint. Seeds: {runs['seed'].nunique()}."
    )
    speed = groups[[f"rate_{count}" for count in PROCESSES]].max()
    speed.columns = [f"{count} process{'es' * (count > 1)}" for count in PROCESSES]
    means = groups[list(FIGURES)].mean().T.rename_axis("mean")
    return [counts, table(means), "Networks a second:", table(speed, digits=0)]
