"""What imports what: the rooms stand in one order, and no two files import each other, not even inside a function."""

import ast
from pathlib import Path

import networkx as nx

import netgraph

ROOT = Path(netgraph.__file__).parent
#: Bottom to top; files on one line may import each other as long as that makes no circle.
ORDER = (
    ("errors", "figures", "files", "html", "inputs", "lazy", "lines", "machine", "outputs", "progress", "reading"),
    *((room,) for room in ("graph", "tokens", "stack", "tasks", "zoo", "model", "training", "evaluation", "search")),
    (
        "__main__",
        "cli",
        "commands",
        "job",
        "on_real_data",
        "options",
        "presets",
        "run",
        "table_commands",
        "zoo_commands",
    ),
)
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}


def module_of(path):
    parts = ("netgraph", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports():
    """Map each module but the package itself, whose imports are lazy, to the modules of the package it imports."""
    trees = {module_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py")}
    found = {name: set() for name in trees}
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names if alias.name in trees}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}: relative import in line {node.lineno}"
                full = {f"{node.module}.{alias.name}": node.module for alias in node.names}
                found[name] |= {part if part in trees else whole for part, whole in full.items()} & trees.keys()
    return {name: others - {"netgraph"} for name, others in found.items() if name != "netgraph"}


def level_of(module):
    return LEVEL[module.split(".")[1]]


def test_every_room_has_its_place():
    assert {name.split(".")[1] for name in imports()} == LEVEL.keys()


def test_no_room_imports_a_higher_one():
    upward = [(a, b) for a, others in imports().items() for b in others if level_of(b) > level_of(a)]
    assert upward == []


def test_no_two_files_import_each_other():
    graph = nx.DiGraph({name: sorted(others) for name, others in imports().items()})
    circles = [sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1]
    assert circles == []
