"""NetGraphs to token batches and back, without loss."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import InvalidGraphError, NetGraphError
from netgraph.graph.architecture import Architecture, Ints, make_layer
from netgraph.graph.arguments import Network, as_graphs
from netgraph.graph.layers import BY_CODE
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.table import LayerTable
from netgraph.tokens.builder import Builder
from netgraph.tokens.stream import END, START, lay_out, stream


@dataclass(frozen=True)
class TokenBatch:
    """Token streams of B networks, padded to T tokens.

    Attributes:
        layer_type: Layer type code, or PAD, START, END, [B, T] long.
        index: Node, in START the number of inputs, [B, T] long.
        parent: Feeding node, -1 for inputs, in START the number of outputs, [B, T] long.
        opens: Whether a layer opens here, [B, T] bool.
        weight: Incoming weights and buffers, zero padded, [B, T, chunk].
        bias: Bias, 0 where the layer has none, [B, T].
        attributes: Encoded hyper-parameters, [B, T, 3] float64.
        sensitivity: Sensitivity of the node, on its first token; 0 elsewhere, [B, T].
        mask: True where a token stands, [B, T] bool.
        names: Names of each network's layers; they travel beside the stream.
    """

    layer_type: Tensor
    index: Tensor
    parent: Tensor
    opens: Tensor
    weight: Tensor
    bias: Tensor
    attributes: Tensor
    sensitivity: Tensor
    mask: Tensor
    names: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.names)


def tokenize(graphs: Iterable[Network], chunk: int = 16) -> TokenBatch:
    """Turn graphs into token streams; :func:`detokenize` inverts it bit for bit.

    Args:
        graphs: Graphs, or modules, of one floating-point type.
        chunk: Weights a token carries; continuation tokens follow a node with more.

    Raises:
        NetGraphError: When there is no graph, or their types differ.

    Example:
        >>> tokenize([netgraph.from_module(torch.nn.Linear(2, 1))]).weight.shape
        torch.Size([1, 5, 16])
    """
    graphs = as_graphs(graphs, "tokenize")
    dtypes = {graph.state.dtype for graph in graphs}
    if len(dtypes) != 1:
        raise NetGraphError(f"tokenize needs graphs of one floating-point type, got {sorted(map(str, dtypes))}")
    state = torch.cat([graph.state.detach().cpu() for graph in graphs])
    sensitivity = torch.cat([graph.sensitivity.detach().cpu().to(state) for graph in graphs])
    return tokenize_packed(LayerTable.pack([graph.architecture for graph in graphs]), state, sensitivity, chunk)


def tokenize_packed(table: LayerTable, state: Tensor, sensitivity: Tensor, chunk: int = 16) -> TokenBatch:
    """Turn packed networks into token streams, all at once.

    Args:
        table: Their architectures, one a network, at least one.
        state: Their states one after the other, [sum P].
        sensitivity: Sensitivities one after the other, [sum N].
        chunk: Weights a token carries, >= 1.

    Raises:
        NetGraphError: When ``chunk`` is less than 1.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> len(tokenize_packed(LayerTable.pack([graph.architecture]), graph.state, graph.sensitivity))
        1
    """
    if chunk < 1:
        raise NetGraphError(f"chunk is {chunk}; a token carries at least 1 weight")
    laid = lay_out(table, chunk)
    shape = laid.mask.shape  # [B, T]
    names = ("layer_type", "index", "parent", "opens", "attributes", "mask")
    return TokenBatch(
        **{name: torch.from_numpy(getattr(laid, name)) for name in names},
        weight=_put(state, laid.weight_element, laid.weight_position, (*shape, chunk)),
        bias=_put(state, laid.bias_element, laid.bias_position, shape),
        sensitivity=_put(sensitivity, None, laid.node_position, shape),
        names=table.names,
    )


def _put(values: Tensor, chosen: Ints | None, positions: Ints, shape: tuple[int, ...]) -> Tensor:
    """Put the chosen values in their positions and 0 elsewhere."""
    picked = values if chosen is None else values[torch.from_numpy(chosen)]
    return values.new_zeros(math.prod(shape)).index_copy_(0, torch.from_numpy(positions), picked).view(shape)


def detokenize(tokens: TokenBatch) -> list[NetGraph]:
    """Turn token streams back into graphs.

    Raises:
        InvalidGraphError: When a stream breaks the grammar; it names the network and the token.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> torch.equal(detokenize(tokenize([graph]))[0].state, graph.state)
        True
    """
    if not isinstance(tokens, TokenBatch):
        raise InvalidGraphError(f"detokenize: expected a TokenBatch, got {type(tokens).__name__}")
    return [_graph(tokens, row) for row in range(len(tokens))]


def _graph(tokens: TokenBatch, row: int) -> NetGraph:
    length = int(tokens.mask[row].sum())
    architecture = _architecture(tokens, row, length)
    expected = stream(architecture, tokens.weight.shape[-1])
    if len(expected.index) != length:
        raise InvalidGraphError(f"network {row}: {length} tokens where its layers need {len(expected.index)}")
    state = tokens.weight.new_zeros(architecture.state_size)
    for elements, values in ((expected.elements, tokens.weight), (expected.bias_element, tokens.bias)):
        held = torch.from_numpy(elements >= 0)
        state[torch.from_numpy(elements)[held]] = values[row, :length][held]
    first = np.searchsorted(expected.index[1:-1], np.arange(architecture.num_nodes)) + 1
    return NetGraph(architecture, state, tokens.sensitivity[row][torch.from_numpy(first)])


def _architecture(tokens: TokenBatch, row: int, length: int) -> Architecture:
    columns = tokens.layer_type, tokens.index, tokens.parent, tokens.opens
    layer_type, index, parent, opens = (column[row, :length].tolist() for column in columns)
    if length < 2 or layer_type[0] != START or layer_type[-1] != END:
        raise InvalidGraphError(f"network {row}: a stream opens with START and closes with END")
    builder = Builder(index[0], parent[0])
    for position in range(1, length - 1):
        stays = index[position] == index[position - 1] and position > 1
        try:
            builder.read(layer_type[position], parent[position], opens[position], stays)
        except InvalidGraphError as error:
            raise InvalidGraphError(f"network {row}, token {position}: {error}") from None
    bare = builder.architecture()
    attributes = tokens.attributes[row, :length][tokens.opens[row, :length]].tolist()
    layers = []
    for layer, name, codes in zip(bare.layers, tokens.names[row], attributes, strict=True):
        hyper = {h.name: h.decode(code) for h, code in zip(BY_CODE[layer.kind.code].hyper, codes, strict=False)}
        full = make_layer(layer.type, layer.inputs, layer.size, name, hyper)
        layers.append(replace(full, name=name))
    return Architecture(tuple(layers))
