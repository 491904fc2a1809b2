"""A network as a graph: the vocabulary of layers, architectures, the NetGraph and its conversions."""

from netgraph.graph.architecture import SLOT_KINDS, Architecture, Layer, StateTensor, make_layer
from netgraph.graph.layers import LAYER_TYPES, LayerType
from netgraph.graph.netgraph import NetGraph

__all__ = ["LAYER_TYPES", "SLOT_KINDS", "Architecture", "Layer", "LayerType", "NetGraph", "StateTensor", "make_layer"]
