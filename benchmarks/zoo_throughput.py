"""Networks a second: training through the stack against one module after the other, equal steps and batch."""

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from results import write_section
from torch import Generator, Tensor

from netgraph.graph import Architecture, NetGraph, to_module
from netgraph.stack import Stack
from netgraph.tasks import draw_tasks
from netgraph.zoo import FitConfig, ZooRecipe, fit_stack, pad_rows
from netgraph.zoo.architectures import draw_architecture, initialize

STEPS, BATCH, ALONE, TOGETHER, PROCESSES = 100, 48, 24, 800, 2
RATE, DECAY = 0.01, 1e-4


def problems(count: int, seed: int) -> tuple[list[Architecture], list[Tensor], Tensor, Tensor]:
    """Draw architectures of the quick recipe, initial states, and rows of their tasks."""
    recipe, generator = ZooRecipe(), Generator().manual_seed(seed)
    tasks = draw_tasks(count // 20 + 1, rows=recipe.rows, seed=seed)
    chosen = [tasks[i // 20] for i in range(count)]
    architectures = [draw_architecture(recipe, task.n_features, generator) for task in chosen]
    states = [initialize(architecture, generator) for architecture in architectures]
    x = pad_rows([task.x for task in chosen], max(task.n_features for task in chosen))
    return architectures, states, x, torch.stack([task.y for task in chosen])[..., None]


def one_by_one(count: int) -> float:
    """Train modules one after the other with torch.optim.Adam; give networks a second."""
    torch.set_num_threads(1)
    architectures, states, x, y = problems(count, 1)
    modules = [to_module(NetGraph(a, s)).train() for a, s in zip(architectures, states, strict=True)]
    generator = Generator().manual_seed(0)
    started = time.perf_counter()
    for i, module in enumerate(modules):
        rows_x, rows_y = x[i, :, : architectures[i].n_inputs], y[i]
        optimizer = torch.optim.Adam(module.parameters(), RATE)
        for _ in range(STEPS):
            rows = torch.randperm(len(rows_x), generator=generator)[:BATCH]
            optimizer.zero_grad()
            (module(rows_x[rows]) - rows_y[rows]).square().mean().backward()
            optimizer.step()
    return count / (time.perf_counter() - started)


def stacked(seed: int) -> float:
    """Train networks side by side as the zoo does, the compilation of the stack included; give seconds."""
    torch.set_num_threads(1)
    architectures, states, x, y = problems(TOGETHER, seed)
    started = time.perf_counter()
    stack = Stack(architectures)
    fit_stack(
        stack,
        stack.flatten(states),
        (x, y),
        (x[:, :32], y[:, :32]),
        FitConfig.uniform(TOGETHER, steps=STEPS, batch_rows=BATCH, learning_rate=RATE, weight_decay=DECAY),
        Generator().manual_seed(0),
    )
    return time.perf_counter() - started


def main() -> None:
    """Time both in one run and write the section."""
    alone = one_by_one(ALONE)
    stacked(0)
    one = TOGETHER / stacked(2)
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        list(pool.map(stacked, range(PROCESSES)))
        both = PROCESSES * TOGETHER / max(pool.map(stacked, range(10, 10 + PROCESSES)))
    lines = [
        f"{STEPS} steps of {BATCH} rows, architectures of the quick recipe, one thread a process.",
        "",
        "| | networks a second | against one by one |",
        "|---|---|---|",
        f"| one by one, nn.Sequential and Adam | {alone:.1f} | 1 |",
        f"| stack, one process | {one:.1f} | {one / alone:.1f} |",
        f"| stack, {PROCESSES} processes, as the zoo is built | {both:.1f} | {both / alone:.1f} |",
    ]
    write_section("Zoo training", "python benchmarks/zoo_throughput.py", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
