"""Networks that classify: rebuilt from their latents and from prefixes of function codes, and written for rows."""

from functools import lru_cache
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.report import Picture, table
from benchmarks.rows import random_solved
from benchmarks.zoos import CLASSES, checkpoint_of, classes, with_rows
from netgraph import NetGraph, NetVAE, metrics
from netgraph.stack import outputs
from netgraph.tasks import Task

TITLE = "Networks of several outputs"
ABOUT = (
    "Networks of unseen classification tasks of 2 to 10 classes, one a task; their outputs are logits. Rebuilt: from "
    "the whole latent, and written from the first numbers of the function code into their own architectures. R² of the "
    "outputs is a median (10th percentile), agreement the mean share of rows of the same predicted class, both on the "
    "rows of each network's task. Rows to networks: accuracy on the validation rows of networks written for the "
    "training rows, their output layers solved there; of the same architectures with PyTorch's initial weights, "
    "solved likewise; of the task's trained network; and of always the most frequent class."
)
GENERATED, RANDOM, TRAINED, FREQUENT = "generated", "random, output layers solved", "trained", "the frequent class"
#: Most outputs of the networks of each group.
GROUPS = {2: "2 classes or one logit", 4: "3 or 4 classes", 10: "5 to 10 classes"}
NUMBERS = (None, 64, 32, 16)


def grid(
    n: int = 600, tasks: int = 150, networks: int = 4, checkpoint: str | None = None, zoo: str = CLASSES
) -> list[dict[str, Any]]:
    """Return a run for each number of numbers, and one for rows.

    Args:
        n: Most networks that are rebuilt.
        tasks: Most tasks that networks are written for.
        networks: Generated and random networks for each.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo of unseen classification tasks, one network each; built where there is none.
    """
    common = {"checkpoint": checkpoint, "zoo": zoo}
    rebuilt = [{"part": "rebuilt", "numbers": numbers, "n": n, "networks": 1} for numbers in NUMBERS]
    return [run | common for run in [*rebuilt, {"part": "rows", "numbers": None, "n": tasks, "networks": networks}]]


@lru_cache(maxsize=1)
def encoded(n: int, checkpoint: str | None, zoo: str) -> tuple[list[NetGraph], list[Tensor], Tensor]:
    """Return networks, the rows of their tasks, and their latents."""
    vae = checkpoint_of(checkpoint)
    graphs, rows = with_rows(classes(zoo, checkpoint), vae, n)
    return graphs, rows, vae.encode(graphs)


def measure(part: str, numbers: int | None, n: int, networks: int, checkpoint: str | None, zoo: str) -> dict[str, Any]:
    """Measure each network: its number of outputs, and R² and agreement, or the accuracy of each way."""
    vae, source = checkpoint_of(checkpoint), classes(zoo, checkpoint)
    graphs, rows, z = encoded(n, checkpoint, zoo)
    result: dict[str, Any] = {"outputs": [graph.architecture.n_outputs for graph in graphs]}
    if part == "rebuilt":
        whole = numbers is None
        rebuilt = vae.decode(z if whole else z[:, :numbers], architecture=None if whole else graphs)
        result["r2"] = metrics.output_r2_per_pair(graphs, rebuilt, rows).tolist()
        result["agreement"] = metrics.agreement_per_pair(graphs, rebuilt, rows).tolist()
        return result
    recipe = source.recipes[0].training
    cuts = [len(x) - recipe.n_validation(len(x)) for x in rows]
    tasks = [source.tasks[graph.task] for graph in graphs]
    found = [
        accuracies(vae, graph, task, cut, networks, seed)
        for seed, (graph, task, cut) in enumerate(zip(graphs, tasks, cuts, strict=True))
    ]
    return result | {"accuracy": found}


def accuracies(vae: NetVAE, trained: NetGraph, task: Task, cut: int, networks: int, seed: int) -> dict[str, float]:
    """Compute the accuracy of each way on the rows of a task from a number on; the rows before it train."""
    x, labels = task.x[:cut], predicted(task.y - 0.5)
    one_hot = torch.nn.functional.one_hot(labels).float()
    mean = one_hot[:cut].mean(dim=0)
    scale = (mean * (1 - mean)).sqrt().clamp(min=1e-3)

    def accuracy(graphs: list[NetGraph], scale: Tensor | float = scale, mean: Tensor | float = mean) -> float:
        scores = outputs([g.architecture for g in graphs], [g.state for g in graphs], task.x[cut:]) * scale + mean
        return float((predicted(scores) == labels[cut:]).double().mean())

    y = (one_hot[:cut] - mean) / scale
    generated = vae.sample(networks, X=x, y=y, seed=seed)
    solved = random_solved(generated, x, y, seed)
    frequent = float((labels[cut:] == mean.argmax()).double().mean())
    of_trained = accuracy([trained], 1.0, 0.0)
    return {GENERATED: accuracy(generated), RANDOM: accuracy(solved), TRAINED: of_trained, FREQUENT: frequent}


def predicted(scores: Tensor) -> Tensor:
    """Return classes by scores, [..., classes], or by one logit, [..., 1]."""
    return (scores[..., 0] > 0).long() if scores.shape[-1] == 1 else scores.argmax(dim=-1)


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate what was rebuilt by the number of numbers, and the accuracies, each by the number of outputs."""
    rebuilt = runs[runs["part"] == "rebuilt"]
    parts: list[str | Picture] = []
    if len(rebuilt):
        values = rebuilt[["numbers", "outputs", "r2", "agreement"]].explode(["outputs", "r2", "agreement"])
        values["numbers"] = values["numbers"].map(lambda count: "all" if pd.isna(count) else f"f, {count:g} numbers")
        groups = values.assign(networks=values["outputs"].map(group_of)).groupby(["networks", "numbers"], sort=False)
        tenth = groups["r2"].apply(lambda r2: r2.astype(float).quantile(0.1, interpolation="lower"))
        found = {"R², median": groups["r2"].median(), "10th percentile": tenth}
        parts += [
            "Rebuilt:",
            table(pd.DataFrame(found | {"agreement": groups["agreement"].mean(), "n": groups.size()})),
        ]
    for _, run in runs[runs["part"] == "rows"].iterrows():
        accuracy = pd.DataFrame(list(run["accuracy"]))
        groups = accuracy.assign(tasks=[group_of(count) for count in run["outputs"]]).groupby("tasks")
        ahead = groups.apply(lambda own: (own[GENERATED] > own[RANDOM]).mean(), include_groups=False)
        frame = groups.mean().assign(**{"generated ahead of random, share": ahead, "n": groups.size()})
        parts += ["Rows to networks, mean accuracy:", table(frame)]
    return parts


def group_of(n_outputs: int) -> str:
    """Return the group of a number of outputs."""
    return next(words for most, words in GROUPS.items() if n_outputs <= most)
