"""What reports share: cards, folded tables, colors that can be read, and a page as wide as a phone."""

import html
import re
import shutil
import subprocess

import pytest

from netgraph.evaluation import report
from netgraph.evaluation.report import (
    Card,
    figures_section,
    new_axes,
    pictures,
    repeat_section,
    section,
    use_section,
    write_page,
)
from netgraph.figures import Metric
from netgraph.html import table_html
from tests.evaluation.pages import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def drawn(width: float = 3.6):
    ax = new_axes(width)
    ax.plot([1, 2], [3, 4])
    return ax


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    long = "netgraph fit " + "a_long_name_of_a_file" * 20
    sections = [
        section("Pictures", "", pictures({"one": drawn(), "two": drawn(4.0)}), pictures({"wide": drawn(9)}, wide=True)),
        section("Wide", "", table_html([f"a name of column {i}" for i in range(40)], [[0.123456] * 40])),
        figures_section({"r2": 0.5, "a_name" * 20: 1.0, "n": 12345}, {"r2": Metric("<share>")}, {"r2": 0.75}),
        use_section("Files.", {long: "purpose"}),
        repeat_section(long, {"seed": "7"}),
    ]
    cards = [
        Card(Metric("a share", "R²"), "0.5", {"ridge": "0.6", "a long name of a method": "0.512345"}, "unsurpassed"),
        Card(Metric("a mean", "F1"), "0.2", {"target": "0.9"}, "missed", good=False),
        Card(Metric("weights", "Parameters"), "12"),
    ]
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_page(path, "A <title>", "An intro " + "x" * 300, cards, sections)
    return Page(path)


def test_a_page_is_sound_and_its_parts_are_in_order(page):
    page.check()
    texts = ["A <title>", "Pictures", "Wide", "All figures", "How to use it", "To repeat it"]
    assert [text for _, text in page.headings] == texts
    assert page.names == ["one", "two", "wide"]
    assert page.cards == [
        ["R²", "0.5 unsurpassed", "ridge 0.6", "a long name of a method 0.512345", "a share"],
        ["F1", "0.2 missed", "target 0.9", "a mean"],
        ["Parameters", "12", "weights"],
    ]
    assert re.findall(r'class="(card\b[^"]*)"', page.text) == ["card good", "card bad", "card"]


def test_the_table_of_figures_is_folded_and_tells_targets_and_meanings(page):
    assert page.figures() == {"r2": "0.5", "a_name" * 20: "1", "n": "12,345"}
    (number,) = page.folded
    assert page.tables[number][:2] == [["figure", "value", "target"], ["r2 <share>", "0.5", "≥ 0.75, missed"]]
    assert "target" not in figures_section({"r2": 0.5}, {})


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("number", [0, 1], ids=["light", "dark"])
def test_texts_and_data_can_be_told_from_the_page(number):
    blocks = re.findall(r":root \{([^}]*)\}", report._PAGE)
    assert len(blocks) == 2
    colors = dict(re.findall(r"--(\w+): (#\w{6})", blocks[number]))
    for behind in (colors["paper"], colors["card"]):
        assert min(contrast(colors[name], behind) for name in ("ink", "soft", "good", "bad")) >= 4.5
    assert min(contrast(color, colors["paper"]) for color in (report.COLOR, report.RED, report.GRAY)) >= 3


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_page_as_wide_as_a_phone_does_not_scroll_sideways(page, tmp_path):
    source = html.escape(page.text.replace("<details>", "<details open>"))
    (tmp_path / "frame.html").write_text(
        f'<iframe style="width: 390px; border: 0" srcdoc="{source}"></iframe><script>onload = () => {{'
        "document.title = frames[0].document.documentElement.scrollWidth }</script>"
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'user'}"]
    done = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", (tmp_path / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "<title>390</title>" in done.stdout
