"""Jobs on a table: the held-out rows, the files that are written, the figures and the report."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy.typing as npt

from netgraph.evaluation.table_report import TableReport
from netgraph.files import make_folder, write_atomically
from netgraph.graph.io import save_graphs
from netgraph.graph.netgraph import NetGraph
from netgraph.inputs import check_checkpoint
from netgraph.machine import provenance
from netgraph.search.baselines import baseline_figures, interval_figures, prediction_figures
from netgraph.search.columns import ColumnEncoder
from netgraph.search.export import export_network
from netgraph.search.preprocess import Preprocessing
from netgraph.tasks.split import Split, hold_out
from netgraph.tasks.table import Floats, Table, read_table


@dataclass(frozen=True)
class TableJob:
    """A job on a table.

    Attributes:
        data: CSV or parquet file.
        target: Name of the column that is predicted.
        out: Folder that takes the files.
        objectives: Objectives to minimize: ``error``, then any of ``parameters`` and ``latency``.
        max_seconds: Wall time; None for no limit.
        checkpoint: The model; the one that ships when None.
        seed: Seed of everything.
        device: ``cpu`` or ``cuda``.
        overwrite: Whether other files in the folder may be replaced.
        task: ``regression``, ``classes``, or ``auto``, see :func:`~netgraph.tasks.read_table`.
        table: The content of the file, where it is read already.
    """

    data: str | Path
    target: str
    out: str | Path
    objectives: Sequence[str] = ("error", "parameters")
    max_seconds: float | None = 30.0
    checkpoint: str | None = None
    seed: int = 0
    device: str = "cpu"
    overwrite: bool = False
    task: str = "auto"
    table: Table | None = field(default=None, repr=False)

    def hold_out(self) -> tuple[Table, Split]:
        """Read the table, and hold a fifth of its rows out.

        Raises:
            NetGraphError: When the file is not such a table, or too few rows are left.
        """
        table = self.table or read_table(self.data, self.target, self.task)
        return table, hold_out(self.data, len(table.y), self.seed)

    @property
    def sources(self) -> list[str | Path]:
        """Files that are read, and never overwritten."""
        return [self.data, *check_checkpoint(self.checkpoint)]

    def command(self) -> str:
        """Return the command of the job."""
        command = ["netgraph", type(self).__name__.removesuffix("Job").lower(), str(self.data)]
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name not in ("data", "table", "overwrite") and value != one.default:
                text = ",".join(value) if one.name == "objectives" else str(value)
                command += [f"--{one.name.replace('_', '-')}", text]
        return shlex.join(command)

    def details(self) -> dict[str, str]:
        """Return the conditions of the job beside its command: seed, versions, machine and day."""
        versions = {name: import_module(name).__version__ for name in ("netgraph", "sklearn", "pandas", "numpy")}
        return {"seed": str(self.seed)} | provenance() | versions


@dataclass(frozen=True)
class Outcome:
    """Networks that a job ends with.

    Attributes:
        graph: The chosen network.
        graphs: All networks that are written.
        reason: Why this one was chosen.
        encoder: From raw columns to numbers.
        preprocessing: From these to the network, and back to the target.
        figures: Figures of the search by name.
        sections: Sections of the report on the search.
        importances: Importance of each raw column.
        classes: The classes, sorted; None where the target is numbers.
        deviation: Standard deviations of predictions of held-out rows, [rows]; None where they are not known.
    """

    graph: NetGraph
    graphs: Sequence[NetGraph]
    reason: str
    encoder: ColumnEncoder
    preprocessing: Preprocessing
    figures: Mapping[str, float]
    sections: Sequence[str]
    importances: Mapping[str, float]
    classes: npt.NDArray[Any] | None = None
    deviation: Floats | None = None


def write_outcome(
    job: TableJob, written: Mapping[str, Path], table: Table, parts: Split, outcome: Outcome
) -> dict[str, float]:
    """Test the chosen network on the held-out rows, and write networks, report and figures.

    Args:
        job: The job.
        written: Its files by name.
        table: The table.
        parts: Its rows.
        outcome: The networks.

    Returns:
        The figures, with those of the held-out rows.
    """
    X, y, classes = outcome.encoder.transform(table.X), table.y[parts.test], outcome.classes
    prediction = outcome.preprocessing.predict(outcome.graph, X[parts.test])
    rows = (X[parts.train], table.y[parts.train], X[parts.test], y)
    baselines = baseline_figures(*rows, has_classes=classes is not None, seed=job.seed)
    tested = prediction_figures(y, prediction, classes)
    first = next(iter(tested))
    figures: dict[str, float] = {f"test_{name}": value for name, value in tested.items()}
    figures |= {f"{first}_of_{method}": values[first] for method, values in baselines.items()}
    if classes is None:
        figures["rmse_of_the_mean"] = baselines["the_mean"]["rmse"]
    if outcome.deviation is not None:
        figures |= interval_figures(y, prediction, outcome.deviation)
    figures |= {"n_train": len(parts.train), "n_test": len(parts.test), **outcome.figures}
    report = TableReport(
        target=table.target,
        y=y,
        prediction=prediction,
        classes=classes,
        figures=figures,
        baselines=baselines,
        graph=outcome.graph,
        reason=outcome.reason,
        inputs=outcome.encoder.get_feature_names_out(table.features).tolist(),
        importances=outcome.importances,
        notes=[*table.notes, *outcome.encoder.actions_],
        files=f"Files in {job.out}: {', '.join(sorted(str(path.relative_to(job.out)) for path in written.values()))}.",
        commands={
            shlex.join(["netgraph", "predict", str(job.out), "NEW.csv"]): "Predicts the rows of a new table.",
            shlex.join(["python", str(written["network"]), "NEW.csv"]): "Does so with torch and pandas alone.",
        },
        command=job.command(),
        details=job.details(),
    )
    make_folder(written["graphs"].parent)
    save_graphs(outcome.graphs, written["graphs"])
    labels = None if classes is None else classes.tolist()
    export_network(report.graph, outcome.preprocessing, written["network"], outcome.encoder, table.target, labels)
    report.write(written["report.html"], outcome.sections)
    write_atomically(written["metrics.json"], json.dumps(figures, indent=1).encode())
    return figures
