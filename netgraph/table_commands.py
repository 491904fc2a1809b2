"""The commands on tables; a table is read before torch is imported, so that wrong input is told at once."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from netgraph.figures import TABLE
from netgraph.inputs import check_checkpoint, check_data, check_objectives
from netgraph.machine import check_device
from netgraph.options import Count, Device, Overwrite, listed, print_figures
from netgraph.outputs import fit_outputs, search_outputs

if TYPE_CHECKING:
    from netgraph.tasks.table import Table

Target = Annotated[str, typer.Option()]
Kind = Literal["auto", "regression", "classes"]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1)]


def table_fit(
    data: str,
    target: Target,
    out: str = "runs/fit",
    max_seconds: Annotated[float, typer.Option(min=0)] = 30.0,
    n_candidates: Count = 32,
    objectives: str = "error,parameters",
    task: Kind = "auto",
    checkpoint: str | None = None,
    seed: Seed = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Find a small network for a table, test it on a fifth of the rows, and write it with a report.

    An interrupt ends the search, and the best network so far is written.

    Example:
        netgraph fit data.csv --target price --out fit

    Args:
        data: CSV or parquet file with a row of column names; numbers, text, dates and missing values are read.
        target: Name of the column that is predicted.
        out: Folder that takes network.py, which torch and pandas run, its weights, report.html and metrics.json.
        max_seconds: Wall time of the search.
        n_candidates: Candidates of each source (random features, random, generated), at most.
        objectives: Objectives to minimize, separated by commas; error, then any of parameters and latency. With error
            alone, the network is an ensemble of the best, and large.
        task: The kind of problem; auto means classes where the target is text or true and false.
        checkpoint: Safetensors file of a trained model; the one that ships, "shipped", when left out.
        seed: Fixes everything.
        device: Where networks are sampled and trained, cpu, cuda, or one of several GPUs, such as cuda:1.
        overwrite: Replace existing files, but never the files that are read.
    """
    names = check_objectives(listed(objectives))
    fit_outputs(out, [check_data(data, target), *check_checkpoint(checkpoint)], overwrite=overwrite)
    check_device(device)
    table = _table(data, target, task, seed)
    from netgraph.search import FitJob, fit_table

    job = FitJob(
        data=data,
        target=target,
        out=out,
        objectives=names,
        max_seconds=max_seconds,
        checkpoint=checkpoint,
        seed=seed,
        device=device,
        overwrite=overwrite,
        task=task,
        table=table,
        n_candidates=n_candidates,
    )
    print_figures(fit_table(job), TABLE)
    print(f"look at {out}/report.html; {out}/network.py NEW.csv predicts new rows with torch and pandas alone")


def table_predict(fit: str, data: str, out: str = "predictions.csv", overwrite: Overwrite = False) -> None:
    """Predict the rows of a new table with the network of a fit, whose network.py is run.

    Example:
        netgraph predict fit new.csv --out predictions.csv

    Args:
        fit: Folder that netgraph fit, or netgraph search, left.
        data: CSV or parquet file with the raw columns by name, in any order; further ones do not matter.
        out: CSV file that takes one row for each row of the table, in its order.
        overwrite: Replace an existing file, but never the files that are read.
    """
    from netgraph.tasks.predict import predict_table

    print(f"{len(predict_table(fit, data, out, overwrite))} predictions in {out}")


def table_search(
    data: str,
    target: Target,
    out: str = "runs/search",
    objectives: str = "error,parameters",
    n_trials: Count = 512,
    max_seconds: Annotated[float | None, typer.Option(min=0)] = None,
    sampler: Literal["nsga2", "random", "cma"] = "nsga2",
    task: Kind = "auto",
    checkpoint: str | None = None,
    seed: Seed = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Search for the small networks for a table that are best in several objectives, or resume such a search.

    Example:
        netgraph search data.csv --target price --n-trials 128 --out search

    Args:
        data: CSV or parquet file with a row of column names; numbers, text, dates and missing values are read.
        target: Name of the column that is predicted.
        out: Folder that takes study.db, from which the same command resumes, pareto.csv, pareto.png, networks,
            report.html, metrics.json.
        objectives: Objectives to minimize, separated by commas; error, then parameters, latency or both.
        n_trials: Networks tried, the folder's earlier ones included.
        max_seconds: Wall time after which no more are tried; no limit when left out.
        sampler: Sampler of Optuna that proposes latents; cma sees the error alone.
        task: The kind of problem; auto means classes where the target is text or true and false.
        checkpoint: Safetensors file of a trained model; the one that ships, "shipped", when left out.
        seed: Fixes everything.
        device: Where networks are sampled and run, cpu, cuda, or one of several GPUs, such as cuda:1.
        overwrite: Replace existing files where the folder holds no search, but never files that are read.
    """
    names = check_objectives(listed(objectives), several=True)
    search_outputs(out, [check_data(data, target), *check_checkpoint(checkpoint)], overwrite=overwrite)
    check_device(device)
    table = _table(data, target, task, seed)
    from netgraph.search import SearchJob, search_table

    job = SearchJob(
        data=data,
        target=target,
        out=out,
        objectives=names,
        max_seconds=max_seconds,
        checkpoint=checkpoint,
        seed=seed,
        device=device,
        overwrite=overwrite,
        task=task,
        table=table,
        n_trials=n_trials,
        sampler=sampler,
    )
    print_figures(search_table(job), TABLE)
    print(f"look at {out}/report.html; {out}/networks/network.py NEW.csv predicts new rows with torch and pandas alone")


def _table(data: str, target: str, task: Kind, seed: int) -> "Table":
    """Return the table in a file, of which enough rows are left when some are held out."""
    from netgraph.tasks.split import hold_out
    from netgraph.tasks.table import read_table

    table = read_table(data, target, task)
    hold_out(data, len(table.y), seed)
    return table
