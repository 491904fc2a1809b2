"""What a network can be judged by beside its error: its size and its speed."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.to_module import to_module

#: Passes that are timed, of which the fastest counts.
PASSES = 20


def parameters(graph: NetGraph) -> float:
    """Count weights, biases and running statistics."""
    return float(graph.architecture.state_size)


def latency(graph: NetGraph) -> float:
    """Measure the time that the plain module takes for one row on the CPU, in microseconds."""
    module, row = to_module(graph), torch.zeros(1, graph.architecture.n_inputs, dtype=graph.state.dtype)
    took = []
    with torch.no_grad():
        for _ in range(PASSES):
            started = time.perf_counter()
            module(row)
            took.append(time.perf_counter() - started)
    return 1e6 * min(took)


#: Objectives by name, beside the error, all to be small.
MEASURES: Mapping[str, Callable[[NetGraph], float]] = {"parameters": parameters, "latency": latency}


def check_objectives(names: Sequence[str]) -> tuple[str, ...]:
    """Check that objectives are known and that the error is the first of them.

    Raises:
        NetGraphError: It names the objective.
    """
    known = ("error", *MEASURES)
    if not isinstance(names, str | Iterable):
        raise NetGraphError(f"objectives is {names!r}; names among {', '.join(known)}")
    chosen = (names,) if isinstance(names, str) else tuple(names)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise NetGraphError(f"unknown objective {unknown[0]!r}; known: {', '.join(known)}")
    if not chosen or chosen[0] != "error" or len(set(chosen)) < len(chosen):
        raise NetGraphError(f"objectives are {', '.join(chosen) or 'empty'}; they begin with error, each once")
    return chosen


def judge(graphs: Sequence[NetGraph], errors: Tensor, names: Sequence[str]) -> Tensor:
    """Give the objectives of networks whose errors are known, [n, objectives] float64."""
    columns = [errors.double()]
    for name in names[1:]:
        columns.append(torch.tensor([MEASURES[name](graph) for graph in graphs], dtype=torch.float64))
    return torch.stack(columns, dim=1)
