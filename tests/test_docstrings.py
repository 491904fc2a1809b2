"""Docstrings speak the field's language, and public functions have an example."""

import ast
import re
from importlib import import_module
from inspect import isfunction
from pathlib import Path

import pytest

import netgraph

ROOT = Path(netgraph.__file__).parent
#: Rooms, and files beside them, that keep the rules.
CLEAN = (
    *("evaluation", "model", "search", "stack", "tasks", "tokens", "training", "zoo"),
    *sorted(path.name for path in ROOT.glob("*.py")),
)
#: Rooms and modules whose public functions have an example.
WITH_EXAMPLES = ("evaluation", "evaluation.metrics", "model", "stack", "tasks", "tokens", "training", "zoo")
OPENINGS = ("Give", "Gives", "Say", "Says", "What")
#: Vague words, and clauses that stand where a noun should.
BANNED = re.compile(
    r"\b(so many|so much|so often|likewise|go(?:es)? on|(?:is|are) worth|what|those (?:that|which|there))\b",
    re.IGNORECASE,
)


def docstrings(path):
    """Yield line and text of every docstring of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def problems(path):
    for line, text in docstrings(path):
        if text.split()[0] in OPENINGS:
            yield f"{path.relative_to(ROOT)}:{line} opens with {text.split()[0]}"
        yield from (f"{path.relative_to(ROOT)}:{line} says {found[0]!r}" for found in BANNED.finditer(text))


@pytest.mark.parametrize("name", CLEAN)
def test_docstrings_keep_the_rules(name):
    files = [ROOT / name] if name.endswith(".py") else sorted((ROOT / name).rglob("*.py"))
    assert files
    assert [problem for path in files for problem in problems(path)] == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_public_functions_have_an_example(name):
    room = import_module(f"netgraph.{name}")
    functions = [name for name in room.__all__ if isfunction(getattr(room, name)) and not name.endswith("_per_pair")]
    assert [name for name in functions if ">>> " not in (getattr(room, name).__doc__ or "")] == []
