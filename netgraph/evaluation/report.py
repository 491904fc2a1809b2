"""One self-contained HTML file that shows a run."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netgraph.evaluation.behavior import low_decile, median
from netgraph.evaluation.evaluate import Reconstruction
from netgraph.evaluation.meaning import MEANING
from netgraph.evaluation.model import Evaluated
from netgraph.evaluation.page import image, new_figure, number, section, table, write_page
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.plot import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_report(
    path: str | Path,
    title: str,
    found: Evaluated,
    figures: Mapping[str, float],
    targets: Mapping[str, float],
    curves: Mapping[str, Sequence[tuple[int, float]]],
    real: Mapping[str, float],
) -> None:
    """Write what was measured of a model as one HTML file that needs nothing else.

    Args:
        path: The file.
        title: Its headline.
        found: What was measured of the model.
        figures: Figures by name, of the model and of how it was made.
        targets: What a figure should at least be, where there is such a mark.
        curves: Points (step, value) of every loss term; none where the training was not seen.
        real: Test R^2 of each method on the real data set; none where there was none.
    """
    sections = [
        section("Figures", "", _metrics_table(figures, targets)),
        section(
            "How well networks are rebuilt",
            "Every held-out network counts once; values below −1 are drawn at −1.",
            image(_histograms(found.reconstruction), "Distribution over held-out networks"),
        ),
        section("Three networks and what was rebuilt of them", _EDGES, "".join(map(_pair, found.pairs))),
        section(
            "The latent space",
            "Latents of held-out networks on their first two principal components, colored by task family.",
            image(_latents(found), "Latent space"),
        ),
    ]
    if curves:
        drawn = image(_curves(curves), "Loss terms over steps")
        sections.append(section("Training", "Every term of the loss, unweighted.", drawn))
    if real:
        sections.append(section("A real data set: diabetes", _REAL, table(["method", "test R²"], list(real.items()))))
    write_page(title, _INTRO, sections, path)


_INTRO = "Held-out tasks, decoded free-running: from the latent alone, nothing of the true network given."
_EDGES = "Original on the left, rebuilt on the right. Blue edges are positive, red ones negative, gray ones structural."
_REAL = (
    "Networks are sampled for the data set and their last layers solved in closed form; the best few are fine-tuned, "
    "judged by cross-validation, and the best joined to one network, in which baselines (a linear network, wide ones "
    "of random features and recursive feature machines) may have a part. The random networks have the same "
    "architectures and the same search."
)


def _metrics_table(figures: Mapping[str, float], targets: Mapping[str, float]) -> str:
    rows = []
    for name, value in figures.items():
        target = targets.get(name)
        mark = "" if target is None else f"≥ {target:g}"
        style = "" if target is None else (" good" if value >= target else " bad")
        rows.append(
            f'<tr><td><code>{html.escape(name)}</code></td><td class="number{style}">{number(value)}</td>'
            f'<td class="number">{mark}</td><td>{html.escape(MEANING.get(name, ""))}</td></tr>'
        )
    return f"<table><tr><th>figure</th><th>value</th><th>mark</th><th>what it is</th></tr>{''.join(rows)}</table>"


def _histograms(found: Reconstruction) -> "Figure":
    figure = new_figure(10, 3)
    for ax, (name, values) in zip(
        figure.subplots(1, 2), (("output R²", found.output_r2), ("cosine similarity", found.cosine)), strict=True
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


def _latents(found: Evaluated) -> "Figure":
    from sklearn.decomposition import PCA

    figure = new_figure(9, 5)
    ax = figure.subplots()
    points = PCA(2).fit_transform(found.latents.numpy())
    for i, family in enumerate(sorted(set(found.families))):
        chosen = [j for j, other in enumerate(found.families) if other == family]
        ax.scatter(points[chosen, 0], points[chosen, 1], s=12, alpha=0.7, color=f"C{i}", label=family)
    ax.set(xlabel="first component", ylabel="second component")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _curves(curves: Mapping[str, Sequence[tuple[int, float]]]) -> "Figure":
    figure = new_figure(10, 5.5)
    axes = figure.subplots(2, 4).flatten()
    for ax, (name, points) in zip(axes, curves.items(), strict=False):
        ax.plot(*zip(*points, strict=True), color="#4c78a8", linewidth=1)
        ax.set_title(name, fontsize=10)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(curves) :]:
        ax.set_axis_off()
    return figure
