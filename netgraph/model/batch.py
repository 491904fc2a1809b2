"""A batch of networks as the model reads it: all that can be derived from architectures before a training step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.model.config import VAEConfig
from netgraph.model.features import ArchitectureFeatures, architecture_features
from netgraph.model.function import SEED, transformed
from netgraph.stack import Stack, probe

#: Networks of similar size that are encoded or decoded at once (chosen).
CHUNK = 64


def by_size(architectures: Sequence[Architecture]) -> list[list[int]]:
    """Cut networks into parts of similar size, so that little is padded; return the numbers of each part's networks."""
    ranked = sorted(range(len(architectures)), key=lambda i: architectures[i].num_nodes)
    return [ranked[start : start + CHUNK] for start in range(0, len(ranked), CHUNK)]


class Movable:
    """Moves every tensor of a dataclass."""

    def to(self, device: torch.device) -> Self:
        """Return a copy on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def packed(self) -> Self:
        """Return a copy that takes half the memory: integers in 32 bits."""
        return self._map(lambda tensor: tensor.int() if tensor.dtype == torch.int64 else tensor)

    def unpacked(self) -> Self:
        """Invert :meth:`packed`."""
        return self._map(lambda tensor: tensor.long() if tensor.dtype == torch.int32 else tensor)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        changed: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                changed[field.name] = function(value)
            elif isinstance(value, Movable):
                changed[field.name] = value._map(function)
        return replace(self, **changed)  # type: ignore[type-var]


@dataclass(frozen=True)
class ArchitectureBatch(Movable):
    """B architectures: S steps, L layers, T token nodes at most, P state elements each.

    A step opens a layer, or names a further operand of a join.

    Attributes:
        architectures: The architectures.
        steps: Features of the decoder's steps, -1 where padded, [B, S, 5]; see ``features.MOVE`` and following.
        pointer: Layer that each step reads, -1 for the start and the end token and where padded, [B, S].
        size: Nodes of the linear layer that each step opens, -1 where it opens none, [B, S].
        biased: Whether that layer has a bias, -1 where there is none, [B, S].
        layer_step: Step that opens each layer, the start token for the input layer, -1 where padded, [B, L].
        nodes: Features of the token nodes, -1 where padded, [B, T, 8]; see ``features.TYPE`` and following.
        elements: State elements that each token node holds, counted over the batch, its bias last, -1 where there is
            none, [B, T, max_fan + 1].
        gather: Position of each state element in edge scores [B, T, T], target first, followed by node values
            [B, T, kinds], both flattened, [sum P].
        element_fan: Incoming edges of its node for elements of a linear layer, else 1, [sum P].
        element_kind: Kind of each state element, [sum P].
        element_scale: Its entry of the standardization table, [sum P].
        element_network: Its network, [sum P].
        state_ptr: First state element of each network, and the end, [B + 1].
        counts: Numbers of inputs and outputs of each network, [B, 2].
    """

    architectures: tuple[Architecture, ...]
    steps: Tensor
    pointer: Tensor
    size: Tensor
    biased: Tensor
    layer_step: Tensor
    nodes: Tensor
    elements: Tensor
    gather: Tensor
    element_fan: Tensor
    element_kind: Tensor
    element_scale: Tensor
    element_network: Tensor
    state_ptr: Tensor
    counts: Tensor

    def __len__(self) -> int:
        return len(self.architectures)

    @property
    def n_inputs(self) -> Tensor:
        """Number of inputs of each network, [B]."""
        return self.counts[:, 0]

    @property
    def element_position(self) -> Tensor:
        """Position of each element in its network's state, [sum P]."""
        elements = torch.arange(len(self.element_network), device=self.state_ptr.device)
        return elements - self.state_ptr[self.element_network]

    def held(self, values: Tensor) -> Tensor:
        """Return values of the elements that each token node holds, of its incoming weights and then of its bias.

        Args:
            values: A value of each element, [sum P, ...].

        Returns:
            [B, T, max_fan + 1, ...], 0 where there is no element.
        """
        padded = torch.cat([values, values.new_zeros(1, *values.shape[1:])])  # -1 reads 0
        return padded[self.elements]

    def in_networks_with(self, chosen: Tensor) -> Tensor:
        """Return for each element whether any element of its network is chosen, [sum P] -> [sum P]."""
        some = chosen.new_zeros(len(self)).index_put((self.element_network[chosen],), chosen.new_ones(()))
        return some[self.element_network]


@dataclass(frozen=True)
class NetBatch(Movable):
    """B networks in canonical form.

    Attributes:
        structure: Their architectures.
        state: Their states, concatenated, [sum P].
        sensitivity: Sensitivity of each state element's node, [sum P]; NaN where not measured.
        outgoing: The first state elements that multiply each token node's value, counted over the batch, -1 where there
            is none, [B, T, READERS].
        node_type: Layer type of every node of the batch, [sum N].
        edge_index: Edges between nodes of the batch, [2, sum E].
        edge_element: State element that is each edge's weight, -1 for a structural edge, [sum E].
        token_node: Node of each token node, 0 where padded, [B, T].
        outputs: Outputs of each network on the common rows, [B, R, most outputs], zero padded.
        meta_features: One row a network, NaN in rows that have none, [B, features].
    """

    structure: ArchitectureBatch
    state: Tensor
    sensitivity: Tensor
    outgoing: Tensor
    node_type: Tensor
    edge_index: Tensor
    edge_element: Tensor
    token_node: Tensor
    outputs: Tensor
    meta_features: Tensor

    def __len__(self) -> int:
        return len(self.structure)

    def transformed_outputs(self, stack: Stack, rows: Tensor, count: int, generator: torch.Generator) -> list[Tensor]:
        """Return the outputs of the networks and of copies whose inputs are permuted and change sign, [B, R, K] each.

        Args:
            stack: The executor of the networks.
            rows: Common rows, [R, columns], at least as many columns as the most inputs.
            count: Copies of each network.
            generator: Draws permutations and signs, on the CPU.
        """
        rows, n_inputs, outputs = rows[:, : stack.max_inputs].cpu(), self.structure.n_inputs.cpu(), [self.outputs]
        for _ in range(count):
            x = transformed(rows, n_inputs, generator).to(self.state)
            outputs.append(stack(self.state, x))
        return outputs


def architecture_batch(architectures: Sequence[Architecture], config: VAEConfig) -> ArchitectureBatch:
    """Collate architectures.

    Args:
        architectures: B architectures, at least one.
        config: The model's sizes.

    Raises:
        NetGraphError: When an architecture is larger than the model allows.
    """
    return _collate(architectures, architecture_features(architectures, config.max_nodes), config)


def _collate(
    architectures: Sequence[Architecture], features: ArchitectureFeatures, config: VAEConfig
) -> ArchitectureBatch:
    columns = features.steps() | features.elements() | {"nodes": features.nodes(), "counts": features.counts}
    columns |= {"elements": features.held(config.max_fan), "state_ptr": features.state_ptr}
    tensors = {name: torch.from_numpy(values) for name, values in columns.items()}
    return ArchitectureBatch(tuple(architectures), **tensors)


def net_batch(
    graphs: Sequence[NetGraph],
    config: VAEConfig,
    meta_features: Tensor | None = None,
    stack: Stack | None = None,
) -> NetBatch:
    """Collate canonical graphs for the encoder and the loss.

    Args:
        graphs: B networks in canonical form, at least one.
        config: The model's sizes.
        meta_features: One row a network, [B, features]; None for networks without.
        stack: The executor of their architectures, where there is one already.

    Raises:
        NetGraphError: When a network is larger than the model allows.
    """
    architectures = [graph.architecture for graph in graphs]
    features = architecture_features(architectures, config.max_nodes)
    fan = features.max_fan
    if fan > config.max_fan:
        raise NetGraphError(f"a node with {fan} weights; this model encodes at most {config.max_fan} (max_fan)")
    stack, structure = stack or Stack(architectures), _collate(architectures, features, config)
    state = torch.cat([graph.state.float() for graph in graphs])
    sensitivity = torch.cat([g.sensitivity[torch.from_numpy(g.architecture.element_target)] for g in graphs])
    none = torch.full((len(graphs), config.n_meta_features), float("nan"))
    first = zip(architectures, features.table.node_start, features.state_ptr, strict=False)
    edges = [(a.edge_index + node, np.where(a.edge_element < 0, -1, a.edge_element + i)) for a, node, i in first]
    edge_index, edge_element = (np.concatenate(parts, axis=-1) for parts in zip(*edges, strict=True))
    return NetBatch(
        structure=structure,
        state=state,
        sensitivity=sensitivity.float(),
        outgoing=torch.from_numpy(features.outgoing(structure.gather.numpy())),
        node_type=torch.from_numpy(np.repeat(features.table.code, features.table.size)),
        edge_index=torch.from_numpy(edge_index),
        edge_element=torch.from_numpy(edge_element),
        token_node=torch.from_numpy(features.token_node()),
        outputs=stack(state, probe(stack.max_inputs, config.n_rows, SEED)),
        meta_features=none if meta_features is None else meta_features.float(),
    )


def check_batches(networks: Sequence[NetBatch]) -> None:
    """Raise if there is no batch of networks, or something else than one.

    Raises:
        NetGraphError: It names the other type.
    """
    if not networks:
        raise NetGraphError("no networks to take statistics from")
    for batch in networks:
        if not isinstance(batch, NetBatch):
            kind = type(batch).__name__
            raise NetGraphError(f"statistics are of batches of networks, such as Batches(...).networks; not {kind}")
