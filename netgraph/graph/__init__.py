"""A network as a graph: the vocabulary of layers, architectures, the NetGraph and its conversions.

Imported when first used, so that a recipe is read without PyTorch Geometric.
"""

from typing import TYPE_CHECKING

from netgraph.lazy import attach

if TYPE_CHECKING:
    from netgraph.graph.architecture import TENSOR_KINDS, Architecture, Layer, TensorSpec, make_layer
    from netgraph.graph.edit import prepend_linear, weighted_sum
    from netgraph.graph.io import load_graphs, save_graphs
    from netgraph.graph.layers import LAYER_TYPES, LayerType
    from netgraph.graph.modules.onnx import to_onnx
    from netgraph.graph.modules.sensitivity import module_sensitivity
    from netgraph.graph.modules.source import to_source
    from netgraph.graph.netgraph import NetGraph
    from netgraph.graph.pruning import prune
    from netgraph.graph.read_module import from_module
    from netgraph.graph.symmetry import canonicalize
    from netgraph.graph.write_module import to_module

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
__getattr__, __dir__ = attach(
    __name__,
    {
        "architecture": ["TENSOR_KINDS", "Architecture", "Layer", "TensorSpec", "make_layer"],
        "edit": ["prepend_linear", "weighted_sum"],
        "read_module": ["from_module"],
        "io": ["load_graphs", "save_graphs"],
        "layers": ["LAYER_TYPES", "LayerType"],
        "modules.onnx": ["to_onnx"],
        "modules.sensitivity": ["module_sensitivity"],
        "modules.source": ["to_source"],
        "netgraph": ["NetGraph"],
        "pruning": ["prune"],
        "symmetry": ["canonicalize"],
        "write_module": ["to_module"],
    },
)
