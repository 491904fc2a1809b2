"""The job of ``netgraph search``: a table in, a Pareto front of networks out; it goes on with what its folder holds."""

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
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.graph.io import save_graphs
from netgraph.graph.netgraph import NetGraph
from netgraph.machine import check_device
from netgraph.model.vae import NetVAE
from netgraph.outputs import check_outputs, replacing, with_record
from netgraph.search.data import Data, evenly_spaced
from netgraph.search.deadline import Deadline
from netgraph.search.explorers import Explorer, check_explorer, explorer_of
from netgraph.search.export import export_network
from netgraph.search.job import figures_of, hold_out, read_by
from netgraph.search.objectives import check_objectives
from netgraph.search.pareto import front_table, hypervolume_2d, smallest_within
from netgraph.search.preprocess import Preprocessing
from netgraph.search.progress import progress
from netgraph.search.projection import most_inputs
from netgraph.search.report import Searched, write_search_report
from netgraph.search.running import judged_rows, predict, solve
from netgraph.search.several import Problem, explore
from netgraph.search.sources import Prior
from netgraph.search.study import load_optuna, open_study, values_of
from netgraph.search.table import Table
from netgraph.tasks import TAIL
from netgraph.tasks.dataset import Floats
from netgraph.tasks.split import Split

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

#: Error of a hypervolume's reference, that of predicting the mean, and what its other objective is of the largest one.
WORST_ERROR, BEYOND = 1.0, 1.1
#: Numbers of trials at which the hypervolume is measured.
MOST_POINTS = 64


@dataclass(frozen=True)
class SearchJob:
    """What to do with a table.

    Attributes:
        data: CSV or parquet file.
        target: Name of the column that is predicted.
        out: Folder that takes ``study.db``, ``pareto.csv``, ``pareto.png``, ``networks/``, ``metrics.json`` and
            ``report.html``; a search that it holds goes on.
        objectives: What is to be small: ``error``, then ``parameters``, ``latency`` or both.
        n_trials: Networks tried in all, those of earlier calls among them.
        max_seconds: Wall time after which no more are tried in this call; None for no limit.
        strategy: What proposes them: ``nsga2``, ``prior``, ``genetic`` or ``cma``.
        checkpoint: The model; the one that ships when None.
        seed: Of everything.
        device: ``cpu`` or ``cuda``.
        overwrite: Whether files in a folder that holds no search may be replaced.
    """

    data: str | Path
    target: str
    out: str | Path
    objectives: Sequence[str] = ("error", "parameters")
    n_trials: int = 512
    max_seconds: float | None = None
    strategy: str = "nsga2"
    checkpoint: str | None = None
    seed: int = 0
    device: str = "cpu"
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be searched for.

        Raises:
            NetGraphError: It names the parameter.
        """
        if not isinstance(self.n_trials, Integral) or self.n_trials < 1:
            raise NetGraphError(f"n_trials is {self.n_trials!r}; a whole number of at least 1")
        if len(check_objectives(self.objectives)) < 2:
            raise NetGraphError("objectives are error alone; a front needs parameters or latency too")
        check_explorer(self.strategy)
        check_device(self.device)


def search_table(job: SearchJob) -> dict[str, float]:
    """Search for the networks that are best in several objectives, test them on a fifth of the rows, and write them.

    The error is that of leaving out one by one the rows that are searched on, of few rows a column fold by fold, in
    units of the target's variance; last layers are fitted to them. As in a fit, one network of the front is chosen: the
    best in the second objective among those whose error is within one standard error of the least.

    Returns:
        The figures of ``metrics.json``: those of the chosen network on held-out rows, trials, and hypervolume.

    Raises:
        NetGraphError: When the file is not such a table, optuna is not installed, or the folder holds a search of
            other data, or by other objectives, another strategy, model or seed.
    """
    deadline = Deadline(job.max_seconds)
    load_optuna()
    table, parts = hold_out(job.data, job.target, job.seed)
    vae, out = NetVAE.from_pretrained(job.checkpoint).to(job.device), Path(job.out)
    rows = _Rows.of(table, parts, job.seed)
    prior = Prior(vae, rows.judged, choices=1)
    prior.projection.warn(stacklevel=2)
    problem = Problem(prior, rows.judged, tuple(job.objectives), job.device)
    explorer = explorer_of(job.strategy, vae.config, len(job.objectives), job.seed)
    own, front = (out / "study.db").exists(), with_record(out / "networks" / "front.safetensors")
    if (out / "metrics.json").exists() and not (own or job.overwrite):
        raise NetGraphError(f"{out}: holds something else than a search; choose another folder")
    names = ("networks/network.py", "networks/network.safetensors", "pareto.csv", "pareto.png", "report.html")
    written = (*front, *(out / name for name in names), out / "metrics.json")
    check_outputs(written, read_by(job.data, job.checkpoint), overwrite=own or job.overwrite)
    make_folder(out / "networks")
    with (
        open_study(out / "study.db", len(job.objectives), _about(job, table, vae)) as study,
        progress(True, "search") as show,
    ):
        trials = explore(explorer, study, problem, job.n_trials, deadline, show)
        searched, graphs = _judged(problem, explorer, trials, rows)
    with replacing(written):
        return _write(job, table, parts, rows, searched, graphs, deadline.passed)


def _about(job: SearchJob, table: Table, vae: NetVAE) -> dict[str, object]:
    """Say what a study is of; a study of anything else is another one."""
    data, model = hashlib.sha256(repr((table.features, table.target)).encode()), hashlib.sha256()
    for array in (table.x, table.y):
        data.update(np.ascontiguousarray(array).tobytes())
    for values in vae.state_dict().values():
        model.update(values.cpu().numpy().tobytes())
    asked = {"objectives": list(job.objectives), "strategy": job.strategy, "seed": job.seed}
    columns = table.x.shape[1]
    inputs = most_inputs(vae, columns)
    projected = {"inputs": inputs} if inputs < columns else {}
    return {"data": data.hexdigest(), "model": model.hexdigest(), "tail": TAIL} | asked | projected


@dataclass(frozen=True)
class _Rows:
    """The rows of a table as networks read them.

    Attributes:
        units: How they were standardized.
        searched: Those that last layers may be fitted to.
        judged: Those of them by which trials are judged, where there are many.
        test: Those that are held out.
    """

    units: Preprocessing
    searched: Data
    judged: Data
    test: Data

    @classmethod
    def of(cls, table: Table, parts: Split, seed: int) -> "_Rows":
        units = Preprocessing.fit(table.x[parts.train], table.y[parts.train])
        searched = units.data(table.x[parts.train], table.y[parts.train])
        test = units.data(table.x[parts.test], table.y[parts.test])
        return cls(units, searched, judged_rows(searched, seed), test)

    def predicted(self, graph: NetGraph) -> Floats:
        """Give what a network predicts of the rows that are held out, in the target's unit, [rows]."""
        return self.units.restore(predict(graph, self.test.x))

    def held_out_error(self, graph: NetGraph) -> float:
        """Give its mean squared error there, in units of the target's variance."""
        return float((self.units.target(self.predicted(graph)) - self.test.y).square().mean())


def _judged(
    problem: Problem, explorer: Explorer, trials: "Sequence[FrozenTrial]", rows: _Rows
) -> tuple[Searched, list[NetGraph]]:
    """Give what a search came to, and the networks of its front, their last layers fitted to all rows searched on."""
    objectives = problem.objectives
    values = values_of(trials, len(objectives))
    front = front_table(values, objectives).rename_axis("trial")
    if front.empty:
        raise NetGraphError(f"none of {len(trials)} networks gave finite outputs; there is no front")
    drawn = problem.prior.networks(explorer.noise(trials, front.index.tolist()))
    solved = solve(drawn, rows.searched, problem.device)
    graphs = [one.graph for one in solved]
    squared = (solved[0].left_out - rows.searched.y).square()
    chosen = smallest_within(front, rows.searched.standard_error(squared))
    if float(front.loc[chosen].iloc[0]) >= rows.judged.error_of_the_mean():
        said = f"the network chosen of {len(trials)} is not better than the mean by cross-validation"
        warnings.warn(said, UserWarning, stacklevel=3)
    front["held_out_error"] = [rows.held_out_error(graph) for graph in graphs]
    front["architecture"] = [repr(graph.architecture) for graph in graphs]
    graph = graphs[front.index.tolist().index(chosen)]
    return Searched(objectives, values, front, chosen, graph, _hypervolumes(values)), graphs


def _hypervolumes(values: Tensor) -> list[tuple[int, float]]:
    """Give numbers of trials, and the share of the area up to the reference that the first two objectives dominate."""
    pairs = values[:, :2]
    largest = float(pairs[pairs.isfinite().all(dim=1), 1].max())
    reference = (WORST_ERROR, BEYOND * largest)
    counts = (1 + evenly_spaced(len(pairs), MOST_POINTS)).tolist()
    return [(n, hypervolume_2d(pairs[:n], reference) / (reference[0] * reference[1])) for n in counts]


def _write(
    job: SearchJob, table: Table, parts: Split, rows: _Rows, searched: Searched, graphs: list[NetGraph], seconds: float
) -> dict[str, float]:
    out = Path(job.out)
    y, predicted = table.y[parts.test], rows.predicted(searched.graph)
    figures = figures_of(y, predicted, float(table.y[parts.train].mean())) | {
        "n_train": float(len(parts.train)),
        "n_test": float(len(parts.test)),
        "trials": float(len(searched.values)),
        "front": float(len(graphs)),
        "hypervolume": searched.hypervolumes[-1][1],
        "seconds": seconds,
    }
    chosen = searched.front.loc[searched.chosen]
    figures |= {f"chosen_{name}": float(chosen[name]) for name in searched.objectives}
    front = out / "networks" / "front.safetensors"
    save_graphs(graphs, front)
    path = out / "networks" / "network"
    export_network(searched.graph, path, **vars(rows.units), features=table.features, target=table.target)
    write_atomically(out / "pareto.csv", searched.front.to_csv().encode())
    picture = io.BytesIO()
    searched.draw().savefig(picture, format="png", dpi=150)
    write_atomically(out / "pareto.png", picture.getvalue())
    write_search_report(searched, table.target, y, predicted, figures, out / "report.html")
    write_atomically(out / "metrics.json", json.dumps(figures, indent=1).encode())
    return figures
