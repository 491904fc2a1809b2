"""Codes of node types beyond the feed-forward vocabulary, whose own codes are left as they are."""

from collections.abc import Mapping
from types import MappingProxyType

from netgraph.graph.layers import LAYER_TYPES

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
_GENERAL_CODES = {name: FIRST_GENERAL_CODE + i for i, name in enumerate(GENERAL_TYPES)}
#: Code of every node type; that of the feed-forward vocabulary where the type is in it.
CODES: Mapping[str, int] = MappingProxyType(_GENERAL_CODES | {name: kind.code for name, kind in LAYER_TYPES.items()})
#: Name of every node type by its code.
NAMES: Mapping[int, str] = MappingProxyType(
    {code: name for table in (_GENERAL_CODES, CODES) for name, code in table.items()}
)
