"""The job of ``netgraph fit``: a table in, a network and a report out."""

import warnings
from dataclasses import dataclass

from netgraph.errors import SimplerWarning
from netgraph.evaluation.table_report import draw_front, front_section, history_section
from netgraph.outputs import fit_outputs, replacing
from netgraph.search.classifier import NetGraphClassifier
from netgraph.search.estimator import NetGraphRegressor
from netgraph.search.jobs import Outcome, TableJob, write_outcome
from netgraph.search.network_search import N_CANDIDATES


@dataclass(frozen=True)
class FitJob(TableJob):
    """A fit, which leaves ``network.py``, ``network.safetensors``, ``graph``, ``metrics.json`` and ``report.html``.

    Attributes:
        n_candidates: Candidates of each source, at most.
    """

    n_candidates: int = N_CANDIDATES


def fit_table(job: FitJob) -> dict[str, float]:
    """Find a network for a table, test it on a fifth of the rows, and write it, with a report.

    An interrupt ends the search, and the best network so far is written.

    Returns:
        The figures of ``metrics.json``: R^2 and errors in the target's unit, or accuracy and log loss, those of other
        methods on the same rows, shares of rows in intervals, parameters and seconds.

    Raises:
        NetGraphError: When the file is not such a table, the folder holds a fit already, or a file would be lost.

    Example:
        >>> fit_table(FitJob("table.csv", "y", "out"))["test_r2"]  # doctest: +SKIP
        0.97
    """
    table, parts = job.hold_out()
    written = fit_outputs(job.out, job.sources, overwrite=job.overwrite)
    kind = NetGraphRegressor if table.task == "regression" else NetGraphClassifier
    estimator = kind(
        checkpoint=job.checkpoint,
        max_seconds=job.max_seconds,
        n_candidates=job.n_candidates,
        objectives=job.objectives,
        random_state=job.seed,
        device=job.device,
        verbose=True,
    )
    with warnings.catch_warnings(action="ignore", category=SimplerWarning):  # the reason says it too
        estimator.fit(table.X.iloc[parts.train], table.y[parts.train])
    print(estimator.reason_)
    deviation = None
    if isinstance(estimator, NetGraphRegressor):
        deviation = estimator.predict(table.X.iloc[parts.test], return_std=True)[1]
    graph, seconds = estimator.graph_, float(estimator.history_["seconds"].iloc[-1])
    outcome = Outcome(
        graph=graph,
        graphs=[graph],
        reason=estimator.reason_,
        encoder=estimator.encoder_,
        preprocessing=estimator.preprocessing_,
        figures={"parameters": graph.architecture.state_size, "seconds": seconds},
        sections=_sections(estimator),
        classes=getattr(estimator, "classes_", None),
        importances=dict(zip(table.features, estimator.feature_importances_.tolist(), strict=True)),
        deviation=deviation,
    )
    with replacing(written.values()):
        return write_outcome(job, written, table, parts, outcome)


def _sections(estimator: NetGraphRegressor | NetGraphClassifier) -> list[str]:
    """Return the sections of the report on the search: the front, where there are several objectives, and the steps."""
    names, steps = list(estimator.pareto_), history_section(estimator.history_)
    if len(names) == 1:
        return [steps]
    front = estimator.pareto_.assign(architecture=[repr(graph.architecture) for graph in estimator.pareto_graphs_])
    picture = draw_front(estimator.candidates_[names], front, estimator.chosen_)
    return [front_section(picture, front, estimator.chosen_), steps]
