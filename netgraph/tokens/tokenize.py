"""NetGraphs to token batches and back, without loss."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from netgraph.errors import InvalidGraphError, NetGraphError
from netgraph.graph.architecture import Architecture, Ints, make_layer
from netgraph.graph.arguments import Network, as_graphs
from netgraph.graph.layers import BY_CODE
from netgraph.graph.modules.expand import gather
from netgraph.graph.modules.program import Program
from netgraph.graph.modules.wiring import structure
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.table import LayerTable
from netgraph.html import fragment, paragraph
from netgraph.lines import counted
from netgraph.tokens.builder import Builder
from netgraph.tokens.display import COLUMNS, MOST_TOKENS, tokens_html
from netgraph.tokens.program_stream import program_stream
from netgraph.tokens.stream import END, START, Stream, lay_out, stream

#: The streams of programs, for one number of weights a token.
_Known = dict[Program, Stream]


@dataclass(frozen=True, repr=False)
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
        general: The program of each network that is not feed-forward, and the bytes of its tensors of other types than
            the state's, [Q] uint8, by the number of the network; they travel beside the stream too.
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
    general: Mapping[int, tuple[Program, Tensor]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        longest, chunk = self.mask.shape[1], self.weight.shape[2]
        sizes = f"{counted(len(self), 'network')}, {counted(int(self.mask.sum()), 'token')}, longest {longest:,}"
        return f"TokenBatch({sizes}, {chunk} weights each, {str(self.weight.dtype).removeprefix('torch.')})"

    def _repr_html_(self) -> str:
        if not len(self):
            return fragment(paragraph(repr(self)))
        length = int(self.mask[0].sum())
        first = {name: getattr(self, name)[0, : min(length, MOST_TOKENS)] for name in COLUMNS}
        return tokens_html(repr(self), first, self.names[0], length, len(self))


def tokenize(graphs: Iterable[Network], chunk: int = 16) -> TokenBatch:
    """Turn graphs into token streams; :func:`detokenize` inverts it bit for bit.

    Args:
        graphs: Graphs, or modules, of one floating-point type, in a list; feed-forward and general ones may be mixed.
        chunk: Weights a token carries; continuation tokens follow a node with more.

    Raises:
        NetGraphError: When there is no graph, one graph stands for the list, or their types differ.

    Example:
        >>> tokenize([netgraph.from_module(torch.nn.Linear(2, 1))]).weight.shape
        torch.Size([1, 5, 16])
        >>> network = netgraph.from_module(torch.nn.Conv2d(1, 2, 5), torch.zeros(1, 1, 8, 8))
        >>> tokenize([network]).weight.shape  # two tokens a channel, whose kernel has 25 weights
        torch.Size([1, 7, 16])
    """
    graphs = as_graphs(graphs, "tokenize")
    dtypes = {graph.state.dtype for graph in graphs}
    if len(dtypes) != 1:
        raise NetGraphError(f"tokenize needs graphs of one floating-point type, got {sorted(map(str, dtypes))}")
    if any(graph.program is not None for graph in graphs):
        return _tokenize_each(graphs, chunk)
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
    _check_chunk(chunk)
    laid = lay_out(table, chunk)
    shape = laid.mask.shape  # [B, T]
    names = ("layer_type", "index", "parent", "opens", "attributes", "mask")
    columns: dict[str, Any] = {name: torch.from_numpy(getattr(laid, name)) for name in names}
    return TokenBatch(
        **columns,
        weight=_put(state, laid.weight_element, laid.weight_position, (*shape, chunk)),
        bias=_put(state, laid.bias_element, laid.bias_position, shape),
        sensitivity=_put(sensitivity, None, laid.node_position, shape),
        names=table.names,
    )


def _put(values: Tensor, chosen: Ints | None, positions: Ints, shape: tuple[int, ...]) -> Tensor:
    """Put the chosen values in their positions and 0 elsewhere."""
    picked = values if chosen is None else values[torch.from_numpy(chosen)]
    return values.new_zeros(math.prod(shape)).index_copy_(0, torch.from_numpy(positions), picked).view(shape)


def _check_chunk(chunk: int) -> None:
    if not isinstance(chunk, Integral) or chunk < 1:
        raise NetGraphError(f"chunk is {chunk}; a token carries at least 1 weight")


def _tokenize_each(graphs: Sequence[NetGraph], chunk: int) -> TokenBatch:
    """Turn graphs of any kind into token streams, one after the other."""
    _check_chunk(chunk)
    streams: _Known = {}
    columns: dict[str, list[Tensor]] = defaultdict(list)
    for graph in graphs:
        one = _stream(graph.architecture, chunk, streams)
        for name in ("layer_type", "index", "parent", "opens", "attributes"):
            columns[name].append(torch.from_numpy(getattr(one, name)))
        columns["mask"].append(torch.ones(len(one.index), dtype=torch.bool))
        state = graph.state.detach().cpu()
        columns["weight"].append(gather(state, one.elements, 0.0))
        columns["bias"].append(gather(state, one.bias_element, 0.0))
        sensitivity = state.new_zeros(len(one.index))
        sensitivity[_first_tokens(one, graph.num_nodes)] = graph.sensitivity.detach().cpu().to(state)
        columns["sensitivity"].append(sensitivity)
    programs = [graph.program for graph in graphs]
    names = (() if one.program else tuple(layer.name for layer in one.architecture.layers) for one in graphs)
    padded: dict[str, Any] = {name: pad_sequence(values, batch_first=True) for name, values in columns.items()}
    return TokenBatch(
        **padded,
        names=tuple(names),
        general={i: (one, graphs[i].other_state.cpu().clone()) for i, one in enumerate(programs) if one is not None},
    )


def _stream(network: Architecture | Program, chunk: int, known: _Known) -> Stream:
    """Return the stream of a network; that of a program, as long as its state, is kept for one batch only."""
    if not isinstance(network, Program):
        return stream(network, chunk)
    if network not in known:
        known[network] = program_stream(network, chunk)
    return known[network]


def _first_tokens(expected: Stream, nodes: int) -> Tensor:
    """Return the position of each node's first token, [N]."""
    return torch.from_numpy(np.searchsorted(expected.index[1:], np.arange(nodes)) + 1)


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
    streams: _Known = {}
    return [_graph(tokens, row, streams) for row in range(len(tokens))]


def _graph(tokens: TokenBatch, row: int, streams: _Known) -> NetGraph:
    length = int(tokens.mask[row].sum())
    program, other = tokens.general.get(row, (None, None))
    network = program or _architecture(tokens, row, length)
    expected = _stream(network, tokens.weight.shape[-1], streams)
    if len(expected.index) != length:
        raise InvalidGraphError(f"network {row}: {length} tokens where its layers need {len(expected.index)}")
    if program is not None:
        _check_columns(tokens, row, expected)
    state = tokens.weight.new_zeros(network.state_size)
    for elements, values in ((expected.elements, tokens.weight), (expected.bias_element, tokens.bias)):
        held = torch.from_numpy(elements >= 0)
        state[torch.from_numpy(elements)[held]] = values[row, :length][held]
    sensitivity = tokens.sensitivity[row][_first_tokens(expected, structure(network).num_nodes)]
    return NetGraph(network, state, sensitivity, other)


def _check_columns(tokens: TokenBatch, row: int, expected: Stream) -> None:
    """Raise where a stream is not that of its program."""
    for name in ("layer_type", "index", "parent", "opens"):
        column = torch.from_numpy(getattr(expected, name))
        wrong = (getattr(tokens, name)[row, : len(column)] != column).nonzero()
        if len(wrong):
            position = int(wrong[0])
            raise InvalidGraphError(f"network {row}, token {position}: its {name} is not that of its program")


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
