"""The fallback of tracing: ``torch.export``, for a ``forward`` that decides by the shapes of its input.

What comes back are ATen calls on the module's own tensors. They hold for the sizes on which no decision was made; the
others are fixed to those of the example, and the rebuilt module refuses any other.
"""

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.modules.program import Table
from netgraph.graph.modules.trace import Reader, check_agreement, first_line, merge, mode, plain_attributes

Sizes = tuple[tuple[int | None, ...] | None, ...]
_SIZE = re.compile(r"L\['(\w+)'\]\.size\(\)\[(\d+)\]")


def trace_by_export(
    module: nn.Module, given: Mapping[str, Any], why: str
) -> tuple[Table, Table | None, dict[str, Tensor], Sizes]:
    """Trace a module in both modes through ``torch.export``.

    Args:
        module: The module; it is not changed.
        given: The example inputs by name.
        why: Why ``torch.fx`` does not serve.

    Returns:
        As :func:`~netgraph.graph.modules.trace.trace`, and the sizes that each input must have, None for any.

    Raises:
        UnsupportedLayerError: When ``torch.export`` does not serve either, or a call is not supported.
    """
    exported = [_export(module, given, training, why) for training in (False, True)]
    readers = [_read(program, given, why) for program in exported]
    table, train_table = merge(*readers)
    constants: dict[str, Tensor] = {}
    for program in exported:
        graph_module = program.module(check_guards=False)
        found = plain_attributes(graph_module.graph, module, graph_module)
        check_agreement(constants, found)
        constants |= found
    fixed = set().union(*(_decided(program, given) for program in exported))
    sizes = tuple(
        tuple(n if (name, i) in fixed else None for i, n in enumerate(value.shape))
        if isinstance(value, Tensor)
        else None
        for name, value in given.items()
    )
    return table, train_table, constants, sizes


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Keep a logger of torch's, and those below it, from telling what the caller need not know."""
    loggers = [logging.getLogger(one) for one in logging.root.manager.loggerDict if one.startswith(name)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _export(module: nn.Module, given: Mapping[str, Any], training: bool, why: str) -> torch.export.ExportedProgram:
    free = {
        name: tuple(torch.export.Dim.AUTO for _ in value.shape) if isinstance(value, Tensor) else None
        for name, value in given.items()
    }
    try:
        with mode(module, training), warnings.catch_warnings(), quiet("torch._export"):
            warnings.simplefilter("ignore")
            return torch.export.export(module, (), dict(given), dynamic_shapes=free, strict=False)
    except Exception as error:
        reason = f"{why}; torch.export says: {first_line(error)}"
        raise UnsupportedLayerError(f"{reason}; forward may decide by shapes, not by values") from error


def _read(program: torch.export.ExportedProgram, given: Mapping[str, Any], why: str) -> Reader:
    try:
        return Reader(_readable(program, given))
    except UnsupportedLayerError as error:
        raise UnsupportedLayerError(f"{error} ({why})") from error


def _readable(program: torch.export.ExportedProgram, given: Mapping[str, Any]) -> fx.Graph:
    """Give the graph with the module's own names and the result in its own structure."""
    graph: fx.Graph = program.module(check_guards=False).graph
    for node in graph.nodes:
        if node.op == "placeholder" and node.target not in given:
            raise UnsupportedLayerError(f"{node.target}: an input that is not a tensor of its own")
        if node.op == "output":
            node.args = (pytree.tree_unflatten(node.args[0], program.call_spec.out_spec),)
    return graph


def _decided(program: torch.export.ExportedProgram, given: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """List the (input, dimension) pairs on whose size a decision was made."""
    guards = getattr(program, "_guards_code", None)
    if guards is None:  # a torch that does not tell: every size may matter
        guards = [
            f"L['{name}'].size()[{i}]" for name, x in given.items() if isinstance(x, Tensor) for i in range(x.ndim)
        ]
    for guard in guards:
        found = _SIZE.findall(guard)
        if not found:
            raise NetGraphError(f"a decision by {guard} cannot be kept")
        yield from ((name, int(dimension)) for name, dimension in found)
