"""One self-contained HTML file that shows a run."""

import base64
import html
import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgraph.evaluation.behavior import low_decile, median
from netgraph.evaluation.meaning import MEANING
from netgraph.files import write_atomically
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.plot import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { --ink: #1d2733; --soft: #5b6875; --line: #e3e8ee; --paper: #ffffff; --good: #1b7f4b; --bad: #b3402a; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1040px; padding: 40px 24px 80px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 30px; margin: 0; } h2 { font-size: 21px; margin: 44px 0 6px; }
p { color: var(--soft); margin: 4px 0 14px; max-width: 75ch; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: 14px; } td.number { text-align: right; white-space: nowrap; }
code { font-size: 14px; } .good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
img { width: 100%; height: auto; display: block; } figure { margin: 0 0 26px; }
figcaption { color: var(--soft); font-size: 14px; }
"""


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Attributes:
        title: Its headline.
        metrics: Figures by name.
        targets: What a figure should at least be, where there is such a mark.
        curves: Points (step, value) of every loss term.
        pairs: Original and rebuilt networks with the cosine and the output R^2 of the pair.
        latents: Latents of held-out networks, [n, latent].
        families: Task family of each of them.
        output_r2: Of every held-out pair, [n].
        cosine: Likewise.
        real: Test R^2 of each method on the real data set.
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
    title = html.escape(report.title)
    body = [
        f"<h1>{title}</h1>",
        "<p>Held-out tasks, decoded free-running: from the latent alone, nothing of the true network given.</p>",
        _section("Figures", "", _metrics_table(report)),
        _section(
            "How well networks are rebuilt",
            "Every held-out network counts once; values below −1 are drawn at −1.",
            _image(_histograms(report), "Distribution over held-out networks"),
        ),
        _section("Three networks and what was rebuilt of them", _EDGES, "".join(map(_pair, report.pairs))),
        _section(
            "The latent space",
            "Latents of held-out networks on their first two principal components, colored by task family.",
            _image(_latents(report), "Latent space"),
        ),
        _section("Training", "Every term of the loss, unweighted.", _image(_curves(report), "Loss terms over steps")),
        _section("A real data set: diabetes", _REAL, _real_table(report.real)),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )
    write_atomically(Path(path), page.encode())


_EDGES = "Original on the left, rebuilt on the right. Blue edges are positive, red ones negative, gray ones structural."
_REAL = (
    "Networks are sampled for the data set's meta-features; the best few on the training rows are fine-tuned, the best "
    "of those on validation rows is tested. The random networks have the same architectures and the same fine-tuning."
)


def _section(title: str, text: str, content: str) -> str:
    return f"<h2>{html.escape(title)}</h2><p>{html.escape(text)}</p>{content}"


def _metrics_table(report: Report) -> str:
    rows = []
    for name, value in report.metrics.items():
        target = report.targets.get(name)
        mark = "" if target is None else f"≥ {target:g}"
        style = "" if target is None else (" good" if value >= target else " bad")
        rows.append(
            f'<tr><td><code>{html.escape(name)}</code></td><td class="number{style}">{_number(value)}</td>'
            f'<td class="number">{mark}</td><td>{html.escape(MEANING.get(name, ""))}</td></tr>'
        )
    return f"<table><tr><th>figure</th><th>value</th><th>mark</th><th>what it is</th></tr>{''.join(rows)}</table>"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _real_table(real: Mapping[str, float]) -> str:
    rows = "".join(
        f'<tr><td>{html.escape(name)}</td><td class="number">{value:.3f}</td></tr>' for name, value in real.items()
    )
    return f"<table><tr><th>method</th><th>test R²</th></tr>{rows}</table>"


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _image(figure: "Figure", caption: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    text = html.escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def _histograms(report: Report) -> "Figure":
    figure = _figure(10, 3)
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
    figure = _figure(11, 3.6)
    for ax, graph, title in zip(figure.subplots(1, 2), (original, rebuilt), ("original", "rebuilt"), strict=True):
        draw(graph, ax)
        ax.set_title("\n".join(textwrap.wrap(f"{title}: {graph.architecture!r}", 80)), fontsize=8)
    return _image(figure, f"cosine {cosine:.3f}, output R² {r2:.3f}")


def _latents(report: Report) -> "Figure":
    figure = _figure(9, 5)
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
    figure = _figure(10, 5.5)
    axes = figure.subplots(2, 4).flatten()
    for ax, (name, points) in zip(axes, report.curves.items(), strict=False):
        ax.plot(*zip(*points, strict=True), color="#4c78a8", linewidth=1)
        ax.set_title(name, fontsize=10)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(report.curves) :]:
        ax.set_axis_off()
    return figure
