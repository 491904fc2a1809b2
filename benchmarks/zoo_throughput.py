"""Networks a second: training through the stack against one module after the other, equal steps and batch.

Three ways, each on one core: a loop over modules with a DataLoader, as most zoos are made; the same loop without one;
the stack. Beside them the stack in two processes, as a zoo is built.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import torch
from results import write_section
from torch import Generator, Tensor
from torch.utils.data import DataLoader, TensorDataset

from netgraph.graph import Architecture, NetGraph, to_module
from netgraph.tasks import TaskRecipe, draw_tasks
from netgraph.zoo import ArchitectureRecipe, FitConfig, draw_architecture, fit_networks, initialize, pad_rows

BATCH, PROCESSES, RATE, DECAY = 50, 2, 0.01, 1e-4
PLAIN = ArchitectureRecipe(
    normalizations={"none": 1.0},
    skips={"none": 1.0},
    activations=dict.fromkeys(("ReLU", "Tanh", "Sigmoid"), 1.0),
)
#: Tasks play no part in the time of a step.
TASKS = TaskRecipe(families={"linear": 1.0}, n_features=(2, 8), learnable=False)


@dataclass(frozen=True)
class Case:
    """What is timed: a recipe, the networks trained side by side and alone, the steps of each."""

    name: str
    recipe: ArchitectureRecipe
    together: int
    alone: int
    steps: int


CASES = (
    Case("1-3 hidden layers of 4-8 units", PLAIN, 1600, 12, 100),
    Case("the quick recipe", ArchitectureRecipe(), 1600, 12, 100),
    *(
        Case(f"1-3 hidden layers of {width} units", replace(PLAIN, widths=(width, width)), count, 8, 40)
        for width, count in ((16, 400), (64, 200), (128, 60), (256, 24))
    ),
)


@dataclass(frozen=True)
class Problem:
    """Architectures, their initial states, and rows of their tasks."""

    architectures: list[Architecture]
    states: list[Tensor]
    x: Tensor
    y: Tensor

    @classmethod
    def draw(cls, recipe: ArchitectureRecipe, count: int, seed: int) -> "Problem":
        """Draw ``count`` networks of a recipe."""
        generator = Generator().manual_seed(seed)
        tasks = draw_tasks(count // 20 + 1, TASKS, seed=seed)
        chosen = [tasks[i // 20] for i in range(count)]
        architectures = [draw_architecture(recipe, task.n_features, generator) for task in chosen]
        states = [initialize(architecture, generator) for architecture in architectures]
        x = pad_rows([task.x for task in chosen], max(task.n_features for task in chosen))
        return cls(architectures, states, x, torch.stack([task.y for task in chosen])[..., None])


def batches(x: Tensor, y: Tensor, loader: bool):
    """Rows of step after step, through a DataLoader or by one index."""
    data = DataLoader(TensorDataset(x, y), BATCH, shuffle=True) if loader else None
    while True:
        if data is not None:
            yield from data
        else:
            rows = torch.randperm(len(x))[:BATCH]
            yield x[rows], y[rows]


def one_by_one(case: Case, loader: bool) -> float:
    """Train modules one after the other with torch.optim.Adam; give seconds a network and step."""
    problem = Problem.draw(case.recipe, case.alone, 1)
    pairs = zip(problem.architectures, problem.states, strict=True)
    modules = [to_module(NetGraph(architecture, state)).train() for architecture, state in pairs]
    started = time.perf_counter()
    for i, module in enumerate(modules):
        x = problem.x[i, :, : problem.architectures[i].n_inputs].contiguous()
        optimizer = torch.optim.Adam(module.parameters(), RATE)
        for (rows_x, rows_y), _ in zip(batches(x, problem.y[i], loader), range(case.steps), strict=False):
            optimizer.zero_grad()
            (module(rows_x) - rows_y).square().mean().backward()
            optimizer.step()
    return (time.perf_counter() - started) / case.alone / case.steps


def stacked(case: Case, seed: int, steps: int, device: str = "cpu") -> float:
    """Train networks side by side as the zoo does, each at a rate of its own, the compilation included.

    Returns:
        Seconds a network and step.
    """
    torch.set_num_threads(1)
    problem = Problem.draw(case.recipe, case.together, seed)
    rows = problem.x, problem.y
    config = FitConfig.uniform(case.together, steps=steps, batch_rows=BATCH, learning_rate=RATE, weight_decay=DECAY)
    config = replace(config, learning_rate=RATE * torch.linspace(0.5, 2.0, case.together))
    started = time.perf_counter()
    fit_networks(problem.architectures, problem.states, rows, rows, config, Generator().manual_seed(0), device)
    return (time.perf_counter() - started) / case.together / steps


def measure(case: Case) -> dict[str, float]:
    """Time a case; microseconds a network and step."""
    stacked(case, 0, 10)
    seconds = {
        "loader": min(one_by_one(case, True) for _ in range(2)),
        "loop": min(one_by_one(case, False) for _ in range(2)),
        "stack": min(stacked(case, 2, 5 * case.steps) for _ in range(2)),
    }
    return {name: 1e6 * value for name, value in seconds.items()}


def both_cores(case: Case) -> float:
    """Network steps a second of two processes side by side."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        arguments = [case] * PROCESSES
        list(pool.map(stacked, arguments, range(PROCESSES), [10] * PROCESSES))
        slowest = max(pool.map(stacked, arguments, range(10, 10 + PROCESSES), [5 * case.steps] * PROCESSES))
    return PROCESSES / slowest


def lines(found: dict[str, dict[str, float]], together: float) -> list[str]:
    """Lay the figures out as a table."""
    rows = [
        f"| {name} | {t['loader']:.0f} | {t['loop']:.0f} | {t['stack']:.1f} | {t['loader'] / t['stack']:.1f} "
        f"| {t['loop'] / t['stack']:.1f} |"
        for name, t in found.items()
    ]
    return [
        f"Microseconds a network and step of {BATCH} rows, one core, one thread; the ratios are of this one run.",
        "",
        "| recipe | one by one, DataLoader | one by one, tight loop | stack | against DataLoader | against loop |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"Two processes, as a zoo is built, {CASES[0].name}: {together:,.0f} network steps a second.",
    ]


def main() -> None:
    """Time all cases in one run; write the section, or print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="time the small recipe only and print one JSON line")
    parser.add_argument("--device", help="time the stack alone on this device, 1,000 steps a network")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.device:
        seconds = stacked(replace(CASES[0], together=50_000), 0, 1000, chosen.device)
        print(f"{chosen.device}: {1 / seconds / 1000:,.0f} networks a second at 1,000 steps each")
        return
    found = {case.name: measure(case) for case in (CASES[:1] if chosen.json else CASES)}
    together = both_cores(CASES[0])
    if chosen.json:
        small = found[CASES[0].name]
        ratios = {f"against_{name}": small[name] / small["stack"] for name in ("loader", "loop")}
        print(json.dumps({"network_steps_per_second": together, "one_core": 1e6 / small["stack"], **ratios}))
        return
    write_section("Zoo training", "python benchmarks/zoo_throughput.py", lines(found, together))
    print("\n".join(lines(found, together)))


if __name__ == "__main__":
    main()
