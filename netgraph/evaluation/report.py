"""The report of a job, one self-contained HTML page: figures as cards, then pictures, tables folded away.

It is read on a screen, light or dark, as wide as a phone, and on paper, where all that is folded is open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from netgraph.figures import Metric, meaning_of
from netgraph.files import write_atomically
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.plot import draw
from netgraph.html import STYLE, Html, escape, folded, paragraph, scroll, svg_of, table_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colors of data and of lines that it is compared with: contrast of at least 3 to white and to the dark page.
COLOR, RED, GRAY = "#4c78a8", "#d9534f", "#87909b"
EDGES = "Blue edges are positive weights, red ones negative; gray edges only pass a value on."
#: Colors of text have a contrast of at least 4.5 to what is behind them.
_PAGE = """
:root { color-scheme: light; --paper: #ffffff; --card: #f3f5f8; --ink: #1d2733; --soft: #54606d; --line: #d9e0e7;
  --good: #1a7446; --bad: #ab3a25; }
@media screen and (prefers-color-scheme: dark) { :root { color-scheme: dark; --paper: #14181d; --card: #1e242b;
  --ink: #e6eaef; --soft: #a3afbb; --line: #38424d; --good: #62c793; --bad: #f2917b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1040px; padding: 36px 20px 64px; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 28px; line-height: 1.2; margin: 0; } h2 { font-size: 20px; margin: 40px 0 4px; }
p, li, dd { max-width: 75ch; } p, figcaption, dd, th { color: var(--soft); } .netgraph p { margin: 4px 0 14px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 215px), 1fr)); gap: 12px;
  margin: 20px 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; font-size: 14px;
  line-height: 1.35; }
.card dt { font-weight: 600; } .card dd { margin: 2px 0 0; }
.card .value { color: var(--ink); font-size: 27px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.card.good { border-left: 4px solid var(--good); } .card.bad { border-left: 4px solid var(--bad); }
.value strong { font-size: 14px; display: inline-block; }
.good strong { color: var(--good); } .bad strong { color: var(--bad); }
.card .beside { color: var(--ink); display: flex; justify-content: space-between; gap: 8px; }
@media (max-width: 480px) { .cards { grid-template-columns: 1fr 1fr; } .card { padding: 10px; } }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 8px 28px; }
.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); }
figure { margin: 0 0 10px; } figcaption { font-size: 14px; } .netgraph .pictures svg { display: block; width: 100%; }
.netgraph th, .netgraph td { padding: 6px 20px 6px 0; font-size: 14px; }
.netgraph th.number { white-space: normal; } td, th { overflow-wrap: normal; }
td:last-child:not(.number) { min-width: 10ch; }
small { display: block; font-size: 13px; color: var(--soft); } td code { overflow-wrap: anywhere; }
summary { padding: 4px 0; }
code { font-size: 14px; } .use dd { margin: 0; font-size: 14px; }
pre { width: max-content; min-width: 100%; margin: 10px 0 4px; padding: 8px 12px; background: var(--card);
  border: 1px solid var(--line); border-radius: 6px; }
@media print { body { max-width: none; padding: 0; font-size: 12px; } h2, section > p, summary { break-after: avoid; }
  figure, .card, tr, p, .use div { break-inside: avoid; } details::details-content { content-visibility: visible; }
  .scroll { overflow: visible; } pre { width: auto; white-space: pre-wrap; } summary { list-style: none; }
  .pictures { grid-template-columns: 1fr 1fr 1fr; } .wide { grid-template-columns: 1fr 1fr; } }
"""


@dataclass(frozen=True)
class Card:
    """Headline figure.

    Attributes:
        metric: Label and meaning of the figure.
        value: Its value, as people read it.
        beside: Values to compare it with, such as the target or those of other methods, by name.
        verdict: How it compares, in a word; nothing where that is no question of good or bad.
        good: Whether the verdict is good.
    """

    metric: Metric
    value: str
    beside: Mapping[str, str] = field(default_factory=dict)
    verdict: str = ""
    good: bool = True

    def html(self) -> str:
        """Return the card."""
        mark = "" if not self.verdict else " good" if self.good else " bad"
        verdict = f" <strong>{escape(self.verdict)}</strong>" if self.verdict else ""
        beside = "".join(
            f'<dd class="beside"><span>{escape(name)}</span> <span class="number">{escape(value)}</span></dd>'
            for name, value in self.beside.items()
        )
        return (
            f'<div class="card{mark}"><dt>{escape(self.metric.label)}</dt>'
            f'<dd class="value">{escape(self.value)}{verdict}</dd>{beside}'
            f"<dd>{escape(self.metric.meaning)}</dd></div>"
        )


def write_page(path: str | Path, title: str, intro: str, cards: Sequence[Card], sections: Sequence[str]) -> None:
    """Write a report as one HTML file that needs nothing else.

    Args:
        path: The file.
        title: The headline.
        intro: The sentence below it.
        cards: Headline figures.
        sections: The rest, as HTML.
    """
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{_PAGE}</style></head>"
        f'<body class="netgraph"><main><h1>{escape(title)}</h1>{paragraph(intro)}'
        f'<dl class="cards">{"".join(card.html() for card in cards)}</dl>{"".join(sections)}</main></body></html>'
    )
    write_atomically(Path(path), page.encode())


def section(title: str, text: str, *content: str) -> str:
    """Return a section; ``content`` is HTML, the rest is text."""
    return f"<section><h2>{escape(title)}</h2>{paragraph(text) if text else ''}{''.join(content)}</section>"


def new_axes(width: float = 3.6, height: float = 2.6) -> "Axes":
    """Return empty axes, sizes in inches: as large as they are shown, so that their text is as large as that around."""
    from matplotlib.figure import Figure

    ax = Figure(figsize=(width, height), layout="constrained").subplots()
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def draw_network(graph: NetGraph) -> "Axes":
    """Draw a network; :data:`EDGES` explains the colors."""
    return draw(graph, new_axes(5.2, 3.4))


def pictures(drawn: Mapping[str, "Axes"], wide: bool = False) -> str:
    """Return pictures by their captions, side by side where there is room."""
    figures = [
        f"<figure>{svg_of(cast('Figure', ax.figure), caption)}<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, ax in drawn.items()
    ]
    return f'<div class="pictures{" wide" if wide else ""}">{"".join(figures)}</div>'


def figures_section(
    figures: Mapping[str, float], metrics: Mapping[str, Metric], targets: Mapping[str, float] | None = None
) -> str:
    """Return the table of all figures by the names in ``metrics.json``, folded.

    Args:
        figures: Figures by name.
        metrics: Their meanings by name.
        targets: Least value that a figure should have, by name; no column where there are none at all.
    """
    rows: list[list[object]] = []
    for name, value in figures.items():
        meaning = meaning_of(name, metrics)
        small = f" <small>{escape(meaning)}</small>" if meaning else ""
        rows.append([Html(f"<code>{escape(name)}</code>{small}"), value])
        if targets:
            rows[-1].append(f"≥ {targets[name]:g}, {verdict(value, targets[name])}" if name in targets else "")
    table = table_html(["figure", "value", *(["target"] if targets else [])], rows)
    return section("All figures", "", folded(f"{len(rows)} figures, as in metrics.json", table))


def verdict(value: float, target: float) -> str:
    """Return in a word whether a value reaches a target."""
    return "reached" if value >= target else "missed"


def use_section(files: str, commands: Mapping[str, str]) -> str:
    """Return a sentence on files, and lines to copy, each with its purpose: purposes by command."""
    lines = [f"<div><dt>{_code(line)}</dt><dd>{escape(why)}</dd></div>" for line, why in commands.items()]
    return section("How to use it", files, f'<dl class="use">{"".join(lines)}</dl>')


def repeat_section(command: str, details: Mapping[str, str]) -> str:
    """Return the command of a job and its further conditions by name."""
    return section("To repeat it", "", _code(command), table_html([], list(details.items())))


def _code(line: str) -> str:
    return scroll(f"<pre><code>{escape(line)}</code></pre>")
