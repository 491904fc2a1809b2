"""From rows to networks without a gradient step on the task, beside other ways."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import RidgeCV
from torch import Generator, Tensor

from benchmarks.report import Picture, table
from benchmarks.zoos import UNSEEN, checkpoint_of, unseen, with_rows
from netgraph import NetGraph, NetVAE, Zoo
from netgraph.stack import Stack, first_outputs, fit_kernel, solve_output_layers
from netgraph.zoo import random_like

TITLE = "From rows to networks"
ABOUT = (
    "R² on the validation rows of unseen tasks, a quarter of all rows, at least −1. Generated: the training rows are "
    "encoded as q(f | X, y), networks are written for draws of f, and their output layers solved on the training rows; "
    "no gradient step sees the task. Random: PyTorch's initial weights in the same architectures, output layers "
    "solved. Trained: the task's network of the zoo, at its best step on these validation rows. Kernel: the recursive "
    "feature machine that encodes the rows."
)
GENERATED, UNREFINED, RANDOM = "generated", "generated, no steps", "random, output layers solved"
TRAINED, KERNEL, RIDGE = "trained network of the zoo", "kernel regression", "ridge regression"
WAYS = (GENERATED, UNREFINED, RANDOM, TRAINED, KERNEL, RIDGE)
#: Rounds of the recursive feature machine, as of the encoder.
ROUNDS = 2
Split = tuple[Tensor, Tensor, Tensor, Tensor]


def grid(tasks: int = 300, networks: int = 4, checkpoint: str | None = None, zoo: str = UNSEEN) -> list[dict[str, Any]]:
    """Return a run for each way.

    Args:
        tasks: Most tasks.
        networks: Generated and random networks for each.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo of unseen tasks, one network each; built where there is none.
    """
    common = {"tasks": tasks, "networks": networks, "checkpoint": checkpoint, "zoo": zoo}
    return [{"way": way} | common for way in WAYS]


def measure(way: str, tasks: int, networks: int, checkpoint: str | None, zoo: str) -> dict[str, Any]:
    """Return R² of each task's predictions, [tasks, networks]."""
    vae, source = checkpoint_of(checkpoint), unseen(zoo, checkpoint)
    r2 = []
    for seed, trained in enumerate(with_rows(source, vae, tasks)[0]):
        rows = split_rows(source, trained.task)
        r2.append(r2_scores(predictions(way, vae, trained, rows, networks, seed), rows[3]).tolist())
    return {"r2": r2}


def split_rows(source: Zoo, task: int) -> Split:
    """Return x and y of a task's training rows, and of its validation rows, as its networks have them."""
    drawn = source.tasks[task]
    cut = drawn.rows - source.recipes[0].training.n_validation(drawn.rows)
    return drawn.x[:cut], drawn.y[:cut, 0], drawn.x[cut:], drawn.y[cut:, 0]


def predictions(way: str, vae: NetVAE, trained: NetGraph, rows: Split, networks: int, seed: int) -> Tensor:
    """Predict the validation rows, [networks, rows]."""
    x, y, x_new, _ = rows
    if way == KERNEL:
        return fit_kernel(x.double()[None], y.double()[None], ROUNDS).posterior(x_new.double()[None])[0]
    if way == RIDGE:
        ridge = RidgeCV(np.logspace(-3, 3, 13)).fit(x.numpy(), y.numpy())
        return torch.from_numpy(ridge.predict(x_new.numpy()))[None]
    if way == TRAINED:
        return outputs_of([trained], x_new)
    graphs = vae.sample(networks, X=x, y=y, steps=None if way == GENERATED else 0, seed=seed)
    if way == RANDOM:
        graphs = random_solved(graphs, x, y[:, None], seed)
    return outputs_of(graphs, x_new)


def random_solved(graphs: list[NetGraph], x: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
    """Return networks of the same architectures with PyTorch's initial weights, output layers solved on rows."""
    graphs = random_like(graphs, Generator().manual_seed(seed))
    stack = Stack([graph.architecture for graph in graphs])
    state = solve_output_layers(stack, stack.flatten([graph.state for graph in graphs]), x, y).state
    return [NetGraph(graph.architecture, own) for graph, own in zip(graphs, stack.split(state), strict=True)]


def outputs_of(graphs: list[NetGraph], x: Tensor) -> Tensor:
    """Run networks of one output, [n, rows]."""
    return first_outputs([graph.architecture for graph in graphs], [graph.state for graph in graphs], x)


def r2_scores(prediction: Tensor, y: Tensor) -> Tensor:
    """Return R² of predictions, [n, rows], at least −1; −1 where one is not finite."""
    error = (prediction - y).square().sum(dim=1) / (y - y.mean()).square().sum()
    return (1 - error).nan_to_num(-1.0).clamp(min=-1.0)


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate medians and percentiles, and the share of tasks on which generated networks are ahead."""
    r2 = {run["way"]: np.array(run["r2"]) for _, run in runs.iterrows()}
    means = pd.DataFrame({way: r2[way].mean(axis=1) for way in WAYS if way in r2})  # [tasks, ways]
    rows = {
        "R², median": [np.median(r2[way]) for way in means],
        "10th percentile": [np.quantile(r2[way], 0.1) for way in means],
    }
    frame = pd.DataFrame(rows, means.columns.rename("way")).astype(float)
    if GENERATED in means:
        ahead = means.lt(means[GENERATED], axis=0).mean()
        frame["generated networks ahead, share of tasks"] = ahead.drop(GENERATED)
    return [f"Tasks: {len(means):,}; networks of a task: {runs['networks'].iloc[0]}.", table(frame)]
