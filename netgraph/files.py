"""Files that are whole or absent."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from netgraph.errors import StoreError


def write_atomically(path: Path, payload: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one and nothing between."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(payload)
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # mkstemp leaves it to its owner alone
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_record(path: Path, format_name: str, version: int) -> dict[str, Any]:
    """Read a JSON record and check what it says it is.

    Raises:
        StoreError: When it is missing, is not JSON, or is of another format or version.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise StoreError(f"{path}: not a JSON record") from None
    found = record.get("format") if isinstance(record, dict) else None
    if found != format_name:
        raise StoreError(f"{path}: not a {format_name} record")
    if record.get("version") != version:
        raise StoreError(f"{path}: version {record.get('version')}; this netgraph reads version {version}")
    return dict(record)
