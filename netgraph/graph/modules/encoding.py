"""Arguments of calls as plain nested tuples that are hashable and survive JSON.

Numbers, strings, booleans and None stand for themselves; anything else is a tuple that opens with a tag:
``("node", 3)`` the value of graph node 3, ``("training", "block.0")`` whether that module is in training mode,
``("tuple", ...)``, ``("list", ...)``, ``("dict", ("item", key, value), ...)``, ``("ordered", ("item", ...), ...)`` an
``OrderedDict``, ``("size", ...)``, ``("named", name, fields, ...)`` a namedtuple, ``("slice", start, stop, step)``,
``("dtype", "float32")``, ``("device", "cpu")``, ``("layout", "strided")``, ``("format", "channels_last")``,
``("float", "inf")``, ``("...",)``.
"""

import math
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch.fx.immutable_collections import immutable_dict, immutable_list

from netgraph.errors import InvalidGraphError, UnsupportedLayerError

Encoded = Any
_FORMATS = {"contiguous_format": torch.contiguous_format, "channels_last": torch.channels_last,
            "channels_last_3d": torch.channels_last_3d, "preserve_format": torch.preserve_format}  # fmt: skip

_LAYOUTS = {"strided": torch.strided}
_CONTAINERS: dict[type, str] = {dict: "dict", immutable_dict: "dict", OrderedDict: "ordered", list: "list",
                                immutable_list: "list", tuple: "tuple", torch.Size: "size"}  # fmt: skip


def encode(value: Any, special: Callable[[Any], Encoded | None] = lambda value: None) -> Encoded:
    """Encode an argument.

    Args:
        value: The argument.
        special: Encodes references, which only the caller knows; returns None for any other value.

    Raises:
        UnsupportedLayerError: When a value of this type cannot be written down.
    """
    code = special(value)
    if code is not None:
        return code
    if isinstance(value, Mapping | list | tuple):
        return _encode_container(value, special)
    if isinstance(value, slice):
        return ("slice", *(encode(part, special) for part in (value.start, value.stop, value.step)))
    return _encode_atom(value)


def _encode_container(value: Any, special: Callable[[Any], Encoded | None]) -> Encoded:
    tag = next((tag for kind, tag in _CONTAINERS.items() if type(value) is kind), None)
    if isinstance(value, Mapping) and tag is not None:
        return (tag, *(("item", encode(key), encode(part, special)) for key, part in value.items()))
    parts = (encode(part, special) for part in value)
    if tag is not None:
        return (tag, *parts)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return ("named", type(value).__name__, ("tuple", *value._fields), *parts)
    raise UnsupportedLayerError(f"a {type(value).__name__} cannot be written down; a tuple, a list or a dict can")


@lru_cache(maxsize=256)
def named_tuple(name: str, fields: tuple[str, ...]) -> Any:
    """Make the type of a namedtuple, the same one for the same name and fields."""
    try:
        return namedtuple(name, fields)
    except (TypeError, ValueError) as error:
        raise InvalidGraphError(f"{name!r} with {fields!r}: no namedtuple") from error


def _encode_atom(value: Any) -> Encoded:
    if isinstance(value, float) and not math.isfinite(value):
        return ("float", str(value))
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, torch.dtype):
        return ("dtype", str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return ("device", str(value))
    if value is Ellipsis:
        return ("...",)
    for tag, values in (("layout", _LAYOUTS), ("format", _FORMATS)):
        for name, known in values.items():
            if value is known:
                return (tag, name)
    raise UnsupportedLayerError(f"an argument of type {type(value).__name__} cannot be written down")


def decode(code: Encoded, special: Mapping[str, Callable[[Any], Any]]) -> Any:
    """Invert :func:`encode`.

    Args:
        code: The encoded argument.
        special: Functions that decode the caller's own tags.

    Raises:
        InvalidGraphError: When the code has an unknown tag.
    """
    if not isinstance(code, tuple):
        return code
    tag, *rest = code
    if tag in special:
        return special[tag](rest[0])
    if tag in _READ:
        return _READ[tag](rest, special)
    raise InvalidGraphError(f"unknown argument {tag!r}")


def dtype_named(name: str) -> torch.dtype:
    """Find a type by its name.

    Raises:
        InvalidGraphError: When torch has no such type.
    """
    dtype = getattr(torch, str(name), None)
    if not isinstance(dtype, torch.dtype):
        raise InvalidGraphError(f"unknown type {name!r}")
    return dtype


_READ: dict[str, Callable[[list[Any], Any], Any]] = {
    "tuple": lambda rest, special: tuple(decode(part, special) for part in rest),
    "list": lambda rest, special: [decode(part, special) for part in rest],
    "dict": lambda rest, special: {decode(key, special): decode(part, special) for _, key, part in rest},
    "ordered": lambda rest, special: OrderedDict(
        (decode(key, special), decode(part, special)) for _, key, part in rest
    ),
    "size": lambda rest, special: torch.Size(decode(part, special) for part in rest),
    "named": lambda rest, special: named_tuple(rest[0], rest[1][1:])(*(decode(part, special) for part in rest[2:])),
    "slice": lambda rest, special: slice(*(decode(part, special) for part in rest)),
    "dtype": lambda rest, special: dtype_named(rest[0]),
    "device": lambda rest, special: torch.device(rest[0]),
    "format": lambda rest, special: _FORMATS[rest[0]],
    "layout": lambda rest, special: _LAYOUTS[rest[0]],
    "float": lambda rest, special: float(rest[0]),
    "...": lambda rest, special: Ellipsis,
}


def references(code: Encoded, tag: str = "node") -> Iterator[Any]:
    """Yield the references of an encoded argument, in order."""
    if isinstance(code, tuple) and code:
        if code[0] == tag:
            yield code[1]
        else:
            for part in code:
                yield from references(part, tag)


#: Tags that files had at first, and those that stand for them now.
_RENAMED = {"row": "node", "part": "module"}


def from_json(value: Any) -> Encoded:
    """Turn the lists of JSON into nested tuples, and tags of older files into today's."""
    if not isinstance(value, list):
        return value
    tag, *parts = value or [()]
    return tuple(from_json(part) for part in (_RENAMED.get(tag, tag) if isinstance(tag, str) else tag, *parts))
