"""What a user gives by a name or in a file: a module, its state_dict, and the shapes of its inputs."""

import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from operator import attrgetter
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import load_safetensors
from netgraph.graph.modules.encoding import dtype_named
from netgraph.graph.modules.trace import first_line
from netgraph.inputs import example_shapes
from netgraph.reading import FAILURES, one_line, opening

#: Keys under which a checkpoint of a training holds its state_dict.
_NESTED = ("state_dict", "model_state_dict")


def load_module(source: str) -> nn.Module:
    """Import MODULE:NAME or FILE.py:NAME, a module, or a class or function without arguments that returns one.

    Raises:
        NetGraphError: When there is no such file or name, its code fails, or it is no module.

    Example:
        >>> load_module("torch.nn:Identity")
        Identity()
    """
    name, _, path = source.rpartition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    with _running(source):
        file = _import_file(Path(name)) if name.endswith(".py") else import_module(name)
    try:
        value = attrgetter(path)(file)
    except AttributeError:
        near = get_close_matches(path, vars(file), n=1)
        raise NetGraphError(f"{source}: no {path!r}{f'; did you mean {near[0]!r}?' if near else ''}") from None
    with _running(source):
        module = value() if callable(value) and not isinstance(value, nn.Module) else value
    if not isinstance(module, nn.Module):
        given = type(module).__name__
        raise NetGraphError(f"{source}: {given}, not a torch.nn.Module, nor a class or function that returns one")
    return module


@contextmanager
def _running(source: str) -> Iterator[None]:
    """Tell in one line what a user's own code raises."""
    try:
        yield
    except (ImportError, TypeError, OSError) as error:
        raise NetGraphError(f"{source}: {first_line(error)}") from error
    except Exception as error:
        raise NetGraphError(f"{source}: {type(error).__name__}: {first_line(error)}") from error


def _import_file(path: Path) -> ModuleType:
    """Run a file of Python as a module, which may import its siblings."""
    name = f"netgraph_file_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    sys.path.insert(0, str(path.parent))
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parse_example(text: str) -> Tensor | tuple[Tensor, ...]:
    """Build inputs from their shapes: "2,3,32,32", "long:2,8", several joined by ";".

    Raises:
        NetGraphError: When the text is not a list of shapes.

    Example:
        >>> [tuple(tensor.shape) for tensor in parse_example("2,3;long:4")]
        [(2, 3), (4,)]
    """
    generator = torch.Generator().manual_seed(0)
    inputs = []
    for kind, shape in example_shapes(text):
        try:
            dtype = dtype_named(kind)
            numbers = torch.randn(shape, generator=generator) if dtype.is_floating_point else torch.zeros(shape)
            inputs.append(numbers.to(dtype))
        except (RuntimeError, TypeError, NetGraphError) as error:  # of no such type, or larger than memory
            raise NetGraphError(f"--example {text!r}: {first_line(error)}") from None
    return inputs[0] if len(inputs) == 1 else tuple(inputs)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a state_dict, or that of a checkpoint, from a .pt or .pth file of torch without code, or from safetensors.

    Raises:
        NetGraphError: When the file holds code or anything else; it names the file.
    """
    if path.suffix not in (".pt", ".pth"):
        return load_safetensors(path)
    try:
        with opening(path):
            held = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise NetGraphError(f"{path}: holds more than tensors, which would run as code; save its state_dict") from None
    except (EOFError, *FAILURES) as error:
        raise StoreError(f"{path}: not a file of torch: {one_line(error)}") from None
    for key in _NESTED:
        held = held[key] if isinstance(held, Mapping) and isinstance(held.get(key), Mapping) else held
    if not isinstance(held, Mapping) or not held or not all(isinstance(value, Tensor) for value in held.values()):
        raise NetGraphError(f"{path}: holds no state_dict, nor a checkpoint with one ({', '.join(_NESTED)})")
    return dict(held)
