"""The fallback of tracing: ``torch.export``, for a ``forward`` that decides by the shapes of its input.

The result is a graph of ATen calls on the module's own tensors, for the sizes on which no decision was made; the others
are fixed to those of the example, and the rebuilt module refuses any other. Sizes are free where the module
takes others than the example's. Where torch cannot follow them all (it has inequalities to solve), only the number of
rows is, then none, and a warning says for which shapes the graph holds.
"""

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.modules.execute import Lender, execute
from netgraph.graph.modules.preserve import preserved
from netgraph.graph.modules.trace import Traced, first_line, mode, plain_attributes, read_both
from netgraph.graph.modules.values import copies, same

#: An input's name and one of its dimensions.
Dimension = tuple[str, int]
_SIZE = re.compile(r"L\['(\w+)'\]\.size\(\)\[(\d+)\]")


def trace_by_export(module: nn.Module, given: Mapping[str, Any], why: str) -> Traced:
    """Trace a module in both modes through ``torch.export``.

    Args:
        module: The module; it is not changed.
        given: The example inputs by name.
        why: Why ``torch.fx`` does not serve.

    Raises:
        UnsupportedLayerError: When ``torch.export`` does not serve either, or a call is not supported.
    """
    most = _elastic(given, lambda inputs: _agrees(module, inputs))
    rows = {dimension for dimension in most if dimension[1] == 0}
    best: tuple[Traced, set[Dimension]] | None = None
    failure: Exception | None = None
    for tried in (most, rows, set[Dimension]()):
        if best is not None and not tried:
            break
        try:
            traced, free = _trace(module, given, tried)
        except Exception as error:  # torch.export raises errors of every kind
            failure = error
            continue
        if best is None or rows <= free:
            best = traced, free
        if rows <= free:
            break
    if best is None:
        if isinstance(failure, NetGraphError):
            raise UnsupportedLayerError(f"{failure} ({why})") from failure
        reason = first_line(failure) if failure is not None else ""
        text = f"{why}; torch.export says: {reason}; forward may decide by shapes, not by values"
        raise UnsupportedLayerError(text) from failure
    traced, free = best
    tensors = {name: value for name, value in given.items() if isinstance(value, Tensor)}
    sizes = {
        name: tuple(None if (name, i) in free else n for i, n in enumerate(x.shape)) for name, x in tensors.items()
    }
    if failure is not None:
        shapes = (
            f"{name} [{', '.join('any' if n is None else str(n) for n in shape)}]" for name, shape in sizes.items()
        )
        text = f"{type(module).__name__}: by sizes that forward reads, the graph holds for {', '.join(shapes)} only"
        warnings.warn(text, stacklevel=2)
    return replace(traced, fixed=tuple(map(sizes.get, given)))


def _agrees(module: nn.Module, inputs: Mapping[str, Any], traced: Traced | None = None) -> bool:
    """Return whether a module runs on inputs; of a traced one, whether its calls give the same wherever it does."""
    with preserved(module), torch.no_grad():
        before = torch.get_rng_state()
        try:
            expected = module.eval()(**copies(inputs))
        except Exception:  # the module's own, on inputs that it was not made for
            return traced is not None
        torch.set_rng_state(before)
        try:
            return traced is None or same(
                expected, execute(traced.calls, Lender(module, traced.constants), copies(inputs))
            )
        except Exception:  # the same
            return False


@contextmanager
def quiet() -> Iterator[None]:
    """Stop torch from logging and printing on the way to an error that is told in one line."""
    known = [name for name in logging.root.manager.loggerDict if name.startswith("torch.")]
    loggers = [logging.getLogger(name) for name in ("torch", *known)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _trace(module: nn.Module, given: Mapping[str, Any], tried: set[Dimension]) -> tuple[Traced, set[Dimension]]:
    """Export both modes, and compare the calls with the module, also where a free size is one."""
    free = set(tried)

    def graph_of(training: bool) -> tuple[fx.Graph, Any, dict[str, Tensor]]:
        # torch takes a size of one for a number that cannot vary
        widened = resized(given, [dimension for dimension in tried if _size(given, dimension) == 1], 2)
        program = _export(module, widened, training, tried)
        free.difference_update(_fixed(program))
        graph_module = program.module(check_guards=False)
        graph = graph_module.graph
        return graph, _result(program, graph, given), plain_attributes(graph, module, graph_module)

    traced = read_both(graph_of)
    if not _agrees(module, given, traced):
        raise UnsupportedLayerError("its calls give another output than the module")
    free -= {dimension for dimension, inputs in _narrowed(given, free) if not _agrees(module, inputs, traced)}
    return traced, free


def _export(
    module: nn.Module, given: Mapping[str, Any], training: bool, tried: set[Dimension]
) -> torch.export.ExportedProgram:
    kinds = {True: torch.export.Dim.AUTO, False: torch.export.Dim.STATIC}
    free = {
        name: tuple(kinds[(name, i) in tried] for i in range(value.ndim)) if isinstance(value, Tensor) else None
        for name, value in given.items()
    }
    with preserved(module), mode(module, training), quiet():
        return torch.export.export(module, (), dict(given), dynamic_shapes=free, strict=False)


def _result(program: torch.export.ExportedProgram, graph: fx.Graph, given: Mapping[str, Any]) -> Any:
    """Return the result in its own structure."""
    for node in graph.nodes:
        if node.op == "placeholder" and node.target not in given:
            raise UnsupportedLayerError(f"{node.target}: an input that is not a tensor of its own")
    leaves = list(graph.output_node().args[0])  # type: ignore[arg-type]
    return pytree.tree_unflatten(leaves, program.call_spec.out_spec)


def _fixed(program: torch.export.ExportedProgram) -> Iterator[Dimension]:
    """List the dimensions whose size is a number in the program, or by which a decision was made."""
    for node in program.graph.nodes:
        sizes = getattr(node.meta.get("val"), "shape", ()) if node.op == "placeholder" else ()
        yield from ((str(node.target), i) for i, size in enumerate(sizes) if isinstance(size, int))
    for guard in program._guards_code:
        dimensions = _SIZE.findall(guard)
        if not dimensions:
            raise NetGraphError(f"a decision by {guard} cannot be kept")
        yield from ((name, int(dimension)) for name, dimension in dimensions)


def resized(given: Mapping[str, Any], changed: Iterable[Dimension], rows: int) -> dict[str, Any]:
    """Repeat or cut an example along some dimensions."""
    inputs = dict(given)
    for name, i in changed:
        value = inputs[name]
        inputs[name] = value.index_select(i, torch.arange(rows, device=value.device) % value.shape[i]).detach()
    return inputs


def _elastic(given: Mapping[str, Any], runs: Callable[[Mapping[str, Any]], bool]) -> set[Dimension]:
    """List the dimensions in which a module takes more than the example has.

    Args:
        given: The example inputs by name.
        runs: Whether the module runs on inputs.

    Returns:
        Dimensions that can be larger by one or twice as large, alone or with all of the same size.
    """
    every = [(name, i) for name, value in given.items() if isinstance(value, Tensor) for i in range(value.ndim)]

    def grows(dimension: Dimension) -> bool:
        size = _size(given, dimension)
        equal = [other for other in every if _size(given, other) == size]
        return size > 0 and any(
            runs(resized(given, group, rows)) for group in ([dimension], equal) for rows in (size + 1, 2 * size)
        )

    return set(filter(grows, every))


def _narrowed(given: Mapping[str, Any], free: Iterable[Dimension]) -> Iterator[tuple[Dimension, Mapping[str, Any]]]:
    """Cut each free size to one, which torch takes for a number like any other without a check."""
    for dimension in free:
        size = _size(given, dimension)
        equal = [other for other in free if _size(given, other) == size]
        yield dimension, resized(given, [dimension], 1)
        yield dimension, resized(given, equal, 1)


def _size(given: Mapping[str, Any], dimension: Dimension) -> int:
    name, i = dimension
    return int(given[name].shape[i])
