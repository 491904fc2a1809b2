"""Report on a model: how networks are rebuilt and sampled, against targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from netgraph.evaluation.behavior import low_decile, median
from netgraph.evaluation.evaluate import Evaluated
from netgraph.evaluation.report import (
    COLOR,
    EDGES,
    RED,
    Card,
    draw_network,
    figures_section,
    new_axes,
    pictures,
    repeat_section,
    section,
    use_section,
    verdict,
    write_page,
)
from netgraph.evaluation.shapes import LEAST
from netgraph.figures import LOSSES, MODEL, Metric
from netgraph.graph.netgraph import NetGraph
from netgraph.html import number, table_html
from netgraph.lines import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Names of the figures that are cards.
CARDS = (
    "output_r2_median",
    "edge_f1",
    "cosine_similarity",
    "validity",
    "uniqueness",
    "sample_quality",
    "shape_quality",
)
#: What values of both qualities stand for, and the figures that these are between.
_ENDS = {"trained networks": "1", "random weights": "0"}
_QUALITIES = {
    "sample_quality": ("floor_behaviour_distance", "random_behaviour_distance"),
    "shape_quality": ("floor_auc", "random_auc"),
}
_CURVES = "Loss terms over steps, unweighted: solid in training, dashed on held-out networks."
_LATENTS = (
    "Function codes of held-out networks on their first two principal components, colored by task family; the "
    "outermost hundredth on each side is drawn at the edge."
)
_REAL = (
    "Networks are sampled for the data set and their last layers solved in closed form; the best few are fine-tuned, "
    "scored by cross-validation, and the best joined to one network, in which baselines (a linear network, wide ones "
    "of random features and recursive feature machines) may have a part. The random networks have the same "
    "architectures and the same search."
)


@dataclass(frozen=True)
class ModelReport:
    """Evaluation of a model.

    Attributes:
        title: The headline.
        evaluated: The evaluation.
        figures: Figures by name, of the model and of its training.
        targets: Least value that a figure should have, by name.
        curves: Points (step, value) of every loss term; none where the training was not seen.
        held_out: The same on held-out networks.
        real: Mean and deviation of the test R^2 of each method on the real data set; none where there was none.
        files: Sentence on the files beside the report.
        commands: Purposes of commands that use them, by command.
        command: The command of the job.
        details: Its further conditions by name.
        note: Sentence below the headline.
    """

    title: str
    evaluated: Evaluated
    figures: Mapping[str, float]
    targets: Mapping[str, float]
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    held_out: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    real: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    files: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def write(self, path: str | Path) -> None:
        """Write the page to a file."""
        rebuilt = self.evaluated.reconstruction
        intro = (
            f"{self.note} {len(rebuilt.output_r2):,} networks of held-out tasks, rebuilt from their latents alone, and "
            f"{len(self.evaluated.samples):,} networks sampled."
        ).strip()
        histograms = {
            "Output R² of held-out networks": _histogram(rebuilt.output_r2),
            "Cosine similarity of their last hidden activations": _histogram(rebuilt.cosine),
        }
        pairs = [
            pictures(
                {_caption("original", pair[0]): draw_network(pair[0]), _rebuilt(*pair[1:]): draw_network(pair[1])},
                wide=True,
            )
            for pair in self.evaluated.pairs
        ]
        latents = pictures({"Held-out networks in the latent space": _latents(self.evaluated)}, wide=True)
        sections = [
            section(
                "How well networks are rebuilt",
                "Every held-out network counts once; values below −1 are drawn at −1.",
                pictures(histograms, wide=True),
            ),
            section("Networks and what was rebuilt of them", EDGES, *pairs),
            section("The latent space", _LATENTS, latents),
        ]
        if self.curves:
            meanings = {name: f"{name}: {meaning}" for terms in LOSSES.values() for name, meaning in terms.items()}
            curves = {
                meanings.get(name, name): _curve(points, self.held_out.get(name, ()))
                for name, points in self.curves.items()
            }
            sections.append(section("Training", _CURVES, pictures(curves)))
        if self.real:
            rows = [[method, *values] for method, values in self.real.items()]
            table = table_html(["method", "test R², mean over splits", "deviation"], rows)
            sections.append(section("A real data set: diabetes", _REAL, table))
        sections.append(figures_section(self.figures, MODEL, self.targets))
        if self.commands:
            sections.append(use_section(self.files, self.commands))
        if self.command:
            sections.append(repeat_section(self.command, self.details))
        write_page(path, self.title, intro, self._cards(), sections)

    def _cards(self) -> list[Card]:
        """Return the headline figures: of rebuilding, of samples, and of a real data set."""
        cards, unmeasured = [], self._unmeasured()
        for name in CARDS:
            value, target = self.figures.get(name, float("nan")), self.targets.get(name)
            if name in unmeasured:
                cards.append(Card(Metric(unmeasured[name], MODEL[name].label), number(value)))
            elif target is None:
                cards.append(Card(MODEL[name], number(value), _ENDS if name in _QUALITIES else {}))
            else:
                judged = verdict(value, target), value >= target
                cards.append(Card(MODEL[name], number(value), {"target": f"{target:g}"}, *judged))
        own = {method: mean for method, (mean, _) in self.real.items() if method.startswith("netgraph")}
        others = {method: number(mean) for method, (mean, _) in self.real.items() if method not in own}
        if own:
            best = max(own, key=lambda method: own[method])
            metric = Metric(f"mean over splits of: {best}", "Diabetes, test R²")
            cards.append(Card(metric, number(own[best]), others))
        return cards

    def _unmeasured(self) -> dict[str, str]:
        """Return the reasons for which figures are not measured, or tell nothing, by name."""
        reasons, sides = {}, int(self.figures.get("n_shape", 0))
        for name, (floor, random) in _QUALITIES.items():
            if name in self.figures and self.figures[floor] >= self.figures[random]:
                reasons[name] = "tells nothing here: random weights are as near to held-out networks as trained ones"
        if "shape_quality" not in self.figures:
            networks = f"{counted(sides, 'network')} a side, one a task, with equal numbers of inputs"
            reasons["shape_quality"] = f"not measured: {networks}; the test takes {LEAST}"
        return reasons


def _histogram(values: Tensor) -> "Axes":
    ax = new_axes(4.8, 2.9)
    ax.hist(values.clamp(min=-1).numpy(), bins=50, range=(-1, 1), histtype="stepfilled", color=COLOR)
    for label, value, style in (("median", median(values), "-"), ("10th percentile", low_decile(values), "--")):
        ax.axvline(max(-1.0, value), color=RED, linestyle=style, label=f"{label} {value:.3f}")
    ax.set(ylabel="networks")
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def _caption(kind: str, graph: NetGraph) -> str:
    return f"{kind}: {graph.architecture!r}"


def _rebuilt(graph: NetGraph, cosine: float, r2: float) -> str:
    return f"{_caption('rebuilt', graph)}; cosine {cosine:.3f}, output R² {r2:.3f}"


def _latents(evaluated: Evaluated) -> "Axes":
    from matplotlib import colormaps
    from sklearn.decomposition import PCA

    ax = new_axes(5.2, 4.6)
    points = PCA(2).fit_transform(evaluated.latents.numpy())
    points = points.clip(*np.quantile(points, (0.01, 0.99), axis=0))
    colors = colormaps["tab20"]
    for i, family in enumerate(sorted(set(evaluated.families))):
        chosen = [j for j, other in enumerate(evaluated.families) if other == family]
        ax.scatter(points[chosen, 0], points[chosen, 1], s=12, alpha=0.7, color=colors(i), label=family)
    ax.set(xlabel="first component", ylabel="second component")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3, fontsize=8)
    return ax


def _curve(points: Sequence[tuple[int, float]], held_out: Sequence[tuple[int, float]]) -> "Axes":
    ax = new_axes(3.6, 2.0)
    for line, color, style in ((points, COLOR, "-"), (held_out, RED, "--")):
        if line:
            ax.plot(*zip(*line, strict=True), color=color, linestyle=style, linewidth=1)
    return ax
