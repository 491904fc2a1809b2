"""Files that are whole or absent: plain ones, and tensors with a JSON record beside them that is written last."""

import hashlib
import json
import os
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netgraph.errors import StoreError

if TYPE_CHECKING:
    from torch import Tensor

#: Key of a record's checksum of itself.
_CHECKSUM = "record_sha256"


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
    """Give the folder of the recipes and lists that come with netgraph: a checkout's, or the installation's."""
    checkout = Path(__file__).parents[1] / "datasets"
    return checkout if checkout.is_dir() else Path(sysconfig.get_path("data")) / "share" / "netgraph" / "datasets"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        StoreError: When that is not allowed, or a file is in the way.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_record(path: Path, format_name: str, version: int) -> dict[str, Any]:
    """Read a JSON record and check what it says it is.

    Raises:
        StoreError: When it cannot be read, is not JSON, or is of another format or version.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise StoreError(f"{path}: not a JSON record") from None
    found = record.get("format") if isinstance(record, dict) else None
    if found != format_name:
        raise StoreError(f"{path}: not a {format_name} record")
    if record.get("version") != version:
        raise StoreError(f"{path}: version {record.get('version')}; this netgraph reads version {version}")
    return dict(record)


def check_record(path: Path, record: Mapping[str, Any]) -> None:
    """Check that the record of tensors is the one that was written.

    Raises:
        StoreError: When it is not what its own checksum says.
    """
    if record.get(_CHECKSUM) != _record_sha256(record):
        raise StoreError(f"{record_path(path)}: damaged, it is not the record that was written")


def _record_sha256(record: Mapping[str, Any]) -> str:
    """Hash a record's content, but for the record of an older file that it may hold."""
    content = {key: value for key, value in record.items() if key not in (_CHECKSUM, "previous")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def record_path(path: Path) -> Path:
    """Give the path of the record that stands beside a file of tensors."""
    return path.with_suffix(".json")


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
            StoreError: When the folder cannot be written to or the disk is full; what is there already stays.
        """
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
    """Encode tensors as safetensors, and their record with the sha256."""
    from safetensors.torch import save

    payload = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    header = {"format": format_name, "version": version, "sha256": hashlib.sha256(payload).hexdigest()}
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
    from safetensors.torch import load

    record = check_tensors(path, format_name, version)
    return load(path.read_bytes()), record


def check_tensors(path: Path, format_name: str, version: int) -> dict[str, Any]:
    """Check that tensors are those of their record, and give it, without holding them in memory.

    Raises:
        StoreError: When one is missing, the tensors are damaged, or the record is of another format or version.
    """
    record = read_record(record_path(path), format_name, version)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    for candidate in (record, record.get("previous")):
        if candidate is not None and candidate["sha256"] == digest:
            return dict(candidate)
    raise StoreError(f"{path}: damaged, its sha256 is not the one in {record_path(path).name}")
