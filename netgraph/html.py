"""HTML that reports and notebook displays are made of: tables, pictures as SVG, numbers as people read them."""

import html
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from hashlib import sha256
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Style of tables and pictures inside ``class="netgraph"``: the colors of the surroundings, light or dark; a wide table
#: scrolls in its own box.
STYLE = """
.netgraph .scroll { overflow-x: auto; }
.netgraph table { border-collapse: collapse; table-layout: auto; margin: 0; font-variant-numeric: tabular-nums; }
.netgraph caption { text-align: left; padding: 4px 0; font-weight: 600; }
.netgraph th, .netgraph td { text-align: left; vertical-align: top; padding: 5px 12px 5px 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
.netgraph .number { text-align: right; white-space: nowrap; }
.netgraph .scroll + .scroll { margin-top: 10px; }
.netgraph p, .netgraph details { margin: 6px 0; }
.netgraph summary { cursor: pointer; }
.netgraph svg { max-width: 100%; height: auto; }
"""
#: The same in a notebook: the class twice, so that it is as specific as Jupyter's own rules for tables, whose rows have
#: a background.
_IN_NOTEBOOK = STYLE.replace(".netgraph ", ".netgraph.netgraph ").replace("5px 12px 5px 0", "5px 8px")
#: Resolution of what is drawn as pixels inside a picture, dots an inch: 1.5 times that of a screen; chosen.
DPI = 144


class Html(str):
    """Text that is HTML already, and is not escaped again."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Return a value as HTML text.

    Args:
        value: Anything with a text; :class:`Html` stays as it is.

    Example:
        >>> escape("a < b")
        'a &lt; b'
    """
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def number(value: object) -> str:
    """Return a number as people read it: whole numbers in full, others with four digits; of anything else its text.

    Example:
        >>> number(37713), number(0.123456), number(float("nan"))
        ('37,713', '0.1235', '–')
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    if isinstance(value, Integral):
        return f"{int(value):,}"
    value = float(value)
    return "–" if value != value else f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def table_html(header: Sequence[object], rows: Sequence[Sequence[object]], caption: str | None = None) -> Html:
    """Return a table; numbers stand at the right.

    Args:
        header: Names of the columns; without any, the first cell of each row is the row's name.
        rows: Cells, row by row: text, numbers, or :class:`Html`.
        caption: Its headline.

    Example:
        >>> table_html(["layer", "size"], [["linear", 3]]).count("</td>")
        2
    """
    first = rows[0] if header and rows else header
    names = "".join(_cell("th", name, ' scope="col"', like) for name, like in zip(header, first, strict=True))
    body = ""
    for row in rows:
        cells = [_cell("td", value) for value in row]
        if not header:
            cells[0] = _cell("th", row[0], ' scope="row"')
        body += f"<tr>{''.join(cells)}</tr>"
    head = f"<thead><tr>{names}</tr></thead>" if header else ""
    title = "" if caption is None else f"<caption>{escape(caption)}</caption>"
    return scroll(f"<table>{title}{head}<tbody>{body}</tbody></table>")


def _cell(tag: str, value: object, attributes: str = "", like: object = None) -> str:
    """Return a cell; it stands at the right where it, or the value that it is above, is a number."""
    if isinstance(value if like is None else like, Real):
        attributes += ' class="number"'
    return f"<{tag}{attributes}>{value if isinstance(value, Html) else escape(number(value))}</{tag}>"


def scroll(content: str) -> Html:
    """Return wide content in a box that it scrolls in.

    Example:
        >>> scroll("<svg></svg>")
        '<div class="scroll"><svg></svg></div>'
    """
    return Html(f'<div class="scroll">{content}</div>')


def paragraph(text: object) -> Html:
    """Return a text as a paragraph.

    Example:
        >>> paragraph("a < b")
        '<p>a &lt; b</p>'
    """
    return Html(f"<p>{escape(text)}</p>")


def folded(summary: object, content: str) -> Html:
    """Return content that is shown when its headline is clicked.

    Example:
        >>> folded("more", "<p>all</p>")
        '<details><summary>more</summary><p>all</p></details>'
    """
    return Html(f"<details><summary>{escape(summary)}</summary>{content}</details>")


def settings_html(values: Mapping[str, Any], caption: str | None = None) -> Html:
    """Return nested settings as a table of their paths and values.

    Args:
        values: Values by name: numbers, text, sequences, or further mappings.
        caption: Its headline.

    Example:
        >>> "<td>1, 16</td>" in settings_html({"tasks": {"n_features": [1, 16]}})
        True
    """
    return table_html([], list(flat(values)), caption)


def flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of each value of nested settings, and the value as text.

    Example:
        >>> list(flat({"tasks": {"n_features": [1, 16]}, "seed": 0}))
        [('tasks.n_features', '1, 16'), ('seed', '0')]
    """
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{path}{key}.")
        elif isinstance(value, Sequence | Set | Mapping) and not isinstance(value, str):
            yield f"{path}{key}", ", ".join(map(number, value)) or ("{}" if isinstance(value, Mapping) else "none")
        else:
            yield f"{path}{key}", number(value)


def fragment(*parts: str) -> Html:
    """Return parts with their style, as one element that a notebook shows.

    Example:
        >>> fragment(table_html(["a"], [[1]])).startswith('<div class="netgraph">')
        True
    """
    return Html(f'<div class="netgraph"><style>{_IN_NOTEBOOK}</style>{"".join(parts)}</div>')


def svg_of(figure: "Figure", title: str) -> Html:
    """Return a figure as an SVG element inside a page: transparent, black as the color of the text around it.

    Texts stay texts. Points and lines of data are drawn as pixels where that takes fewer bytes. Ids that are referred
    to are unique to the figure, others are left out, so that several figures stand in one page.

    Args:
        figure: A figure of matplotlib.
        title: Its name, for those who do not see it.

    Example:
        >>> from matplotlib.figure import Figure
        >>> svg_of(Figure(figsize=(2, 1)), "Nothing")[:49]
        '<svg viewBox="0 0 144 72" width="192" height="96"'
    """
    data = [one for ax in figure.axes for one in ax.collections if not one.get_rasterized()]
    svg = _drawn(figure)
    if data:
        try:
            for one in data:
                one.set_rasterized(True)
            svg = min(svg, _drawn(figure), key=len)
        finally:
            for one in data:
                one.set_rasterized(False)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{sha256(svg.encode()).hexdigest()[:8]}-", svg)
    width, height = figure.get_size_inches()
    opening = (
        f'<svg viewBox="0 0 {72 * width:g} {72 * height:g}" width="{96 * width:.0f}" height="{96 * height:.0f}" '
        f'role="img" fill="currentColor" stroke-linejoin="round"><title>{escape(title)}</title>'
    )
    return Html(opening + svg[svg.index(">") + 1 :])


def _drawn(figure: "Figure") -> str:
    """Return a figure as SVG that is short and takes the colors and the font of its surroundings."""
    from matplotlib import rc_context

    buffer, metadata = io.StringIO(), dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "netgraph"}):
        figure.savefig(buffer, format="svg", transparent=True, dpi=DPI, metadata=metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for pattern, replacement in _SHORTER:
        svg = re.sub(pattern, replacement, svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    return re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", svg)


def _short(found: re.Match[str]) -> str:
    """Return an attribute with numbers to a hundredth of a point, and without needless spaces."""
    text = re.sub(r"-?\d+\.\d{3,}", lambda value: f"{float(value[0]):.2f}".rstrip("0").rstrip("."), found[0])
    return re.sub(r"\s*([MLCQzZ:;])\s*", r"\1", text)


#: Parts of matplotlib's SVG and what stands in their place.
_SHORTER: Sequence[tuple[str, str | Callable[[re.Match[str]], str]]] = (
    (r"<!--.*?-->|<defs>\s*<style.*?</style>\s*</defs>|<metadata>.*?</metadata>", ""),
    (r' (?:d|x|y|width|height|transform|points|style)="[^"]*"', _short),
    (r";font-family:[^;\"]*|font-family:[^;\"]*;", ""),
    (r' transform="rotate\(-?0 [^"]*"', ""),
    (r"xlink:href", "href"),
    (r"#000000", "currentColor"),
    (r"#ffffff", "var(--paper, #fff)"),
    (r"\s*\n\s*", "\n"),
)
