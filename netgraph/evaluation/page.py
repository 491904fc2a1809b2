"""One self-contained HTML page: its style, sections, pictures and tables."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netgraph.files import write_atomically

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


def write_page(title: str, intro: str, sections: Sequence[str], path: str | Path) -> None:
    """Write a page as one HTML file that needs nothing else."""
    heading = html.escape(title)
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{heading}</title><style>{_STYLE}</style></head><body><h1>{heading}</h1><p>{html.escape(intro)}</p>"
        f"{''.join(sections)}</body></html>"
    )
    write_atomically(Path(path), page.encode())


def section(title: str, text: str, content: str) -> str:
    """Return a section; ``content`` is HTML, the rest is text."""
    return f"<h2>{html.escape(title)}</h2><p>{html.escape(text)}</p>{content}"


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def image(figure: "Figure", caption: str) -> str:
    """Return a figure as a picture inside the page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    text = html.escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def table(head: Sequence[str], rows: Sequence[Sequence[str | float]]) -> str:
    """Return a table; numbers stand at the right."""

    def cell(value: str | float) -> str:
        return (
            f"<td>{html.escape(value)}</td>" if isinstance(value, str) else f'<td class="number">{number(value)}</td>'
        )

    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{html.escape(name)}</th>' for name in head)}</tr>{body}</table>"


def number(value: float) -> str:
    """Return a number as people read it."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
