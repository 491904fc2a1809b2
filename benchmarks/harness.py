"""The harness of all benchmarks: a grid of runs, one JSON file each, and a DataFrame of them.

A question is a module of this package, named in ``QUESTIONS``, of 60 to 150 lines::

    TITLE = "Ridge regression"  # of its section of RESULTS.md
    ABOUT = "Test R² of ridge regression on diabetes, ..."  # a paragraph: the measurement and its conditions

    def grid(splits: int = 3) -> list[dict[str, Any]]:  # its arguments are options of the command line (--splits 5)
        return [{"alpha": alpha, "split": split} for alpha in (0.1, 1.0) for split in range(splits)]

    def measure(alpha: float, split: int) -> dict[str, Any]:  # one run; plain values, lists and dictionaries of them
        return {"r2": ..., "fit_seconds": ...}

    def report(runs: pd.DataFrame) -> list[str | Picture]:  # never empty; a column for each argument and each result
        return [table(runs.groupby("alpha")[["r2"]].mean()), Picture("ridge", "Test R²", figure)]

``python -m benchmarks.harness QUESTION`` measures the runs without a file, on one thread: a killed run resumes, and
processes share a grid by ``--part 0/2`` and ``--part 1/2``. ``python -m benchmarks.report`` writes all sections. Work
common to several runs, such as the loading of a model, belongs in a cached function of the question. Beside the
arguments and results of its run a row has the columns of ``PROVENANCE``.
"""

import hashlib
import inspect
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import jsonargparse
import pandas as pd
from threadpoolctl import threadpool_limits

from netgraph import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.machine import provenance, threads

#: Modules of this package, in the order of their sections.
QUESTIONS: tuple[str, ...] = (
    *("quick_run", "small_default", "classification", "real_tables", "new_datasets"),  # of the package
    *("zoo_training", "zoo_store", "conversion"),
    *("function_code", "rate_distortion", "sampling", "probes", "rows", "several_outputs"),  # of the model
    *("latent_search", "small_networks", "starts", "ablations"),  # and of what it is for
)
#: Folder of the JSON files; git ignores it.
RUNS = Path("runs/benchmarks")
#: Columns beside the arguments and results of a run.
PROVENANCE = ("machine", "torch", "commit", "date", "command", "run_seconds")


def question_of(name: str) -> Any:
    """Return the module of a question."""
    return import_module(f"benchmarks.{name}")


def path_of(folder: Path, question: str, run: Mapping[str, Any]) -> Path:
    """Return the file of a run: its values, for people, and a hash of all its arguments."""
    readable = re.sub(r"[^\w.]+", "-", " ".join(str(value) for value in run.values()))[:80].strip("-")
    digest = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()[:8]
    return folder / question / f"{readable}-{digest}.json"


def measure_runs(
    module: Any, question: str, runs: Sequence[Mapping[str, Any]], folder: Path, command: str = "", again: bool = False
) -> None:
    """Measure runs one after the other on one thread, and write each to its file as soon as it has ended.

    Runs that have a file in the question's folder are measured ``again`` only where asked for. ``command`` is the
    command line of the runs. Arguments, results and provenance must have different names: NetGraphError else.
    """
    make_folder(folder / question)
    missing = [run for run in runs if again or not path_of(folder, question, run).exists()]
    for number, run in enumerate(missing, start=1):
        started = time.perf_counter()
        with threads(1), threadpool_limits(1):
            result = module.measure(**run)
        seconds = time.perf_counter() - started
        record = {"run": run, "result": result, "made": provenance() | {"command": command, "run_seconds": seconds}}
        names = [*run, *result, *PROVENANCE]
        if len(set(names)) < len(names):
            raise NetGraphError(f"{question}: two columns of one name among {', '.join(sorted(names))}")
        payload = json.dumps(record, indent=1, default=lambda value: value.tolist())  # numbers and arrays of NumPy
        write_atomically(path_of(folder, question, run), payload.encode())
        words = ", ".join(f"{name} {value}" for name, value in run.items())
        print(f"{number}/{len(missing)} {question}: {words}: {seconds:.1f} s", flush=True)


def load_runs(question: str, folder: Path = RUNS) -> pd.DataFrame:
    """Load all runs of a question, a row each; NetGraphError where a file is not that of a run."""
    rows = []
    for path in sorted((folder / question).glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            rows.append(record["run"] | record["result"] | record["made"])
        except (ValueError, KeyError, TypeError) as error:
            raise NetGraphError(f"{path}: not the file of a run ({type(error).__name__}: {error})") from None
    return pd.DataFrame(rows)


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a function of a module, from a new process, so that its peak memory is the function's."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def command_of(question: str, grid: Any, options: Mapping[str, Any]) -> str:
    """Return the command line of a question, with the options that differ from their defaults."""
    defaults = inspect.signature(grid).parameters
    changed = {name: value for name, value in options.items() if value != defaults[name].default}
    words = [f" --{name} {json.dumps(value) if isinstance(value, list) else value}" for name, value in changed.items()]
    return f"python -m benchmarks.harness {question}{''.join(words)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing of a question's grid, or of all of them."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    question = next((word for word in arguments if word in QUESTIONS), None)
    parser = jsonargparse.ArgumentParser(prog="python -m benchmarks.harness", description="Measure a question's runs.")
    parser.add_argument("question", choices=[*QUESTIONS, "all"], help="one, or all with their default grids")
    parser.add_argument("--part", default="0/1", metavar="I/N", help="measure every N-th run from I on")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the JSON files")
    parser.add_argument("--again", action="store_true", help="measure runs that have a file too")
    if question:
        parser.add_function_arguments(question_of(question).grid)
    options = vars(parser.parse_args(arguments))
    chosen, part, folder, again = (options.pop(name) for name in ("question", "part", "runs", "again"))
    numbers = re.fullmatch(r"(\d+)/(\d+)", part)
    if not numbers or int(numbers[1]) >= int(numbers[2]):
        raise SystemExit(f"--part {part}: not I/N with 0 <= I < N")
    errors = []
    for name in QUESTIONS if chosen == "all" else (chosen,):
        module = question_of(name)
        try:
            runs = module.grid(**options)[int(numbers[1]) :: int(numbers[2])]
            measure_runs(module, name, runs, folder, command_of(name, module.grid, options), again)
        except NetGraphError as error:  # the other questions are measured nevertheless
            errors.append(f"{name}: {error}")
    if errors:
        raise SystemExit("\n".join(errors))


if __name__ == "__main__":
    main()
