"""Writable copies of a network's edge weights and biases, which are expanded from its state and read-only there."""

from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Ints
from netgraph.graph.modules.expand import assign
from netgraph.graph.modules.program import Program
from netgraph.graph.modules.wiring import structure, wire

Graph = TypeVar("Graph")


class Edit(Generic[Graph]):
    """Edge weights and biases of a network as tensors that may be changed at will; :meth:`graph` reads them back.

    Attributes:
        edge_weight: Weights of the edges, [E], or [E, k] where edges carry kernels.
        bias: Biases of the nodes, [N].
    """

    edge_weight: Tensor
    bias: Tensor

    def __init__(self, graph: Graph) -> None:
        fields: Any = graph
        self._graph = fields
        self.edge_weight, self.bias = (fields[key].detach().clone() for key in ("edge_weight", "bias"))

    def __repr__(self) -> str:
        return f"Edit(edge_weight={list(self.edge_weight.shape)}, bias={list(self.bias.shape)})"

    def graph(self) -> Graph:
        """Return a copy of the network with the changes; its sensitivity is not measured any more.

        Weights that the network holds once, for several edges, change for all of them.

        Raises:
            NetGraphError: When a shape has changed, an edge or a node is given a number that the network has no
                parameter for, or two numbers for one parameter.
            InvalidGraphError: When a number is not finite.
        """
        elements, values = zip(*(self._changed(key) for key in ("edge_weight", "bias")), strict=True)
        element, value = np.concatenate(elements), torch.cat(values)
        _refuse_conflicts(element, value)
        graph, other = self._graph, self._graph.other_state.clone()
        state = assign(graph.architecture, graph.state.detach().clone(), other, element, value)
        changed = {"state": state, "sensitivity": torch.full_like(graph.sensitivity, float("nan"))}
        out: Any = graph.replace(**changed | ({} if graph.program is None else {"other_state": other}))
        out.validate()
        return out  # type: ignore[no-any-return]

    def _changed(self, key: str) -> tuple[Ints, Tensor]:
        """Return the state elements that one field changes, and their new values."""
        old = self._graph[key].plain().detach()
        try:
            new = torch.as_tensor(getattr(self, key)).to(old)
        except (TypeError, ValueError, RuntimeError) as error:
            raise NetGraphError(f"edit: {key} holds no numbers: {error}") from None
        if new.shape != old.shape:
            raise NetGraphError(f"edit: {key} has shape {tuple(new.shape)}, the network asks for {tuple(old.shape)}")
        differs = ((new != old) & ~(new.isnan() & old.isnan())).flatten().cpu().numpy()
        element = _element_at(key, self._graph.architecture, old.numel())
        without = differs & (element < 0)
        if without.any():
            raise NetGraphError(f"edit: {self._refusal(key, int(without.argmax()) // (old[0].numel()))}")
        return element[differs], new.flatten()[torch.from_numpy(differs).to(new.device)]

    def _refusal(self, key: str, row: int) -> str:
        if key == "bias":
            return f"node {row} has no bias of its own"
        source, target = self._graph.edge_index[:, row].tolist()
        kind = "is structural" if bool(self._graph.structural[row]) else "has fewer weights"
        return f"edge {row} ({source} to {target}) {kind}: no parameter holds this number"


def _element_at(key: str, architecture: Any, size: int) -> Ints:
    """Return the state element of each number of a field, row-major, -1 where there is none."""
    if key == "bias" or not isinstance(architecture, Program):
        network = structure(architecture)
        return network.bias_element if key == "bias" else network.edge_element  # type: ignore[no-any-return]
    edges, elements = wire(architecture).edges, np.full(size, -1, dtype=np.int64)
    elements[edges.flat_index] = edges.slot
    return elements


def _refuse_conflicts(element: Ints, value: Tensor) -> None:
    """Raise where one state element is given two values."""
    order = np.argsort(element, kind="stable")
    ordered, values = element[order], value.cpu()[torch.from_numpy(order)]
    if bool(((values[1:] != values[:-1]).numpy() & (ordered[1:] == ordered[:-1])).any()):
        raise NetGraphError("edit: edges that share one weight are given different ones")
