"""Benchmarks are written with the public interface alone."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def imports(tree):
    """Every imported module, with the names that are taken out of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node.module, [alias.name for alias in node.names]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_benchmark_reads_nothing_private(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for module, names in imports(tree):
        room = module.split(".")
        assert room[0] != "tests"
        assert not any(part.startswith("_") for part in (*room[1:], *names) if part != "__version__")
        if room[0] == "netgraph":
            assert len(room) <= 2, f"{module} is within a room"
            public = getattr(import_module(module), "__all__", names)
            assert set(names) <= set(public), f"{module} does not export {set(names) - set(public)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
            assert isinstance(node.value, ast.Name), ast.unparse(node)
            assert node.value.id in ("self", "cls"), ast.unparse(node)
