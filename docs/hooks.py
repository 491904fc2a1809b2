"""Pages that are made when the site is built: what lies elsewhere in the checkout, and the options of the command."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
#: Files outside of docs/ that are pages, or pictures of pages.
ELSEWHERE = ("benchmarks/RESULTS.md", "benchmarks/pictures/*.png", "notebooks/*.ipynb")
#: Files beside README.md that are pages.
PAPERS = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
#: How far pages come before others of the same words in the search, by the beginning of their names; chosen: a
#: newcomer's questions lead to a quick start, a how-to or a definition before notebooks, papers and the reference.
BOOST = {"index": 8.0, "start/": 6.0, "howto/": 8.0, "concepts": 3.0, "glossary": 12.0, "limits": 3.0}
HEAD = """# The command

`netgraph --help` and `netgraph COMMAND --help` show the same in a terminal. `netgraph --install-completion` lets the
shell complete commands, options and their choices. Every command has `--quiet` (`-q`), which prints nothing but
errors, and `--verbose` (`-v`), which shows where warnings and errors come from. The exit code is 0, 2 after one line
that says what is wrong with the input, or 130 after an interrupt.
"""
EXAMPLES = "# Examples\n\nScripts of the folder `examples/`, which run in seconds: `python examples/04_prune.py`.\n"
sys.path.insert(0, str(ROOT))


@event_priority(100)  # before mkdocs-jupyter looks for notebooks
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for name in (path.relative_to(ROOT).as_posix() for pattern in ELSEWHERE for path in ROOT.glob(pattern)):
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    for name in PAPERS:
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, "examples.md", content="\n".join([EXAMPLES, *scripts()])))
    files.append(File.generated(config, "reference/command.md", content="\n".join([HEAD, *commands()])))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> None:
    """Let the search find pages that explain first."""
    for name, boost in BOOST.items():
        if page.file.src_uri.startswith(name):
            page.meta["search"] = {"boost": boost}


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Name the pictures of notebooks."""
    return html.replace("No description has been provided for this image", "Picture drawn by the code above")


def scripts() -> Iterator[str]:
    """Yield a section for each example: its name, what its docstring says, and its code."""
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        description = ast.get_docstring(ast.parse(text)) or ""
        code = text.split('"""', 2)[2].strip()
        yield f"## {path.name}\n\n{description.replace('``', '`')}\n\n```python\n{code}\n```\n"


def commands() -> Iterator[str]:
    """Yield a section for each command."""
    from netgraph.cli import COMMANDS, build

    whole = build()
    for words in COMMANDS:
        command = whole
        for word in words.split():
            command = command.commands[word]
        yield f"## netgraph {words}\n\n{command.help}\n"
        examples = "\n".join(command.epilog.split("\n\n")[1:])
        yield f"```text\n{examples}\n```\n"
        yield from (_parameter(one) for one in command.params if one.name not in ("quiet", "verbose"))


def _parameter(parameter: Any) -> str:
    """Return the name of a parameter, its choices, default and meaning."""
    name = parameter.metavar if parameter.param_type_name == "argument" else " ".join(parameter.opts)
    choices = parameter.type_descriptor.choices
    shown = f" ({', '.join(map(str, choices))})" if choices else ""
    if parameter.required:
        shown += " (required)"
    elif parameter.default not in (None, False):
        shown += f" (default: `{parameter.default}`)"
    return f"`{name}`{shown}\n:   {parameter.help}\n"
