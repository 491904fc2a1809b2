"""Training of many networks through the stack, beside one module after the other: equal steps and rows a step."""

import time
from dataclasses import replace
from itertools import chain, islice, repeat
from typing import Any

import pandas as pd
import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.report import Picture, table
from netgraph import NetGraph, to_module
from netgraph.tasks import TaskRecipe, draw_tasks
from netgraph.zoo import ArchitectureRecipe, FitConfig, draw_architecture, fit_networks, initialize, pad_rows

BATCH, REPEATS, RATE, DECAY, CLASSES = 50, 2, 0.01, 1e-4, 3
TITLE = "Zoo training"
ABOUT = (
    f"Microseconds a network and step of {BATCH} rows, on one thread, the best of {REPEATS} times, compilation "
    "included: modules one after the other with `torch.optim.Adam`, whose rows come through a `DataLoader` or by an "
    "index, and all networks side by side through the stack, each at a learning rate of its own. Ratios are to the "
    f"stack's time. With cross-entropy the same networks have {CLASSES} outputs in place of one; its throughput is a "
    "percentage of that with squared error."
)
WAYS = ("one by one, DataLoader", "one by one, index", "stack", "stack, cross-entropy")
ACTIVATIONS = dict.fromkeys(("ReLU", "Tanh", "Sigmoid"), 1.0)
PLAIN = ArchitectureRecipe(normalizations={"none": 1.0}, skips={"none": 1.0}, activations=ACTIVATIONS)
#: Tasks play no part in the time of a step.
TASKS = TaskRecipe(families={"linear": 1.0}, n_features=(2, 8), learnable=False)


#: Recipe, networks side by side, networks one by one, and steps of the latter; the former take five times as many.
CASES = {
    "1-3 hidden layers of 4-8 units": (PLAIN, 1600, 12, 100),
    "the quick recipe": (ArchitectureRecipe(), 1600, 12, 100),
} | {
    f"1-3 hidden layers of {width} units": (replace(PLAIN, widths=(width, width)), count, 8, 40)
    for width, count in ((16, 400), (64, 200), (128, 60), (256, 24))
}


def grid() -> list[dict[str, Any]]:
    """Return a run for each recipe and way."""
    return [{"recipe": recipe, "way": way} for recipe in CASES for way in WAYS]


def measure(recipe: str, way: str) -> dict[str, Any]:
    """Time one way to train networks of a recipe; microseconds a network and step."""
    distribution, together, alone, steps = CASES[recipe]
    if way in WAYS[2:]:
        loss = "squared_error" if way == WAYS[2] else "cross_entropy"
        stacked(distribution, together, 10, loss)  # imports and the first compilation
        seconds = min(stacked(distribution, together, 5 * steps, loss) for _ in range(REPEATS))
    else:
        seconds = min(one_by_one(distribution, alone, steps, loader=way == WAYS[0]) for _ in range(REPEATS))
    return {"microseconds": 1e6 * seconds}


def draw(recipe: ArchitectureRecipe, count: int, n_outputs: int = 1) -> tuple[list[NetGraph], Tensor, Tensor]:
    """Draw networks with initial weights, and rows of their tasks: X [count, rows, features], y [count, rows, outputs].

    Several outputs are classes, which quantiles of the target are: y is one-hot.
    """
    generator = Generator().manual_seed(1)
    tasks = draw_tasks(count // 20 + 1, TASKS, seed=1)
    chosen = [tasks[i // 20] for i in range(count)]
    architectures = [draw_architecture(recipe, task.n_features, generator, n_outputs) for task in chosen]
    graphs = [NetGraph(architecture, initialize(architecture, generator)) for architecture in architectures]
    x = pad_rows([task.x for task in chosen], max(task.n_features for task in chosen))
    y = torch.stack([task.y for task in chosen])
    if n_outputs > 1:
        rank = y[..., 0].argsort(dim=1).argsort(dim=1)
        y = one_hot(rank * n_outputs // y.shape[1], n_outputs).float()
    return graphs, x, y


def one_by_one(recipe: ArchitectureRecipe, count: int, steps: int, loader: bool) -> float:
    """Train modules one after the other, rows from a DataLoader or by an index; return seconds a network and step."""
    graphs, x, y = draw(recipe, count)
    modules = [to_module(graph).train() for graph in graphs]
    started = time.perf_counter()
    for module, graph, X, Y in zip(modules, graphs, x, y, strict=True):
        data = TensorDataset(X[:, : graph.architecture.n_inputs].contiguous(), Y)
        epochs = chain.from_iterable(repeat(DataLoader(data, BATCH, shuffle=True)))
        optimizer = torch.optim.Adam(module.parameters(), RATE)
        draws = (data[torch.randperm(len(data))[:BATCH]] for _ in range(steps))
        for rows, targets in islice(epochs, steps) if loader else draws:
            optimizer.zero_grad()
            (module(rows) - targets).square().mean().backward()
            optimizer.step()
    return (time.perf_counter() - started) / count / steps


def stacked(recipe: ArchitectureRecipe, count: int, steps: int, loss: str) -> float:
    """Train networks side by side; return seconds a network and step."""
    graphs, x, y = draw(recipe, count, CLASSES if loss == "cross_entropy" else 1)
    config = FitConfig.uniform(count, steps=steps, batch_rows=BATCH, learning_rate=RATE, weight_decay=DECAY)
    config = replace(config, learning_rate=RATE * torch.linspace(0.5, 2.0, count))
    architectures, states = [graph.architecture for graph in graphs], [graph.state for graph in graphs]
    started = time.perf_counter()
    fit_networks(architectures, states, (x, y), (x, y), config, Generator().manual_seed(0), loss=loss)
    return (time.perf_counter() - started) / count / steps


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Return microseconds by recipe and way, and the ratios."""
    times = runs.pivot_table("microseconds", "recipe", "way").reindex(index=list(CASES), columns=list(WAYS))
    for way in WAYS[:2]:
        times[f"{way}: ratio"] = times[way] / times[WAYS[2]]
    times["cross-entropy: % of throughput"] = 100 * times[WAYS[2]] / times[WAYS[3]]
    return [table(times, digits=1)]
