"""The figures of a quick run: writes those of a finished run's metrics.json into RESULTS.md."""

import argparse
import json
from pathlib import Path

from results import write_section

from netgraph.run import KEYS, TARGETS


def main() -> None:
    """Read the metrics and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of a finished `netgraph run --preset quick`")
    metrics = json.loads((parser.parse_args().folder / "metrics.json").read_text())
    lines = ["Held-out tasks, free-running decoding.", "", "| figure | value | mark |", "|---|---|---|"]
    for name, value in [*((key, metrics[key]) for key in KEYS), *metrics["more"].items()]:
        lines.append(f"| {name} | {value:.4g} | {f'≥ {TARGETS[name]:g}' if name in TARGETS else ''} |")
    lines += ["", "Test R² on diabetes, mean over 5 splits ± deviation:", "", "| method | R² |", "|---|---|"]
    for name, value in metrics["diabetes_test_r2"].items():
        lines.append(f"| {name} | {value:.3f} ± {metrics['diabetes_test_r2_deviation'][name]:.3f} |")
    write_section("Quick run", "netgraph run --preset quick && python benchmarks/quick_run.py runs/quick", lines)


if __name__ == "__main__":
    main()
