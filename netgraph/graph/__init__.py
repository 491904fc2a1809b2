"""A network as a graph: the vocabulary of layers, architectures, the NetGraph and its conversions."""

from netgraph.graph.architecture import TENSOR_KINDS, Architecture, Layer, TensorSpec, make_layer
from netgraph.graph.edit import prepend_linear, weighted_sum
from netgraph.graph.from_module import from_module
from netgraph.graph.io import load_graphs, save_graphs
from netgraph.graph.layers import LAYER_TYPES, LayerType
from netgraph.graph.modules.onnx import to_onnx
from netgraph.graph.modules.sensitivity import module_sensitivity
from netgraph.graph.modules.source import to_source
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.prune import prune
from netgraph.graph.symmetry import canonicalize
from netgraph.graph.to_module import to_module

__all__ = [
    "LAYER_TYPES",
    "TENSOR_KINDS",
    "Architecture",
    "Layer",
    "LayerType",
    "NetGraph",
    "TensorSpec",
    "canonicalize",
    "from_module",
    "load_graphs",
    "make_layer",
    "module_sensitivity",
    "prepend_linear",
    "prune",
    "save_graphs",
    "to_module",
    "to_onnx",
    "to_source",
    "weighted_sum",
]
