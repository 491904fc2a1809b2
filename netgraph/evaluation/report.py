"""One self-contained HTML file that shows a run."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgraph.evaluation.behavior import low_decile, median
from netgraph.evaluation.meaning import MEANING
from netgraph.evaluation.page import image, new_figure, number, section, table, write_page
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.plot import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Attributes:
        title: Its headline.
        metrics: Figures by name.
        targets: What a figure should at least be, where there is such a mark.
        curves: Points (step, value) of every loss term; none where the training was not seen.
        pairs: Original and rebuilt networks with the cosine and the output R^2 of the pair.
        latents: Latents of held-out networks, [n, latent].
        families: Task family of each of them.
        output_r2: Of every held-out pair, [n].
        cosine: Likewise.
        real: Test R^2 of each method on the real data set; none where there was none.
    """

    title: str
    metrics: Mapping[str, float]
    targets: Mapping[str, float]
    curves: Mapping[str, Sequence[tuple[int, float]]]
    pairs: Sequence[tuple[NetGraph, NetGraph, float, float]]
    latents: Tensor
    families: Sequence[str]
    output_r2: Tensor
    cosine: Tensor
    real: Mapping[str, float]


def write_report(report: Report, path: str | Path) -> None:
    """Write a report as one HTML file that needs nothing else."""
    sections = [
        section("Figures", "", _metrics_table(report)),
        section(
            "How well networks are rebuilt",
            "Every held-out network counts once; values below −1 are drawn at −1.",
            image(_histograms(report), "Distribution over held-out networks"),
        ),
        section("Three networks and what was rebuilt of them", _EDGES, "".join(map(_pair, report.pairs))),
        section(
            "The latent space",
            "Latents of held-out networks on their first two principal components, colored by task family.",
            image(_latents(report), "Latent space"),
        ),
    ]
    if report.curves:
        drawn = image(_curves(report), "Loss terms over steps")
        sections.append(section("Training", "Every term of the loss, unweighted.", drawn))
    if report.real:
        methods = table(["method", "test R²"], list(report.real.items()))
        sections.append(section("A real data set: diabetes", _REAL, methods))
    write_page(report.title, _INTRO, sections, path)


_INTRO = "Held-out tasks, decoded free-running: from the latent alone, nothing of the true network given."
_EDGES = "Original on the left, rebuilt on the right. Blue edges are positive, red ones negative, gray ones structural."
_REAL = (
    "Networks are sampled for the data set and their last layers solved in closed form; the best few are fine-tuned, "
    "judged by cross-validation, and the best joined to one network, in which baselines (a linear network, wide ones "
    "of random features and recursive feature machines) may have a part. The random networks have the same "
    "architectures and the same search."
)


def _metrics_table(report: Report) -> str:
    rows = []
    for name, value in report.metrics.items():
        target = report.targets.get(name)
        mark = "" if target is None else f"≥ {target:g}"
        style = "" if target is None else (" good" if value >= target else " bad")
        rows.append(
            f'<tr><td><code>{html.escape(name)}</code></td><td class="number{style}">{number(value)}</td>'
            f'<td class="number">{mark}</td><td>{html.escape(MEANING.get(name, ""))}</td></tr>'
        )
    return f"<table><tr><th>figure</th><th>value</th><th>mark</th><th>what it is</th></tr>{''.join(rows)}</table>"


def _histograms(report: Report) -> "Figure":
    figure = new_figure(10, 3)
    for ax, (name, values) in zip(
        figure.subplots(1, 2), (("output R²", report.output_r2), ("cosine similarity", report.cosine)), strict=True
    ):
        ax.hist(values.clamp(min=-1).numpy(), bins=50, range=(-1, 1), color="#4c78a8")
        for label, value, style in (("median", median(values), "-"), ("10th percentile", low_decile(values), "--")):
            ax.axvline(max(-1.0, value), color="#e45756", linestyle=style, label=f"{label} {value:.3f}")
        ax.set(xlabel=name, ylabel="networks")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
    return figure


def _pair(pair: tuple[NetGraph, NetGraph, float, float]) -> str:
    original, rebuilt, cosine, r2 = pair
    figure = new_figure(11, 3.6)
    for ax, graph, title in zip(figure.subplots(1, 2), (original, rebuilt), ("original", "rebuilt"), strict=True):
        draw(graph, ax)
        ax.set_title("\n".join(textwrap.wrap(f"{title}: {graph.architecture!r}", 80)), fontsize=8)
    return image(figure, f"cosine {cosine:.3f}, output R² {r2:.3f}")


def _latents(report: Report) -> "Figure":
    figure = new_figure(9, 5)
    ax = figure.subplots()
    centered = report.latents - report.latents.mean(dim=0)
    _, _, directions = torch.linalg.svd(centered, full_matrices=False)
    points = (centered @ directions[:2].T).numpy()
    for i, family in enumerate(sorted(set(report.families))):
        chosen = [j for j, other in enumerate(report.families) if other == family]
        ax.scatter(points[chosen, 0], points[chosen, 1], s=12, alpha=0.7, color=f"C{i}", label=family)
    ax.set(xlabel="first component", ylabel="second component")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _curves(report: Report) -> "Figure":
    figure = new_figure(10, 5.5)
    axes = figure.subplots(2, 4).flatten()
    for ax, (name, points) in zip(axes, report.curves.items(), strict=False):
        ax.plot(*zip(*points, strict=True), color="#4c78a8", linewidth=1)
        ax.set_title(name, fontsize=10)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(report.curves) :]:
        ax.set_axis_off()
    return figure
