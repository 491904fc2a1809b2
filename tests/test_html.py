"""HTML of reports and displays: cells, numbers and pictures, as parsers and people read them."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from netgraph.html import Html, escape, fragment, number, svg_of, table_html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (37713, "37,713"),
        (np.int64(12), "12"),
        (12.0, "12"),
        (0.123456, "0.1235"),
        (1234567.8, "1,234,568"),
        (-0.5, "-0.5"),
        (1e-7, "1e-07"),
        (3e20, "3e+20"),
        (np.float32(0.5), "0.5"),
        (float("nan"), "–"),
        (float("inf"), "inf"),
        (True, "True"),
        ("1000", "1000"),
        (None, "None"),
    ],
)
def test_numbers_are_written_as_people_read_them(value, text):
    assert number(value) == text


def test_a_table_escapes_text_and_puts_numbers_and_their_names_at_the_right():
    table = table_html(["<a>", "size"], [["<b>", 1000], [Html("<b>bold</b>"), 2]], "x & y")
    assert table == (
        '<div class="scroll"><table><caption>x &amp; y</caption><thead><tr><th scope="col">&lt;a&gt;</th>'
        '<th scope="col" class="number">size</th></tr></thead><tbody><tr><td>&lt;b&gt;</td>'
        '<td class="number">1,000</td></tr><tr><td><b>bold</b></td><td class="number">2</td></tr></tbody></table></div>'
    )


def test_without_a_header_the_first_cell_names_its_row():
    assert '<tr><th scope="row">seed</th><td class="number">7</td></tr>' in table_html([], [["seed", 7]])
    assert "<thead>" not in table_html([], [["seed", 7]])
    assert "<tbody></tbody>" in table_html(["a", "b"], [])


def test_html_is_escaped_once():
    assert escape(escape("<&>")) == "&lt;&amp;&gt;"
    assert fragment("<p>a</p>").endswith("</style><p>a</p></div>")


def scatter(n: int, color: str = "black") -> Figure:
    figure = Figure(figsize=(4, 3), layout="constrained")
    ax = figure.subplots()
    ax.scatter(*np.random.default_rng(0).normal(size=(2, n)), color=color, label="rows")
    ax.set(xlabel="a < b", xscale="symlog")
    ax.legend()
    return figure


@pytest.mark.parametrize("n", [3, 3000])
def test_a_picture_is_named_transparent_of_text_and_takes_the_color_of_its_page(n):
    picture = svg_of(scatter(n), "<name>")
    svg = ElementTree.fromstring(picture)  # noqa: S314 - drawn here
    assert (svg.tag, svg.get("role"), svg[0].tag, svg[0].text) == ("svg", "img", "title", "<name>")
    assert [text.text for text in svg.iter("text") if text.text == "a < b"] == ["a < b"]
    assert "currentColor" in picture
    assert not re.search(r"#000000|#ffffff|font-family|http|<style|<!--", picture)
    assert len(list(svg.iter("image"))) == (n == 3000)  # as pixels where that is shorter


def test_every_id_is_used_every_use_has_its_id_and_no_two_figures_share_one():
    pictures = [svg_of(scatter(5, color), color) for color in ("red", "black")]
    ids = [re.findall(r'id="([^"]+)"', picture) for picture in pictures]
    for picture, its in zip(pictures, ids, strict=True):
        assert set(its) == set(re.findall(r'(?:href="#|url\(#)([^")]+)', picture))
        assert len(set(its)) == len(its) > 0
    assert not set(ids[0]) & set(ids[1])
    assert svg_of(scatter(5, "red"), "red") == pictures[0]


def test_a_figure_is_left_as_it_was():
    figure = scatter(5)
    before = figure.get_facecolor(), figure.axes[0].collections[0].get_rasterized()
    svg_of(figure, "")
    assert (figure.get_facecolor(), figure.axes[0].collections[0].get_rasterized()) == before
