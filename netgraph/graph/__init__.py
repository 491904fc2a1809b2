"""A network as a graph: the vocabulary of layers, architectures, the NetGraph and its conversions."""

from netgraph.graph.architecture import SLOT_KINDS, Architecture, Layer, StateTensor, make_layer
from netgraph.graph.from_module import from_module
from netgraph.graph.layers import LAYER_TYPES, LayerType
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize
from netgraph.graph.to_module import to_module

__all__ = [
    "LAYER_TYPES",
    "SLOT_KINDS",
    "Architecture",
    "Layer",
    "LayerType",
    "NetGraph",
    "StateTensor",
    "canonicalize",
    "from_module",
    "make_layer",
    "to_module",
]
