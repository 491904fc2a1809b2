"""TensorBoard's tab Projector: points with labels, as tables that it reads."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.graph.netgraph import NetGraph
from netgraph.model.coverage import Coverage

if TYPE_CHECKING:
    import pandas as pd

#: Files of the points and of their labels.
POINTS, LABELS = "function_code.tsv", "labels.tsv"
#: Lists them; the name is TensorBoard's.
CONFIG = "projector_config.pbtxt"


def as_labels(labels: "pd.DataFrame | None", graphs: Sequence[NetGraph]) -> "pd.DataFrame":
    """Return the labels of networks, one row each: those given, or sizes of the architectures when None.

    Raises:
        NetGraphError: When they are no DataFrame, or have another number of rows, or no column.
    """
    import pandas as pd

    if labels is None:
        return architecture_labels(graphs)
    if not isinstance(labels, pd.DataFrame):
        raise NetGraphError(f"labels: expected a DataFrame with one row a network, got {type(labels).__name__}")
    if len(labels) != len(graphs):
        raise NetGraphError(f"labels: {len(labels)} rows for {len(graphs)} networks")
    if not len(labels.columns):
        raise NetGraphError("labels: a table without columns")
    return labels


def architecture_labels(graphs: Sequence[NetGraph]) -> "pd.DataFrame":
    """Return sizes of architectures, one row a network; the depth counts linear layers in a row."""
    import pandas as pd

    architectures = [graph.architecture for graph in graphs]
    return pd.DataFrame(
        {
            "depth": [max(Coverage.of([architecture]).depths) for architecture in architectures],
            "parameters": [architecture.state_size for architecture in architectures],
            "inputs": [architecture.n_inputs for architecture in architectures],
            "outputs": [architecture.n_outputs for architecture in architectures],
        }
    )


def as_run(folder: str | Path) -> Path:
    """Return the path of a run's folder, which need not exist.

    Raises:
        NetGraphError: When there is a file in its place.
    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise NetGraphError(f"{path}: is a file; TensorBoard reads the folder of a run")
    return path


def write_projector(folder: Path, points: Tensor, labels: "pd.DataFrame") -> None:
    """Write points and their labels as a run of TensorBoard, whose earlier points are replaced.

    Args:
        folder: Folder of the run.
        points: Coordinates, [n, k].
        labels: One row a point; each column is a label by which the tab colors and searches.

    Raises:
        StoreError: When the folder cannot be written to.
    """
    from torch.utils.tensorboard import SummaryWriter

    make_folder(folder)
    rows = labels.astype(object).itertuples(index=False)
    header = [labels.columns] if len(labels.columns) > 1 else []  # TensorBoard takes a single column without a header
    _write_table(folder / LABELS, [*header, *rows])
    _write_table(folder / POINTS, points.tolist())
    listed = f'tensor_name: "function code" tensor_path: "{POINTS}" metadata_path: "{LABELS}"'
    write_atomically(folder / CONFIG, f"embeddings {{ {listed} }}\n".encode())
    if not any(folder.glob("events.out.tfevents.*")):
        SummaryWriter(str(folder)).close()  # a folder without events is no run


def _write_table(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    lines = ["\t".join(map(_cell, row)) for row in rows]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def _cell(value: Any) -> str:
    """Return a value on one line and without a tab, either of which would begin another one; numbers in six digits."""
    return f"{value:.6g}" if isinstance(value, float) else re.sub(r"\s+", " ", str(value))
