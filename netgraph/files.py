"""Files that are whole or absent: plain ones, and tensors with a JSON record beside them that is written last."""

import hashlib
import json
import os
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netgraph.errors import StoreError
from netgraph.reading import DamagedError, building, one_line, opening, read_json

if TYPE_CHECKING:
    from torch import Tensor

#: Key of a record's checksum of itself.
_CHECKSUM = "record_sha256"
#: The sha256 of each file that this process hashed and may hash again, and what its metadata were then.
_hashed: dict[Path, tuple[tuple[int, ...], str]] = {}


class ForeignError(StoreError):
    """A record is of something else."""


def write_atomically(path: Path, payload: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one and nothing between."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(payload)
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # mkstemp leaves it to its owner alone
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StoreError(f"{path}: {error.strerror}") from None
        raise
    try:
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path.parent}: {error.strerror}") from None


def datasets_folder() -> Path:
    """Return the folder of the recipes and lists that come with netgraph: a checkout's, or the installation's."""
    checkout = Path(__file__).parents[1] / "datasets"
    return checkout if checkout.is_dir() else Path(sysconfig.get_path("data")) / "share" / "netgraph" / "datasets"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        StoreError: When that is not allowed, or a file is in the way.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise StoreError(f"{folder}: is a file, not a folder") from None
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_record(path: Path, format_name: str, version: int) -> dict[str, Any]:
    """Read a JSON record and check its format and version.

    Raises:
        DamagedError: When it is missing or is not JSON.
        StoreError: When it cannot be read, or is of another format or version.
    """
    record = read_json(path)
    if not isinstance(record, dict) or record.get("format") != format_name:
        raise ForeignError(f"{path}: not a {format_name} record")
    stored = record.get("version")
    if type(stored) is not int or stored != version:
        raise StoreError(f"{path}: version {one_line(stored)}; this netgraph reads version {version}")
    return record


def write_own_record(
    path: Path, format_name: str, version: int, fields: Mapping[str, Any], indent: int | None = None
) -> None:
    """Write a JSON record that carries a checksum of itself.

    Args:
        path: The file, whose name ends in .json.
        format_name: Name of its format.
        version: Version of the format.
        fields: Values of JSON's types.
        indent: Spaces a level, for people; all on one line when None.

    Raises:
        StoreError: When the folder cannot be written to or the disk is full; an older file stays.
    """
    record = {"format": format_name, "version": version} | dict(fields)
    write_atomically(path, json.dumps(record | {_CHECKSUM: _record_sha256(record)}, indent=indent).encode())


def read_own_record(
    path: Path, format_name: str, version: int, keys: Iterable[str], *, unchecked: bool = False
) -> dict[str, Any]:
    """Read a record of :func:`write_own_record`.

    Args:
        path: The file.
        format_name: Name of its format.
        version: Version of the format.
        keys: Keys that it must hold.
        unchecked: Read a record without a checksum too, as older versions of netgraph wrote it.

    Raises:
        DamagedError: When it is missing, contradicts its checksum, or lacks a key.
        StoreError: When it cannot be read, or is of another format or version.
    """
    record = read_record(path, format_name, version)
    missing = [key for key in keys if key not in record]
    if missing:
        raise DamagedError(f"{path}: has no {missing[0]!r}")
    if not unchecked or _CHECKSUM in record:
        check_record(path, record)
    return record


def check_record(path: Path, record: Mapping[str, Any]) -> None:
    """Check a record against its own checksum.

    Raises:
        DamagedError: When it is not the record that was written.
    """
    if record.get(_CHECKSUM) != _record_sha256(record):
        raise DamagedError(f"{record_path(path)}: damaged, it is not the record that was written")


def _record_sha256(record: Mapping[str, Any]) -> str:
    """Hash a record's content, but for the record of an older file that it may hold."""
    content = {key: value for key, value in record.items() if key not in (_CHECKSUM, "previous")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def record_path(path: Path) -> Path:
    """Return the path of the record beside a file of tensors."""
    return path.parent / f"{path.stem}.json"  # of a path without a name too


@dataclass(frozen=True)
class EncodedTensors:
    """Tensors and their record as they go to disk, so that one process can encode them and another write them.

    Attributes:
        payload: The tensors as safetensors.
        record: The record, the payload's sha256 included.
    """

    payload: bytes
    record: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write payload and record: the file exists once its record does.

        Where there is such a file already the new record comes first and holds the old one too, so that whichever of
        the two payloads a crash leaves has its record.

        Raises:
            StoreError: When the folder cannot be written to or the disk is full; an older file stays.
        """
        if path == record_path(path):
            raise StoreError(f"{path}: is the name of a record; that of tensors ends in .safetensors")
        make_folder(path.parent)
        complete = self.record | {_CHECKSUM: _record_sha256(self.record)}
        if record_path(path).exists():
            previous = read_record(record_path(path), complete["format"], complete["version"])
            previous.pop("previous", None)
            complete["previous"] = previous
            write_atomically(record_path(path), json.dumps(complete).encode())
        write_atomically(path, self.payload)
        write_atomically(record_path(path), json.dumps(complete).encode())


def encode_tensors(
    tensors: "Mapping[str, Tensor]", format_name: str, version: int, record: Mapping[str, Any]
) -> EncodedTensors:
    """Encode tensors as safetensors, and their record with their sha256 and length."""
    from safetensors.torch import save

    payload = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(payload).hexdigest()
    header = {"format": format_name, "version": version, "sha256": digest, "bytes": len(payload)}
    return EncodedTensors(payload, header | dict(record))


def write_tensors(
    path: Path, tensors: "Mapping[str, Tensor]", format_name: str, version: int, record: Mapping[str, Any]
) -> None:
    """Write tensors as safetensors and their record beside them, see :meth:`EncodedTensors.write`."""
    encode_tensors(tensors, format_name, version, record).write(path)


def read_tensors(path: Path, format_name: str, version: int) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Read tensors and their record.

    Raises:
        StoreError: When one is missing, the tensors are damaged, or the record is of another format or version.
    """
    if not path.is_file() and not record_path(path).exists():
        raise DamagedError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    record = check_tensors(path, format_name, version)
    return load_safetensors(path), record


def load_safetensors(path: Path) -> "dict[str, Tensor]":
    """Load the tensors of a file of safetensors.

    Raises:
        StoreError: When it is missing, cannot be read, or is not such a file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        with opening(path), building(path, "not a safetensors file"):
            tensors: dict[str, Tensor] = load(path.read_bytes())
            return tensors
    except SafetensorError as error:
        raise DamagedError(f"{path}: not a safetensors file: {one_line(error)}") from None


@contextmanager
def building_from(path: Path, record: Mapping[str, Any], problem: str = "damaged") -> Iterator[None]:
    """Build something from the tensors of a file and their record, see :func:`~netgraph.reading.building`.

    The record's checksum is checked last, because a key that is wrong says more. Older records have none.

    Raises:
        NetGraphError: When the content is not as expected, or the record is not the one that was written.
    """
    with building(record_path(path), problem):
        yield
    if _CHECKSUM in record:
        check_record(path, record)


def check_tensors(path: Path, format_name: str, version: int, *, again: bool = True) -> dict[str, Any]:
    """Check tensors against the checksum of their record, without holding them in memory, and return the record.

    Args:
        path: Their file.
        format_name: Name of their format.
        version: Version of the format.
        again: Hash a file that this process hashed before, though its size and time of change are the same.

    Raises:
        DamagedError: When one is missing, or the tensors are not those of the record.
        StoreError: When one cannot be read, or the record is of another format or version.
    """
    record = read_record(record_path(path), format_name, version)
    digest = _file_sha256(path, again)
    for candidate in _candidates(record):
        if candidate.get("sha256") == digest:
            return dict(candidate)
    raise DamagedError(f"{path}: damaged, its sha256 is not the one in {record_path(path).name}")


def tensors_are_there(path: Path, record: Mapping[str, Any]) -> bool:
    """Return whether the tensors of a record are there, at their length; their content is not read."""
    size = path.stat().st_size if path.is_file() else None
    return size is not None and any(size == one.get("bytes", size) for one in _candidates(record))


def _candidates(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The record, and that of the older file it may hold."""
    return [one for one in (record, record.get("previous")) if isinstance(one, dict)]


def _file_sha256(path: Path, again: bool) -> str:
    with opening(path), path.open("rb") as file:
        status = os.fstat(file.fileno())
        metadata = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        known, digest = _hashed.get(path, ((), ""))
        if again or known != metadata:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            _hashed[path] = metadata, digest
    return digest
