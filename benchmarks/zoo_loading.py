"""Networks a second out of a zoo on disk, as tokens and as graphs, and the time to open a zoo of a million networks."""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from results import write_section
from torch import Generator

from netgraph.files import make_folder, write_atomically
from netgraph.graph import NetGraph
from netgraph.tasks.task import make_task
from netgraph.zoo import Zoo, ZooRecipe
from netgraph.zoo.architectures import draw_architecture, initialize
from netgraph.zoo.manifest import ShardEntry, entries_of, write_manifest
from netgraph.zoo.store import Shard, encode_shard, shard_name
from netgraph.zoo.zoo import FORMAT, VERSION

NETS_PER_TASK, TASKS_PER_SHARD, BATCH, REPEATS = 20, 40, 512, 3
FIGURES = ("r2", "learning_rate", "weight_decay")
NUMBERS = ("best_step", "steps", "seed_index", "optimizer")


def recipe(networks: int) -> ZooRecipe:
    """The quick recipe with so many networks."""
    tasks = networks // NETS_PER_TASK
    return replace(
        ZooRecipe(),
        n_tasks=tasks,
        n_test_tasks=tasks // 10,
        nets_per_task=NETS_PER_TASK,
        tasks_per_shard=TASKS_PER_SHARD,
    )


def shard(chosen: ZooRecipe, number: int) -> Shard:
    """A shard of untrained networks on tasks of noise: as large as a trained one, and there at once."""
    generator = Generator().manual_seed(number)
    first = number * TASKS_PER_SHARD
    (low, high), rows = chosen.tasks.n_features, chosen.tasks.rows
    tasks, graphs = [], []
    for seed in range(first, min(first + TASKS_PER_SHARD, chosen.n_tasks)):
        inputs = int(torch.randint(low, high + 1, (), generator=generator))
        x, y = (torch.randn(size, generator=generator).numpy() for size in ((rows, inputs), (rows,)))
        tasks.append(make_task(x, y, family="noise", seed=seed))
        architectures = [draw_architecture(chosen.architectures, inputs, generator) for _ in range(NETS_PER_TASK)]
        graphs += [NetGraph(one, initialize(one, generator)) for one in architectures]
    task = torch.arange(len(tasks)).repeat_interleave(NETS_PER_TASK)
    columns = {name: torch.zeros(len(graphs)) for name in FIGURES}
    columns |= {name: torch.zeros(len(graphs), dtype=torch.long) for name in NUMBERS}
    return Shard(graphs, task, columns, tasks, torch.zeros(len(tasks), 37), first, [], 0.0)


def fill(root: Path, networks: int) -> None:
    """Write a zoo of such shards."""
    chosen = recipe(networks)
    make_folder(root)
    record = {"format": FORMAT, "version": VERSION, "digest": chosen.digest, "recipes": [asdict(chosen)]}
    write_atomically(root / "zoo.json", json.dumps(record).encode())
    for number in range(chosen.n_shards):
        encode_shard(shard(chosen, number), chosen.digest).write(root, number)
    write_manifest(root, entries_of(root, chosen))


def forget(root: Path) -> None:
    """Drop the zoo's files from the system's page cache, so that they are read from the disk."""
    for path in root.glob("shards/*"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def as_tokens(zoo: Zoo) -> int:
    """Read every network as tokens."""
    return sum(len(batch) for batch in zoo.token_batches(BATCH))


def as_graphs(zoo: Zoo) -> int:
    """Read every network as a graph."""
    return sum(1 for _ in zoo.stream())


def at_random(zoo: Zoo) -> int:
    """Read networks in random order."""
    chosen = torch.randperm(len(zoo), generator=Generator().manual_seed(0))[:1000].tolist()
    return sum(zoo[i].num_nodes > 0 for i in chosen)


def rate(root: Path, read: Callable[[Zoo], int], cached: bool) -> float:
    """Networks a second of the best of some passes, opening, checksums and all; the first pass warms up."""
    best = 0.0
    for _ in range(REPEATS + 1):
        if not cached:
            forget(root)
        started = time.perf_counter()
        count = read(Zoo(root))
        best = max(best, count / (time.perf_counter() - started))
    return best


def opening(folder: Path) -> tuple[float, float]:
    """Seconds to open a zoo of a million networks, and then to list those of its training tasks."""
    chosen = recipe(1_000_000)
    make_folder(folder)
    record = {"format": FORMAT, "version": VERSION, "digest": chosen.digest, "recipes": [asdict(chosen)]}
    write_atomically(folder / "zoo.json", json.dumps(record).encode())
    entry = ShardEntry("", "0" * 64, [25] * 40, [False] * 36 + [True] * 4, 0, 1.0)
    write_manifest(folder, [replace(entry, name=shard_name(number)) for number in range(1000)])
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        zoo = Zoo(folder)
        opened = time.perf_counter()
        zoo.split("train")
        seconds.append((opened - started, time.perf_counter() - opened))
    return min(seconds)


def measure(root: Path, folder: Path) -> dict[str, float]:
    """Take all figures of the zoo at ``root``."""
    open_seconds, split_seconds = opening(folder / "million")
    return {
        "networks": len(Zoo(root)),
        "bytes_per_network": sum(path.stat().st_size for path in root.glob("shards/*")) / len(Zoo(root)),
        "networks_per_second_tokenized": rate(root, as_tokens, cached=False),
        "networks_per_second_tokenized_cached": rate(root, as_tokens, cached=True),
        "networks_per_second_loaded": rate(root, as_graphs, cached=False),
        "networks_per_second_at_random": rate(root, at_random, cached=True),
        "million_open_seconds": open_seconds,
        "million_split_seconds": split_seconds,
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def lines(found: dict[str, float]) -> list[str]:
    """Lay the figures out as a table."""
    rows = {
        "tokens, files read from the disk": found["networks_per_second_tokenized"],
        "tokens, files in the page cache": found["networks_per_second_tokenized_cached"],
        "NetGraph objects in order, files read from the disk": found["networks_per_second_loaded"],
        "NetGraph objects, 1,000 at random": found["networks_per_second_at_random"],
    }
    return [
        f"{found['networks']:,.0f} networks of the quick recipe, untrained, {found['bytes_per_network']:,.0f} bytes "
        f"each, in shards of {NETS_PER_TASK * TASKS_PER_SHARD}; one process, one thread, checksums and all; token "
        f"batches of {BATCH}.",
        "",
        "| networks a second from the store | |",
        "|---|---|",
        *(f"| {name} | {value:,.0f} |" for name, value in rows.items()),
        "",
        f"Opening a zoo of 1,000,000 networks: {found['million_open_seconds']:.3f} s; listing its training networks: "
        f"{found['million_split_seconds']:.3f} s. Peak memory: {found['peak_memory_gb']:.2f} GB.",
    ]


def main() -> None:
    """Build a zoo, or take one, and write the section, or print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=20_000, help="size of the zoo that is built")
    parser.add_argument("--zoo", type=Path, help="take this zoo and build none")
    parser.add_argument("--json", action="store_true", help="print one JSON line only")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = chosen.zoo or Path(folder) / "zoo"
        if not chosen.zoo:
            fill(root, chosen.networks)
        found = measure(root, Path(folder))
    if chosen.json:
        print(json.dumps(found))
        return
    write_section("Zoo loading", "python benchmarks/zoo_loading.py", lines(found))
    print("\n".join(lines(found)))


if __name__ == "__main__":
    main()
