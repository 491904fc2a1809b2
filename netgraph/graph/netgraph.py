"""A network as a PyTorch Geometric graph."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from netgraph.errors import InvalidGraphError, NetGraphError
from netgraph.graph.architecture import Architecture, TensorSpec
from netgraph.graph.check import check_architecture
from netgraph.graph.display import facts, network_html
from netgraph.graph.exchange import from_networkx, to_networkx
from netgraph.graph.modules.check import check
from netgraph.graph.modules.program import NamedTensorSpec, Program
from netgraph.graph.modules.values import is_finite, view
from netgraph.graph.modules.wiring import structure
from netgraph.graph.records import read_networks, write_networks
from netgraph.graph.storage import HELD, Storage
from netgraph.graph.writable import Edit
from netgraph.outputs import check_suffix

if TYPE_CHECKING:
    from networkx import MultiDiGraph

#: PyG's verbs that make other graphs, which are no networks.
_VERBS = ("subgraph", "edge_subgraph", "connected_components", "concat", "sort", "coalesce", "sort_by_time", "snapshot",
          "up_to", "to_heterogeneous")  # fmt: skip


def _on_plain_data(verb: str) -> Callable[..., Any]:
    """Return the verb applied to plain graphs in place of networks."""
    method = getattr(Data, verb)

    @wraps(method)
    def call(*graphs: Any, **kwargs: Any) -> Any:
        networks = [isinstance(graph, NetGraph) and graph._store.holds_one_graph for graph in graphs]
        return method(*(g.to_data() if network else g for g, network in zip(graphs, networks, strict=True)), **kwargs)

    return call


class NetGraph(Data):
    """One network as a graph: N nodes, E edges.

    Held are the ``architecture`` (shared by all networks that have it), the flat ``state`` (every parameter and buffer,
    each layer's dense connectivity once), and ``sensitivity``. Expanded when asked for are ``layer_type``, ``index``,
    ``parent`` [N] long, ``bias`` [N], ``edge_index`` [2, E] long (sorted by target), ``edge_weight`` [E], and
    ``structural`` [E] bool (an edge without a weight of its own; its ``edge_weight`` is 1).

    A network that is not feed-forward has a :class:`~netgraph.graph.modules.program.Program` in place of the
    architecture, ``other_state`` [Q] uint8 with the bytes of its tensors of other types, and, where an edge carries a
    kernel, ``edge_weight`` [E, k] with zeros behind shorter kernels.

    Args:
        architecture: The layers.
        state: Parameters and buffers, [P], in the order of ``architecture.tensors``.
        sensitivity: Neuron sensitivity, [N]; NaN until it is measured.
        other_state: Bytes of the tensors of other types; only for a program.

    Raises:
        InvalidGraphError: When ``state``, ``sensitivity`` or ``other_state`` has another length than the architecture
            asks for.
    """

    def __init__(
        self,
        architecture: Architecture | Program | None = None,
        state: Tensor | None = None,
        sensitivity: Tensor | None = None,
        other_state: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.__dict__["_store"] = Storage(_parent=self)
        if architecture is None:
            return
        # Typed as a feed-forward architecture, which most readers need: a program refuses what it lacks.
        self.architecture = cast(Architecture, architecture)
        self.state = cast(Tensor, state)
        nodes = structure(architecture).num_nodes
        self.sensitivity = self.state.new_full((nodes,), float("nan")) if sensitivity is None else sensitivity
        self.num_nodes = nodes
        if isinstance(architecture, Program):
            self.other_state = torch.zeros(0, dtype=torch.uint8) if other_state is None else other_state

    @property
    def program(self) -> Program | None:
        """The network's program, or None where it is feed-forward."""
        architecture = self._store._mapping.get("architecture")
        return architecture if isinstance(architecture, Program) else None

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        return 0 if key in ("index", "parent") else super().__inc__(key, value, *args, **kwargs)

    def __repr__(self) -> str:
        if not self._store.holds_one_graph:
            return str(super().__repr__())
        return f"{type(self).__name__}({facts(self.architecture, self._further())})"

    def _repr_html_(self) -> str | None:
        if not self._store.holds_one_graph:
            return None
        return network_html(self.architecture, self.state, self.tensor, self._further())

    def _further(self) -> dict[str, Any]:
        """Return the attributes beside the network's own."""
        return {key: value for key, value in self._store._mapping.items() if key not in (*HELD, "num_nodes")}

    def tensor(self, where: TensorSpec | NamedTensorSpec) -> Tensor:
        """View one tensor of the state in its own shape."""
        if isinstance(where, NamedTensorSpec):
            return view(where, self.state, self.other_state)
        values: Tensor = self.state[where.offset : where.offset + where.size]
        return values.view(where.shape)

    def to_data(self) -> Data:
        """Copy nodes and edges into a plain PyG graph, which may be changed at will and is no network any more."""
        fields = {
            key: value for key, value in self.to_dict().items() if key not in ("architecture", "state", "other_state")
        }
        return Data.from_dict(fields).clone()

    @classmethod
    def from_dict(cls, mapping: dict[str, Any]) -> Self:
        """Invert ``to_dict``.

        Raises:
            NetGraphError: When an attribute does not fit the architecture.
        """
        network = isinstance(mapping.get("architecture"), Architecture | Program)
        held = {key: mapping[key] for key in HELD if network and key in mapping}
        out = cls(**held)
        for key, value in mapping.items():
            if key not in held:
                setattr(out, key, value)
        return out

    def to(self, device: Any, *args: str, non_blocking: bool = False) -> Self:
        """Move to a device.

        Raises:
            NetGraphError: When given a floating-point type.
        """
        if isinstance(device, torch.dtype):
            raise NetGraphError(f"graph.to moves to a device; use from_module(to_module(graph).to({device}))")
        return cast(Self, super().to(device, *args, non_blocking=non_blocking))

    @property
    def is_cuda(self) -> bool:
        """Whether any tensor is on a GPU."""
        return any(isinstance(value, Tensor) and value.is_cuda for value in self._store._mapping.values())

    def replace(self, **changes: Any) -> Self:
        """Copy the graph with some of its attributes exchanged; nothing else is cloned."""
        held = [key for key in HELD if key in self._store._mapping]
        fields = {key: changes.pop(key, self[key]) for key in held}
        out = type(self)(**fields)
        extra = {key: self[key] for key in self._store._mapping if key not in out._store._mapping}
        for key, value in (extra | changes).items():
            out[key] = value
        return out

    def edit(self) -> "Edit[Self]":
        """Return writable copies of ``edge_weight`` and ``bias``, and a way back; the graph stays as it is.

        Example:
            >>> edit = netgraph.from_module(nn.Linear(2, 1)).edit()
            >>> edit.edge_weight[0] = 0.0
            >>> edit.bias[2] = 1.0
            >>> netgraph.to_module(edit.graph())(torch.tensor([[5.0, 0.0]])).item()
            1.0
        """
        return Edit(check_graph(self, "edit"))

    def save(self, path: str | Path) -> None:
        """Write architecture or program, state and sensitivity, see :func:`~netgraph.graph.io.save_graphs`.

        Args:
            path: A file of safetensors; a record of the same name with ``.json`` stands beside it.

        Raises:
            NetGraphError: When the file does not end in ``.safetensors``, or the folder cannot be written to.

        Example:
            >>> netgraph.from_module(nn.Linear(2, 1)).save("network.safetensors")
            >>> netgraph.NetGraph.load("network.safetensors").architecture
            Input(2) > Linear(1)
        """
        write_networks([check_graph(self, "save")], check_suffix(path, ".safetensors"))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file of :meth:`save`.

        Raises:
            NetGraphError: When it is missing, damaged or of another version, or holds several networks.
        """
        held = read_networks(path)
        if len(held) != 1:
            raise NetGraphError(f"{path}: holds {len(held)} networks; netgraph.graph.load_graphs reads them")
        return cls(*held[0])

    def to_networkx(self) -> "MultiDiGraph":
        """Return a networkx graph, in which parallel edges stay apart; :meth:`from_networkx` inverts it bit for bit.

        Nodes have ``type``, ``layer`` (its name), ``parent``, ``bias`` and, where it is measured, ``sensitivity``;
        edges ``weight`` (a list where it is a kernel) and ``structural``. The attribute ``netgraph`` of the graph holds
        the layers and the whole state, in plain values.

        Example:
            >>> network = netgraph.from_module(nn.Sequential(nn.Linear(2, 1), nn.Tanh())).to_networkx()
            >>> network.nodes[3]["layer"], network.nodes[3]["type"]
            ('1', 'Tanh')
        """
        return to_networkx(check_graph(self, "to_networkx"))

    @classmethod
    def from_networkx(cls, network: Any) -> Self:
        """Read a graph of :meth:`to_networkx`, in which weights, biases and sensitivities may have been changed.

        Raises:
            NetGraphError: When it is another graph, has other nodes or edges than its layers, or a number that the
                network has no parameter for.

        Example:
            >>> network = netgraph.from_module(nn.Linear(2, 1)).to_networkx()
            >>> network.edges[1, 2, 0]["weight"] = 0.5
            >>> netgraph.NetGraph.from_networkx(network).edge_weight[1].item()
            0.5
        """
        held, weight, bias = from_networkx(network)
        edit = cls(*held).edit()
        edit.edge_weight, edit.bias = weight, bias
        return edit.graph().replace(sensitivity=held[2])

    def validate(self, raise_on_error: bool = True) -> bool:
        """Check the graph: acyclic, consistent layers, lengths, finite numbers.

        Args:
            raise_on_error: Raise instead of answering ``False``.

        Raises:
            InvalidGraphError: When the graph is not a runnable network, in one line that names the layer.
        """
        try:
            self._check()
        except InvalidGraphError:
            if raise_on_error:
                raise
            return False
        return True

    def _check(self) -> None:
        held: list[tuple[str, Any]]
        if self.program is not None:
            check(self.program)
            held = [(tensor.names[0], tensor) for tensor in self.program.tensors if tensor.kind == "parameter"]
        else:
            check_architecture(self.architecture)
            layers = self.architecture.layers
            tensors = [(layers[tensor.layer], tensor) for tensor in self.architecture.tensors]
            held = [(f"{layer.name or layer.type}.{tensor.name}", tensor) for layer, tensor in tensors]
        sizes = {"state": self.architecture.state_size, "sensitivity": structure(self.architecture).num_nodes}
        for key, size in sizes.items():
            if self[key].shape != (size,):
                raise InvalidGraphError(f"{key} has shape {tuple(self[key].shape)} instead of ({size},)")
        for name, tensor in held:
            if not is_finite(self.tensor(tensor)):
                raise InvalidGraphError(f"{name} holds NaN or infinity")


for _verb in _VERBS:
    setattr(NetGraph, _verb, _on_plain_data(_verb))


def check_graph(graph: Any, name: str) -> NetGraph:
    """Return one network, checked.

    Args:
        graph: An argument of a function.
        name: Name of the function, for the error.

    Raises:
        NetGraphError: When it is a list, a batch, a module or anything else.
    """
    if isinstance(graph, NetGraph) and graph._store.holds_one_graph:
        return graph
    raise NetGraphError(f"{name}: expected one NetGraph, got {kind_of(graph)}")


def kind_of(value: Any) -> str:
    """Return the kind of an argument that is no network, as an error names it."""
    if isinstance(value, Batch):
        return "a Batch; its to_data_list() gives them"
    if isinstance(value, NetGraph):
        return "one NetGraph; put it in a list" if value._store.holds_one_graph else "a NetGraph that holds none"
    return f"{type(value).__name__}{'; from_module converts it' if isinstance(value, nn.Module) else ''}"
