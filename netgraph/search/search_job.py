"""The job of ``netgraph search``: a table in, a front of networks and a report out."""

import hashlib
import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import torch

from netgraph.errors import NetGraphError
from netgraph.evaluation.table_report import draw_front, front_section
from netgraph.files import make_folder, write_atomically
from netgraph.inputs import check_objectives
from netgraph.machine import check_device
from netgraph.model import NetVAE
from netgraph.outputs import replacing, search_outputs
from netgraph.reading import is_whole
from netgraph.search.choice import Choice
from netgraph.search.columns import ColumnEncoder
from netgraph.search.data import TimeBudget
from netgraph.search.jobs import Outcome, TableJob, write_outcome
from netgraph.search.latent_search import (
    LatentObjective,
    open_study,
    quantiles_of,
    sampler_of,
    search_latents,
    values_of,
)
from netgraph.search.network_search import MOST_ROWS, show_progress
from netgraph.search.pareto import front_table, hypervolume
from netgraph.search.preprocess import Preprocessing, Probabilities, Rescale, column_importances
from netgraph.search.scoring import Candidate
from netgraph.tasks.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna.trial import FrozenTrial

#: Reference point of the hypervolume: the error of predicting the mean, and this times the largest other objective.
BEYOND = 1.1


@dataclass(frozen=True)
class SearchJob(TableJob):
    """A latent search, which leaves ``study.db``, to continue with, ``pareto.csv`` and ``.png``, and ``networks/``.

    Attributes:
        n_trials: Networks tried in all, those of earlier calls among them.
        sampler: Optuna's sampler: ``nsga2``, ``random``, or ``cma``, which sees the error alone.
    """

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
        check_objectives(self.objectives, several=True)
        sampler_of(self.sampler, self.seed)
        check_device(self.device)


def search_table(job: SearchJob) -> dict[str, float]:
    """Search for the networks that are best in several objectives, test them on a fifth of the rows, and write them.

    Errors are those of K-fold refits, in units of the target's variance, or log losses of classes. Of the front, the
    network is chosen that is the best in the second objective among those as good as the first: see
    :func:`~netgraph.search.pareto.smallest_as_good`.

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
    written = search_outputs(out, job.sources, overwrite=job.overwrite)
    vae = NetVAE.from_pretrained(job.checkpoint).to(job.device)
    encoder = ColumnEncoder().fit(table.X.iloc[parts.train])
    X, y = encoder.transform(table.X.iloc[parts.train]), table.y[parts.train]
    classes, outputs = (None, Rescale) if table.task == "regression" else (np.unique(y), Probabilities)
    target = y if classes is None else (y[:, None] == classes).astype(np.float64)
    preprocessing = Preprocessing.fit(X, target, outputs=outputs)
    data = preprocessing.data(X, target).subsample(MOST_ROWS, job.seed)
    objective = LatentObjective(vae, data, job.objectives, job.seed, job.device)
    about = _about(job, table, vae)
    make_folder(out)
    with open_study(out / "study.db", len(job.objectives), about) as study, show_progress("search") as show:
        trials = search_latents(objective, study, sampler_of(job.sampler, job.seed), job.n_trials, budget, show)
    front, candidates, choice = _front(objective, trials)
    print(choice.reason)
    chosen, values = int(front.index[candidates.index(choice.candidate)]), values_of(trials, len(job.objectives))
    if front.at[chosen, "error"] >= data.baseline():
        message = f"the network chosen of {len(trials)} is not better than the mean by cross-validation"
        warnings.warn(message, UserWarning, stacklevel=2)
    figures: dict[str, float] = {"trials": len(trials), "front": len(front)}
    figures |= {"hypervolume": _hypervolume(values, 1.0 if classes is None else data.baseline())}
    figures |= {f"chosen_{name}": front.at[chosen, name].item() for name in job.objectives}
    figures |= {"seconds": budget.elapsed}
    front["architecture"] = [repr(one.graph.architecture) for one in candidates]
    picture = draw_front(pd.DataFrame(values.numpy(), columns=job.objectives), front, chosen)
    cast("Figure", picture.figure).savefig(image := io.BytesIO(), format="png", dpi=150)
    importances = column_importances(choice.candidate.graph, data.X, encoder)
    outcome = Outcome(
        graph=choice.candidate.graph,
        graphs=[one.graph for one in candidates],
        reason=choice.reason,
        encoder=encoder,
        preprocessing=preprocessing,
        figures=figures,
        sections=[front_section(picture, front, chosen)],
        classes=classes,
        importances=dict(zip(table.features, importances.tolist(), strict=True)),
    )
    with replacing(written.values()):
        write_atomically(written["pareto.csv"], front.to_csv().encode())
        write_atomically(written["pareto.png"], image.getvalue())
        return write_outcome(job, written, table, parts, outcome)


def _about(job: SearchJob, table: Table, vae: NetVAE) -> dict[str, Any]:
    """Return the subject of a study, in JSON's types."""

    def digest(arrays: Iterable[Any], *names: object) -> str:
        sha256 = hashlib.sha256(repr(names).encode())
        for array in arrays:
            sha256.update(np.ascontiguousarray(torch.as_tensor(array).cpu()).tobytes())
        return sha256.hexdigest()

    asked = {"objectives": list(job.objectives), "sampler": job.sampler, "seed": job.seed}
    return asked | {
        "data": digest([], table.y.tolist(), table.X.to_csv(), table.target),
        "model": digest(vae.state_dict().values()),
    }


def _front(objective: LatentObjective, trials: "Sequence[FrozenTrial]") -> tuple[pd.DataFrame, list[Candidate], Choice]:
    """Return the front of the trials, its networks, and the choice among them."""
    names, data = objective.objectives, objective.folds.data
    front = front_table(values_of(trials, len(names)), names).rename_axis("trial")
    if front.empty:
        raise NetGraphError(f"none of {len(trials)} networks gave finite outputs; there is no front")
    candidates = objective.candidates(quantiles_of([trials[i] for i in front.index]))
    front = front.astype({name: int for name in front if name == "parameters"})
    return front, candidates, Choice.of_front(front, candidates, data)


def _hypervolume(values: torch.Tensor, error: float) -> float:
    """Return the share of the plane of two objectives that is dominated, up to an error and beyond the other's most."""
    finite = values[values.isfinite().all(dim=1)]
    corner = error, BEYOND * float(finite[:, 1].max())
    return hypervolume(finite[:, :2], corner) / (corner[0] * corner[1])
