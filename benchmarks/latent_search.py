"""Search in the function code: the best network of few parameters after some evaluations, on unseen tasks."""

from itertools import count
from typing import Any

import numpy as np
import optuna
import pandas as pd
from torch import Tensor

from benchmarks.report import Picture, table
from benchmarks.rows import outputs_of, r2_scores, split_rows
from benchmarks.zoos import UNSEEN, checkpoint_of, unseen, with_rows
from netgraph.search import (
    Candidate,
    CrossValidation,
    LatentObjective,
    Random,
    TabularData,
    sampler_of,
    search_latents,
)

TITLE = "Search in the function code"
ABOUT = (
    "The best network of at most a number of parameters after equal evaluations on the training rows of an unseen "
    "task, told by R² on its validation rows. In f: a sampler of Optuna proposes places in q(f | X, y), and networks "
    "written there are scored by 5-fold refits (error and parameters; networks that are too large are evaluated, and "
    "not taken). Random: random architectures of at most so many parameters, PyTorch's initial weights, output layers "
    "solved, scored by leave-one-out errors. Of two methods with equal errors neither is better."
)
RANDOM = "random networks, output layers solved"


def grid(
    tasks: int = 50,
    evaluations: int = 256,
    limit: int = 300,
    samplers: list[str] | None = None,
    checkpoint: str | None = None,
    zoo: str = UNSEEN,
) -> list[dict[str, Any]]:
    """Return a run for each task.

    Args:
        tasks: Number of tasks.
        evaluations: Networks that each method tries.
        limit: Most parameters.
        samplers: Samplers of Optuna; ``nsga2`` and ``random`` when None.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo of unseen tasks, one network each; built where there is none.
    """
    common = {"tasks": tasks, "evaluations": evaluations, "limit": limit, "samplers": samplers or ["nsga2", "random"]}
    return [{"task": task} | common | {"checkpoint": checkpoint, "zoo": zoo} for task in range(tasks)]


class Recorded(LatentObjective):
    """An objective that keeps what it has scored."""

    def candidates(self, quantiles: Tensor) -> list[Candidate]:
        """Return the scored networks of numbers in (0, 1)."""
        scored = super().candidates(quantiles)
        self.kept = [*getattr(self, "kept", []), *scored]
        return scored


def measure(
    task: int, tasks: int, evaluations: int, limit: int, samplers: list[str], checkpoint: str | None, zoo: str
) -> dict[str, Any]:
    """Search by every method."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    vae, source = checkpoint_of(checkpoint), unseen(zoo, checkpoint)
    x, y, *new = split_rows(source, with_rows(source, vae, tasks)[0][task].task)
    data, r2 = TabularData(x, y[:, None]), {}  # type: TabularData, dict[str, float]
    for name in samplers:
        objective = Recorded(vae, data, ("error", "parameters"), seed=task)
        study = optuna.create_study(directions=["minimize"] * 2)
        search_latents(objective, study, sampler_of(name, task), evaluations)
        r2[f"in f, {name}"] = r2_of_best(objective.kept, limit, *new)
    drawn, seeds = [], count(task, tasks)
    while len(drawn) < evaluations:
        graphs = Random().sample(evaluations, x, y[:, None], next(seeds))
        drawn += [graph for graph in graphs if graph.architecture.state_size <= limit]
    r2[RANDOM] = r2_of_best(CrossValidation(data, task).leave_one_out(drawn[:evaluations]), limit, *new)
    return {"r2": r2}


def r2_of_best(candidates: list[Candidate], limit: int, x: Tensor, y: Tensor) -> float:
    """Return R² on other rows of the network of the least score among those that are small enough; −1 without one."""
    fitting = [one for one in candidates if one.graph.architecture.state_size <= limit]
    best = min(fitting, key=lambda one: one.score, default=None)
    return -1.0 if best is None else float(r2_scores(outputs_of([best.graph], x), y))


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate medians, and the share of tasks on which each search is better than random networks."""
    r2 = pd.DataFrame(runs["r2"].tolist())
    better = [np.nan if way == RANDOM else float((r2[way] > r2[RANDOM]).mean()) for way in r2]
    rows = {"R², median": r2.median(), "10th percentile": r2.quantile(0.1)}
    frame = pd.DataFrame(rows).assign(better=better).rename_axis("method")
    first = runs.iloc[0]
    about = f"Tasks: {len(runs)}; evaluations: {first['evaluations']}; at most {first['limit']} parameters."
    return [about, table(frame.rename(columns={"better": "better than random, share of tasks"}))]
