"""The figures of the package and of new data sets: ``python -m benchmarks.figures``."""

import argparse
import ast
from pathlib import Path

import networkx as nx

from benchmarks.harness import RUNS, load_runs
from benchmarks.methods import OURS
from benchmarks.new_datasets import TIMED_FIT, in_mlp_time, mean_ranks

ROOT = Path(__file__).parents[1]


def lines(folder: str) -> int:
    """Count the lines of the Python files in a folder of the repository."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / folder).rglob("*.py"))


def import_cycles(package: str) -> list[list[str]]:
    """Return the groups of modules of a package that import each other, wherever the imports stand."""
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / package).rglob("*.py")}
    modules, graph = {name.removesuffix(".__init__"): path for path, name in names.items()}, nx.DiGraph()
    for module, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                graph.add_edges_from((module, name) for name in imported if name in modules)
    return [sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the JSON files of the benchmarks")
    runs = load_runs("new_datasets", parser.parse_args().runs)
    for folder in ("netgraph/search", "benchmarks", "netgraph"):
        print(f"lines of {folder}: {lines(folder):,}")
    print(f"import cycles in netgraph/search: {import_cycles('netgraph/search') or 'none'}")
    if runs.empty:
        raise SystemExit("new data sets are not measured yet: python -m benchmarks.harness new_datasets")
    matched = in_mlp_time(runs)
    print(f"mean rank of netgraph at 5 s: {mean_ranks(runs, 5.0)[OURS]:.2f}")
    print(f"better than MLPRegressor in no more time: {matched['better'].sum()} of {len(matched)} data sets")
    seconds = runs.loc[runs["dataset"] == TIMED_FIT, "seconds"]
    print(f"a fit of 500 x 10: {seconds.median():.2f} s")


if __name__ == "__main__":
    main()
