"""The files that a command writes: checked before its work begins, so that nothing of the user's is lost by it."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import NamedTemporaryFile

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import make_folder, record_path
from netgraph.reading import opening

#: Forms of a network by the suffix of a file; a module's weights have that of a graph.
FORMS = {".safetensors": "graph", ".onnx": "onnx", ".py": "source", ".graphml": "graphml", ".json": "json"}
#: Suffix of the file that a form writes beside the one that is named.
_BESIDE = {"graph": ".json", "module": ".py"}


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


def check_suffix(path: str | Path, suffix: str) -> Path:
    """Return the path of a file whose name ends as its form asks.

    Raises:
        NetGraphError: When it ends in something else.
    """
    if Path(path).suffix.lower() != suffix:
        raise NetGraphError(f"{path}: is written as {suffix}; give a name that ends so")
    return Path(path)


def check_empty(folder: Path, name: str) -> None:
    """Raise if there is anything in a folder.

    Args:
        folder: The folder.
        name: Its future content, for the message.

    Raises:
        StoreError: When it is not empty, cannot be read, or is a file.
    """
    with opening(folder):
        if folder.exists() and any(folder.iterdir()):
            raise StoreError(f"{folder}: not empty; {name} needs a folder of its own")


def conversion_outputs(out: str | Path, to: str | None) -> tuple[str, list[Path]]:
    """Return the form that a suffix and ``--to`` agree on, and the files that are written.

    Raises:
        NetGraphError: When they contradict each other, or neither says which form it is.
    """
    path = Path(out)
    by_suffix = FORMS.get(path.suffix.lower())
    if to is None and by_suffix is None:
        raise NetGraphError(f"{out}: no form has this suffix; known: {', '.join(FORMS)}; or give --to")
    if to is not None and by_suffix not in (None, "graph" if to == "module" else to):
        raise NetGraphError(f"{out}: its suffix is that of {by_suffix}, not of --to {to}")
    form = to or str(by_suffix)
    return form, [path, *([path.with_suffix(_BESIDE[form])] if form in _BESIDE else [])]


def fit_outputs(out: str | Path, sources: Iterable[str | Path], *, overwrite: bool) -> dict[str, Path]:
    """Return the files of a fit by name, none of which would be lost; arguments as of :func:`check_outputs`.

    Raises:
        NetGraphError: When the folder holds a fit already, a search, or a file that would be lost.
    """
    out = Path(out)
    if (out / "metrics.json").exists() and not overwrite:
        raise NetGraphError(f"{out}: holds a fit already; choose another folder, or --overwrite")
    if (out / "study.db").exists():
        raise NetGraphError(f"{out}: holds a search; choose another folder")
    return _table_outputs(out, "network", "graph", sources, overwrite)


def search_outputs(out: str | Path, sources: Iterable[str | Path], *, overwrite: bool) -> dict[str, Path]:
    """Return the files of a search by name, none of which would be lost; those of its own study are replaced.

    Raises:
        NetGraphError: When the folder holds something else than a search, or a file that would be lost.
    """
    out = Path(out)
    overwrite = overwrite or (out / "study.db").exists()
    if (out / "metrics.json").exists() and not overwrite:
        raise NetGraphError(f"{out}: holds something else than a search; choose another folder")
    return _table_outputs(out, "networks/network", "networks/front", sources, overwrite, "pareto.csv", "pareto.png")


def _table_outputs(
    out: Path, network: str, graphs: str, sources: Iterable[str | Path], overwrite: bool, *others: str
) -> dict[str, Path]:
    """Return the files of a job on a table by name: its network and graphs, whose names are given, and others."""
    written = {name: out / name for name in (*others, "report.html", "metrics.json")}
    written |= {"network": out / f"{network}.py", "weights": out / f"{network}.safetensors"}
    written |= {"graphs": out / f"{graphs}.safetensors", "record": out / f"{graphs}.json"}
    check_outputs(written.values(), sources, overwrite=overwrite)
    return written


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
