"""The jobs of ``netgraph fit`` and ``netgraph search``: a table in, networks and a report out."""

import hashlib
import io
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.page import new_figure
from netgraph.evaluation.table_report import TableReport, front_section, history_section, hypervolume_section
from netgraph.files import make_folder, write_atomically
from netgraph.graph.io import save_graphs
from netgraph.machine import check_device
from netgraph.model import NetVAE
from netgraph.outputs import check_outputs, replacing, with_record
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
from netgraph.search.pareto import check_objectives, draw_front, front_table, hypervolume_2d, smallest_within
from netgraph.search.preprocess import Preprocessing
from netgraph.search.table import MIN_ROWS, Table, read_table
from netgraph.tasks import split
from netgraph.tasks.dataset import Floats
from netgraph.tasks.split import Split

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Share of the rows that the report is about; the search never sees them.
TEST_SHARE = 0.2
#: Reference point of the hypervolume: the error of predicting the mean, and this times the largest other objective.
BEYOND = 1.1
#: Numbers of trials at which the hypervolume is measured.
MOST_POINTS = 64

#: Files of a fit and of a search.
FIT_FILES = ("graph.safetensors", "graph.json", "network.py", "network.safetensors", "report.html", "metrics.json")
SEARCH_FILES = ("networks/front.safetensors", "networks/front.json", "networks/network.py",
                "networks/network.safetensors", "pareto.csv", "pareto.png", "report.html", "metrics.json")  # fmt: skip


@dataclass(frozen=True)
class TableJob:
    """A table, and what is made of it.

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

    def check_outputs(self, names: Sequence[str], overwrite: bool) -> list[Path]:
        """Return the paths of files in the folder, none of which would be lost."""
        read = [self.data, *(() if self.checkpoint is None else with_record(Path(self.checkpoint)))]
        written = [Path(self.out) / name for name in names]
        check_outputs(written, read, overwrite=overwrite)
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
        if not isinstance(self.n_trials, Integral) or self.n_trials < 1:
            raise NetGraphError(f"n_trials is {self.n_trials!r}; a whole number of at least 1")
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
    """
    out, (table, parts) = Path(job.out), job.hold_out()
    if (out / "metrics.json").exists() and not job.overwrite:
        raise NetGraphError(f"{out}: holds a fit already; choose another folder, or --overwrite")
    if (out / "study.db").exists():
        raise NetGraphError(f"{out}: holds a search; choose another folder")
    written = job.check_outputs(FIT_FILES, job.overwrite)
    estimator = NetGraphRegressor(
        checkpoint=job.checkpoint,
        max_seconds=job.max_seconds,
        n_candidates=job.n_candidates,
        objectives=tuple(job.objectives),
        random_state=job.seed,
        device=job.device,
        verbose=True,
    ).fit(table.X[parts.train], table.y[parts.train])
    prediction = estimator.predict(table.X[parts.test])
    figures = _figures(table, parts, prediction) | {
        "parameters": float(estimator.graph_.architecture.state_size),
        "seconds": float(estimator.history_["seconds"].iloc[-1]),
    }
    make_folder(out)
    with replacing(written):
        save_graphs([estimator.graph_], out / "graph.safetensors")
        estimator.export(out / "network", table.features, table.target)
        report = TableReport(table.target, table.y[parts.test], prediction, figures, estimator.graph_)
        report.write(out / "report.html", [*_front_of(estimator), history_section(estimator.history_)])
        write_atomically(out / "metrics.json", json.dumps(figures, indent=1).encode())
    return figures


def search_table(job: SearchJob) -> dict[str, float]:
    """Search for the networks that are best in several objectives, test them on a fifth of the rows, and write them.

    Errors are those of K-fold refits, in units of the target's variance. Of the front, the network is chosen that is
    the best in the second objective among those whose error is within one standard error of the least.

    Returns:
        The figures of ``metrics.json``: those of the chosen network on held-out rows, trials, and hypervolume.

    Raises:
        NetGraphError: When the file is not such a table, or the folder holds a search of other data, or by other
            objectives, another sampler, model or seed.
    """
    budget, out, n_objectives = TimeBudget(job.max_seconds), Path(job.out), len(job.objectives)
    table, parts = job.hold_out()
    vae = NetVAE.from_pretrained(job.checkpoint).to(job.device)
    own = (out / "study.db").exists()
    if (out / "metrics.json").exists() and not (own or job.overwrite):
        raise NetGraphError(f"{out}: holds something else than a search; choose another folder")
    written = job.check_outputs(SEARCH_FILES, own or job.overwrite)
    make_folder(out / "networks")
    rows = table.X[parts.train], table.y[parts.train]
    preprocessing = Preprocessing.fit(*rows)
    data = preprocessing.data(*rows).subsample(MOST_ROWS, job.seed)
    objective = LatentObjective(vae, data, job.objectives, job.seed, job.device)
    with (
        open_study(out / "study.db", n_objectives, _about(job, table, vae)) as study,
        show_progress("search") as show,
    ):
        sampler = sampler_of(job.sampler, job.seed)
        trials = search_latents(objective, study, sampler, job.n_trials, budget, show)
    values = values_of(trials, n_objectives)
    front = front_table(values, job.objectives).rename_axis("trial")
    if front.empty:
        raise NetGraphError(f"none of {len(trials)} networks gave finite outputs; there is no front")
    candidates = objective.candidates(quantiles_of([trials[i] for i in front.index]))
    squared = (candidates[0].prediction - data.y).square()
    chosen = smallest_within(front, data.standard_error(squared))
    if float(front.loc[chosen].iloc[0]) >= data.variance():
        message = f"the network chosen of {len(trials)} is not better than the mean by cross-validation"
        warnings.warn(message, UserWarning, stacklevel=2)
    graphs = [one.graph for one in candidates]
    graph = graphs[front.index.get_loc(chosen)]
    prediction = preprocessing.predict(graph, table.X[parts.test])
    hypervolumes = _hypervolumes(values)
    figures = _figures(table, parts, prediction) | {
        "trials": float(len(trials)),
        "front": float(len(front)),
        "hypervolume": hypervolumes[-1][1],
        "seconds": budget.elapsed,
    }
    figures |= {f"chosen_{name}": float(front.loc[chosen, name]) for name in job.objectives}
    front["architecture"] = [repr(graph.architecture) for graph in graphs]
    with replacing(written):
        save_graphs(graphs, out / "networks" / "front.safetensors")
        export_network(graph, preprocessing, out / "networks" / "network", table.features, table.target)
        write_atomically(out / "pareto.csv", front.to_csv().encode())
        picture = io.BytesIO()
        drawn = _drawn_front(values, job.objectives, chosen)
        drawn.savefig(picture, format="png", dpi=150)
        write_atomically(out / "pareto.png", picture.getvalue())
        sections = [front_section(drawn, front, chosen), hypervolume_section(hypervolumes)]
        report = TableReport(table.target, table.y[parts.test], prediction, figures, graph)
        report.write(out / "report.html", sections)
        write_atomically(out / "metrics.json", json.dumps(figures, indent=1).encode())
    return figures


def _front_of(estimator: NetGraphRegressor) -> list[str]:
    names = list(estimator.pareto_)
    if len(names) == 1:
        return []
    front = estimator.pareto_.assign(architecture=[repr(graph.architecture) for graph in estimator.pareto_graphs_])
    scores = torch.tensor(estimator.candidates_[names].to_numpy())
    return [front_section(_drawn_front(scores, names, estimator.chosen_), front, estimator.chosen_)]


def _drawn_front(scores: Tensor, names: Sequence[str], chosen: int) -> "Figure":
    figure = new_figure(7, 4.5)
    draw_front(scores[:, :2], names[:2], chosen, figure.subplots())
    return figure


def _about(job: SearchJob, table: Table, vae: NetVAE) -> dict[str, object]:
    """Return what a study is of: data, model, objectives, sampler and seed."""
    data, model = hashlib.sha256(repr((table.features, table.target)).encode()), hashlib.sha256()
    for array in (table.X, table.y):
        data.update(np.ascontiguousarray(array).tobytes())
    for values in vae.state_dict().values():
        model.update(values.cpu().numpy().tobytes())
    asked = {"objectives": list(job.objectives), "sampler": job.sampler, "seed": job.seed}
    return {"data": data.hexdigest(), "model": model.hexdigest()} | asked


def _hypervolumes(values: Tensor) -> list[tuple[int, float]]:
    """Return numbers of trials, and the share of the area up to the reference that their front dominates."""
    pairs = values[:, :2]
    reference = 1.0, BEYOND * float(pairs[pairs.isfinite().all(dim=1), 1].max())
    counts = np.unique(np.linspace(1, len(pairs), MOST_POINTS).astype(int)).tolist()
    return [(n, hypervolume_2d(pairs[:n], reference) / reference[1]) for n in counts]


def _figures(table: Table, parts: Split, prediction: Floats) -> dict[str, float]:
    """Return R^2 and errors of predictions of the held-out rows, [rows], and the error of the training rows' mean."""
    y, mean = table.y[parts.test], table.y[parts.train].mean()
    return {
        "test_r2": float(r2_score(y, prediction)),
        "test_rmse": float(root_mean_squared_error(y, prediction)),
        "test_mae": float(mean_absolute_error(y, prediction)),
        "rmse_of_the_mean": float(root_mean_squared_error(y, np.full(len(y), mean))),
        "n_train": float(len(parts.train)),
        "n_test": float(len(parts.test)),
    }
