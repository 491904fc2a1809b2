"""The registry of module types: how each is read from an instance and built again by its own constructor.

A module is written down as the name of its type and the arguments of its constructor, never as code, and built again
from this table alone. Reading is checked: the module built from what was read must have the same tensors and the same
plain attributes as the one that was read.

Names and codes of vertex types beyond the feed-forward vocabulary follow, whose own codes are left as they are.
"""

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.layers import LAYER_TYPES
from netgraph.graph.modules.encoding import Encoded, decode, encode

Arguments = dict[str, Any]
Reader = Callable[[Any], Arguments]


def _attributes(names: str) -> Reader:
    """Read arguments that are attributes of the same name, and ``bias`` as whether there is one."""

    def read(part: nn.Module) -> Arguments:
        found = {name: getattr(part, name) for name in names.split()}
        bias = found.get("bias", False)  # a recurrent layer's is a flag
        return found | ({"bias": bias if isinstance(bias, bool) else bias is not None} if "bias" in found else {})

    return read


def _affine(names: str) -> Reader:
    """Read a norm whose bias may be left out where it has weights."""
    return lambda part: _attributes(names)(part) | ({"bias": False} if part.affine and part.bias is None else {})


def _layer_norm(part: Any) -> Arguments:
    bias = not part.elementwise_affine or part.bias is not None
    return _attributes("normalized_shape eps elementwise_affine")(part) | {"bias": bias}


def _attention(part: Any) -> Arguments:
    return _attributes("embed_dim num_heads dropout kdim vdim batch_first add_zero_attn")(part) | {
        "bias": part.in_proj_bias is not None,
        "add_bias_kv": part.bias_k is not None,
    }


def _transformer_layer(part: Any) -> Arguments:
    activations = [name for name, function in (("relu", F.relu), ("gelu", F.gelu)) if part.activation is function]
    if not activations:
        raise UnsupportedLayerError(f"an activation {part.activation!r} other than relu and gelu")
    return {
        "d_model": part.self_attn.embed_dim,
        "nhead": part.self_attn.num_heads,
        "dim_feedforward": part.linear1.out_features,
        "dropout": part.dropout.p,
        "activation": activations[0],
        "layer_norm_eps": part.norm1.eps,
        "batch_first": part.self_attn.batch_first,
        "norm_first": part.norm_first,
        "bias": part.linear1.bias is not None,
    }


def _layers(name: str, more: str = "") -> Reader:
    """Read a stack of transformer layers: the first stands for all, which the check confirms."""

    def read(part: Any) -> Arguments:
        return {name: part.layers[0], "num_layers": part.num_layers, "norm": part.norm} | _attributes(more)(part)

    return read


def _transformer(part: Any) -> Arguments:
    return _attributes("d_model nhead batch_first")(part) | {
        "custom_encoder": part.encoder,
        "custom_decoder": part.decoder,
    }


_CONV = "in_channels out_channels kernel_size stride padding dilation groups bias padding_mode"
_RECURRENT = "input_size hidden_size num_layers batch_first dropout bidirectional"
#: Constructors' arguments that are attributes of their name, or how they are read, by types.
_TABLE: dict[str, str | Reader] = {
    "Linear": "in_features out_features bias",
    "Bilinear": "in1_features in2_features out_features bias",
    "Conv1d Conv2d Conv3d": _CONV,
    "ConvTranspose1d ConvTranspose2d ConvTranspose3d": f"{_CONV} output_padding",
    "BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d": _affine(
        "num_features eps momentum affine track_running_stats"
    ),
    "GroupNorm": _affine("num_groups num_channels eps affine"),
    "LayerNorm": _layer_norm,
    "RMSNorm": "normalized_shape eps elementwise_affine",
    "LocalResponseNorm": "size alpha beta k",
    "Embedding": "num_embeddings embedding_dim padding_idx max_norm norm_type scale_grad_by_freq sparse",
    "MultiheadAttention": _attention,
    "LSTM": f"{_RECURRENT} proj_size bias",
    "GRU": f"{_RECURRENT} bias",
    "RNN": f"{_RECURRENT} nonlinearity bias",
    "TransformerEncoderLayer TransformerDecoderLayer": _transformer_layer,
    "TransformerEncoder": _layers("encoder_layer", "enable_nested_tensor mask_check"),
    "TransformerDecoder": _layers("decoder_layer"),
    "Transformer": _transformer,
    "MaxPool1d MaxPool2d MaxPool3d": "kernel_size stride padding ceil_mode dilation return_indices",
    "AvgPool1d": "kernel_size stride padding ceil_mode count_include_pad",
    "AvgPool2d AvgPool3d": "kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "LPPool1d LPPool2d LPPool3d": "norm_type kernel_size stride ceil_mode",
    "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d": "output_size",
    "AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d": "output_size return_indices",
    "MaxUnpool1d MaxUnpool2d MaxUnpool3d": "kernel_size stride padding",
    "FractionalMaxPool2d FractionalMaxPool3d": "kernel_size output_size output_ratio return_indices",
    "Upsample": "size scale_factor mode align_corners recompute_scale_factor",
    "UpsamplingNearest2d UpsamplingBilinear2d": "size scale_factor",
    "PixelShuffle": "upscale_factor",
    "PixelUnshuffle": "downscale_factor",
    "ChannelShuffle": "groups",
    "Flatten": "start_dim end_dim",
    "Unflatten": "dim unflattened_size",
    "ZeroPad1d ZeroPad2d ZeroPad3d ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d "
    "ReplicationPad3d CircularPad1d CircularPad2d CircularPad3d": "padding",
    "ConstantPad1d ConstantPad2d ConstantPad3d": "padding value",
    "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout": "p inplace",
    "ReLU ReLU6 SiLU Mish Hardswish Hardsigmoid SELU": "inplace",
    "Tanh Sigmoid LogSigmoid Softsign Tanhshrink Identity Softmax2d": "",
    "LeakyReLU": "negative_slope inplace",
    "RReLU": "lower upper inplace",
    "ELU CELU": "alpha inplace",
    "GELU": "approximate",
    "GLU Softmax LogSoftmax Softmin": "dim",
    "Hardtanh": "min_val max_val inplace",
    "Hardshrink Softshrink": "lambd",
    "Threshold": "threshold value inplace",
    "Softplus": "beta threshold",
    "PReLU": "num_parameters init",
}


def _registry() -> Mapping[type[nn.Module], Reader]:
    readers: dict[type[nn.Module], Reader] = {}
    for names, reader in _TABLE.items():
        for module_type in (getattr(nn, name) for name in names.split()):
            if module_type in readers:
                raise NetGraphError(f"module type {module_type.__name__} is registered twice")
            readers[module_type] = _attributes(reader) if isinstance(reader, str) else reader
    return MappingProxyType(readers)


#: How to read a module of each registered type, and the types by their names.
READERS = _registry()
TYPES: Mapping[str, type[nn.Module]] = MappingProxyType({kind.__name__: kind for kind in READERS})
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
    hyper = encode(READERS[type(part)](part), lambda m: ("module", describe(m)) if isinstance(m, nn.Module) else None)
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
    arguments = decode(hyper, {"module": lambda inner: build(*inner)})
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


#: Codes of types that only general networks have start here.
FIRST_GENERAL_CODE = 64
#: Names of these types in the order of their codes. A code is for ever, whatever torch there is: new names go to the
#: end, and a name that is no longer used keeps its place.
_GENERAL_NAMES = """
    Abs AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d
    AdaptiveMaxPool3d Addcmul Alias AlphaDropout Amax Amin And Arange Argmax AssertScalar AssertTensorMetadata
    Attention AvgPool1d AvgPool2d AvgPool3d BatchNorm BatchNorm2d BatchNorm3d Bernoulli Bfloat16 Bilinear
    BitwiseAnd BitwiseNot BitwiseOr Bmm Bool CELU Ceil ChannelShuffle Chunk CircularPad1d CircularPad2d
    CircularPad3d Clamp ClampMax ClampMin Clip Clone ConstantPad1d ConstantPad2d ConstantPad3d ConstantPadNd
    Contiguous Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Cos Cumsum Detach Dim Div
    Double Dropout1d Dropout2d Dropout3d Earlier Einsum Embedding EmptyLike Eq Erf Exp Expand ExpandAs Eye
    FeatureAlphaDropout FeatureDropout Flatten Flip Float Floor Floordiv FractionalMaxPool2d FractionalMaxPool3d
    Full FullLike GLU GRU Ge Getattr Getitem GroupNorm Gt Half Hardshrink Hardsigmoid Hardswish Hardtanh Index
    IndexAdd IndexSelect InstanceNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d Int Interpolate Invert Item
    LPPool1d LPPool2d LPPool3d LSTM Le Len Lerp LiftFreshCopy Linspace LocalResponseNorm Log Log1P LogSigmoid
    LogSoftmax LogicalAnd LogicalNot LogicalOr Logsumexp Long Lt MaskedFill Matmul Max MaxPool1d MaxPool2d
    MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d Maximum Mean Min Minimum Mish Mm Mod Movedim Mul
    MultiheadAttention NanToNum Narrow Ne Neg Nelement NewEmpty NewFull NewOnes NewTensor NewZeros Norm
    Normalize Not Numel OneHot Ones OnesLike Or PReLU Pad Permute PixelShuffle PixelUnshuffle Pow Prod RMSNorm
    RNN RReLU Rand RandLike Randn RandnLike ReLU6 Reciprocal ReflectionPad1d ReflectionPad2d ReflectionPad3d
    Repeat RepeatInterleave ReplicationPad1d ReplicationPad2d ReplicationPad3d RequiresGrad Reshape ReshapeAs
    Roll Round Rsqrt SELU ScalarTensor ScaledDotProductAttention ScatterAdd ScatterReduce Select Sign Sin Size
    Slice Softmax Softmax2d Softmin Softplus Softshrink Softsign Split SplitWithSizes Sqrt Square Squeeze Stack
    Std Sub Sum Swapaxes SymConstrainRangeForSize SymSize T Tanhshrink Tensor TensorSplit Threshold To ToCopy
    Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer Transpose
    Tril Triu Type TypeAs Unbind Unflatten UnsafeChunk UnsafeSplit Unsqueeze UnsqueezeCopy Upsample
    UpsampleBilinear2D UpsampleNearest2D UpsamplingBilinear2d UpsamplingNearest2d Var VarMean View ViewAs Where
    ZeroPad1d ZeroPad2d ZeroPad3d Zeros ZerosLike Assert SymFloat SymInt SymMax SymMin SymNot SymSqrt Trunc
    UpsampleBicubic2D UpsampleLinear1D UpsampleNearest1D UpsampleNearest3D UpsampleNearestExact1D
    UpsampleNearestExact2D UpsampleNearestExact3D UpsampleTrilinear3D
"""
GENERAL_TYPES = tuple(_GENERAL_NAMES.split())
_SAME = {"Iadd": "Add", "Isub": "Sub", "Imul": "Mul", "Itruediv": "Div", "Truediv": "Div", "TrueDivide": "Div",
         "Rsub": "Sub", "Concatenate": "Concat", "Cat": "Concat", "Neg": "Neg"}  # fmt: skip
#: Parts of composite layers: attention proper, and a recurrent layer's hidden units one step earlier.
ATTENTION, EARLIER = "Attention", "Earlier"
_MODULE_TYPES = {name.lower(): name for name in TYPES}


def type_of_operation(name: str) -> str:
    """Return the vertex type of an operation: that of the module that does the same, where there is one."""
    base = name.split(".")[1].strip("_")
    found = _MODULE_TYPES.get(base.replace("_", ""))
    title = base.title().replace("_", "")
    return found or _SAME.get(title, title)


_GENERAL_CODES = {name: FIRST_GENERAL_CODE + i for i, name in enumerate(GENERAL_TYPES)}
#: Code of every vertex type; that of the feed-forward vocabulary where the type is in it.
CODES: Mapping[str, int] = MappingProxyType(_GENERAL_CODES | {name: kind.code for name, kind in LAYER_TYPES.items()})
#: Name of every vertex type by its code.
NAMES: Mapping[int, str] = MappingProxyType(
    {code: name for table in (_GENERAL_CODES, CODES) for name, code in table.items()}
)
