"""Predictions of a written network for a new table."""

import ast
import importlib.util
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from netgraph.errors import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.inputs import check_file
from netgraph.outputs import check_outputs
from netgraph.reading import one_line
from netgraph.tasks.cells import read_numbers
from netgraph.tasks.table import index_columns, plain_column, read_frame

if TYPE_CHECKING:
    from pandas import DataFrame


def predict_table(
    folder: str | Path, data: str | Path, out: str | Path | None = None, overwrite: bool = False
) -> "DataFrame":
    """Predict the rows of a file with the network that a fit or a search left.

    The network's Python file, which stands in the folder, is run.

    Args:
        folder: Folder of the fit or of the search.
        data: CSV or parquet file with the raw columns by name, in any order.
        out: CSV file that takes the predictions; none when None.
        overwrite: Whether it may be replaced.

    Returns:
        One row for each row of the file, in its order: first columns that number the rows, the prediction, and of
        classes their probabilities.

    Raises:
        NetGraphError: When the folder holds no network, the file cannot be read, or a column is missing or of another
            kind; the message names the file and the column.

    Example:
        >>> predict_table("runs/fit", "new.csv", "predictions.csv")  # doctest: +SKIP
    """
    scripts = [Path(folder) / "network.py", Path(folder) / "networks" / "network.py"]
    script = next((path for path in scripts if path.is_file()), None)
    if script is None:
        raise NetGraphError(f"{folder}: holds no network.py; it is not the folder of a fit")
    check_file(data)
    if out is not None:
        check_outputs([Path(out)], [data, *script.parent.glob("network.*")], overwrite=overwrite)
    frame, _ = read_frame(data)
    missing = [name for name in _columns(script) if name not in frame]
    if missing:
        raise NetGraphError(f"{data}: the table has no column {', '.join(missing)}")
    plain = frame.apply(lambda column: plain_column(Path(data), column))
    numbers = list(takewhile(lambda name: plain[name].dtype == "float64", plain))
    index = index_columns(numbers, plain[numbers].to_numpy())
    network = _module(script)
    try:
        if hasattr(network, "MEDIANS"):  # it reads plain numbers, and no text
            numeric = [name for name in network.MEDIANS if name in frame]
            frame = frame.assign(**{name: read_numbers(frame[name]) for name in numeric})
        predictions = network.predict(frame)
    except (ValueError, OSError) as error:
        raise NetGraphError(f"{data}: {one_line(error)}") from None
    for i, name in enumerate(name for name in index if name not in predictions):
        predictions.insert(i, name, frame[name])
    if out is not None:
        make_folder(Path(out).parent)
        write_atomically(Path(out), predictions.to_csv(index=False).encode())
    return predictions


def _columns(script: Path) -> list[str]:
    """Return the columns that a written network reads, without running it, which takes seconds."""
    try:
        assigned = [one for one in ast.walk(ast.parse(script.read_bytes())) if isinstance(one, ast.Assign)]
        values = [one.value for one in assigned if ast.unparse(one.targets[0]) in ("MEDIANS", "used")]
        return [str(name) for value in values for name in ast.literal_eval(value)]
    except (ValueError, SyntaxError):  # of a file that was changed: running it tells
        return []


def _module(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("netgraph_written_network", script)
    if spec is None or spec.loader is None:
        raise NetGraphError(f"{script}: cannot be run")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise NetGraphError(f"{script}: cannot be run: {one_line(error)}") from error
    return module
