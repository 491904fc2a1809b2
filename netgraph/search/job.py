"""The job of ``netgraph fit``: a table in, a network and a report out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from netgraph.errors import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.graph.io import save_graphs
from netgraph.outputs import check_outputs, replacing, with_record
from netgraph.search.estimator import NetGraphRegressor
from netgraph.search.report import write_fit_report
from netgraph.search.table import MIN_ROWS, Table, read_table
from netgraph.tasks import split
from netgraph.tasks.dataset import Floats
from netgraph.tasks.split import Split

#: Share of the rows that the report is about; the search never sees them.
TEST_SHARE = 0.2


@dataclass(frozen=True)
class FitJob:
    """What to do with a table.

    Attributes:
        data: CSV or parquet file.
        target: Name of the column that is predicted.
        out: Folder that takes ``network.py``, ``network.safetensors``, ``graph.safetensors``, ``metrics.json`` and
            ``report.html``.
        max_seconds: Wall time of the search.
        n_candidates: At most so many networks are drawn.
        strategy: How they are drawn: ``prior``, ``genetic``, ``cma`` or ``gradient``.
        objectives: What is to be small.
        checkpoint: The model; the one that ships when None.
        seed: Of everything.
        device: ``cpu`` or ``cuda``.
        overwrite: Whether an earlier fit, or other files in the folder, may be replaced.
    """

    data: str | Path
    target: str
    out: str | Path
    max_seconds: float = 30.0
    n_candidates: int = 128
    strategy: str = "prior"
    objectives: Sequence[str] = ("error",)
    checkpoint: str | None = None
    seed: int = 0
    device: str = "cpu"
    overwrite: bool = False


def fit_table(job: FitJob) -> dict[str, float]:
    """Find a network for a table, test it on a fifth of the rows, and write it, with a report.

    Returns:
        The figures of ``metrics.json``: R^2, errors in the target's unit, parameters and seconds.

    Raises:
        NetGraphError: When the file is not such a table, the folder holds a fit already, or a file would be lost.
    """
    out, (table, parts) = Path(job.out), hold_out(job.data, job.target, job.seed)
    if (out / "metrics.json").exists() and not job.overwrite:
        raise NetGraphError(f"{out}: holds a fit already; choose another folder, or --overwrite")
    if (out / "study.db").exists():
        raise NetGraphError(f"{out}: holds a search; choose another folder")
    graph, names = with_record(out / "graph.safetensors"), ("network.py", "network.safetensors", "report.html")
    written = (*graph, *(out / name for name in names), out / "metrics.json")
    check_outputs(written, read_by(job.data, job.checkpoint), overwrite=job.overwrite)
    estimator = NetGraphRegressor(
        checkpoint=job.checkpoint,
        max_seconds=job.max_seconds,
        n_candidates=job.n_candidates,
        strategy=job.strategy,
        objectives=tuple(job.objectives),
        random_state=job.seed,
        device=job.device,
        verbose=True,
    ).fit(table.x[parts.train], table.y[parts.train])
    y, predicted = table.y[parts.test], estimator.predict(table.x[parts.test])
    figures = figures_of(y, predicted, float(table.y[parts.train].mean())) | {
        "parameters": float(estimator.graph_.architecture.state_size),
        "seconds": float(estimator.history_["seconds"].iloc[-1]),
        "n_train": float(len(parts.train)),
        "n_test": float(len(parts.test)),
    }
    make_folder(out)
    with replacing(written):
        save_graphs([estimator.graph_], out / "graph.safetensors")
        estimator.export(out / "network", table.features, table.target)
        write_fit_report(estimator, table.target, y, predicted, figures, out / "report.html")
        write_atomically(out / "metrics.json", json.dumps(figures, indent=1).encode())
    return figures


def read_by(data: str | Path, checkpoint: str | Path | None) -> tuple[str | Path, ...]:
    """Return the files that a job reads."""
    return data, *(() if checkpoint is None else with_record(Path(checkpoint)))


def hold_out(data: str | Path, target: str, seed: int) -> tuple[Table, Split]:
    """Read a table, and hold a fifth of its rows out.

    Raises:
        NetGraphError: When the file is not such a table, or too few rows are left.
    """
    table = read_table(data, target)
    parts = split(len(table.y), seed, test_share=TEST_SHARE)
    if len(parts.train) < MIN_ROWS:
        least = "a fifth is held out, and a fit needs at least"
        raise NetGraphError(f"{data}: {len(table.y)} rows, of which {least} {MIN_ROWS}")
    return table, parts


def figures_of(y: Floats, predicted: Floats, mean: float) -> dict[str, float]:
    """Give R^2 and errors of predictions of held-out rows, [rows], and the error of predicting the others' mean."""
    return {
        "test_r2": float(r2_score(y, predicted)),
        "test_rmse": float(root_mean_squared_error(y, predicted)),
        "test_mae": float(mean_absolute_error(y, predicted)),
        "rmse_of_the_mean": float(root_mean_squared_error(y, np.full(len(y), mean))),
    }
