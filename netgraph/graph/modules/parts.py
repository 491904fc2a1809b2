"""The registry of module types: how each is read from an instance and built again by its own constructor.

A module is written down as the name of its type and the arguments of its constructor, never as code, and built again
from this table alone. Reading is checked: the module built from what was read must have the same tensors and the same
plain attributes as the one that was read.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.modules.encoding import Encoded, decode, encode

Arguments = dict[str, Any]
Reader = Callable[[nn.Module], Arguments]


def _has_bias(part: Any) -> bool:
    return part.bias is not None


def _attributes(*names: str, **computed: Callable[[Any], Any]) -> Reader:
    """Read arguments that are attributes of the same name, and ``bias`` as whether there is one."""
    readers = {name: _has_bias if name == "bias" else None for name in names} | computed

    def read(part: nn.Module) -> Arguments:
        return {name: getattr(part, name) if get is None else get(part) for name, get in readers.items()}

    return read


_CONV = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias",
         "padding_mode")  # fmt: skip
_RECURRENT = ("input_size", "hidden_size", "num_layers", "batch_first", "dropout", "bidirectional")
_OWN_BIAS = {"bias": lambda part: part.bias}
_POOL = ("kernel_size", "stride", "padding", "ceil_mode")


def _affine(*names: str) -> Reader:
    """Read a norm whose bias may be left out where it has weights."""

    def read(part: Any) -> Arguments:
        return _attributes(*names)(part) | ({"bias": False} if part.affine and part.bias is None else {})

    return read


def _attention(part: Any) -> Arguments:
    return _attributes("embed_dim", "num_heads", "dropout", "kdim", "vdim", "batch_first", "add_zero_attn")(part) | {
        "bias": part.in_proj_bias is not None,
        "add_bias_kv": part.bias_k is not None,
    }


def _activation(part: Any) -> str:
    for name, function in (("relu", F.relu), ("gelu", F.gelu)):
        if part.activation is function:
            return name
    raise UnsupportedLayerError(f"an activation {part.activation!r} other than relu and gelu")


def _transformer_layer(part: Any) -> Arguments:
    return {
        "d_model": part.self_attn.embed_dim,
        "nhead": part.self_attn.num_heads,
        "dim_feedforward": part.linear1.out_features,
        "dropout": part.dropout.p,
        "activation": _activation(part),
        "layer_norm_eps": part.norm1.eps,
        "batch_first": part.self_attn.batch_first,
        "norm_first": part.norm_first,
        "bias": part.linear1.bias is not None,
    }


def _layers(name: str, *more: str) -> Reader:
    """Read a stack of transformer layers: the first stands for all, which the check confirms."""

    def read(part: Any) -> Arguments:
        return {name: part.layers[0], "num_layers": part.num_layers, "norm": part.norm} | _attributes(*more)(part)

    return read


def _transformer(part: Any) -> Arguments:
    return _attributes("d_model", "nhead", "batch_first")(part) | {
        "custom_encoder": part.encoder,
        "custom_decoder": part.decoder,
    }


_TABLE: list[tuple[Iterable[type[nn.Module]], Reader]] = [
    ((nn.Linear,), _attributes("in_features", "out_features", "bias")),
    ((nn.Bilinear,), _attributes("in1_features", "in2_features", "out_features", "bias")),
    ((nn.Conv1d, nn.Conv2d, nn.Conv3d), _attributes(*_CONV)),
    ((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), _attributes(*_CONV, "output_padding")),
    (
        (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
        _affine("num_features", "eps", "momentum", "affine", "track_running_stats"),
    ),
    ((nn.GroupNorm,), _affine("num_groups", "num_channels", "eps", "affine")),
    (
        (nn.LayerNorm,),
        _attributes(
            "normalized_shape", "eps", "elementwise_affine", bias=lambda m: not m.elementwise_affine or _has_bias(m)
        ),
    ),
    ((nn.RMSNorm,), _attributes("normalized_shape", "eps", "elementwise_affine")),
    ((nn.LocalResponseNorm,), _attributes("size", "alpha", "beta", "k")),
    (
        (nn.Embedding,),
        _attributes(
            "num_embeddings", "embedding_dim", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse"
        ),
    ),
    ((nn.MultiheadAttention,), _attention),
    ((nn.LSTM,), _attributes(*_RECURRENT, "proj_size", **_OWN_BIAS)),
    ((nn.GRU,), _attributes(*_RECURRENT, **_OWN_BIAS)),
    ((nn.RNN,), _attributes(*_RECURRENT, "nonlinearity", **_OWN_BIAS)),
    ((nn.TransformerEncoderLayer, nn.TransformerDecoderLayer), _transformer_layer),
    ((nn.TransformerEncoder,), _layers("encoder_layer", "enable_nested_tensor", "mask_check")),
    ((nn.TransformerDecoder,), _layers("decoder_layer")),
    ((nn.Transformer,), _transformer),
    ((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), _attributes(*_POOL, "dilation", "return_indices")),
    ((nn.AvgPool1d,), _attributes(*_POOL, "count_include_pad")),
    ((nn.AvgPool2d, nn.AvgPool3d), _attributes(*_POOL, "count_include_pad", "divisor_override")),
    ((nn.LPPool1d, nn.LPPool2d, nn.LPPool3d), _attributes("norm_type", "kernel_size", "stride", "ceil_mode")),
    ((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), _attributes("output_size")),
    (
        (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
        _attributes("output_size", "return_indices"),
    ),
    ((nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d), _attributes("kernel_size", "stride", "padding")),
    (
        (nn.FractionalMaxPool2d, nn.FractionalMaxPool3d),
        _attributes("kernel_size", "output_size", "output_ratio", "return_indices"),
    ),
    ((nn.Upsample,), _attributes("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")),
    ((nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d), _attributes("size", "scale_factor")),
    ((nn.PixelShuffle,), _attributes("upscale_factor")),
    ((nn.PixelUnshuffle,), _attributes("downscale_factor")),
    ((nn.ChannelShuffle,), _attributes("groups")),
    ((nn.Flatten,), _attributes("start_dim", "end_dim")),
    ((nn.Unflatten,), _attributes("dim", "unflattened_size")),
    (
        (
            nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d,
            nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d, nn.CircularPad1d, nn.CircularPad2d,
            nn.CircularPad3d,
        ),
        _attributes("padding"),
    ),
    ((nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d), _attributes("padding", "value")),
    (
        (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
        _attributes("p", "inplace"),
    ),
    (
        (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.SELU),
        _attributes("inplace"),
    ),
    ((nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Softsign, nn.Tanhshrink, nn.Identity, nn.Softmax2d), _attributes()),
    ((nn.LeakyReLU,), _attributes("negative_slope", "inplace")),
    ((nn.RReLU,), _attributes("lower", "upper", "inplace")),
    ((nn.ELU, nn.CELU), _attributes("alpha", "inplace")),
    ((nn.GELU,), _attributes("approximate")),
    ((nn.GLU, nn.Softmax, nn.LogSoftmax, nn.Softmin), _attributes("dim")),
    ((nn.Hardtanh,), _attributes("min_val", "max_val", "inplace")),
    ((nn.Hardshrink, nn.Softshrink), _attributes("lambd")),
    ((nn.Threshold,), _attributes("threshold", "value", "inplace")),
    ((nn.Softplus,), _attributes("beta", "threshold")),
    ((nn.PReLU,), _attributes("num_parameters", "init")),
]  # fmt: skip


def _registry() -> tuple[Mapping[type[nn.Module], Reader], Mapping[str, type[nn.Module]]]:
    readers: dict[type[nn.Module], Reader] = {}
    names: dict[str, type[nn.Module]] = {}
    for types, reader in _TABLE:
        for module_type in types:
            if module_type.__name__ in names:
                raise NetGraphError(f"module type {module_type.__name__} is registered twice")
            readers[module_type], names[module_type.__name__] = reader, module_type
    return MappingProxyType(readers), MappingProxyType(names)


#: How to read a module of each registered type, and the types by their names.
READERS, TYPES = _registry()
#: Containers keep their type; any other module that is traced through becomes a plain ``nn.Module``.
CONTAINERS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {"Module": nn.Module, "Sequential": nn.Sequential, "ModuleList": nn.ModuleList, "ModuleDict": nn.ModuleDict}
)


def is_leaf(part: nn.Module) -> bool:
    """Return whether a module is kept whole: its very type is registered."""
    return type(part) in READERS


def describe(part: nn.Module) -> tuple[str, Encoded]:
    """Write a registered module down.

    Raises:
        UnsupportedLayerError: When the module built from the description would differ; without the module's name,
            which the caller adds.
    """
    kind = type(part).__name__
    hyper = encode(READERS[type(part)](part), lambda m: ("part", describe(m)) if isinstance(m, nn.Module) else None)
    found, expected = _plain(part), _plain(build(kind, hyper))
    for key in found.keys() | expected.keys():
        a, b = (values.get(key, "absent") for values in (found, expected))
        if a != b:
            raise UnsupportedLayerError(f"{kind} was altered after it was made: {key} is {a!r}, not {b!r}")
    return kind, hyper


def build(type_name: str, hyper: Encoded) -> nn.Module:
    """Construct a registered module, its tensors on the meta device (without memory, without drawing numbers)."""
    if type_name in CONTAINERS:
        return CONTAINERS[type_name]()
    if type_name not in TYPES:
        raise UnsupportedLayerError(f"unknown module type {type_name!r}")
    arguments = decode(hyper, {"part": lambda inner: build(*inner)})
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the module that was read has said it
        return TYPES[type_name](**arguments)


def _plain(part: nn.Module) -> dict[str, Any]:
    """List what must agree: submodules, tensors and public attributes of plain types."""
    found: dict[str, Any] = {}
    for name, inner in part.named_modules(remove_duplicate=False):
        found[name] = type(inner).__name__
        for key, value in inner.__dict__.items():
            if not key.startswith("_") and key != "training":
                found[f"{name}.{key}".strip(".")] = value
        for kind in (inner._parameters, inner._buffers):
            for key, value in kind.items():
                found[f"{name}.{key}".strip(".")] = None if value is None else tuple(value.shape)
    return found
