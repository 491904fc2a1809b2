"""Building of zoos, and loading of their networks from the disk."""

import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Generator

from benchmarks.harness import PROVENANCE, in_own_process
from benchmarks.report import Picture, table
from netgraph import Zoo, build_zoo
from netgraph.zoo import FitRecipe, ZooRecipe

STEPS, NETS_PER_TASK, BATCH, REPEATS, AT_RANDOM = 500, 20, 512, 3, 1000
TITLE = "Zoo store"
ABOUT = (
    f"Zoos of the quick recipe with {STEPS} steps a network, built with one process a core: start of the processes, "
    "tasks, meta-features, sensitivity, canonical form and writing are included. Memory is the peak of the main "
    "process plus that of the largest worker for each core. All networks are read on one thread, opening and checksums "
    f"included: as tokens, in batches of {BATCH}, and as NetGraphs, from the disk or from the page cache, in order or "
    f"{AT_RANDOM:,} at random; the best of {REPEATS} times."
)


def grid(networks: list[int] | None = None) -> list[dict[str, Any]]:
    """Return a run for each size.

    Args:
        networks: Sizes of the zoos; 1000 and 20000 when None.
    """
    return [{"networks": count} for count in networks or (1_000, 20_000)]


def measure(networks: int) -> dict[str, Any]:
    """Build a zoo and load it, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        return in_own_process(build, networks, Path(folder)) | in_own_process(load, Path(folder))


def build(networks: int, folder: Path) -> dict[str, Any]:
    """Build a zoo in shards of at most 1,600 networks."""
    cores, n_tasks = os.cpu_count() or 1, max(2, networks // NETS_PER_TASK)
    sizes = {"n_tasks": n_tasks, "n_test_tasks": max(1, n_tasks // 20), "nets_per_task": NETS_PER_TASK}
    in_shard = max(1, min(80, n_tasks // cores))
    recipe = ZooRecipe(**sizes, tasks_per_shard=in_shard, seed=1, training=FitRecipe(steps=(STEPS, STEPS)))
    started = time.perf_counter()
    zoo = build_zoo(recipe, folder)
    seconds = time.perf_counter() - started
    main, worker = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "kept": len(zoo),
        "seconds to build": seconds,
        "milliseconds a network": 1e3 * seconds / networks,
        "MB on disk": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6,
        "GiB of memory": (main + cores * worker) / 2**20,
    }


def load(folder: Path) -> dict[str, Any]:
    """Read the networks of a zoo in several ways; networks a second."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    zoo = Zoo(folder)
    opened = time.perf_counter() - started
    chosen = torch.randperm(len(zoo), generator=Generator().manual_seed(0))[:AT_RANDOM].tolist()
    return {
        "seconds to open": opened,
        "tokens, disk": rate(folder, lambda zoo: sum(map(len, zoo.token_batches(BATCH))), cached=False),
        "tokens, page cache": rate(folder, lambda zoo: sum(map(len, zoo.token_batches(BATCH))), cached=True),
        "NetGraphs, disk": rate(folder, lambda zoo: sum(1 for _ in zoo.stream()), cached=False),
        "NetGraphs, at random": rate(folder, lambda zoo: len([zoo[i] for i in chosen]), cached=True),
    }


def rate(folder: Path, read: Callable[[Zoo], int], cached: bool) -> float:
    """Return networks a second of the best of some passes, from the page cache or not; a first one warms up."""
    best = 0.0
    for _ in range(REPEATS + 1):
        for path in [] if cached else folder.glob("shards/*"):
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
        started = time.perf_counter()
        count = read(Zoo(folder))
        best = max(best, count / (time.perf_counter() - started))
    return best


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Return the tables of building and loading."""
    sizes = runs.set_index("networks").sort_index().drop(columns=list(PROVENANCE))
    loading = ["tokens, disk", "tokens, page cache", "NetGraphs, disk", "NetGraphs, at random"]
    return [table(sizes.drop(columns=loading)), "Networks a second from the store:", table(sizes[loading], digits=0)]
