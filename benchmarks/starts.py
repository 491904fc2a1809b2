"""Warm starts under the fair protocol: R² after budgets of steps, each start at a rate and schedule of its own."""

from dataclasses import asdict
from functools import lru_cache
from typing import Any

import pandas as pd
import torch
from torch import Generator

from benchmarks.peers.starts import ARMS, arms_of
from benchmarks.report import Picture, table
from benchmarks.zoos import SEED, SEEN, checkpoint_of, covered, open_or_build, seen_zoo, without_classes
from netgraph import NetGraphError
from netgraph.evaluation import ArmResult, Choice, StartConfig, StartTask, compare_arms, measure_arm, start_tasks

TITLE = "Warm starts"
ABOUT = (
    "Networks for unseen tasks, trained on three quarters of the rows with AdamW (48 rows a step); R² on the last "
    "quarter, each at least −1. Every arm has the peak rate and the schedule (cosine to 0, constant) of the best "
    "median R² for each budget of steps on other tasks, also unseen; the grid of rates, half a power of ten apart, is "
    "widened while the best one is at its edge. Generated: written for the training rows; random: PyTorch's initial "
    "weights in the generated ones' architectures; average: of four networks of such an architecture, each trained on "
    "one of the nearest training tasks, canonical; nearest: networks of the training task with the nearest "
    "meta-features. Output layers of all arms but the plain random one are fitted to the training rows by ridge "
    "regression. Target: validation R² of the task's median trained network, at its best step."
)
#: Folder and numbers of the tasks and of the networks that set the target on each.
ZOO, TASKS, TRAINED = "runs/benchmark_starts", 100, 20
CONFIG = StartConfig()
#: Columns of the comparison, as the tables name them.
WORDS = {
    "median": "Median R²",
    "ahead": "Generated networks ahead, share of tasks",
    "reached": "Share that reaches the target",
    "tenth": "10th percentile of R²",
    "training": "Peak rate and schedule",
}


def grid(
    tasks: int = 60, selection: int = 20, checkpoint: str | None = None, zoo: str = ZOO, training_zoo: str = SEEN
) -> list[dict[str, Any]]:
    """Return a run for each arm.

    Args:
        tasks: Number of tasks that R² is told of.
        selection: Number of other tasks, on which rates and schedules are chosen.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo, whose test tasks the checkpoint was not trained on; built where there is none.
        training_zoo: Folder of the checkpoint's training zoo; its first shard is built where there is none.
    """
    places = {"checkpoint": checkpoint, "zoo": zoo, "training_zoo": training_zoo}
    return [{"arm": arm, "tasks": tasks, "selection": selection} | places for arm in ARMS]


def measure(
    arm: str, tasks: int, selection: int, checkpoint: str | None, zoo: str, training_zoo: str
) -> dict[str, Any]:
    """Choose an arm's training on some tasks; return R² on others, [budgets, tasks, networks], and their targets."""
    vae, drawn = checkpoint_of(checkpoint), tasks_of(checkpoint, zoo)
    if len(drawn) < tasks + selection:
        raise NetGraphError(f"{zoo}: {len(drawn)} tasks that the checkpoint covers, {tasks + selection} needed")
    held_out, others = drawn[:tasks], drawn[tasks : tasks + selection]
    built = next(one for one in arms_of(vae, seen_zoo(training_zoo, checkpoint)) if one.name == arm)
    result = measure_arm(built, others, held_out, CONFIG, seed=0)
    choices = [asdict(choice) for choice in result.choices]
    return {"choices": choices, "r2": result.r2.tolist(), "targets": [task.target for task in held_out]}


@lru_cache(maxsize=1)
def tasks_of(checkpoint: str | None, zoo: str) -> list[StartTask]:
    """Read the test tasks of a zoo that a checkpoint covers, in random order."""
    counts = {"n_tasks": TASKS, "n_test_tasks": TASKS - 1, "nets_per_task": TRAINED, "tasks_per_shard": TASKS // 4}
    source = open_or_build(zoo, lambda: without_classes(checkpoint).changed(seed=SEED + 1, **counts))
    numbers = sorted({graph.task for graph in covered(source, checkpoint_of(checkpoint))})
    order = torch.randperm(len(numbers), generator=Generator().manual_seed(0)).tolist()
    return start_tasks(source, [numbers[i] for i in order])


def compared(runs: pd.DataFrame) -> pd.DataFrame:
    """Compare the arms of runs, see :func:`~netgraph.evaluation.compare_arms`."""
    results = [
        ArmResult(run["arm"], [Choice(**choice) for choice in run["choices"]], torch.tensor(run["r2"]))
        for _, run in runs.iterrows()
    ]
    return pd.DataFrame(compare_arms(results, CONFIG.budgets, torch.tensor(runs.iloc[0]["targets"])))


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate R², paired comparisons of the generated networks, networks that reach the target, and choices."""
    first, rows = runs.iloc[0], compared(runs)
    rows["training"] = [words_of(row) for _, row in rows.iterrows()]
    ahead = pd.DataFrame(dict(zip(CONFIG.budgets, rows[rows["arm"] == ARMS[0]]["ahead"], strict=False)))
    wide = {name: rows.pivot(index="arm", columns="budget", values=name) for name in WORDS if name != "ahead"}
    parts: list[str | Picture] = [f"Tasks: {first['tasks']}; {first['selection']} others chose rates and schedules."]
    for name, words in WORDS.items():
        frame = wide.get(name, ahead)
        ordered = frame.loc[[arm for arm in ARMS if arm in frame.index]]
        parts.append(table(ordered.rename(columns="{} steps".format).rename_axis(index=words, columns=None)))
    return parts


def words_of(row: pd.Series) -> str:
    """Return peak rate and schedule of a choice, and whether it lies on the edge of the grid."""
    edge = ", at the edge of the grid" if row["on_edge"] else ""
    return f"{row['rate']:.0e}, {row['schedule']}{edge}" if row["rate"] else "–"
