"""The wiring of composite layers: their decomposed forward, run on labels.

A recurrent layer's own weights would close cycles, so its hidden units stand twice: once as they are, once as they were
one step earlier.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from netgraph.graph.modules import edges
from netgraph.graph.modules.decompose import DECOMPOSED, GATES, Kwargs, Step, Steps, constructor_kwargs
from netgraph.graph.modules.edges import Builder
from netgraph.graph.modules.labels import Value, along, compress, dotted, values_in
from netgraph.graph.modules.program import ModuleSpec

#: Types of inner nodes: attention proper, and a recurrent layer's hidden units one step earlier.
ATTENTION, EARLIER = "Attention", "Earlier"


def wire_composite(b: Builder, module: ModuleSpec, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Wire one call of a composite layer."""
    steps = _Labels(b.program, module.name, b)
    return DECOMPOSED[module.type](steps, constructor_kwargs(module.kwargs), *args, **kwargs)


@dataclass(frozen=True)
class _Labels(Steps):
    """The primitive steps on values that have labels for numbers."""

    b: Builder

    def linear(
        self, name: str, x: Value, weight: str = "", bias: str = "", rows: slice | None = None, kind: str = "Linear"
    ) -> Value:
        matrix = self.b.weights(dotted(self.name, weight or f"{name}.weight"))
        shift = self.b.slots(dotted(self.name, bias or f"{name}.bias"))
        if rows is not None:
            if matrix.shape[0] > rows.stop - rows.start:
                matrix = self.b.weights(dotted(self.name, weight), lambda slots: slots[rows])
            shift = None if shift is None else shift[rows]
        labels = edges.dense(self.b, dotted(self.name, name), kind, x, -1, matrix, shift)
        return replace(x, shape=(*x.shape[:-1], matrix.shape[0]), labels=labels)

    def norm(self, name: str, x: Value) -> Value:
        full = dotted(self.name, name)
        weight, bias = (self.b.slots(dotted(full, tensor)) for tensor in ("weight", "bias"))
        return replace(x, labels=compress(edges.elementwise(self.b, full, "LayerNorm", [x], weight, bias)))

    def activation(self, name: str, kind: str, x: Value) -> Value:
        return replace(x, labels=edges.elementwise(self.b, dotted(self.name, name), kind, [x], before=True))

    def add(self, name: str, x: Value, y: Value) -> Value:
        return replace(x, labels=compress(edges.elementwise(self.b, dotted(self.name, name), "Add", [x, y])))

    def attend(self, kwargs: Kwargs, q: Value, k: Value, v: Value, masks: Sequence[Any]) -> tuple[Value, Any]:
        """Wire attention within each head."""
        heads = kwargs["num_heads"]
        units = self.b.add(ATTENTION, dotted(self.name, "attention"), kwargs["embed_dim"])
        for value in (q, k):
            self.b.connect(value.known.view(heads, -1, 1), units.view(heads, 1, -1))
        self.b.connect(v.known.view(-1), units)
        return replace(q, labels=along(-1, len(q.shape), units)), (heads, q, k)

    def head_weights(self, weights: tuple[int, Value, Value], average: bool) -> Tensor | None:
        """Wire the weights of attention where something reads them."""
        calls, position = self.program.calls, self.b.call
        shape = calls.nodes[position].shape
        chosen = ("tuple", ("node", position), 1)
        whole = isinstance(calls.output, tuple) and ("node", position) in (calls.output, *calls.output)
        if shape[0] != "tuple" or shape[2] is None or not (whole or any(node.args == chosen for node in calls.nodes)):
            return None
        heads, q, k = weights
        ndim, size = len(shape[2]) - 2, 1 if average else heads
        units = self.b.add(ATTENTION, dotted(self.name, "weights"), size)
        for value in (q, k):
            self.b.connect(value.known.view(size, -1), units[:, None])
        return along(-3, ndim, units) if size > 1 else units.view([1] * ndim)

    def sequence(self, kwargs: Kwargs, x: Value, initial: Any) -> tuple[Value, list[list[Tensor]]]:
        """Return the sequence, and the labels of each initial state that depends on an input."""
        given = [state.labels for state in values_in(initial) if state.labels is not None]
        n = kwargs["num_layers"] * (1 + kwargs["bidirectional"])
        return x, [[labels[min(i, len(labels) - 1)] for labels in given] for i in range(n)]

    def scan(self, step: Step, x: Value, state: Any, backward: bool) -> tuple[Value, Any]:
        """Wire one step, which stands for all."""
        return step(x, state)

    def earlier(self, name: str, kwargs: Kwargs, state: list[Tensor]) -> Value:
        """Add the units of one step earlier, fed by the initial states."""
        size = kwargs.get("proj_size", 0) or kwargs["hidden_size"]
        earlier = self.b.add(EARLIER, dotted(self.name, name), size)
        for labels in state:  # a cell's state is wider than what is projected from it
            self.b.connect(labels if labels.shape[-1] in (1, size) else labels.reshape(-1, 1), earlier)
        return Value((size,), labels=earlier)

    def cell(
        self, kind: str, suffix: str, kwargs: Kwargs, x: Value, earlier: Value, state: list[Tensor]
    ) -> tuple[Value, Tensor]:
        """Wire a cell: an edge carries the weights of all gates."""
        gates, size = GATES[kind], kwargs["hidden_size"]
        units = self.b.add(kind, dotted(self.name, f"hidden{suffix}"), size)
        for operand, what in ((x, "ih"), (earlier, "hh")):
            full = dotted(self.name, f"weight_{what}{suffix}")
            weight = self.b.weights(full, lambda slots: slots.view(gates, size, -1).permute(1, 2, 0))
            self.b.connect_densely(operand, -1, weight, units)
        return replace(x, shape=(*x.shape[:-1], size), labels=along(-1, len(x.shape), units)), units

    def result(self, kind: str, kwargs: Kwargs, x: Value, states: Sequence[Any], like: Value) -> Any:
        """Return the labels of the sequence, and of the last states, [layers * directions, ..., units]."""
        spatial = [1] * (len(x.shape) - 2)
        h = torch.stack([hidden.known.reshape(-1) for hidden, _ in states]).view(len(states), *spatial, -1)
        c = torch.stack([cell for _, cell in states]).view(len(states), *spatial, -1)
        return x, (h, c) if kind == "LSTM" else h

    def concatenate(self, parts: Sequence[Value]) -> Value:
        labels = torch.cat([part.known for part in parts], -1)
        return replace(parts[0], shape=(*parts[0].shape[:-1], labels.shape[-1]), labels=labels)
