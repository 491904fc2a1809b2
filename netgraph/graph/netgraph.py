"""A network as a PyTorch Geometric graph."""

from collections.abc import Iterator, Mapping
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.storage import GlobalStorage
from torch_geometric.data.view import ItemsView, KeysView, ValuesView

from netgraph.errors import InvalidGraphError, NetGraphError
from netgraph.graph.architecture import Architecture, Ints, StateTensor
from netgraph.graph.modules.program import Program, Stored
from netgraph.graph.modules.values import expand, view

#: Attributes that are expanded from ``architecture`` and ``state`` when asked for.
EXPANDED = ("layer_type", "index", "parent", "bias", "edge_index", "edge_weight", "structural")


class _Expanded(Mapping[str, Any]):
    """The stored attributes and, after them, the expanded ones, each computed when it is read."""

    def __init__(self, storage: "_Storage") -> None:
        self.storage = storage

    def __getitem__(self, key: str) -> Any:
        return self.storage[key]

    def __iter__(self) -> Iterator[str]:
        yield from self.storage._mapping
        if self.storage.holds_one_graph:
            yield from EXPANDED

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Storage(GlobalStorage):
    """PyG's storage, with the expanded attributes visible to batching, printing and conversion."""

    @property
    def holds_one_graph(self) -> bool:
        return isinstance(self._mapping.get("architecture"), Architecture | Program)

    def __getitem__(self, key: str) -> Any:
        if key in EXPANDED and self.holds_one_graph:
            return self._expand(key)
        return self._mapping[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not (key in EXPANDED and self.holds_one_graph):
            super().__setitem__(key, value)

    def __contains__(self, key: object) -> bool:
        return key in self._mapping or (key in EXPANDED and self.holds_one_graph)

    def keys(self, *args: str) -> KeysView:
        return KeysView(_Expanded(self), *args)

    def values(self, *args: str) -> ValuesView:
        return ValuesView(_Expanded(self), *args)

    def items(self, *args: str) -> ItemsView:
        return ItemsView(_Expanded(self), *args)

    def _expand(self, key: str) -> Tensor:
        architecture, state = self._mapping["architecture"], self._mapping["state"]
        if isinstance(architecture, Program) and key in ("bias", "edge_weight", "structural"):
            return expand(key, architecture, state, self._mapping["other_state"])
        if key == "bias":
            return _gather(state, architecture.bias_slot, 0.0)
        if key == "edge_weight":
            return _gather(state, architecture.edge_slot, 1.0)
        values = {"index": lambda: np.arange(architecture.num_nodes), "structural": lambda: architecture.edge_slot < 0}
        array = values[key]() if key in values else getattr(architecture, key)
        return torch.from_numpy(array).to(state.device)


def _gather(state: Tensor, slots: Ints, missing: float) -> Tensor:
    padded = torch.cat([state, state.new_full((1,), missing)])
    return padded[torch.from_numpy(slots).to(state.device)]


class NetGraph(Data):
    """One network as a graph: N vertices, E edges.

    What is held: the ``architecture`` (shared by all networks that have it), the flat ``state`` (every parameter and
    buffer, each layer's dense connectivity once), and ``sensitivity``. What is expanded when asked for: ``layer_type``,
    ``index``, ``parent`` [N] long, ``bias`` [N], ``edge_index`` [2, E] long (sorted by target), ``edge_weight`` [E],
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
        self.__dict__["_store"] = _Storage(_parent=self)
        if architecture is None:
            return
        if state is None or state.shape != (architecture.state_size,):
            shape = None if state is None else tuple(state.shape)
            raise InvalidGraphError(f"state has shape {shape}, the architecture asks for ({architecture.state_size},)")
        if sensitivity is None:
            sensitivity = state.new_full((architecture.num_nodes,), float("nan"))
        if sensitivity.shape != (architecture.num_nodes,):
            raise InvalidGraphError(
                f"sensitivity has shape {tuple(sensitivity.shape)} for {architecture.num_nodes} vertices"
            )
        # What needs a feed-forward architecture may take it for one: a program refuses what it does not have.
        self.architecture = cast(Architecture, architecture)
        self.state, self.sensitivity = state, sensitivity
        self.num_nodes = architecture.num_nodes
        if isinstance(architecture, Program):
            self.other_state = torch.zeros(0, dtype=torch.uint8) if other_state is None else other_state
            if self.other_state.shape != (architecture.other_size,):
                raise InvalidGraphError(
                    f"other_state has {self.other_state.numel()} bytes instead of {architecture.other_size}"
                )

    @property
    def program(self) -> Program | None:
        """The network's program, or None where it is feed-forward."""
        found = self._store._mapping.get("architecture")
        return found if isinstance(found, Program) else None

    def __setattr__(self, key: str, value: Any) -> None:
        if key in EXPANDED and isinstance(self._store, _Storage) and self._store.holds_one_graph:
            raise NetGraphError(f"{key} is expanded from architecture and state; change those")
        super().__setattr__(key, value)

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        return 0 if key in ("index", "parent") else super().__inc__(key, value, *args, **kwargs)

    def __repr__(self) -> str:
        if self.program is None:
            return str(super().__repr__())
        return f"{type(self).__name__}(vertices={self.num_nodes}, parameters={self.state.numel()})"

    def tensor(self, where: StateTensor | Stored) -> Tensor:
        """View one tensor of the state in its own shape."""
        if isinstance(where, Stored):
            return view(where, self.state, self.other_state)
        values: Tensor = self.state[where.offset : where.offset + where.size]
        return values.view(where.shape)

    def replace(self, **changes: Any) -> Self:
        """Copy the graph with some of its attributes exchanged; nothing else is cloned."""
        held = [key for key in ("architecture", "state", "sensitivity", "other_state") if key in self._store._mapping]
        fields = {key: changes.pop(key, self[key]) for key in held}
        out = type(self)(**fields)
        extra = {key: self[key] for key in self._store._mapping if key not in out._store._mapping}
        for key, value in (extra | changes).items():
            out[key] = value
        return out

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
        architecture = self.architecture
        architecture.validate()
        lengths = {"state": architecture.state_size, "sensitivity": architecture.num_nodes}
        for key, length in lengths.items():
            if self[key].shape != (length,):
                raise InvalidGraphError(f"{key} has shape {tuple(self[key].shape)} instead of ({length},)")
        if self.program is not None:
            self._check_values(self.program)
            return
        for tensor in architecture.tensors:
            if not torch.isfinite(self.tensor(tensor)).all():
                layer = architecture.layers[tensor.layer]
                raise InvalidGraphError(f"{layer.name or layer.type}.{tensor.slot.name} holds NaN or infinity")

    def _check_values(self, program: Program) -> None:
        for tensor in program.tensors:
            if tensor.kind == "parameter" and not torch.isfinite(self.tensor(tensor)).all():
                raise InvalidGraphError(f"{tensor.names[0]} holds NaN or infinity")
