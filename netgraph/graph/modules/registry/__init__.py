"""The registry of module types, one entry a layer: how it is read, how its edges are wired, how it is built again.

A module is written down as the name of its type and the arguments of its constructor, never as code, and built again
by that constructor alone. Reading is checked: the module built from its description must have the same tensors and the
same plain attributes as the one that was read.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from netgraph.errors import InvalidGraphError, UnsupportedLayerError
from netgraph.graph.frozen import registry
from netgraph.graph.modules.encoding import Encoded, decode, encode
from netgraph.graph.modules.registry.codes import CODES, FIRST_GENERAL_CODE, GENERAL_TYPES, NAMES

__all__ = ["CODES", "CONTAINERS", "ENTRIES", "FIRST_GENERAL_CODE", "GENERAL_TYPES", "NAMES", "Entry", "build",
           "describe", "is_leaf", "n_spatial_dims", "type_of_operation"]  # fmt: skip

Arguments = dict[str, Any]
Reader = Callable[[Any], Arguments]


@dataclass(frozen=True)
class Entry:
    """A registered type of module, whose instances are kept whole.

    Attributes:
        type: The class; its constructor builds a module again.
        role: How its edges are wired, one of :data:`~netgraph.graph.modules.rules.RULES`, as those of a function are;
            ``decomposed``: by its forward in primitive operations, see :mod:`netgraph.graph.modules.decompose`.
        read: Reads its constructor's arguments from an instance.
    """

    type: type[nn.Module]
    role: str
    read: Reader


def _attributes(names: str) -> Reader:
    """Read arguments that are attributes of the same name, and ``bias`` as whether there is one."""

    def read(module: nn.Module) -> Arguments:
        values = {name: getattr(module, name) for name in names.split()}
        bias = values.get("bias", False)  # a recurrent layer's is a flag
        return values | ({"bias": bias if isinstance(bias, bool) else bias is not None} if "bias" in values else {})

    return read


def _affine(names: str) -> Reader:
    """Read a norm whose bias may be left out where it has weights."""
    read = _attributes(names)
    return lambda module: read(module) | ({"bias": False} if module.affine and module.bias is None else {})


def _layer_norm(module: Any) -> Arguments:
    bias = not module.elementwise_affine or module.bias is not None
    return _attributes("normalized_shape eps elementwise_affine")(module) | {"bias": bias}


def _attention(module: Any) -> Arguments:
    return _attributes("embed_dim num_heads dropout kdim vdim batch_first add_zero_attn")(module) | {
        "bias": module.in_proj_bias is not None,
        "add_bias_kv": module.bias_k is not None,
    }


def _transformer_layer(module: Any) -> Arguments:
    activations = [name for name, function in (("relu", F.relu), ("gelu", F.gelu)) if module.activation is function]
    if not activations:
        raise UnsupportedLayerError(f"an activation {module.activation!r} other than relu and gelu")
    return {
        "d_model": module.self_attn.embed_dim,
        "nhead": module.self_attn.num_heads,
        "dim_feedforward": module.linear1.out_features,
        "dropout": module.dropout.p,
        "activation": activations[0],
        "layer_norm_eps": module.norm1.eps,
        "batch_first": module.self_attn.batch_first,
        "norm_first": module.norm_first,
        "bias": module.linear1.bias is not None,
    }


def _layers(name: str, more: str = "") -> Reader:
    """Read a stack of transformer layers: the first stands for all, which the check confirms."""

    def read(module: Any) -> Arguments:
        return {name: module.layers[0], "num_layers": module.num_layers, "norm": module.norm} | _attributes(more)(
            module
        )

    return read


def _transformer(module: Any) -> Arguments:
    return _attributes("d_model nhead batch_first")(module) | {
        "custom_encoder": module.encoder,
        "custom_decoder": module.decoder,
    }


_CONV = "in_channels out_channels kernel_size stride padding dilation groups bias padding_mode"
_RECURRENT = "input_size hidden_size num_layers batch_first dropout bidirectional"
#: Types, the role of each, and the arguments of its constructor: attributes of the same name, or how they are read.
_TABLE: tuple[tuple[str, str, str | Reader], ...] = (
    ("Linear", "dense", "in_features out_features bias"),
    ("Bilinear", "bilinear", "in1_features in2_features out_features bias"),
    ("Conv1d Conv2d Conv3d", "conv", _CONV),
    ("ConvTranspose1d ConvTranspose2d ConvTranspose3d", "conv", f"{_CONV} output_padding"),
    ("BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d", "norm",
     _affine("num_features eps momentum affine track_running_stats")),
    ("GroupNorm", "norm", _affine("num_groups num_channels eps affine")),
    ("LayerNorm", "norm", _layer_norm),
    ("RMSNorm", "norm", "normalized_shape eps elementwise_affine"),
    ("LocalResponseNorm", "elementwise", "size alpha beta k"),
    ("Embedding", "embedding", "num_embeddings embedding_dim padding_idx max_norm norm_type scale_grad_by_freq sparse"),
    ("MultiheadAttention", "decomposed", _attention),
    ("LSTM", "decomposed", f"{_RECURRENT} proj_size bias"),
    ("GRU", "decomposed", f"{_RECURRENT} bias"),
    ("RNN", "decomposed", f"{_RECURRENT} nonlinearity bias"),
    ("TransformerEncoderLayer TransformerDecoderLayer", "decomposed", _transformer_layer),
    ("TransformerEncoder", "decomposed", _layers("encoder_layer", "enable_nested_tensor mask_check")),
    ("TransformerDecoder", "decomposed", _layers("decoder_layer")),
    ("Transformer", "decomposed", _transformer),
    ("MaxPool1d MaxPool2d MaxPool3d", "pool", "kernel_size stride padding ceil_mode dilation return_indices"),
    ("AvgPool1d", "pool", "kernel_size stride padding ceil_mode count_include_pad"),
    ("AvgPool2d AvgPool3d", "pool", "kernel_size stride padding ceil_mode count_include_pad divisor_override"),
    ("LPPool1d LPPool2d LPPool3d", "pool", "norm_type kernel_size stride ceil_mode"),
    ("AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d", "pool", "output_size"),
    ("AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d", "pool", "output_size return_indices"),
    ("MaxUnpool1d MaxUnpool2d MaxUnpool3d", "pool", "kernel_size stride padding"),
    ("FractionalMaxPool2d FractionalMaxPool3d", "pool", "kernel_size output_size output_ratio return_indices"),
    ("Upsample", "pool", "size scale_factor mode align_corners recompute_scale_factor"),
    ("UpsamplingNearest2d UpsamplingBilinear2d", "pool", "size scale_factor"),
    ("PixelShuffle", "reshape", "upscale_factor"),
    ("PixelUnshuffle", "reshape", "downscale_factor"),
    ("ChannelShuffle", "reshape", "groups"),
    ("Flatten", "reshape", "start_dim end_dim"),
    ("Unflatten", "reshape", "dim unflattened_size"),
    ("ZeroPad1d ZeroPad2d ZeroPad3d ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d "
     "ReplicationPad3d CircularPad1d CircularPad2d CircularPad3d", "reshape", "padding"),
    ("ConstantPad1d ConstantPad2d ConstantPad3d", "reshape", "padding value"),
    ("Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout", "elementwise", "p inplace"),
    ("ReLU ReLU6 SiLU Mish Hardswish Hardsigmoid SELU", "elementwise", "inplace"),
    ("Tanh Sigmoid LogSigmoid Softsign Tanhshrink Identity", "elementwise", ""),
    ("LeakyReLU", "elementwise", "negative_slope inplace"),
    ("RReLU", "elementwise", "lower upper inplace"),
    ("ELU CELU", "elementwise", "alpha inplace"),
    ("GELU", "elementwise", "approximate"),
    ("GLU", "glu", "dim"),
    ("Softmax LogSoftmax Softmin", "softmax", "dim"),
    ("Softmax2d", "softmax", ""),
    ("Hardtanh", "elementwise", "min_val max_val inplace"),
    ("Hardshrink Softshrink", "elementwise", "lambd"),
    ("Threshold", "elementwise", "threshold value inplace"),
    ("Softplus", "elementwise", "beta threshold"),
    ("PReLU", "prelu", "num_parameters init"),
)  # fmt: skip


#: The entries by the names of their types.
ENTRIES = registry(
    (name, Entry(getattr(nn, name), role, _attributes(reader) if isinstance(reader, str) else reader))
    for names, role, reader in _TABLE
    for name in names.split()
)
#: Containers keep their type; any other module that is traced through becomes a plain ``nn.Module``.
CONTAINERS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {"Module": nn.Module, "Sequential": nn.Sequential, "ModuleList": nn.ModuleList, "ModuleDict": nn.ModuleDict}
)


def is_leaf(module: nn.Module) -> bool:
    """Return whether a module is kept whole: its very type is registered."""
    entry = ENTRIES.get(type(module).__name__)
    return entry is not None and entry.type is type(module)


def describe(module: nn.Module) -> tuple[str, Encoded]:
    """Write a registered module down.

    Attributes that its type does not know are left out: nothing reads them.

    Raises:
        UnsupportedLayerError: When the module built from the description would differ; without the module's name,
            which the caller adds.
        InvalidGraphError: When a tensor has another shape; without the module's name either.
    """
    kind = type(module).__name__
    inner = lambda value: ("module", describe(value)) if isinstance(value, nn.Module) else None  # noqa: E731
    kwargs = encode(ENTRIES[kind].read(module), inner)
    again = build(kind, kwargs)
    (shapes, attributes), (expected_shapes, expected) = _contents(module), _contents(again)
    for key in shapes.keys() & expected_shapes.keys():
        if shapes[key] != expected_shapes[key] and isinstance(shapes[key], tuple) and expected_shapes[key] is not None:
            text = f"{key}: has shape {shapes[key]}, not {expected_shapes[key]} as its {kind} says"
            raise InvalidGraphError(text)
    actual = shapes | {key: value for key, value in attributes.items() if key in expected}
    expected |= expected_shapes
    for key in actual.keys() | expected.keys():
        a, b = (values.get(key, "absent") for values in (actual, expected))
        if a != b:
            raise UnsupportedLayerError(f"{kind} was altered after it was made: {key} is {a!r}, not {b!r}")
    return kind, kwargs


def build(type_name: str, kwargs: Encoded) -> nn.Module:
    """Construct a registered module, its tensors on the meta device (without memory, without drawing numbers)."""
    if type_name in CONTAINERS:
        return CONTAINERS[type_name]()
    if type_name not in ENTRIES:
        raise UnsupportedLayerError(f"unknown module type {type_name!r}")
    arguments = decode(kwargs, {"module": lambda inner: build(*inner)})
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the module that was read has said it
        return ENTRIES[type_name].type(**arguments)


def _contents(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the shapes of tensors, None where there is none, and submodules and public attributes, by name."""
    shapes: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, inner in module.named_modules(remove_duplicate=False):
        shapes[name] = type(inner).__name__  # a module that is not its type's own changes what is computed
        for key, value in inner.__dict__.items():
            if not key.startswith("_") and key != "training":
                others[f"{name}.{key}".strip(".")] = value
        for key, value in (inner._parameters | inner._buffers).items():
            shapes[f"{name}.{key}".strip(".")] = None if value is None else tuple(value.shape)
    return shapes, others


_SAME = {"Iadd": "Add", "Isub": "Sub", "Imul": "Mul", "Itruediv": "Div", "Truediv": "Div", "TrueDivide": "Div",
         "Rsub": "Sub", "Concatenate": "Concat", "Cat": "Concat"}  # fmt: skip
_BY_LOWER_CASE = {name.lower(): name for name in ENTRIES}


def n_spatial_dims(kind: str) -> int | None:
    """Return how many spatial dimensions follow the channels that a type reads: 2 of Conv2d; None where any do."""
    return next((int(letter) for letter in kind if letter.isdigit()), None)


def type_of_operation(name: str) -> str:
    """Return the node type of an operation: that of the module that does the same, where there is one."""
    base = name.split(".")[1].strip("_")
    title = base.title().replace("_", "")
    return _BY_LOWER_CASE.get(base.replace("_", "")) or _SAME.get(title, title)
