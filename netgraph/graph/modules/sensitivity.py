"""Neuron sensitivity of networks of any kind, by autograd through the module.

For a unit at one position this is SeReNe's (Tartaglione et al. 2021, arXiv 2102.03773): the mean over rows and outputs
of the absolute total derivative of the output by the pre-activation. A channel, or a unit of a sequence, has many
positions: the absolute derivatives are summed over them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from netgraph.errors import NetGraphError
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.modules.aliases import in_place
from netgraph.graph.modules.decompose import DECOMPOSED
from netgraph.graph.modules.edges import Group
from netgraph.graph.modules.encoding import dtype_named
from netgraph.graph.modules.execute import bind, execute, rebuild
from netgraph.graph.modules.labels import Value, values_in
from netgraph.graph.modules.program import GraphNode, Program
from netgraph.graph.modules.stepwise import decompose
from netgraph.graph.modules.trace import first_line
from netgraph.graph.modules.wiring import wire


def module_sensitivity(graph: Network, *inputs: Any) -> Tensor:
    """Measure the sensitivity of every node of a network that is not feed-forward.

    Args:
        graph: The network, a graph or a module.
        inputs: Its inputs; rows are the first dimension of every output.

    Returns:
        One number a node, [N], >= 0; 0 where no output depends on it.

    Raises:
        NetGraphError: When the graph is feed-forward, the inputs do not fit, or no output can be differentiated.

    Example:
        >>> from netgraph import from_module
        >>> x = torch.ones(1, 1, 4)
        >>> module_sensitivity(from_module(nn.Sequential(nn.Conv1d(1, 1, 3), nn.Softsign()), x), x).shape
        torch.Size([3])
    """
    graph = as_graph(graph, "module_sensitivity", inputs)
    program = graph.program
    if program is None:
        raise NetGraphError("the graph is feed-forward; netgraph.sensitivity measures it")
    watch = _Watch(program, rebuild(program, graph.state.detach(), graph.other_state))
    given = [torch.as_tensor(value) if isinstance(value, np.ndarray) else value for value in inputs]
    outputs = watch.run(bind(program, given, {}))
    total = graph.state.new_zeros(graph.num_nodes + 1, dtype=torch.double)
    for i, derivative in absolute_derivatives(outputs, [tensor for tensor, _ in watch.seen]):
        index = watch.seen[i][1].expand(derivative.shape).reshape(-1).to(total.device)
        total.index_add_(0, index, derivative.reshape(-1).to(total))
    return (total[1:] / len(outputs)).to(graph.state.dtype)


def absolute_derivatives(outputs: Iterable[Tensor], values: Sequence[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Yield the absolute total derivative of each output by each value that it depends on.

    SeReNe's sensitivity is their mean over rows and outputs, where the values are pre-activations.

    Args:
        outputs: Outputs, each a number.
        values: Values on the way to them.

    Yields:
        The number of the value, and the derivative in its shape.
    """
    for output in outputs:
        for i, gradient in enumerate(torch.autograd.grad(output, values, retain_graph=True, allow_unused=True)):
            if gradient is not None:
                yield i, gradient.abs()


class _Watch:
    """Runs a network and keeps the values whose derivatives count, each with its labels."""

    def __init__(self, program: Program, root: nn.Module) -> None:
        self.program, self.root, self.wiring = program, root, wire(program)
        self.seen: list[tuple[Tensor, Tensor]] = []
        self.position = -1
        self.groups: dict[int, list[Group]] = defaultdict(list)
        for group in self.wiring.groups:
            self.groups[group.call].append(group)
        self.calls: Counter[str] = Counter()
        decompose(program, root, self.see)

    def run(self, given: dict[str, Any]) -> list[Tensor]:
        """Run the network; return the mean over rows of each of its outputs."""
        with torch.enable_grad():
            names = {node.target: i for i, node in enumerate(self.program.nodes) if node.op == "input"}
            inputs = {name: self._input(names[name], value) for name, value in given.items()}
            try:
                result = execute(self.program.calls, self.root, inputs, self.call, release=False)
            except (RuntimeError, IndexError, ValueError, TypeError) as error:
                shapes = ", ".join(f"{name} {tuple(getattr(value, 'shape', ()))}" for name, value in inputs.items())
                raise NetGraphError(f"the network does not run on {shapes}: {first_line(error)}") from error
        outputs = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor) and leaf.requires_grad]
        if not outputs:
            raise NetGraphError("no output of the network can be differentiated")
        means = [leaf.reshape(len(leaf), -1).mean(0) if leaf.ndim else leaf.view(1) for leaf in outputs]
        return list(torch.cat(means))

    def _input(self, position: int, value: Any) -> Any:
        node = self.program.nodes[position]
        if isinstance(value, Tensor) and not value.numel():
            raise NetGraphError(f"{node.target} has shape {tuple(value.shape)}: nothing to measure on")
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        if not torch.isfinite(value).all():
            raise NetGraphError(f"{node.target} holds NaN or infinity")
        leaf = value.detach().to(dtype_named(node.shape[1]), copy=True).requires_grad_()
        known = self.wiring.values[position]
        if isinstance(known, Value) and known.labels is not None:
            self.seen.append((leaf, known.labels))
        return leaf.clone()

    def see(self, name: str, value: Tensor) -> Tensor:
        """Record inner units of a composite layer; units lie along the last axis."""
        groups = [group for group in self.groups[self.position] if group.name == name]
        if not groups:
            return value
        group = groups[self.calls[name] % len(groups)]
        self.calls[name] += 1
        return self._keep(value, torch.arange(group.start + 1, group.start + group.size + 1))

    def _keep(self, value: Tensor, labels: Tensor) -> Tensor:
        """Record a value; return a copy that nothing done in place can spoil."""
        watched = value.clone()
        if watched.requires_grad:
            self.seen.append((watched, labels))
        return watched.clone()

    def call(self, position: int, node: GraphNode, args: tuple[Any, ...], kwargs: dict[str, Any], make: Any) -> Any:
        """Make a call, and keep the operand of an activation, or the result of any other layer."""
        self.position = position
        self.calls.clear()
        groups = self.groups[position]
        if not groups or (node.op == "module" and self.program.module_named[node.target].type in DECOMPOSED):
            return make(*args, **kwargs)
        labels = next(value.labels for value in values_in(self.wiring.values[position]) if value.labels is not None)
        if groups[0].before:
            first, rest = (args[0], args[1:]) if args else (kwargs.pop("input"), ())
            result = make(self._keep(first, labels), *rest, **kwargs)
            return first.copy_(result) if in_place(self.program, node) else result
        result = make(*args, **kwargs)
        return (
            self._keep(result, labels) if isinstance(result, Tensor) else (self._keep(result[0], labels), *result[1:])
        )
