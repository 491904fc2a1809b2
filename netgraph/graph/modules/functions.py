"""The registry of functions and tensor methods that a network may call, by name.

Nothing outside this table is ever called when a graph is rebuilt, so that a file can name no code of its own. Each
entry has a role, by which its nodes and edges are wired (see :mod:`netgraph.graph.modules.rules`):

``elementwise`` an activation, one node for each that feeds it; ``softmax`` one that reads all along an axis; ``binary``
arithmetic on several values, elementwise; ``reshape`` moves values without computing any, so it has no nodes;
``identity`` the same, at the same positions; ``reduce`` and ``pool`` along axes that keep channels apart; ``scalar``
sizes, numbers and constants; others name their own wiring.
"""

import builtins
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.frozen import registry


@dataclass(frozen=True)
class Operation:
    """A function or a tensor method: its name, its role, and the function (None for a method)."""

    name: str
    role: str
    function: Callable[..., Any] | None = None

    @property
    def in_place(self) -> bool:
        """Whether its name says that it alters its first operand."""
        base = self.name.split(".")[1]
        return (base.endswith("_") and not base.endswith("__")) or base in ("iadd", "isub", "imul", "itruediv")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it.

        Raises:
            UnsupportedLayerError: When it would read an attribute that no network needs.
        """
        if self.function is getattr:
            check_attribute(args[1])
        if self.function is None:
            return getattr(args[0], self.name.removeprefix("Tensor."))(*args[1:], **kwargs)
        return self.function(*args, **kwargs)


_ATTRIBUTES = frozenset({"shape", "device", "dtype", "ndim", "T", "mT", "requires_grad"})
#: Operations by role. A name is registered wherever torch has it: as a function of ``torch.nn.functional`` and of
#: ``torch``, as a method of a tensor, and in all overloads as an ATen operation, as in the graphs of ``torch.export``.
_TORCH = {
    "elementwise": "relu relu_ relu6 hardswish hardsigmoid hardtanh gelu silu mish elu selu celu leaky_relu softplus "
    "softsign logsigmoid tanhshrink hardshrink softshrink threshold local_response_norm tanh sigmoid elu_ celu_ "
    "selu_ leaky_relu_ hardtanh_ threshold_ rrelu rrelu_ exp log log1p sqrt rsqrt abs neg square sin cos erf clamp "
    "clip reciprocal sign nan_to_num bernoulli floor ceil round clamp_min clamp_max clamp_ sigmoid_ tanh_ "
    "bernoulli_ floor_ exp_ sqrt_ neg_ abs_ square_ sin_ cos_ round_ hardswish_ silu_ log_sigmoid",
    "softmax": "softmax log_softmax softmin normalize cumsum",
    "identity": "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout clone detach contiguous to "
    "type_as float double half bfloat16 dropout_ detach_ _to_copy alias lift_fresh_copy feature_dropout "
    "_assert_tensor_metadata",
    "prelu": "prelu",
    "dense": "linear",
    "bilinear": "bilinear",
    "conv": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d",
    "norm": "layer_norm group_norm instance_norm batch_norm rms_norm",
    "pool": "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d "
    "adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool2d "
    "interpolate lp_pool1d lp_pool3d upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d "
    "upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d _upsample_nearest_exact1d "
    "_upsample_nearest_exact2d _upsample_nearest_exact3d",
    "reshape": "pad pixel_shuffle pixel_unshuffle channel_shuffle cat concat concatenate stack flatten reshape permute "
    "transpose squeeze unsqueeze chunk split unbind roll flip movedim index_select narrow swapaxes t tensor_split "
    "repeat_interleave view expand expand_as repeat unflatten view_as reshape_as select split_with_sizes slice "
    "constant_pad_nd index unsafe_chunk unsafe_split",
    "attention": "scaled_dot_product_attention",
    "embedding": "embedding",
    "glu": "glu",
    "binary": "add sub mul div true_divide maximum minimum pow where lerp addcmul add_ sub_ mul_ div_ pow_ masked_fill "
    "masked_fill_ rsub",
    "matmul": "matmul bmm mm __matmul__",
    "einsum": "einsum",
    "reduce": "mean sum amax amin max min var std var_mean logsumexp norm",
    "scatter": "scatter_add scatter_add_ index_add index_add_ scatter_reduce scatter_reduce_",
    "scalar": "one_hot arange zeros ones full eye tril triu zeros_like ones_like full_like empty_like linspace "
    "tensor logical_not logical_and logical_or eq ne lt le gt ge argmax rand_like randn_like rand randn _assert "
    "sym_float sym_int sym_max sym_min sym_not sym_sqrt size dim numel new_empty new_zeros new_ones new_full "
    "new_tensor bool long int item type nelement requires_grad_ sym_size scalar_tensor unsqueeze_copy "
    "_assert_scalar sym_constrain_range_for_size bitwise_and bitwise_not bitwise_or",
}
#: Python's own functions by module and role.
_PYTHON = {
    (operator, "binary"): "add sub mul truediv pow iadd isub imul itruediv neg",
    (operator, "matmul"): "matmul",
    (operator, "reshape"): "getitem",
    (operator, "scalar"): "floordiv mod eq ne lt le gt ge and_ or_ not_ invert index",
    (math, "scalar"): "sqrt ceil floor log exp prod pow trunc",
    (builtins, "scalar"): "getattr int float max min round len",
}


def _operations() -> Iterator[Operation]:
    for (module, role), names in _PYTHON.items():
        for name in names.split():
            yield Operation(f"{module.__name__}.{name}", role, getattr(module, name))
    for role, name in ((role, name) for role, names in _TORCH.items() for name in names.split()):
        for space, module in (("functional", F), ("torch", torch)):
            if callable(function := getattr(module, name, None)):
                yield Operation(f"{space}.{name}", role, function)
        if hasattr(torch.Tensor, name):
            yield Operation(f"Tensor.{name}", role)
        packet = getattr(torch.ops.aten, name, None)
        for overload in packet.overloads() if packet is not None else ():
            yield Operation(f"aten.{name}.{overload}", role, getattr(packet, overload))


#: Every operation by its name; a tensor method's opens with ``Tensor.``.
OPERATIONS = registry((operation.name, operation) for operation in _operations())
#: The first name of every function.
_NAMES = {id(one.function): one.name for one in reversed(list(OPERATIONS.values())) if one.function is not None}


def name_of(function: Any) -> str:
    """Return the name of the operation of a function; of one that is not registered its name in Python."""
    module, name = getattr(function, "__module__", None), getattr(function, "__name__", str(function))
    return _NAMES.get(id(function), f"{module}.{name}" if module else str(name))


def find_operation(name: str) -> Operation:
    """Look an operation up by name.

    Raises:
        UnsupportedLayerError: When it is not registered.
    """
    if name not in OPERATIONS:
        raise UnsupportedLayerError(f"{name} is not a registered operation")
    return OPERATIONS[name]


def check_attribute(name: Any) -> None:
    """Raise for an attribute that no network needs.

    Raises:
        UnsupportedLayerError: With the attribute's name.
    """
    if name not in _ATTRIBUTES:
        raise UnsupportedLayerError(f"the attribute {name!r} of a tensor is not supported")
