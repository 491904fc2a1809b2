"""A network as a PyTorch Geometric graph."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.data.data import size_repr

from netgraph.errors import InvalidGraphError, NetGraphError
from netgraph.graph.architecture import Architecture, TensorSpec
from netgraph.graph.check import check_architecture
from netgraph.graph.modules.check import check
from netgraph.graph.modules.program import NamedTensorSpec, Program
from netgraph.graph.modules.values import is_finite, view
from netgraph.graph.modules.wiring import structure
from netgraph.graph.storage import EXPANDED, HELD, Storage
from netgraph.graph.writable import Edit

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
        architecture = self._store._mapping.get("architecture")
        if isinstance(architecture, Program):
            return f"{type(self).__name__}(nodes={self.num_nodes}, parameters={self.state.numel()})"
        if not isinstance(architecture, Architecture):
            return str(super().__repr__())
        sizes = {"edge_index": (2, self.num_edges), "edge_weight": (self.num_edges,), "structural": (self.num_edges,)}
        shown = {key: torch.empty(sizes.get(key, (self.num_nodes,)), device="meta") for key in EXPANDED}
        fields = [size_repr(key, value) for key, value in (self._store._mapping | shown).items()]
        return f"{type(self).__name__}({', '.join(fields)})"

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
        return Edit(self)

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


def as_graph(graph: Any, name: str) -> NetGraph:
    """Return one network, checked.

    Args:
        graph: An argument of a function.
        name: Name of the function, for the error.

    Raises:
        NetGraphError: When it is a list, a batch, a module or anything else.
    """
    if isinstance(graph, NetGraph) and graph._store.holds_one_graph:
        return graph
    raise NetGraphError(f"{name}: expected one NetGraph, got {_called(graph)}")


def as_graphs(graphs: Any, name: str) -> list[NetGraph]:
    """Return several networks, checked; arguments as of :func:`as_graph`.

    Raises:
        NetGraphError: When it is anything but an iterable of NetGraphs; also when it is one NetGraph.
    """
    if isinstance(graphs, Data) or not isinstance(graphs, Iterable):
        raise NetGraphError(f"{name}: expected a list of NetGraphs, got {_called(graphs)}")
    return [as_graph(graph, f"{name}, item {i}") for i, graph in enumerate(graphs)]


def _called(value: Any) -> str:
    if isinstance(value, Batch):
        return "a Batch; its to_data_list() gives them"
    if isinstance(value, NetGraph):
        return "one NetGraph; put it in a list" if value._store.holds_one_graph else "a NetGraph that holds none"
    return f"{type(value).__name__}{'; from_module converts it' if isinstance(value, nn.Module) else ''}"
