"""The site: every block of its pages runs, its drawings can be drawn anew, and it builds without a warning."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from netgraph.cli import main
from netgraph.tasks.families import base

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
#: A block, its language, and the reason why it is not run, where it is not.
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>\n]+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
#: Languages of blocks that are no code to run.
SHOWN = {"diff", "text"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).with_suffix("").as_posix()


def blocks(page: Path) -> list[re.Match[str]]:
    return [block for block in BLOCK.finditer(page.read_text(encoding="utf-8")) if block["language"] not in SHOWN]


RUN = [page for page in PAGES if any(block["reason"] is None for block in blocks(page))]


def run_commands(text: str) -> None:
    """Run the commands of a block, ``netgraph`` in this process."""
    for line in text.splitlines():
        words = shlex.split(line)
        if words[0] == "netgraph":
            assert main(words[1:]) == 0, line
        else:
            assert words[0] == "python", line
            subprocess.run([sys.executable, *words[1:]], check=True, capture_output=True)


@pytest.mark.docs
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_blocks_run_from_the_top_of_a_page_to_its_end(page, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))  # a page registers a family
    namespace: dict[str, Any] = {"__name__": "__main__"}
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block["reason"] is None and block["language"] == "python":
            line = text[: block.start("text")].count("\n")
            exec(compile("\n" * line + block["text"], str(page), "exec"), namespace)  # noqa: S102
        elif block["reason"] is None:
            run_commands(block["text"])
    assert capfd.readouterr().out.strip()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_that_are_not_run_are_sound_and_their_commands_have_the_options(page, capsys):
    for block in blocks(page):
        assert block["language"] in ("python", "bash")
        if block["language"] == "python":
            compile(block["text"], str(page), "exec")
        elif block["reason"] is not None:
            for line in block["text"].splitlines():
                words = [word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=", word)]
                if words[0] == "netgraph":
                    assert options_of(words, capsys) >= {word for word in words if word.startswith("--")}


def options_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Return the options in the help of a command."""
    command = words[1:3] if words[1] in ("zoo", "datasets") else words[1:2]
    assert main([*command, "--help"]) == 0
    return {option.replace("_", "-") for option in re.findall(r"--[\w-]+", capsys.readouterr().out)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_one_title_no_skipped_heading_and_a_text_for_each_picture(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    levels = [len(heading) for heading in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(level <= before + 1 for before, level in pairwise(levels))
    assert [alt for alt in re.findall(r"!\[(.*?)\]", text) if len(alt) < 20] == []


def test_drawings_of_light_and_dark_pages_are_there_and_the_script_draws_them_all(tmp_path):
    loop = runpy.run_path(str(DOCS / "drawings.py"))
    names = {f"{name}-{mode}.svg" for name in loop["DRAWINGS"] for mode in loop["MODES"]}
    assert {path.name for path in (DOCS / "drawings").iterdir()} == names
    loop["main"](tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == names
    used = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in names if f"drawings/{name}" not in used] == []


@pytest.mark.docs
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs_jupyter", reason="the extra [docs] is not installed")
    pytest.importorskip("mkdocstrings_handlers.python", reason="the extra [docs] is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    results = (tmp_path / "benchmarks" / "RESULTS.html").read_text(encoding="utf-8")
    assert "Rate and distortion" in results
    assert "netgraph zoo build" in (tmp_path / "reference" / "command.html").read_text(encoding="utf-8")
    assert "04_prune.py" in (tmp_path / "examples.html").read_text(encoding="utf-8")
    found = json.loads((tmp_path / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    first = {section["location"].split("#")[0] for section in found if section.get("boost", 1) > 1}
    assert {page.relative_to(DOCS).with_suffix(".html").as_posix() for page in (DOCS / "howto").iterdir()} <= first
    assert {"index.html", "start/table.html", "concepts.html", "glossary.html", "limits.html"} <= first
    reference = (tmp_path / "reference" / "graph.html").read_text(encoding="utf-8")
    assert "from_module" in reference
    assert ":class:" not in reference


def test_papers_name_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert version in versions
