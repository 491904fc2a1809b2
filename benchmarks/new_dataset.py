"""New data sets: what a network found in seconds is worth on rows it has not seen, beside other ways to get one.

Every cell (data set, split, budget, method) is a JSON file in ``--cells``, written once it is measured: an interrupted
run goes on with those that are missing, several processes share the work with ``--part 0/2`` and ``--part 1/2``, and
``--report`` writes the section from the cells there are. The smallest budget comes first, split by split. Those of
RESULTS.md lie in ``benchmarks/new_dataset_cells.tar.xz``: unpacked, they need not be measured again on such a machine.
"""

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from new_dataset_methods import (
    DEPENDS_ON,
    MATCHED,
    MLP,
    OURS,
    TIMED,
    UNTIMED,
    Fitted,
    Method,
    Problem,
    Tools,
    problem_of,
)
from new_dataset_report import COLUMNS, WHOLE, report
from new_dataset_sources import Library
from sklearn.datasets import make_friedman1
from threadpoolctl import threadpool_limits

from netgraph import NetGraphRegressor, NetVAE, Zoo
from netgraph.files import make_folder, write_atomically
from netgraph.machine import commit, processor
from netgraph.model.checkpoint import SHIPPED
from netgraph.tasks.bundled import bundled_columns
from netgraph.threads import threads
from netgraph.zoo import ZooRecipe

DATASETS = (
    "diabetes",
    "iris",
    "iris_sepal_length",
    "wine",
    "wine_proline",
    "wine_color_intensity",
    "breast_cancer",
    "breast_cancer_mean_smoothness",
    "breast_cancer_worst_symmetry",
    "linnerud",
    "linnerud_situps",
    "digits",
    "digits_pixel_5_4",
    "china_pixel",
)
#: Seconds of wall time.
BUDGETS = (1.0, 5.0, 30.0)
#: Further budgets of ours, which show when it is as good as scikit-learn's network.
LOOKS = (0.1, 0.25, 0.5, 2.0, 10.0)
#: Share of the time of scikit-learn's network that ours is given where it is to be no slower: it ends a little late.
MATCHED_SHARE = 0.9
#: Fits of 500 × 10 that are timed.
REPEATS = 5


@dataclass(frozen=True)
class Cell:
    """One measurement.

    Attributes:
        dataset: Name of the data set.
        split: Number of the split.
        method: Name of the method.
        budget: Seconds; None for methods that know none.
        group: Budget with whose measurements it comes.
    """

    dataset: str
    split: int
    method: str
    budget: float | None
    group: float

    def path(self, folder: Path) -> Path:
        """Give the file that takes it."""
        name = f"{self.dataset} {self.split} {'any' if self.budget is None else f'{self.budget:g}'} {self.method}"
        return folder / f"{''.join(letter if letter.isalnum() or letter in '._' else '-' for letter in name)}.json"


def plan(datasets: Sequence[str], n_splits: int, budgets: Sequence[float]) -> list[Cell]:
    """List the cells in the order of the work: budget by budget, split by split, and of these by data set."""
    cells = []
    for budget, before in zip(budgets, (0.0, *budgets[:-1]), strict=True):
        named = [(method, budget) for method in TIMED]
        if budget == budgets[0]:
            named += [*((method, None) for method in UNTIMED), (MATCHED, None)]
        named += [(OURS, look) for look in LOOKS if before < look < budget]
        for split in range(n_splits):
            for dataset in datasets:
                cells += [Cell(dataset, split, method, seconds, budget) for method, seconds in named]
    return cells


def shared(cells: Sequence[Cell], part: int, parts: int) -> list[Cell]:
    """Give one process its part: all methods of a data set, split and budget are measured side by side."""
    groups = [list(members) for _, members in groupby(cells, lambda cell: (cell.group, cell.split, cell.dataset))]
    return [cell for members in groups[part::parts] for cell in members]


class Bench:
    """Measures cells.

    Args:
        options: The command line.
        tools: Makes what methods work with, once the first cell is missing.
    """

    def __init__(self, options: argparse.Namespace, tools: Callable[[], Tools]) -> None:
        self.options, self.tools = options, cache(tools)

    def run(self, cells: Sequence[Cell]) -> None:
        """Measure those that are missing, on one thread."""
        missing = [cell for cell in cells if read(cell, self.options) is None]
        with threads(1), threadpool_limits(1):
            if missing:
                self._warm_up()
            for number, cell in enumerate(missing, start=1):
                result = self.measure(cell) | self._about(cell.method)
                write(cell.path(self.options.cells), result)
                line = f"{cell.dataset}, split {cell.split}, {cell.method}, {cell.budget or 'any'} s"
                print(f"{number}/{len(missing)} {line}: {result['r2']:.3f} in {result['seconds']:.2f} s", flush=True)

    def _about(self, method: str) -> dict[str, Any]:
        return {"settings": settings(self.options, method), "commit": commit(), "machine": processor()}

    def _warm_up(self) -> None:
        """Run every method once: what is imported and compiled at the first use is not the methods' time."""
        random = np.random.default_rng(0)
        x, y = random.normal(size=(40, 3)), random.normal(size=40)
        for method in (*TIMED.values(), *UNTIMED.values()):
            self._timed(method, Problem(x, y, x, y, 0), 0.1)

    def _timed(self, method: Method, problem: Problem, seconds: float) -> tuple[Fitted, float, float]:
        """Give what came out, and the seconds of wall time and of CPU time."""
        tools = self.tools()
        tools.library.networks(problem.n_read)  # read before the clock starts, like the model
        wall, cpu = time.perf_counter(), time.process_time()
        fitted = method(tools, problem, seconds)
        return fitted, time.perf_counter() - wall, time.process_time() - cpu

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Give the figures of a cell."""
        problem, method, budget = problem_of(cell.dataset, cell.split), self._method(cell), self._budget(cell)
        fitted, wall, cpu = self._timed(method, problem, budget)
        r2 = r2_of(fitted.predict(problem.x_test), problem.y_test)
        figures = {"r2": r2, "seconds": wall, "cpu_seconds": cpu, "given": budget}
        return asdict(cell) | figures | {"notes": fitted.notes}

    def _method(self, cell: Cell) -> Method:
        return (TIMED | UNTIMED)[OURS if cell.method == MATCHED else cell.method]

    def _budget(self, cell: Cell) -> float:
        if cell.method != MATCHED:
            return cell.budget or 0.0
        rival = read(Cell(cell.dataset, cell.split, MLP, None, cell.group), self.options)
        if rival is None:
            raise SystemExit(f"{cell.path(self.options.cells)}: measured after {MLP}, whose cell is missing")
        return MATCHED_SHARE * float(rival["seconds"])


def r2_of(predicted: Any, y: Any) -> float:
    """R^2 of predictions, [rows]; minus infinity where one is not finite."""
    predicted = np.asarray(predicted, dtype=np.float64)
    if not np.isfinite(predicted).all():
        return -np.inf
    return float(1 - np.square(predicted - y).sum() / np.square(y - y.mean()).sum())


def settings(options: argparse.Namespace, method: str) -> dict[str, Any]:
    """Say what a method's cells depend on beside the code: those of others stay when a checkpoint is another one."""
    about = {"zoo": options.zoo.name, "checkpoint": _digest(options.checkpoint or SHIPPED)}
    return {name: value for name, value in about.items() if name == DEPENDS_ON.get(method)}


@cache
def _digest(path: Path) -> str:
    return f"{path.stem} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def read(cell: Cell, options: argparse.Namespace) -> dict[str, Any] | None:
    """Read a cell if it is there.

    Raises:
        SystemExit: When it was measured with another zoo or checkpoint.
    """
    path = cell.path(options.cells)
    if not path.exists():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    wanted = settings(options, cell.method)
    if result["settings"] != wanted:
        raise SystemExit(f"{path}: measured with {result['settings']}, not {wanted}; choose other --cells")
    return result


def write(path: Path, result: dict[str, Any]) -> None:
    """Write a cell at once."""
    write_atomically(path, json.dumps(result, indent=1).encode())


def fit_times(options: argparse.Namespace) -> Iterator[float]:
    """Time fits of 500 rows of 10 columns with default settings and all cores, after one to warm up; keep the times."""
    path = options.cells / "fit-time.json"
    x, y = make_friedman1(500, 10, random_state=0)
    found = []
    with threads(os.cpu_count() or 1):
        for seed in range(-1, REPEATS):
            started = time.perf_counter()
            NetGraphRegressor(options.checkpoint and str(options.checkpoint), random_state=max(seed, 0)).fit(x, y)
            found.append(time.perf_counter() - started)
            yield found[-1]
    write(path, {"seconds": found[1:], "machine": processor(), "commit": commit(), "settings": settings(options, OURS)})


def tools_of(options: argparse.Namespace) -> Tools:
    """Read the model, the zoo and the recipe of random architectures."""
    vae, library = NetVAE.from_pretrained(options.checkpoint), Library(Zoo(options.zoo))
    return Tools(vae, options.checkpoint, library, ZooRecipe.load("full").architectures)


def main() -> None:
    """Measure, or write the section from what is there."""
    options = arguments()
    make_folder(options.cells)
    cells = plan(options.datasets, options.splits, options.budgets)
    if options.fit_time:
        for seconds in fit_times(options):
            print(f"500 × 10 in {seconds:.2f} s", flush=True)
    elif not options.report:
        Bench(options, lambda: tools_of(options)).run(shared(cells, *options.part))
    else:
        found = [result for cell in cells if (result := read(cell, options)) is not None]
        if not found:
            raise SystemExit(f"{options.cells}: no cells yet; RESULTS.md stays as it is")
        path = options.cells / "fit-time.json"
        fit_time = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        section = COLUMNS if options.columns else WHOLE
        print("\n".join(report(found, len(cells), fit_time, command(options), section)))


def command(options: argparse.Namespace) -> str:
    """Give the command that measures the cells."""
    checkpoint = f" --checkpoint {options.checkpoint.name}" if options.checkpoint else ""
    columns = " --columns" if options.columns else ""
    return f"python benchmarks/new_dataset.py {options.zoo.name} --cells CELLS{columns}{checkpoint}"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path, help="folder of the zoo that the checkpoint was trained on")
    parser.add_argument("--cells", type=Path, required=True, help="folder that takes a JSON file a cell")
    parser.add_argument("--checkpoint", type=Path, help="safetensors file; the one that ships by default")
    parser.add_argument("--part", type=_part, default=(0, 1), metavar="I/N", help="do the I-th of N parts, 0/1 if none")
    targets = parser.add_mutually_exclusive_group()
    targets.add_argument(
        "--datasets", nargs="+", default=DATASETS, choices=DATASETS, metavar="NAME", help="these alone"
    )
    targets.add_argument("--columns", action="store_true", help="every other column of four tables as the target")
    parser.add_argument("--splits", type=_splits, default=5, help="5 by default")
    parser.add_argument("--budgets", nargs="+", type=float, default=BUDGETS, help="seconds, rising; 1 5 30 by default")
    parser.add_argument("--fit-time", action="store_true", help="time fits of 500 x 10 alone, with all cores")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the section from what is there")
    options = parser.parse_args()
    if options.columns:
        options.datasets = bundled_columns()
    if list(options.budgets) != sorted({budget for budget in options.budgets if budget > 0}):
        parser.error(f"argument --budgets: {options.budgets} must be above 0 and rise")
    return options


def _splits(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _part(text: str) -> tuple[int, int]:
    part, parts = (int(number) for number in text.split("/"))
    if not 0 <= part < parts:
        raise ValueError(text)
    return part, parts


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
