"""Files of graphs: tensors and a record beside them, see :mod:`netgraph.graph.records`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from netgraph.graph import records
from netgraph.graph.arguments import Network, as_graphs
from netgraph.graph.netgraph import NetGraph
from netgraph.outputs import check_suffix


def to_tensors(graphs: Iterable[Network]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split feed-forward graphs into tensors and a record, see :func:`netgraph.graph.records.to_tensors`."""
    return records.to_tensors(as_graphs(graphs, "graphs to write"))


def from_tensors(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> list[NetGraph]:
    """Invert :func:`to_tensors`; graphs of one architecture share it.

    Raises:
        NetGraphError: When they do not describe networks.
    """
    return [NetGraph(*held) for held in records.from_tensors(tensors, record)]


def save_graphs(graphs: Iterable[Network], path: str | Path) -> None:
    """Write graphs of any kind to ``path`` (safetensors) and, last, its record, of the same name with ``.json``.

    Held are architectures or programs, states and sensitivities; no other attributes.

    Raises:
        NetGraphError: When the name ends in something else than ``.safetensors``.
        StoreError: When the folder cannot be written to.

    Example:
        >>> import tempfile, netgraph
        >>> path = tempfile.mkdtemp() + "/graphs.safetensors"
        >>> save_graphs([netgraph.from_module(torch.nn.Linear(3, 2))], path)
        >>> load_graphs(path)[0].architecture
        Input(3) > Linear(2)
    """
    records.write_networks(as_graphs(graphs, "graphs to write"), check_suffix(path, ".safetensors"))


def load_graphs(path: str | Path) -> list[NetGraph]:
    """Load the graphs of a file that :func:`save_graphs` wrote.

    Raises:
        NetGraphError: When a file is missing, damaged or of another version, or does not describe networks.

    Example:
        >>> load_graphs("absent.safetensors")
        Traceback (most recent call last):
        netgraph.errors.StoreError: absent.safetensors: has no record absent.json beside it ...
    """
    return [NetGraph(*held) for held in records.read_networks(path)]
