"""The commands on tables; a table is read before torch is imported, so that wrong input is told at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from netgraph.commands import listed, print_figures

if TYPE_CHECKING:
    from netgraph.tasks import Table


def table_fit(
    data: str,
    target: str,
    out: str = "runs/fit",
    max_seconds: float = 30.0,
    n_candidates: int = 32,
    objectives: str = "error,parameters",
    task: Literal["auto", "regression", "classes"] = "auto",
    checkpoint: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    overwrite: bool = False,
) -> None:
    """Find a small network for a table, test it on a fifth of the rows, and write it with a report.

    An interrupt ends the search, and the best network so far is written.

    Args:
        data: CSV or parquet file with a row of column names; numbers, text, dates and missing values are read.
        target: Name of the column that is predicted.
        out: Folder that takes network.py, which torch and pandas run, its weights, report.html and metrics.json.
        max_seconds: Wall time of the search.
        n_candidates: Candidates of each source (random features, random, generated), at most.
        objectives: Objectives to minimize, separated by commas; error, then any of parameters and latency. Of error
            alone, the network is an ensemble of the best, and large.
        task: regression, classes, or auto, classes where the target is text or true and false.
        checkpoint: Safetensors file of a trained model; the one that ships when left out.
        seed: Fixes everything.
        device: Where networks are sampled and trained, cpu or cuda.
        overwrite: Replace existing files, but never the files that are read.
    """
    table = _read_first(data, target, task, out, checkpoint)
    from netgraph.search import FitJob, fit_table

    job = FitJob(
        data,
        target,
        out,
        listed(objectives),
        max_seconds,
        checkpoint,
        seed,
        device,
        overwrite,
        task,
        table,
        n_candidates,
    )
    print_figures(fit_table(job))
    print(f"look at {out}/report.html; {out}/network.py NEW.csv predicts new rows with torch and pandas alone")


def table_predict(fit: str, data: str, out: str = "predictions.csv", overwrite: bool = False) -> None:
    """Predict the rows of a new table with the network of a fit, whose network.py is run.

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
    target: str,
    out: str = "runs/search",
    objectives: str = "error,parameters",
    n_trials: int = 512,
    max_seconds: float | None = None,
    sampler: str = "nsga2",
    task: Literal["auto", "regression", "classes"] = "auto",
    checkpoint: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    overwrite: bool = False,
) -> None:
    """Search for the small networks for a table that are best in several objectives, or resume such a search.

    Args:
        data: CSV or parquet file with a row of column names; numbers, text, dates and missing values are read.
        target: Name of the column that is predicted.
        out: Folder that takes study.db, from which the same command resumes, pareto.csv, pareto.png, networks,
            report.html, metrics.json.
        objectives: Objectives to minimize, separated by commas; error, then parameters, latency or both.
        n_trials: Networks tried, the folder's earlier ones included.
        max_seconds: Wall time after which no more are tried; no limit when left out.
        sampler: Sampler of Optuna that proposes latents, nsga2, random, or cma, which sees the error alone.
        task: regression, classes, or auto, classes where the target is text or true and false.
        checkpoint: Safetensors file of a trained model; the one that ships when left out.
        seed: Fixes everything.
        device: Where networks are sampled and run, cpu or cuda.
        overwrite: Replace existing files where the folder holds no search, but never files that are read.
    """
    table = _read_first(data, target, task, out, checkpoint)
    from netgraph.search import SearchJob, search_table

    job = SearchJob(
        data,
        target,
        out,
        listed(objectives),
        max_seconds,
        checkpoint,
        seed,
        device,
        overwrite,
        task,
        table,
        n_trials,
        sampler,
    )
    print_figures(search_table(job))
    print(f"look at {out}/report.html; {out}/networks/network.py NEW.csv predicts new rows with torch and pandas alone")


def _read_first(data: str, target: str, task: str, out: str, checkpoint: str | None) -> "Table":
    """Try the folder and read the table before torch is imported, which takes seconds."""
    from netgraph.outputs import check_outputs, with_record
    from netgraph.tasks.table import read_table

    read = [data, *(() if checkpoint is None else with_record(Path(checkpoint)))]
    check_outputs([Path(out) / "report.html"], read, overwrite=True)
    return read_table(data, target, task)
