"""The jobs of ``netgraph fit`` and ``netgraph search``: a table in, networks and a report out."""

import hashlib
import io
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from netgraph.errors import NetGraphError
from netgraph.evaluation.report import TableReport, draw_front, front_section, history_section
from netgraph.files import make_folder, write_atomically
from netgraph.graph.io import save_graphs
from netgraph.graph.netgraph import NetGraph
from netgraph.machine import check_device
from netgraph.model import NetVAE
from netgraph.model.arguments import is_whole
from netgraph.outputs import check_outputs, replacing, with_record
from netgraph.search.columns import ColumnEncoder
from netgraph.search.data import TimeBudget
from netgraph.search.estimator import NetGraphRegressor
from netgraph.search.export import export_network
from netgraph.search.latent_search import (
    LatentObjective,
    open_study,
    quantiles_of,
    sampler_of,
    search_latents,
    values_of,
)
from netgraph.search.network_search import MOST_ROWS, N_CANDIDATES, show_progress
from netgraph.search.pareto import check_objectives, front_table, hypervolume, parameters, smallest_within
from netgraph.search.preprocess import Preprocessing
from netgraph.tasks import split
from netgraph.tasks.split import Split
from netgraph.tasks.table import MIN_ROWS, Table, read_table

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

#: Share of the rows that the report is about; the search never sees them.
TEST_SHARE = 0.2
#: Reference point of the hypervolume: the error of predicting the mean, and this times the largest other objective.
BEYOND = 1.1


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
    """

    data: str | Path
    target: str
    out: str | Path
    objectives: Sequence[str] = ("error",)
    max_seconds: float | None = 30.0
    checkpoint: str | None = None
    seed: int = 0
    device: str = "cpu"
    overwrite: bool = False

    def hold_out(self) -> tuple[Table, Split]:
        """Read the table, and hold a fifth of its rows out.

        Raises:
            NetGraphError: When the file is not such a table, or too few rows are left.
        """
        table = read_table(self.data, self.target)
        parts = split(len(table.y), self.seed, test_share=TEST_SHARE)
        if len(parts.train) < MIN_ROWS:
            least = "a fifth is held out, and a fit needs at least"
            raise NetGraphError(f"{self.data}: {len(table.y)} rows, of which {least} {MIN_ROWS}")
        return table, parts

    def check_outputs(self, network: str, graphs: str, *others: str, overwrite: bool) -> dict[str, Path]:
        """Return the paths of the files in the folder by name, none of which would be lost.

        Args:
            network: Name of the Python file and its weights.
            graphs: Name of the file of graphs.
            others: Names of further files.
            overwrite: Whether existing files may be replaced.
        """
        out = Path(self.out)
        written = {name: out / name for name in (*others, "report.html", "metrics.json")}
        written |= {"network": out / f"{network}.py", "weights": out / f"{network}.safetensors"}
        written |= {"graphs": out / f"{graphs}.safetensors", "record": out / f"{graphs}.json"}
        read = [self.data, *(() if self.checkpoint is None else with_record(Path(self.checkpoint)))]
        check_outputs(written.values(), read, overwrite=overwrite)
        return written


@dataclass(frozen=True)
class FitJob(TableJob):
    """A fit, which leaves ``network.py``, ``network.safetensors``, ``graph``, ``metrics.json`` and ``report.html``.

    Attributes:
        n_candidates: Candidates of each source, at most.
    """

    n_candidates: int = N_CANDIDATES


@dataclass(frozen=True)
class SearchJob(TableJob):
    """A latent search, which leaves ``study.db``, to continue with, ``pareto.csv`` and ``.png``, and ``networks/``.

    Attributes:
        n_trials: Networks tried in all, those of earlier calls among them.
        sampler: Optuna's sampler: ``nsga2``, ``random``, or ``cma``, which sees the error alone.
    """

    objectives: Sequence[str] = ("error", "parameters")
    max_seconds: float | None = None
    n_trials: int = 512
    sampler: str = "nsga2"

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises:
            NetGraphError: It names the parameter.
        """
        if not is_whole(self.n_trials, 1):
            raise NetGraphError(f"n_trials is {self.n_trials!r}; a whole number of at least 1")
        if not is_whole(self.seed) or self.seed >= 2**32:
            raise NetGraphError(f"seed is {self.seed!r}; a whole number from 0 to {2**32 - 1}")
        if len(check_objectives(self.objectives)) < 2:
            raise NetGraphError("objectives are error alone; a front needs parameters or latency too")
        sampler_of(self.sampler, self.seed)
        check_device(self.device)


def fit_table(job: FitJob) -> dict[str, float]:
    """Find a network for a table, test it on a fifth of the rows, and write it, with a report.

    Returns:
        The figures of ``metrics.json``: R^2, errors in the target's unit, parameters and seconds.

    Raises:
        NetGraphError: When the file is not such a table, the folder holds a fit already, or a file would be lost.

    Example:
        >>> fit_table(FitJob("table.csv", "y", "out"))["test_r2"]  # doctest: +SKIP
        0.97
    """
    out, (table, parts) = Path(job.out), job.hold_out()
    if (out / "metrics.json").exists() and not job.overwrite:
        raise NetGraphError(f"{out}: holds a fit already; choose another folder, or --overwrite")
    if (out / "study.db").exists():
        raise NetGraphError(f"{out}: holds a search; choose another folder")
    written = job.check_outputs("network", "graph", overwrite=job.overwrite)
    options = {
        name: getattr(job, name) for name in ("checkpoint", "max_seconds", "n_candidates", "objectives", "device")
    }
    estimator = NetGraphRegressor(random_state=job.seed, verbose=True, **options)
    estimator.fit(table.X.iloc[parts.train], table.y[parts.train])
    sections, names = [history_section(estimator.history_)], list(estimator.pareto_)
    if len(names) > 1:
        front = estimator.pareto_.assign(architecture=[repr(graph.architecture) for graph in estimator.pareto_graphs_])
        picture = draw_front(estimator.candidates_[names], front, estimator.chosen_)
        sections.insert(0, front_section(picture, front, estimator.chosen_))
    graph = estimator.graph_
    figures = {"parameters": parameters(graph), "seconds": float(estimator.history_["seconds"].iloc[-1])}
    with replacing(written.values()):
        return _write(
            written, table, estimator.encoder_, parts, estimator.preprocessing_, graph, [graph], figures, sections
        )


def search_table(job: SearchJob) -> dict[str, float]:
    """Search for the networks that are best in several objectives, test them on a fifth of the rows, and write them.

    Errors are those of K-fold refits, in units of the target's variance. Of the front, the network is chosen that is
    the best in the second objective among those whose error is within one standard error of the least.

    Returns:
        The figures of ``metrics.json``: those of the chosen network on held-out rows, trials, and hypervolume.

    Raises:
        NetGraphError: When the file is not such a table, or the folder holds a search of other data, or by other
            objectives, another sampler, model or seed.

    Example:
        >>> search_table(SearchJob("table.csv", "y", "out"))["trials"]  # doctest: +SKIP
        512.0
    """
    budget, out, (table, parts) = TimeBudget(job.max_seconds), Path(job.out), job.hold_out()
    own = (out / "study.db").exists()
    if (out / "metrics.json").exists() and not (own or job.overwrite):
        raise NetGraphError(f"{out}: holds something else than a search; choose another folder")
    names = ("networks/network", "networks/front", "pareto.csv", "pareto.png")
    written = job.check_outputs(*names, overwrite=own or job.overwrite)
    vae = NetVAE.from_pretrained(job.checkpoint).to(job.device)
    encoder = ColumnEncoder().fit(table.X.iloc[parts.train])
    X = encoder.transform(table.X)
    preprocessing = Preprocessing.fit(X[parts.train], table.y[parts.train])
    data = preprocessing.data(X[parts.train], table.y[parts.train]).subsample(MOST_ROWS, job.seed)
    objective = LatentObjective(vae, data, job.objectives, job.seed, job.device)
    about = _about(job, table, vae)
    make_folder(out)
    with open_study(out / "study.db", len(job.objectives), about) as study, show_progress("search") as show:
        trials = search_latents(objective, study, sampler_of(job.sampler, job.seed), job.n_trials, budget, show)
    front, graphs, chosen = _front(objective, trials)
    values = values_of(trials, len(job.objectives))
    corner = 1.0, BEYOND * float(values[values.isfinite().all(dim=1), 1].max())
    dominated = hypervolume(values[:, :2], corner) / corner[1]
    figures = {"trials": len(trials), "front": len(front), "hypervolume": dominated}
    figures |= {f"chosen_{name}": front.loc[chosen, name] for name in job.objectives} | {"seconds": budget.elapsed}
    front["architecture"] = [repr(graph.architecture) for graph in graphs]
    picture = draw_front(pd.DataFrame(values.numpy(), columns=job.objectives), front, chosen)
    picture.savefig(image := io.BytesIO(), format="png", dpi=150)
    with replacing(written.values()):
        write_atomically(written["pareto.csv"], front.to_csv().encode())
        write_atomically(written["pareto.png"], image.getvalue())
        graph, sections = graphs[front.index.get_loc(chosen)], [front_section(picture, front, chosen)]
        return _write(written, table, encoder, parts, preprocessing, graph, graphs, figures, sections)


def _about(job: SearchJob, table: Table, vae: NetVAE) -> dict[str, Any]:
    """Return the subject of a study, in JSON's types."""

    def digest(arrays: Iterable[Any], *names: object) -> str:
        sha256 = hashlib.sha256(repr(names).encode())
        for array in arrays:
            sha256.update(np.ascontiguousarray(torch.as_tensor(array).cpu()).tobytes())
        return sha256.hexdigest()

    asked = {"objectives": list(job.objectives), "sampler": job.sampler, "seed": job.seed}
    return asked | {
        "data": digest([table.y], table.X.to_csv(), table.target),
        "model": digest(vae.state_dict().values()),
    }


def _front(objective: LatentObjective, trials: "Sequence[FrozenTrial]") -> tuple[pd.DataFrame, list[NetGraph], int]:
    """Return the front of the trials, its networks, and the trial that is chosen."""
    names, data = objective.objectives, objective.folds.data
    front = front_table(values_of(trials, len(names)), names).rename_axis("trial")
    if front.empty:
        raise NetGraphError(f"none of {len(trials)} networks gave finite outputs; there is no front")
    candidates = objective.candidates(quantiles_of([trials[i] for i in front.index]))
    chosen = smallest_within(front, data.standard_error(data.losses(candidates[0].prediction)))
    if front.loc[chosen, "error"] >= data.baseline():
        message = f"the network chosen of {len(trials)} is not better than the mean by cross-validation"
        warnings.warn(message, UserWarning, stacklevel=3)
    return front, [one.graph for one in candidates], chosen


def _write(
    written: Mapping[str, Path],
    table: Table,
    encoder: ColumnEncoder,
    parts: Split,
    preprocessing: Preprocessing,
    graph: NetGraph,
    graphs: Sequence[NetGraph],
    figures: dict[str, float],
    sections: Sequence[str],
) -> dict[str, float]:
    """Write networks, report and figures, and return the figures, with those of the held-out rows."""
    prediction, y = preprocessing.predict(graph, encoder.transform(table.X.iloc[parts.test])), table.y[parts.test]
    figures = {
        "test_r2": float(r2_score(y, prediction)),
        "test_rmse": float(root_mean_squared_error(y, prediction)),
        "test_mae": float(mean_absolute_error(y, prediction)),
        "rmse_of_the_mean": float(root_mean_squared_error(y, np.full(len(y), table.y[parts.train].mean()))),
        "n_train": float(len(parts.train)),
        "n_test": float(len(parts.test)),
    } | {name: float(value) for name, value in figures.items()}
    make_folder(written["graphs"].parent)
    save_graphs(graphs, written["graphs"])
    export_network(graph, preprocessing, written["network"], encoder, table.target)
    TableReport(table.target, y, prediction, figures, graph).write(written["report.html"], sections)
    write_atomically(written["metrics.json"], json.dumps(figures, indent=1).encode())
    return figures
