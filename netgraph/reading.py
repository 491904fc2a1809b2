"""Reading of files that may hold anything: text, JSON and YAML, and the conversion of plain values to typed ones.

Whatever a file holds, reading it either succeeds or raises one line that names the file. Rules for records: a key that
a reader does not ask for is ignored at the top of a record, and refused inside of a typed value, which it would change.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import lru_cache
from numbers import Integral
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from netgraph.errors import NetGraphError, StoreError

Built = TypeVar("Built")
#: Most characters of a message; what a damaged file holds may be long.
_LONGEST = 400
#: Most values of a YAML file, those behind aliases counted wherever they stand (chosen: recipes have about 100).
_MOST_VALUES = 100_000
#: Deepest nesting of a YAML file (chosen: recipes have 4 levels).
_DEEPEST = 100
#: Integers of a record lie strictly between minus and plus this.
_LARGEST = 2**63
#: What content that is not as expected raises where something is built from it.
FAILURES = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError, MemoryError,
             AssertionError)  # fmt: skip


class DamagedError(StoreError):
    """A file is missing, or its content is not the one that was written."""


class RecordError(StoreError):
    """A value of a record is not of its type."""


def one_line(error: object) -> str:
    """Return a message in one line of printable characters; the middle of a long one is left out."""
    text = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode("utf-8")
    text = "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"


def is_whole(value: object, least: int = 0) -> bool:
    """Return whether a value is a whole number of 63 bits, not below ``least``; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value) < 2**63


@contextmanager
def building(path: object, problem: str = "damaged") -> Iterator[None]:
    """Turn every error while something is built from the content of a file into one line that names the file.

    Args:
        path: The file, or another name of the source.
        problem: The word for content that is not as expected.

    Raises:
        StoreError: When the content is not as expected.
        NetGraphError: When such an error is raised inside; it keeps its kind.
    """
    try:
        yield
    except RecordError as error:
        raise DamagedError(f"{path}: {problem}: {one_line(error)}") from None
    except NetGraphError as error:
        if str(error).startswith(str(path)):
            raise
        kind = StoreError if type(error) is NetGraphError else type(error)
        raise kind(f"{path}: {one_line(error)}") from error
    except FAILURES as error:
        named = f"no {error.args[0]!r}" if isinstance(error, KeyError) and error.args else error
        reason = "nested too deeply" if isinstance(error, RecursionError) else one_line(named) or type(error).__name__
        raise DamagedError(f"{path}: {problem}: {reason}") from error


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Raise in one line that a file cannot be opened.

    Raises:
        DamagedError: When it is missing.
        StoreError: When it cannot be read.
    """
    try:
        yield
    except FileNotFoundError:
        raise DamagedError(f"{path}: no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or one_line(error)}") from None


def read_text(path: Path, problem: str = "damaged") -> str:
    """Read a file of UTF-8, with or without a byte-order mark.

    Args:
        path: The file.
        problem: The word for content that is not as expected.

    Raises:
        DamagedError: When it is missing, or is not UTF-8.
        StoreError: When it cannot be read.
    """
    try:
        with opening(path):
            return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DamagedError(f"{path}: {problem}: not UTF-8") from None


def read_json(path: Path) -> Any:
    """Read a file of JSON; a key that stands twice in a mapping is an error.

    Raises:
        DamagedError: When it is missing, or is not JSON.
        StoreError: When it cannot be read.
    """
    text = read_text(path, "not a JSON record")
    try:
        return json.loads(text, object_pairs_hook=_mapping)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: not a JSON record: {_reason(error)}") from None


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {name!r} stands twice")
    return mapping


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else one_line(error)


def read_yaml(path: Path) -> Any:
    """Read a file of YAML: plain values without tags; a key that stands twice in a mapping is an error.

    Raises:
        DamagedError: When it is missing, or is not such YAML.
        StoreError: When it cannot be read.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            _mapping([(key.value, None) for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
            return super().construct_mapping(node, deep)

        def fetch_flow_collection_start(self, token: Any) -> None:
            if self.flow_level > _DEEPEST:  # its time is quadratic in the depth
                raise RecursionError
            super().fetch_flow_collection_start(token)

        def flatten_mapping(self, node: Any) -> None:
            if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
                raise ValueError("'<<' is not read")

    text = read_text(path, "not YAML")
    try:
        values = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
        waiting, count = [values], 0
        while waiting:  # what aliases make large or endless is refused
            value = waiting.pop()
            count += 1
            if isinstance(value, dict | list):
                waiting += [*value.keys(), *value.values()] if isinstance(value, dict) else value
            if count + len(waiting) > _MOST_VALUES:
                raise ValueError(f"more than {_MOST_VALUES:,} values, or an alias inside of what it stands for")
    except (yaml.YAMLError, *FAILURES) as error:
        raise DamagedError(f"{path}: not YAML: {_reason(error)}") from None
    return values


def field_of(record: Mapping[str, Any], key: str, kind: type[Built]) -> Built:
    """Return a record's value of a key as an annotated type, see :func:`typed`.

    Raises:
        RecordError: When there is none, or it is of another type.
    """
    if key not in record:
        raise RecordError(f"has no {key!r}")
    return typed(kind, record[key], key)


def typed(kind: type[Built], value: Any, key: str = "") -> Built:
    """Convert a plain value, such as JSON's, to an annotated type.

    Whole numbers stand for floats, lists for tuples, mappings for dataclasses, of whose fields none may be missing.
    Numbers are finite.

    Args:
        kind: A dataclass, bool, int, float, str, None, Any, or a list, tuple, dict, Literal or union of such.
        value: The plain value.
        key: Its path in the record, for the messages.

    Raises:
        RecordError: When the value is of another type; it names the key.
    """
    return cast(Built, _typed(kind, value, key))


def _typed(kind: Any, value: Any, key: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        return _one_of(get_args(kind), value, key)
    if origin is Literal:
        return _require(isinstance(value, str) and value in get_args(kind), value, key, kind)
    if origin in (list, tuple, dict):
        return _container(origin, get_args(kind), value, key, kind)
    if is_dataclass(kind):
        return _instance(cast(type[Any], kind), value, key)
    if kind is float and type(value) is int and abs(value) < _LARGEST:
        return float(value)
    right = value is None if kind is NoneType else type(value) is kind
    if kind in (int, float):
        right = right and (math.isfinite(value) if kind is float else abs(value) < _LARGEST)
    return _require(right, value, key, kind)


def _one_of(kinds: tuple[Any, ...], value: Any, key: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not NoneType)
    for kind in kinds[:-1]:
        try:
            return _typed(kind, value, key)
        except RecordError:
            continue
    return _typed(kinds[-1], value, key)


def _container(origin: Any, kinds: tuple[Any, ...], value: Any, key: str, kind: Any) -> Any:
    if origin is dict:
        _require(isinstance(value, Mapping) and all(isinstance(name, str) for name in value), value, key, kind)
        return {name: _typed(kinds[1], one, _under(key, name)) for name, one in value.items()}
    _require(isinstance(value, list | tuple), value, key, kind)
    if origin is list and kinds[0] in (str, bool) and all(type(one) is kinds[0] for one in value):
        return list(value)  # the names of a zoo's architectures are many
    if origin is tuple and kinds[-1] is not Ellipsis:
        _require(len(value) == len(kinds), value, key, kind)
    else:
        kinds = kinds[:1] * len(value)
    return origin([_typed(one, part, _under(key, i)) for i, (one, part) in enumerate(zip(kinds, value, strict=True))])


def _instance(kind: type[Any], values: Any, key: str) -> Any:
    _require(isinstance(values, Mapping), values, key, kind)
    known = _hints(kind)  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise RecordError(f"{_under(key, name)}: unknown key")
    for one in fields(kind):
        if one.name not in values:
            raise RecordError(f"{key}: has no {one.name!r}" if key else f"has no {one.name!r}")
    return kind(**{name: _typed(known[name], value, _under(key, name)) for name, value in values.items()})


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind) if one.init}


def _under(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def _require(holds: bool, value: Any, key: str, kind: Any) -> Any:
    if not holds:
        shown = repr(value)[:60] if isinstance(value, str | int | float | None) else type(value).__name__
        name = _WORDS.get(kind) or ("a mapping" if is_dataclass(kind) else str(kind).replace("typing.", ""))
        raise RecordError(f"{key or 'the record'} is {shown}; it must be {name}")
    return value


_WORDS = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false", NoneType: "null"}
