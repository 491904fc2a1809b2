"""Pages that are made when the site is built: what lies elsewhere in the checkout, and the options of the command."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docstring_parser
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
#: Files outside of docs/ that are pages, or pictures of pages.
ELSEWHERE = ("benchmarks/RESULTS.md", "benchmarks/pictures/*.png", "notebooks/*.ipynb")
#: Files beside README.md that are pages.
PAPERS = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
HEAD = "# The command\n\n`netgraph --help` and `netgraph COMMAND --help` show the same in a terminal.\n"
sys.path.insert(0, str(ROOT))


@event_priority(100)  # before mkdocs-jupyter looks for notebooks
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for name in (path.relative_to(ROOT).as_posix() for pattern in ELSEWHERE for path in ROOT.glob(pattern)):
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    for name in PAPERS:
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, "reference/command.md", content="\n".join([HEAD, *commands()])))
    return files


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Name the pictures of notebooks."""
    return html.replace("No description has been provided for this image", "Picture drawn by the code above")


def commands() -> Iterator[str]:
    """Yield a section for each command."""
    from netgraph.cli import COMMANDS

    for name, command in COMMANDS.items():
        for words, function in _functions(name, command):
            yield from _section(words, function)


def _functions(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    if callable(command):
        yield words, command
        return
    for name, inner in command.items():
        if not name.startswith("_"):
            yield from _functions(f"{words} {name}", inner)


def _section(words: str, function: Any) -> Iterator[str]:
    """Yield heading, description and options of one command."""
    text = docstring_parser.parse(function.__doc__ or "", docstring_parser.DocstringStyle.GOOGLE)
    yield f"## netgraph {words}\n\n{text.description}\n"
    parameters = inspect.signature(function).parameters
    for described in text.params:
        default = parameters[described.arg_name].default
        shown = " (required)" if default is inspect.Parameter.empty else f" (default: `{default}`)"
        name, meaning = described.arg_name.replace("_", "-"), " ".join((described.description or "").split())
        yield f"`--{name}`{'' if default is None else shown}\n:   {meaning}\n"
