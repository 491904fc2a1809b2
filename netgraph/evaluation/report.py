"""Report on a model, as one self-contained HTML file."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netgraph.evaluation.behavior import low_decile, median
from netgraph.evaluation.evaluate import Evaluated, Reconstruction
from netgraph.evaluation.page import image, new_figure, number, section, table, write_page
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.plot import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Each figure of a run in one line, for people to read.
MEANING = {
    "edge_accuracy": "edges shared by original and rebuilt network, over all edges of both",
    "edge_f1": "F1 of the rebuilt edges",
    "architecture_accuracy": "rebuilt networks whose architecture is exactly the original's",
    "weight_within_tolerance": "weights rebuilt to within a tenth of their layer's deviation",
    "cosine_similarity": "cosine between the last hidden activations, original against rebuilt",
    "parameter_cosine_similarity": "cosine between the canonical parameters, last layer left out",
    "output_r2_median": "R² of the rebuilt outputs for the original's, median over networks",
    "output_r2_p10": "the same, 10th percentile: nine networks in ten are rebuilt at least so well",
    "output_r2_mean_clamped": "the same, mean, each network counted as −1 at worst",
    "agreement": "rows on which the rebuilt network predicts the original's class, of networks that classify",
    "validity": "samples that build and run",
    "uniqueness": "distinct samples",
    "novelty": "distinct samples that are not in the training zoo",
    "architecture_uniqueness": "distinct architectures among the samples",
    "architecture_novelty": "distinct architectures that are not in the training zoo",
    "sample_quality": "1: samples behave like trained networks, 0: like random ones",
    "shape_quality": "the same of the shape of functions: outputs standardized network by network",
    "random_auc": "AUC of a classifier by that shape, random weights against held-out trained networks; 0.5: chance",
    "sample_auc": "the same for samples",
    "floor_auc": "the same for other trained networks",
    "n_shape": "networks a side of that test, one a task, equal numbers of inputs",
    "function_spread": "total deviation of standardized behavior, samples over held-out trained networks",
    "sample_behaviour_distance": "energy distance in standardized behavior, samples to held-out trained networks",
    "random_behaviour_distance": "the same for random weights in the samples' architectures",
    "floor_behaviour_distance": "the same for other trained networks; near 0, and below it by chance",
    "sample_working": "samples with finite outputs that are not constant",
    "trained_working": "the same of held-out trained networks",
    "random_working": "the same of random weights in the samples' architectures",
    "sample_dead": "hidden neurons of the samples that are constant, such as a ReLU that is never active",
    "trained_dead": "the same of held-out trained networks",
    "random_dead": "the same of random weights in the samples' architectures",
    "sample_saturated": "Tanh and Sigmoid neurons of the samples that are at their bounds on 95 % of rows",
    "trained_saturated": "the same of held-out trained networks",
    "random_saturated": "the same of random weights in the samples' architectures",
    "sampled_steps": "steps (0, 10, 50, 100, 500) that make samples as good as the median trained network of the task",
    "random_steps": "the same of random weights in the samples' architectures",
    "sampled_share_reached": "samples that become as good at all",
    "random_share_reached": "the same of random weights in the samples' architectures",
    "zoo_models_per_second": "networks trained a second, all processes together",
    "train_seconds": "training of the VAE, seconds",
    "total_seconds": "the whole run, seconds",
    "n_train": "networks trained on",
    "n_test": "held-out networks, all of held-out tasks",
}


def write_report(
    path: str | Path,
    title: str,
    evaluated: Evaluated,
    figures: Mapping[str, float],
    targets: Mapping[str, float],
    curves: Mapping[str, Sequence[tuple[int, float]]],
    real: Mapping[str, float],
) -> None:
    """Write the evaluation of a model as one self-contained HTML file.

    Args:
        path: The file.
        title: Its headline.
        evaluated: The evaluation of the model.
        figures: Figures by name, of the model and of its training.
        targets: Least value that a figure should have, by name.
        curves: Points (step, value) of every loss term; none where the training was not seen.
        real: Test R^2 of each method on the real data set; none where there was none.
    """
    sections = [
        section("Figures", "", _metrics_table(figures, targets)),
        section(
            "How well networks are rebuilt",
            "Every held-out network counts once; values below −1 are drawn at −1.",
            image(_histograms(evaluated.reconstruction), "Distribution over held-out networks"),
        ),
        section("Three networks and what was rebuilt of them", _EDGES, "".join(map(_pair, evaluated.pairs))),
        section(
            "The latent space",
            "Function codes of held-out networks on their first two principal components, colored by task family; "
            "the outermost hundredth on each side is drawn at the edge.",
            image(_latents(evaluated), "Latent space"),
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
    "scored by cross-validation, and the best joined to one network, in which baselines (a linear network, wide ones "
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


def _histograms(rebuilt: Reconstruction) -> "Figure":
    figure = new_figure(10, 3)
    for ax, (name, values) in zip(
        figure.subplots(1, 2),
        (("output R²", rebuilt.output_r2), ("cosine similarity", rebuilt.cosine)),
        strict=True,
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


def _latents(evaluated: Evaluated) -> "Figure":
    from matplotlib import colormaps
    from sklearn.decomposition import PCA

    figure = new_figure(9, 5)
    ax = figure.subplots()
    points = PCA(2).fit_transform(evaluated.latents.numpy())
    points = points.clip(*np.quantile(points, (0.01, 0.99), axis=0))
    colors = colormaps["tab20"]
    for i, family in enumerate(sorted(set(evaluated.families))):
        chosen = [j for j, other in enumerate(evaluated.families) if other == family]
        ax.scatter(points[chosen, 0], points[chosen, 1], s=12, alpha=0.7, color=colors(i), label=family)
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
