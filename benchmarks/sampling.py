"""Networks sampled from N(0, I): how they behave, how healthy they are, how far ahead they start, at what speed."""

import math
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from checkpoint import Setup, axes, picture, setup, table
from torch import Tensor

from netgraph import NetGraph, NetVAE, metrics
from netgraph.evaluation import Start, evaluate_samples, health, random_like, start_of_samples
from netgraph.model.response import calibrate, respond
from netgraph.stack import Stack
from netgraph.threads import threads

#: Passes that are timed, of which the best counts, and networks of one before them to warm up.
REPEATS, WARM_UP = 2, 16
#: Parts by size of the networks whose decoding is timed, and networks in each.
FIFTHS, PART = 5, 256


def in_one_process(vae: NetVAE, n: int, n_threads: int) -> float:
    """Networks a second."""
    best = 0.0
    with threads(n_threads):
        vae.sample(WARM_UP, seed=0)
        for seed in range(REPEATS):
            started = time.perf_counter()
            vae.sample(n, seed=seed)
            best = max(best, n / (time.perf_counter() - started))
    return best


def _sample(checkpoint: Path | None, n: int, seed: int) -> tuple[float, float]:
    """Load a model, warm up, sample; give when the sampling began and ended, on the clock of the machine."""
    torch.set_num_threads(1)
    vae = NetVAE.from_pretrained(checkpoint)
    vae.sample(WARM_UP, seed=seed)
    started = time.time()
    vae.sample(n, seed=seed)
    return started, time.time()


def in_two_processes(checkpoint: Path | None, n: int) -> float:
    """Networks a second of two processes of one thread each, from the first one's start to the last one's end."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        spans = list(pool.map(_sample, [checkpoint] * 2, [n] * 2, range(2)))
    return 2 * n / (max(end for _, end in spans) - min(start for start, _ in spans))


def speed(chosen: Setup) -> list[str]:
    """Time the sampling."""
    rates = {
        "one process, 1 thread": in_one_process(chosen.vae, chosen.n, 1),
        "one process, 2 threads": in_one_process(chosen.vae, chosen.n, 2),
        "two processes, 1 thread each": in_two_processes(chosen.options.checkpoint, chosen.n),
    }
    return [
        f"Networks a second, {chosen.n:,} at a time, on 2 cores:",
        "",
        *table(["", "networks a second"], [[name, round(rate)] for name, rate in rates.items()]),
    ]


def cost(chosen: Setup) -> list[str]:
    """Time the decoding of networks of rising size."""
    graphs = sorted(chosen.networks("test", FIFTHS * PART), key=lambda graph: graph.num_nodes)
    rows = []
    for numbers in np.array_split(np.arange(len(graphs)), FIFTHS):
        part = [graphs[i] for i in numbers]
        vertices = sum(graph.num_nodes for graph in part)
        seconds = _fastest(chosen.vae, chosen.vae.encode(part))
        rows.append([round(vertices / len(part)), 1e3 * seconds / len(part), 1e6 * seconds / vertices])
    return [
        f"Decoding held-out networks from their latents, the smallest fifth to the largest of {len(graphs):,}, one "
        "thread:",
        "",
        *table(["vertices, mean", "ms a network", "µs a vertex"], rows),
    ]


def _fastest(vae: NetVAE, z: Tensor) -> float:
    """Seconds of the fastest pass."""
    found = []
    for _ in range(1 + REPEATS):
        started = time.perf_counter()
        vae.decode(z)
        found.append(time.perf_counter() - started)
    return min(found)


def start_lines(start: Start) -> list[str]:
    """Lay the figures of two starts out."""

    def steps(value: float) -> str:
        return f"{value:,.0f}" if math.isfinite(value) else f"more than {start.looks[-1]}"

    rows = [
        [name, steps(side.median_steps), side.share_reached, *(float(side.r2[:, at].median()) for at in (0, -1))]
        for name, side in (("sampled", start.sampled), ("random initialization", start.random))
    ]
    medians = start.sampled.median_steps, start.random.median_steps
    ratio = f"{start.ratio:.1f}" if all(map(math.isfinite, medians)) else "none, fewer than half reach the target"
    return [
        f"Fine-tuning of {len(start.targets)} networks sampled for held-out tasks (meta-features and number of inputs "
        f"given) beside random initialization of the same architectures; {start.looks[-1]} steps, AdamW, all else "
        "alike. Target: the validation error of the task's median network in the zoo.",
        "",
        *table(["start", "median steps to target", "share that reaches it", "median R² untrained", "at the end"], rows),
        "",
        f"Median steps, random to sampled: {ratio}.",
    ]


def sample_lines(chosen: Setup, sets: dict[str, list[NetGraph]], train: Sequence[NetGraph]) -> list[str]:
    """Measure the samples beside the other sets."""
    figures = evaluate_samples(sets["sampled"], sets["held-out"], train, chosen.generator)
    keys = ("sample_quality", "sample_behaviour_distance", "random_behaviour_distance", "floor_behaviour_distance")
    sets_keys = ("validity", "uniqueness", "novelty", "architecture_uniqueness", "architecture_novelty")
    scaled = scaled_like(sets["random"], chosen.networks("train"))
    by_scale = evaluate_samples(scaled, sets["held-out"], train, chosen.generator)["sample_behaviour_distance"]
    rows = [[name, *astuple(health(graphs))] for name, graphs in sets.items()]
    head = ["", "finite", "working", "output deviation", "dead", "saturated", "dead or saturated"]
    return [
        f"{len(sets['sampled']):,} networks from N(0, I), beside {len(sets['held-out']):,} trained on held-out tasks, "
        f"others drawn from {len(train):,} training networks (the floor), and random initialization of the sampled "
        "architectures. Distances: unbiased energy distances to the held-out networks, between outputs on 64 common "
        "standard normal rows, each standardized with the held-out networks' mean and deviation.",
        "",
        *table(["figure", "value"], [[f"`{key}`", figures[key]] for key in (*keys, *sets_keys)]),
        "",
        "The distance is mostly one of means and deviations: random weights whose last layers are set to the mean and "
        f"the deviation of trained networks' outputs are at {by_scale:.4f}.",
        "",
        "Health, on 256 common rows: shares of networks with finite outputs, and of those that are also not constant; "
        "median deviation of the outputs (1 for a standardized target); shares of hidden neurons.",
        "",
        *table(head, rows),
    ]


def scaled_like(graphs: Sequence[NetGraph], trained: Sequence[NetGraph]) -> list[NetGraph]:
    """Set the last layers of networks so that outputs on common rows have trained networks' means and deviations."""
    graphs, trained = (list(side[: min(len(graphs), len(trained))]) for side in (graphs, trained))
    stacks = [Stack([graph.architecture for graph in side]) for side in (graphs, trained)]
    states = [stack.flatten([g.state for g in side]) for stack, side in zip(stacks, (graphs, trained), strict=True)]
    scaled = calibrate(stacks[0], states[0], respond(stacks[1], states[1]))
    return [NetGraph(g.architecture, state) for g, state in zip(graphs, stacks[0].split(scaled), strict=True)]


def draw(sets: dict[str, list[NetGraph]], start: Start) -> str:
    """Draw how much outputs vary, and R² over steps from either start."""
    figure, (left, right) = axes(9, 3.2, 2)
    for name, graphs in sets.items():
        deviation = metrics.behavior([graph for graph in graphs if metrics.is_valid(graph)]).std(dim=1)
        left.hist(deviation.clamp(max=2).numpy(), bins=40, range=(0, 2), histtype="step", label=name)
    left.set(xlabel="deviation of a network's outputs", ylabel="networks")
    left.legend(frameon=False)
    for name, side in (("sampled", start.sampled), ("random initialization", start.random)):
        right.plot(start.looks, side.r2.clamp(min=-1).median(dim=0).values.numpy(), label=name)
    right.axhline(float(start.targets.median()), color="gray", linestyle="--", label="median trained network")
    right.set(xlabel="steps of fine-tuning", ylabel="validation R², median")
    right.legend(frameon=False)
    return picture(figure, "sampling", "Spread of outputs; R² over steps of fine-tuning")


def main() -> None:
    """Measure and write the section."""
    chosen = setup("sampling.py", __doc__, tasks=100, networks=10)
    samples = chosen.vae.sample(chosen.n, seed=chosen.options.seed)
    train = list(chosen.zoo.stream(chosen.zoo.split("train")))
    sets = {
        "sampled": samples,
        "held-out": chosen.networks("test"),
        "random": random_like(samples, chosen.generator),
    }
    start = start_of_samples(chosen.vae, chosen.zoo, chosen.options.tasks, chosen.options.networks, chosen.generator)
    parts = [sample_lines(chosen, sets, train), start_lines(start), [draw(sets, start)], speed(chosen), cost(chosen)]
    chosen.write("Sampling", [line for part in parts for line in [*part, ""]][:-1])


if __name__ == "__main__":
    main()
