"""A network as two files that need torch alone: its weights, and the Python that runs them."""

import copy
import hashlib
import sys
from keyword import iskeyword
from pathlib import Path

from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.graph.from_module import from_module
from netgraph.graph.modules.source import to_source
from netgraph.outputs import check_outputs, replacing

_HEAD = '''"""{docstring}
"""

import hashlib
import json
from pathlib import Path

'''
_LOAD = '''

SHA256 = "{sha256}"


def load(path: str | Path | None = None) -> Network:
    """Return the network in evaluation mode, in float64, with the weights beside this file or at a path."""
    path = Path(path or Path(__file__).with_suffix(".safetensors"))
    content = bytearray(path.read_bytes())
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(f"{{path}}: damaged, or not the weights that were written with {{Path(__file__).name}}")
    start = 8 + int.from_bytes(content[:8], "little")
    dtypes = {{"F64": torch.float64, "I64": torch.int64}}
    weights = {{}}
    for name, entry in json.loads(content[8:start]).items():
        first, last = entry["data_offsets"]
        values = torch.frombuffer(content[start + first : start + last], dtype=dtypes[entry["dtype"]])
        weights[name] = values.reshape(entry["shape"])
    network = Network().double()
    network.load_state_dict(weights)
    network.register_forward_pre_hook(check_columns)
    return network.eval()


def check_columns(network: Network, inputs: tuple[torch.Tensor, ...]) -> None:
    """Raise an error where the input has another number of columns; one would be broadcast."""
    if inputs[0].shape[-1] != {columns}:
        raise ValueError(f"x has {{inputs[0].shape[-1]}} columns, the network reads {columns}")
'''


def standalone_paths(path: str | Path) -> tuple[Path, Path]:
    """Return the paths of the weights and of the Python file of a network.

    Args:
        path: Path without a suffix; ``.py`` and ``.safetensors`` are dropped.

    Raises:
        NetGraphError: When Python could not import a file of that name.
    """
    path = Path(path)
    stem = path.stem if path.suffix in (".py", ".safetensors") else path.name
    if not stem.isidentifier() or iskeyword(stem) or stem in {"torch", *sys.stdlib_module_names}:
        raise NetGraphError(f"{path}: Python could not import a file called {stem!r}, give it another name")
    return path.with_name(f"{stem}.safetensors"), path.with_name(f"{stem}.py")


def write_standalone(module: nn.Module, example: Tensor, path: str | Path, docstring: str) -> tuple[Path, Path]:
    """Write a network as safetensors and a Python file that rebuilds it with torch alone.

    The Python file has the module ``Network``, and ``load()``, which returns it in evaluation mode and in float64. It
    holds the weights' sha256 and refuses others.

    Args:
        module: The network, in float64.
        example: Input that it is traced with, float32.
        path: Path without a suffix. Missing folders are made; the files of an earlier export are overwritten, and stay
            where writing fails.
        docstring: Text at the beginning of the Python file.

    Returns:
        The paths of the weights and of the Python file.

    Raises:
        NetGraphError: When Python could not import a file of that name, or the module cannot be traced.
        StoreError: When the folder cannot be written to or the disk is full.
    """
    from safetensors.torch import save

    weights, script = standalone_paths(path)
    payload = save({name: tensor.clone() for name, tensor in module.state_dict().items()})
    source = to_source(from_module(copy.deepcopy(module).float(), example))  # float32: no dtype is spelled out
    source = _HEAD.format(docstring=docstring) + source[source.index("import torch") :].rstrip("\n") + "\n"
    source += _LOAD.format(sha256=hashlib.sha256(payload).hexdigest(), columns=example.shape[-1])
    check_outputs((weights, script), overwrite=True)
    make_folder(script.parent)
    with replacing([weights, script]):
        write_atomically(weights, payload)
        write_atomically(script, source.encode())
    return weights, script
