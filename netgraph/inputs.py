"""The files and names that a command reads: checked before its work begins, and before torch is imported for it."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from netgraph.errors import NetGraphError, StoreError, unknown
from netgraph.files import datasets_folder
from netgraph.outputs import with_record
from netgraph.reading import read_json

#: Format of a checkpoint's record; its version is checked when it is loaded.
CHECKPOINT = "netgraph.NetVAE"
#: Name, in place of a file, of the checkpoint that ships; and its file.
SHIPPED = "shipped"
SHIPPED_FILE = Path(__file__).parent / "pretrained" / "full.safetensors"
#: Objectives of a search, each minimized.
OBJECTIVES = ("error", "parameters", "latency")
#: Suffixes of files that hold a state_dict.
STATE_DICTS = (".safetensors", ".pt", ".pth")


def check_checkpoint(path: str | Path | None) -> tuple[Path, ...]:
    """Return the files of a checkpoint, none for the one that ships, if they are those of a model.

    Raises:
        StoreError: When one is missing, or its record is of something else; it names the file.
    """
    if path is None or path == SHIPPED:
        return ()
    tensors, record = with_record(Path(path))
    if not tensors.exists():
        raise StoreError(f'{path}: no such file; "{SHIPPED}" is the model that ships')
    if check_file(tensors).suffix != ".safetensors" or not record.exists():
        raise StoreError(f"{path}: not the file of a model, which ends in .safetensors and has its record beside it")
    content = read_json(record)
    if not isinstance(content, dict) or content.get("format") != CHECKPOINT:
        raise StoreError(f"{record}: not a {CHECKPOINT} record")
    return tensors, record


def checkpoint_path(path: str | Path | None) -> Path:
    """Return the file of a checkpoint: that of the one that ships where it is None, or ``shipped``."""
    return SHIPPED_FILE if path is None or path == SHIPPED else Path(path)


def check_file(path: str | Path) -> Path:
    """Return the path of a file that is there.

    Raises:
        StoreError: When it is not, or is a folder.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    return path


def check_data(path: str | Path, target: str) -> Path:
    """Return the path of a table that is there.

    Raises:
        StoreError: When it is not; it says so where the file is given as the target.
    """
    if not Path(path).exists() and Path(target).is_file():
        raise StoreError(f"{path}: no such file, but the target {target} is one; give FILE --target COLUMN")
    return check_file(path)


def check_objectives(names: Sequence[str], *, several: bool = False) -> tuple[str, ...]:
    """Return objectives as a tuple.

    Args:
        names: Their names.
        several: Whether the error alone is too few.

    Raises:
        NetGraphError: When one is unknown or comes twice, or the error is not the first, or alone.
    """
    if not isinstance(names, str | Iterable):
        raise NetGraphError(f"objectives is {names!r}; names among {', '.join(OBJECTIVES)}")
    chosen = (names,) if isinstance(names, str) else tuple(names)
    for name in chosen:
        if name not in OBJECTIVES:
            raise unknown("objective", name, OBJECTIVES)
    if not chosen or chosen[0] != "error" or len(set(chosen)) < len(chosen):
        raise NetGraphError(f"objectives are {', '.join(chosen) or 'empty'}; they begin with error, each once")
    if several and len(chosen) == 1:
        raise NetGraphError("objectives are error alone; a front needs parameters or latency too")
    return chosen


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with netgraph."""
    return sorted(path.stem for path in datasets_folder().glob("*.yaml") if path.stem != "real")


def recipe_path(source: str | Path) -> Path:
    """Return the file of a recipe, which is given by itself or by a name of :func:`recipe_names`.

    Raises:
        NetGraphError: When there is no such file or name.
    """
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        return check_file(path)
    if str(source) not in recipe_names():
        raise unknown("recipe", str(source), recipe_names())
    return datasets_folder() / f"{source}.yaml"


def state_dict_files(folder: str | Path) -> list[Path]:
    """Return the files of a folder, and of those in it, that may hold a state_dict, in the order of their names.

    Raises:
        NetGraphError: When the folder is none, or holds none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StoreError(f"{folder}: no such folder")
    files = sorted(path for path in folder.rglob("*") if path.suffix in STATE_DICTS and path.is_file())
    if not files:
        raise NetGraphError(f"{folder}: holds no file that ends in {', '.join(STATE_DICTS)}")
    return files


def names_module(source: str) -> bool:
    """Return whether a source is MODULE:NAME or FILE.py:NAME, and no file with a colon in its path."""
    named = re.fullmatch(r"([^\W\d][\w.]*|.*\.py):[^\W\d][\w.]*", source) and not source.endswith(".safetensors")
    return bool(named) and not Path(source).exists()


def check_source(source: str) -> tuple[Path, ...]:
    """Return the files of a graph, or those of :func:`check_module`.

    Args:
        source: FILE.safetensors, MODULE:NAME or FILE.py:NAME.

    Raises:
        NetGraphError: When it is none of these, or the file that it names is missing.
    """
    if names_module(source):
        return check_module(source)
    if source.endswith((".pt", ".pth")):
        raise NetGraphError(f"{source}: weights need their class: netgraph convert FILE.py:NAME OUT --weights {source}")
    if not source.endswith(".safetensors"):
        raise NetGraphError(
            f"{source}: neither FILE.safetensors nor MODULE:NAME or FILE.py:NAME; other files are not read"
        )
    files = with_record(Path(source))
    if not any(path.exists() for path in files):
        raise StoreError(f"{source}: no such file")
    return files


def check_module(source: str) -> tuple[Path, ...]:
    """Return the file of MODULE:NAME or FILE.py:NAME, as far as the name tells without an import.

    Raises:
        NetGraphError: When it is none of these, or FILE.py is missing.
    """
    name = source.rpartition(":")[0]
    if not name:
        raise NetGraphError(f"{source}: neither FILE.py:NAME nor MODULE:NAME")
    if not name.endswith(".py"):
        return (Path(f"{name.replace('.', '/')}.py"),)
    if not Path(name).is_file():
        raise NetGraphError(f"{source}: {name}: no such file")
    return (Path(name),)


def example_shapes(text: str) -> list[tuple[str, list[int]]]:
    """Return type and shape of each input in a text such as "2,3,32,32" or "long:2,8;2,4".

    Raises:
        NetGraphError: When the text is not a list of shapes.

    Example:
        >>> example_shapes("2,3;long:4")
        [('float32', [2, 3]), ('long', [4])]
    """
    shapes = []
    for part in map(str.strip, text.split(";")):
        match = re.fullmatch(r"(?:(\w+):)?(\d+(?:\s*,\s*\d+)*)", part, re.ASCII)
        if not match:
            raise NetGraphError(f"--example {part!r}: not a shape such as 2,3,32,32 or long:2,8")
        shapes.append((match[1] or "float32", [int(size) for size in match[2].split(",")]))
    return shapes
