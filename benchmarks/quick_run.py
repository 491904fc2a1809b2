"""The figures of a quick run, read from its metrics.json."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.report import Picture, table
from netgraph import NetGraphError
from netgraph.figures import MODEL, meaning_of
from netgraph.presets import TARGETS
from netgraph.run import KEYS

TITLE = "Quick run"
ABOUT = (
    "`netgraph run --preset quick`: a zoo, the training of a model, its evaluation on held-out tasks with free-running "
    "decoding, and networks for diabetes; read from its `metrics.json`. Machine and commit are those of the reading."
)


def grid(folder: str = "runs/quick") -> list[dict[str, Any]]:
    """Return one run, of the folder of a finished quick run; ``--again`` reads the folder anew."""
    return [{"folder": folder}]


def measure(folder: str) -> dict[str, Any]:
    """Read the metrics; NetGraphError where the folder has none."""
    path = Path(folder) / "metrics.json"
    if not path.exists():
        raise NetGraphError(f"{path}: no such file; run `netgraph run --preset quick --out {folder}` first")
    return {"metrics": json.loads(path.read_text(encoding="utf-8"))}


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Return the figures, beside their targets, and test R² on diabetes."""
    metrics = runs["metrics"].iloc[-1]
    figures = {key: metrics[key] for key in KEYS} | metrics["more"]
    rows = [
        (name, f"{value:.4g}", f"≥ {TARGETS[name]:g}" if name in TARGETS else "", meaning_of(name, MODEL))
        for name, value in figures.items()
    ]
    means, deviations = metrics["diabetes_test_r2"], metrics["diabetes_test_r2_deviation"]
    r2 = [(name, f"{mean:.3f} ± {deviations[name]:.3f}") for name, mean in means.items()]
    return [
        table(pd.DataFrame(rows, columns=["figure", "value", "target", "meaning"])),
        "Test R² on diabetes, mean over splits ± standard deviation:",
        table(pd.DataFrame(r2, columns=["method", "R²"])),
    ]
