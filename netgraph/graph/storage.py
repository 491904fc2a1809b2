"""The fields of a graph: few are held, the others are expanded from these when they are read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch_geometric.data.storage import GlobalStorage
from torch_geometric.data.view import ItemsView, KeysView, ValuesView

from netgraph.errors import InvalidGraphError, NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.modules.expand import expand, gather
from netgraph.graph.modules.program import Program
from netgraph.graph.modules.wiring import structure

#: Attributes that make up a network.
HELD = ("architecture", "state", "sensitivity", "other_state")
#: Attributes that are expanded from ``architecture`` and ``state`` when asked for.
EXPANDED = ("layer_type", "index", "parent", "bias", "edge_index", "edge_weight", "structural")
_HOW = (
    "is expanded from architecture and state: take graph.edit(), write into graph.tensor(...) or take "
    "graph.replace(state=...)"
)


class Expanded(Tensor):
    """A tensor that was expanded, which refuses to be changed in place, as do its views: the change would be lost.

    Whatever is computed from it, a clone too, is a plain tensor; so are a copy and a pickle.
    """

    field: str

    @classmethod
    def of(cls, tensor: Tensor, field: str) -> Self:
        """Mark a tensor as the expansion of a field."""
        with torch._C.DisableTorchFunctionSubclass():
            marked = tensor.as_subclass(cls)
        marked.field = field
        return marked

    def plain(self) -> Tensor:
        """Return the same tensor without the mark."""
        with torch._C.DisableTorchFunctionSubclass():
            return self.as_subclass(Tensor)

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        marked = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, cls)]
        with torch._C.DisableTorchFunctionSubclass():
            before = [tensor._version for tensor in marked]
            try:
                result = func(*args, **(kwargs or {}))
            except RuntimeError as error:
                if func is not torch.cat:
                    raise
                field = marked[0].field
                raise NetGraphError(f"batch without {field} (exclude_keys=[{field!r}]): {error}") from error
            for tensor, version in zip(marked, before, strict=True):
                if tensor._version != version or func == Tensor.data.__set__:  # type: ignore[attr-defined]
                    raise NetGraphError(f"{tensor.field} {_HOW}, or change a clone() of it")
        return tree_map(lambda leaf: cls._keep(leaf, marked), result)

    @classmethod
    def _keep(cls, leaf: Any, marked: Sequence["Expanded"]) -> Any:
        """Mark a tensor that shares memory with a marked one, and make an array read-only that does."""
        if isinstance(leaf, np.ndarray):
            leaf.flags.writeable &= not any(leaf.ctypes.data == tensor.data_ptr() for tensor in marked)
        elif type(leaf) is Tensor:
            for tensor in marked:
                if _address(leaf) == _address(tensor):
                    return cls.of(leaf, tensor.field)
        return leaf

    def __format__(self, spec: str) -> str:
        return format(self.plain(), spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.plain().clone()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.plain().__reduce_ex__(protocol)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return repr(self.plain())


def _address(tensor: Tensor) -> int | None:
    """Where a tensor's memory is; None where it has none of its own (sparse, or in a transform of functions)."""
    try:
        return tensor.untyped_storage().data_ptr()
    except NotImplementedError:
        return None


class _All(Mapping[str, Any]):
    """The held attributes and, after them, the expanded ones, each computed when it is read."""

    def __init__(self, storage: "Storage") -> None:
        self.storage = storage

    def __getitem__(self, key: str) -> Any:
        return self.storage[key]

    def __iter__(self) -> Iterator[str]:
        yield from self.storage._mapping
        if self.storage.holds_one_graph:
            yield from EXPANDED

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Storage(GlobalStorage):
    """PyG's storage, with the expanded attributes visible to batching, printing and conversion.

    A value that is set must fit the network: that of an expanded attribute must equal it. PyG's verbs that would make
    another graph of a network thereby raise, and none is ignored in silence.
    """

    @property
    def holds_one_graph(self) -> bool:
        """Whether this is a network's and not that of a batch, or empty."""
        return isinstance(self._mapping.get("architecture"), Architecture | Program)

    def __getitem__(self, key: str) -> Any:
        if key in EXPANDED and self.holds_one_graph:
            return self._expand(key)
        if key == "other_state" and key not in self._mapping and self.holds_one_graph:
            if getattr(self._mapping["architecture"], "other_size", 0):
                raise InvalidGraphError("other_state is missing: batch feed-forward and general networks apart")
            return torch.zeros(0, dtype=torch.uint8)
        return self._mapping[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if self.holds_one_graph:
            if key in EXPANDED:
                if not _same(value, self[key]):
                    raise NetGraphError(f"{key} {_HOW}, or change a plain graph.to_data()")
                return
            self._check(key, value)
        super().__setitem__(key, value)

    def _check(self, key: str, value: Any) -> None:
        """Raise for a held value that does not fit the architecture."""
        architecture = self._mapping["architecture"]
        if key == "num_nodes" and value != (nodes := structure(architecture).num_nodes):
            raise NetGraphError(f"the network has {nodes} nodes; num_nodes cannot be {value}")
        if key == "sensitivity":
            size = structure(architecture).num_nodes
        elif key in ("state", "other_state"):
            size = getattr(architecture, "state_size" if key == "state" else "other_size", 0)
        else:
            return
        shape = tuple(value.shape) if isinstance(value, Tensor) else None
        if shape != (size,):
            raise InvalidGraphError(f"{key} has shape {shape}, the architecture asks for ({size},)")
        if key == "other_state" and value.dtype != torch.uint8:
            raise InvalidGraphError(f"other_state holds bytes; given {value.dtype}")

    def __delitem__(self, key: str) -> None:
        if self.holds_one_graph and key in (*HELD, *EXPANDED, "num_nodes"):
            raise NetGraphError(f"{key} belongs to the network and cannot be removed; take a plain graph.to_data()")
        super().__delitem__(key)

    def __contains__(self, key: object) -> bool:
        return key in self._mapping or (key in EXPANDED and self.holds_one_graph)

    def get(self, key: str, value: Any = None) -> Any:
        """Return an attribute, or ``value`` where there is none."""
        try:
            return self[key]
        except KeyError:
            return value

    def keys(self, *args: str) -> KeysView:
        """List the names of the attributes, all or some."""
        return KeysView(_All(self), *args)

    def values(self, *args: str) -> ValuesView:
        """List the attributes."""
        return ValuesView(_All(self), *args)

    def items(self, *args: str) -> ItemsView:
        """List names and attributes."""
        return ItemsView(_All(self), *args)

    def apply(self, func: Callable[..., Any], *args: str) -> Self:
        """Apply a function to the held attributes, from which the others follow, or to the named ones."""
        return cast(Self, super().apply(func, *(args or self._mapping)))

    def apply_(self, func: Callable[..., Any], *args: str) -> Self:
        """Apply a function in place, as :meth:`apply` does."""
        if self.holds_one_graph and (lost := set(args).intersection(EXPANDED)):
            raise NetGraphError(f"{min(lost)} {_HOW}")
        return cast(Self, super().apply_(func, *(args or self._mapping)))

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes by name, the expanded ones as tensors that may be changed."""
        expanded = EXPANDED if self.holds_one_graph else ()
        return cast(dict[str, Any], super().to_dict()) | {key: self[key].plain() for key in expanded}

    @property
    def num_edges(self) -> int:
        """Number of edges; those of a feed-forward network are counted without being made."""
        return int(structure(self._mapping["architecture"]).num_edges if self.holds_one_graph else super().num_edges)

    def is_undirected(self) -> bool:
        """Whether every edge runs both ways; those of a feed-forward network run forward."""
        if isinstance(self._mapping.get("architecture"), Architecture):
            return self.num_edges == 0
        return bool(super().is_undirected())

    def _expand(self, key: str) -> Expanded:
        gradients = torch.is_grad_enabled()
        # A tensor of inference mode counts no changes.
        with torch.inference_mode(False), torch.set_grad_enabled(gradients):
            return Expanded.of(self._values(key), key)

    def _values(self, key: str) -> Tensor:
        architecture, state = self._mapping["architecture"], self._mapping["state"]
        if isinstance(architecture, Program) and key in ("bias", "edge_weight", "structural"):
            return expand(key, architecture, state, self["other_state"])
        network = structure(architecture)
        if key == "bias":
            return gather(state, network.bias_element, 0.0)
        if key == "edge_weight":
            return gather(state, network.edge_element, 1.0)
        if key == "index":
            return torch.arange(network.num_nodes, device=state.device)
        array = network.edge_element < 0 if key == "structural" else getattr(network, key)
        return torch.from_numpy(array.copy()).to(state.device)  # the architecture's own array is every graph's


def _same(value: Any, field: Tensor) -> bool:
    """Return whether a value is the field as it is, NaN for NaN."""
    if not isinstance(value, Tensor) or value.shape != field.shape or value.dtype != field.dtype:
        return False
    value = value.to(field.device)
    return bool(((value == field) | ((value != value) & (field != field))).all())
