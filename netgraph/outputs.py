"""The files that a command writes: checked before its work begins, so that nothing of the user's is lost by it."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import NamedTemporaryFile

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import make_folder, record_path


def check_outputs(paths: Iterable[Path], sources: Iterable[str | Path] = (), *, overwrite: bool = False) -> None:
    """Raise unless every file can be written, and none that is there would be lost.

    Args:
        paths: The files that a command is about to write.
        sources: The files it reads, which it never replaces.
        overwrite: Whether it may replace other files.

    Raises:
        NetGraphError: When a file is there; it is named.
        StoreError: When a folder cannot be made or written to, or a folder has the name of a file.
    """
    paths, read = list(paths), [Path(source) for source in sources]
    for path in paths:
        if os.path.isdir(path):
            raise StoreError(f"{path}: is a folder")
        if any(_same(path, source) for source in read):
            raise NetGraphError(f"{path}: is read by this command and never overwritten; choose another file")
        if not overwrite and os.path.lexists(path):
            raise NetGraphError(f"{path}: exists already; choose another file, or --overwrite")
    for path in paths:
        new = [folder for folder in path.parents if not os.path.lexists(folder)]
        try:
            make_folder(path.parent)
            with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"):
                pass  # nothing is left of it, no new folder either
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        finally:
            for folder in filter(os.path.isdir, new):
                folder.rmdir()


def with_record(path: Path) -> tuple[Path, Path]:
    """Return the paths of a file of tensors and of its record."""
    return path, record_path(path)


@contextmanager
def replacing(paths: Iterable[Path]) -> Iterator[None]:
    """Move existing files aside while new ones are written in their place, and restore them if that fails.

    The record of another format is moved too, which a writer could not read. After a failure or an interrupt only the
    old files are there.

    Raises:
        StoreError: When a file cannot be moved.
    """
    paths = list(paths)
    kept = {path: path.parent / f".{path.name}.{token_hex(4)}.old" for path in paths if os.path.lexists(path)}
    try:
        for path, old in kept.items():
            try:
                path.rename(old)
            except OSError as error:
                raise StoreError(f"{path}: {error.strerror}") from None
        yield
    except BaseException:
        for path, old in kept.items():
            if os.path.lexists(old):
                old.replace(path)
        for path in paths:
            if path not in kept:
                path.unlink(missing_ok=True)
        raise
    for old in kept.values():
        old.unlink()


def _same(path: Path, other: Path) -> bool:
    """Return whether two paths name one file, by whatever links."""
    if os.path.exists(path) and os.path.exists(other):
        return os.path.samefile(path, other)
    return os.path.abspath(path) == os.path.abspath(other)
