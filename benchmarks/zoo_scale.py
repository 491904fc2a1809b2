"""Builds zoos of 1,000 and of 100,000 networks, 500 steps each: time a network, memory, size."""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from results import write_section

from netgraph.zoo import FitRecipe, Zoo, ZooRecipe, build_zoo

STEPS, NETS_PER_TASK = 500, 20


def recipe(networks: int) -> ZooRecipe:
    """The quick recipe, longer, with ``networks`` networks in shards of at most 1,600."""
    tasks = networks // NETS_PER_TASK
    in_shard = min(80, tasks // (os.cpu_count() or 1))
    return ZooRecipe(
        n_tasks=tasks,
        n_test_tasks=tasks // 20,
        nets_per_task=NETS_PER_TASK,
        tasks_per_shard=in_shard,
        seed=1,
        training=FitRecipe(steps=(STEPS, STEPS)),
    )


def build(networks: int, folder: Path) -> tuple[float, Zoo]:
    """Build a zoo; give the seconds, processes started and manifest written, and the zoo."""
    started = time.perf_counter()
    zoo = build_zoo(recipe(networks), folder)
    return time.perf_counter() - started, zoo


def main() -> None:
    """Build both and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=100_000)
    networks = parser.parse_args().networks
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (1_000, networks):
            seconds, zoo = build(count, Path(folder) / str(count))
            size = sum(path.stat().st_size for path in zoo.folder.rglob("*") if path.is_file())
            started = time.perf_counter()
            Zoo(zoo.folder)
            opening = time.perf_counter() - started
            rows.append((count, seconds, 1e3 * seconds / count, len(zoo), size / 1e6, opening))
    largest = [resource.getrusage(who).ru_maxrss / 2**20 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    workers = os.cpu_count() or 1
    lines = [
        f"{STEPS} steps of 48 rows, architectures and tasks of the quick recipe, one process a core, {os.cpu_count()} "
        "cores; the processes' start, tasks, meta-features, sensitivity, canonical form and writing are included.",
        "",
        "| networks | seconds | milliseconds a network | kept | MB on disk | seconds to open |",
        "|---|---|---|---|---|---|",
        *(
            f"| {n:,} | {s:,.0f} | {ms:.2f} | {kept:,} | {mb:,.0f} | {opening:.3f} |"
            for n, s, ms, kept, mb, opening in rows
        ),
        "",
        f"Time a network, large to small: {rows[1][2] / rows[0][2]:.2f}. Peak memory: {largest[0]:.2f} GiB in the main "
        f"process, {largest[1]:.2f} GiB in the largest worker, {largest[0] + workers * largest[1]:.2f} GiB in all.",
    ]
    write_section("Zoo building", "python benchmarks/zoo_scale.py", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
