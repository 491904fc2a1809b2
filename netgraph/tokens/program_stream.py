"""Token streams of general networks: the same columns, one token a node, kernels over continuation tokens.

A node's tokens carry the weights of its edges, by source, then other numbers of the state that belong to it, such as
the statistics of its normalization. A weight that the network holds once, for several edges, is carried by the first.
Numbers that belong to no node stand on the end token and continuations of it. So the state is carried once.
"""

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from netgraph.graph.architecture import Ints
from netgraph.graph.modules.labels import Value
from netgraph.graph.modules.program import Program
from netgraph.graph.modules.wiring import Wiring, wire
from netgraph.graph.table import N_HYPER, starts
from netgraph.tokens.stream import END, START, Stream


def program_stream(program: Program, chunk: int) -> Stream:
    """Return the token stream of a program; ``chunk`` is the number of weights a token can carry.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Conv1d(1, 2, 3), torch.zeros(1, 1, 5))
        >>> program_stream(graph.program, 2).index.tolist()  # START, the input, two tokens a channel, END
        [1, 0, 1, 1, 2, 2, 3]
    """
    wiring = wire(program)
    nodes = wiring.num_nodes
    bias_element, owner, element = _carried(program, wiring)
    turns = np.maximum(1, -(-np.bincount(owner, minlength=nodes + 1) // chunk))  # of each node, and of END
    first = 1 + starts(turns)
    length = int(first[-1])
    elements = np.full((length, chunk), -1, dtype=np.int64)
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    elements[first[owner] + rank // chunk, rank % chunk] = element
    biases, opens = np.full(length, -1, dtype=np.int64), np.zeros(length, dtype=bool)
    biases[first[:nodes]] = bias_element
    opens[first[np.array([group.start for group in wiring.groups if group.size], dtype=np.int64)]] = True
    inputs = sum(group.size for group in wiring.groups if group.type == "Input")
    outputs = _outputs(wiring)
    start, end = (START, inputs, len(outputs)), (END, nodes, int(min(outputs, default=nodes)))
    columns = zip(start, (wiring.layer_type, np.arange(nodes), wiring.parent), end, strict=True)
    layer_type, index, parent = (np.array([a, *np.repeat([*values, b], turns)]) for a, values, b in columns)
    return Stream(layer_type, index, parent, opens, elements, biases, np.zeros((length, N_HYPER)))


def _carried(program: Program, wiring: Wiring) -> tuple[Ints, Ints, Ints]:
    """Assign each state element once: to the bias of a node, [N], or to the weights of a node, (node, element) by node.

    A node N stands for none.
    """
    size, nodes = program.state_size, wiring.num_nodes
    free = np.ones(size, dtype=bool)
    edges = wiring.edges
    inside = edges.slot < size  # others are of another type than the state
    element, position = np.unique(edges.slot[inside], return_index=True)
    element = element[np.argsort(position)]
    owner = edges.index[1][edges.owner[inside][np.sort(position)]]
    free[element] = False
    bias = wiring.bias_element
    single = np.zeros(nodes, dtype=bool)
    single[np.unique(bias, return_index=True)[1]] = True
    single &= (bias >= 0) & (bias < size)
    single[single] &= free[bias[single]]
    free[bias[single]] = False
    rest = np.flatnonzero(free)
    element = np.concatenate([element, rest])
    owner = np.concatenate([owner, _nodes_of_tensors(program, wiring)[rest]])
    order = np.argsort(owner, kind="stable")
    return np.where(single, bias, -1), owner[order], element[order]


def _nodes_of_tensors(program: Program, wiring: Wiring) -> Ints:
    """Return the node that each state element belongs to by the name of its layer, [P]; N where there is none.

    That is the node of a tensor's row where the layer has as many nodes as the tensor rows, else the layer's first.
    """
    groups = {group.name: group for group in reversed(wiring.groups) if group.size}
    owner = np.full(program.state_size, wiring.num_nodes, dtype=np.int64)
    for tensor in program.tensors:
        group = groups.get(tensor.names[0].rpartition(".")[0])
        if group is not None and tensor.in_state and tensor.size:
            rows = tensor.shape[0] if tensor.shape else 1
            row = np.repeat(np.arange(rows), tensor.size // rows)
            owner[tensor.offset : tensor.end] = group.start + (row if rows == group.size else 0)
    return owner


def _outputs(wiring: Wiring) -> set[int]:
    """Return the nodes of the results."""
    values = [leaf for leaf in tree_leaves(wiring.output) if isinstance(leaf, Value)]
    return set(torch.cat([torch.zeros(0, dtype=torch.long), *(value.nodes for value in values)]).tolist())
