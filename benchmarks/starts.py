"""Warm starts: R² before a training and after some steps, each start at a peak rate of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor

from benchmarks.report import Picture, table
from benchmarks.zoos import UNSEEN, checkpoint_of, covered, unseen
from netgraph import NetGraph, get_meta_features
from netgraph.evaluation import random_like
from netgraph.model import Rows
from netgraph.stack import Stack, first_outputs, solve_last_layers
from netgraph.zoo import FitConfig, fit_networks, pad_rows

TITLE = "Warm starts"
ABOUT = (
    "Networks for unseen tasks, trained on three quarters of the rows with AdamW (rate falling along a cosine, 48 rows "
    "a step); R² on the last quarter, each at least −1. Every start has the peak rate of the best median R² for its "
    "budget of steps on half of the tasks; all figures are of the other half. Generated: written for the rows by the "
    "checkpoint's hypernet, one draw. Sampled: for the meta-features of the rows. Random: PyTorch's initial weights in "
    "the architectures of the generated ones. Solved: output layer by ridge regression on the rows."
)
STARTS = ("generated for the rows", "sampled for meta-features, solved", "random, solved", "random")
BUDGETS = (0, 10, 50, 100, 500)
RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
#: Share of unseen rows, rows of a step, and weight decay: as of the zoo's own networks.
UNSEEN_ROWS, BATCH_ROWS, DECAY = 0.25, 48, 1e-4


def grid(tasks: int = 60, networks: int = 4, checkpoint: str | None = None, zoo: str = UNSEEN) -> list[dict[str, Any]]:
    """Return a run for each start and budget.

    Args:
        tasks: Number of tasks.
        networks: Networks for each.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo, whose test tasks the checkpoint was not trained on; built where there is none.
    """
    common = {"tasks": tasks, "networks": networks, "checkpoint": checkpoint, "zoo": zoo}
    return [{"start": start, "budget": budget} | common for start in STARTS for budget in BUDGETS]


def measure(start: str, budget: int, tasks: int, networks: int, checkpoint: str | None, zoo: str) -> dict[str, Any]:
    """Train with every rate; R² of each task's networks, a list for each rate."""
    problem, starts = problem_of(tasks, networks, checkpoint, zoo)
    graphs, rates = starts[start], RATES if budget else RATES[:1]
    states = problem.train(graphs, budget, rates) if budget else [graph.state for graph in graphs]
    return {"r2": problem.r2(graphs, states).view(len(rates), -1, networks).tolist()}


@dataclass(frozen=True)
class Problem:
    """Tasks, each repeated for its networks.

    Attributes:
        x: Rows, zero padded, [n, rows, inputs].
        y: Targets, [n, rows].
        cut: Number of training rows, the first ones.
    """

    x: Tensor
    y: Tensor
    cut: int

    def solve(self, graphs: list[NetGraph]) -> list[NetGraph]:
        """Fit output layers to the rows in closed form."""
        stack = Stack([graph.architecture for graph in graphs])
        state = stack.flatten([graph.state for graph in graphs])
        solved = solve_last_layers(stack, state, self.x[:, : self.cut], self.y[:, : self.cut]).state
        return [NetGraph(graph.architecture, state) for graph, state in zip(graphs, stack.split(solved), strict=True)]

    def train(self, graphs: list[NetGraph], steps: int, rates: Sequence[float]) -> list[Tensor]:
        """Train networks with each of several peak rates, all at once; return their states, rate after rate."""
        count = len(graphs) * len(rates)
        config = FitConfig.uniform(count, steps=steps, batch_rows=BATCH_ROWS, learning_rate=0.0, weight_decay=DECAY)
        peaks = torch.tensor(rates).repeat_interleave(len(graphs))
        x, y = self.x.repeat(len(rates), 1, 1), self.y.repeat(len(rates), 1)[..., None]
        fitted = fit_networks(
            [graph.architecture for graph in graphs] * len(rates),
            [graph.state for graph in graphs] * len(rates),
            (x[:, : self.cut], y[:, : self.cut]),
            (x[:, self.cut :], y[:, self.cut :]),
            replace(config, learning_rate=peaks, trajectory=(steps,)),
            Generator().manual_seed(0),
        )
        return [states[-1] for states in fitted.trajectory]

    def r2(self, graphs: list[NetGraph], states: list[Tensor]) -> Tensor:
        """Return R² on the other rows, at least −1, of networks with states, n for each rate, [rates * n]."""
        times = len(states) // len(graphs)
        x, y = self.x[:, self.cut :].repeat(times, 1, 1), self.y[:, self.cut :].repeat(times, 1)
        error = first_outputs([graph.architecture for graph in graphs] * times, states, x) - y
        total = (y - y.mean(dim=1, keepdim=True)).square().sum(dim=1)
        return (1 - error.square().sum(dim=1) / total).nan_to_num(-1.0).clamp(min=-1.0)


@lru_cache(maxsize=1)
def problem_of(
    tasks: int, networks: int, checkpoint: str | None, zoo: str
) -> tuple[Problem, dict[str, list[NetGraph]]]:
    """Draw tasks, and make the networks of every start."""
    vae, source = checkpoint_of(checkpoint), unseen(zoo, checkpoint)
    numbers = sorted({graph.task for graph in covered(source, vae)})
    order = torch.randperm(len(numbers), generator=Generator().manual_seed(0))[:tasks].tolist()
    drawn = [source.task(numbers[i]) for i in order]
    cut = round((1 - UNSEEN_ROWS) * drawn[0].rows)
    generated, sampled = [], []  # type: list[NetGraph], list[NetGraph]
    for i, task in enumerate(drawn):
        x, y = task.x[:cut], task.y[:cut]
        generated += vae.sample(networks, seed=i, rows=Rows.of(x, y))
        features = get_meta_features(x.numpy(), y.numpy())
        sampled += vae.sample(networks, features, i, n_inputs=task.n_features)
    owners = [task for task in drawn for _ in range(networks)]
    x = pad_rows([task.x for task in owners], max(task.n_features for task in owners))
    problem = Problem(x, torch.stack([task.y for task in owners]), cut)
    random = random_like(generated, Generator().manual_seed(0))
    return problem, dict(zip(STARTS, (generated, problem.solve(sampled), problem.solve(random), random), strict=True))


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate R² and the chosen rates."""
    chosen = pd.DataFrame([choose_rate(run) for _, run in runs.iterrows()])
    parts: list[str | Picture] = [f"Tasks: {runs['tasks'].iloc[0]}, {runs['networks'].iloc[0]} networks each."]
    for name, words in {"median": "Median R²", "tenth": "10th percentile", "rate": "Chosen peak rate"}.items():
        wide = chosen.pivot(index="start", columns="budget", values=name).loc[list(STARTS)]
        parts.append(table(wide.rename(columns="{} steps".format).rename_axis(index=words, columns=None)))
    return parts


def choose_rate(run: pd.Series) -> dict[str, Any]:
    """Choose the rate of a run on every second task, and compute the figures of the others."""
    values = np.array(run["r2"])  # [rates, tasks, networks]
    best = int(np.median(values[:, ::2], axis=(1, 2)).argmax())
    figures = {"median": float(np.median(values[best, 1::2])), "tenth": float(np.quantile(values[best, 1::2], 0.1))}
    rate = f"{RATES[best]:g}" if run["budget"] else "–"
    return {"start": run["start"], "budget": run["budget"], "rate": rate} | figures
