"""The job of ``netgraph fit``: a table in, a network and a report out."""

from dataclasses import dataclass

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
    options = {
        name: getattr(job, name) for name in ("checkpoint", "max_seconds", "n_candidates", "objectives", "device")
    }
    kind = NetGraphRegressor if table.task == "regression" else NetGraphClassifier
    estimator = kind(random_state=job.seed, verbose=True, **options)
    estimator.fit(table.X.iloc[parts.train], table.y[parts.train])
    sections, names, graph = [history_section(estimator.history_)], list(estimator.pareto_), estimator.graph_
    if len(names) > 1:
        front = estimator.pareto_.assign(architecture=[repr(graph.architecture) for graph in estimator.pareto_graphs_])
        picture = draw_front(estimator.candidates_[names], front, estimator.chosen_)
        sections.insert(0, front_section(picture, front, estimator.chosen_))
    classes, deviation = getattr(estimator, "classes_", None), None
    if isinstance(estimator, NetGraphRegressor):
        deviation = estimator.predict(table.X.iloc[parts.test], return_std=True)[1]
    outcome = Outcome(
        graph,
        [graph],
        estimator.encoder_,
        estimator.preprocessing_,
        {"parameters": graph.architecture.state_size, "seconds": float(estimator.history_["seconds"].iloc[-1])},
        sections,
        classes,
        estimator.feature_importances_,
        deviation,
    )
    with replacing(written.values()):
        return write_outcome(job, written, table, parts, outcome)
