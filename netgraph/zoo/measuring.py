"""Measurements on networks that were trained elsewhere: sensitivity, meta-features and a score on their own rows."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.read_module import example_of
from netgraph.graph.write_module import to_module
from netgraph.reading import building
from netgraph.stack import outputs, probe, sensitivities, sensitivity
from netgraph.tasks import Task
from netgraph.tasks.losses import get_loss
from netgraph.zoo.fitting import pad_rows
from netgraph.zoo.given_data import GivenData
from netgraph.zoo.make_shard import SENSITIVITY_ROWS
from netgraph.zoo.storage import Shard

#: Most rows on which a score is measured (chosen).
SCORE_ROWS = 1024


def check_sizes(graph: NetGraph, task: Task, name: str) -> None:
    """Raise if a feed-forward network does not fit its task.

    Raises:
        NetGraphError: When it has other inputs or outputs; it names the network.
    """
    if graph.program is not None or not task.rows:
        return
    inputs, outputs = graph.architecture.n_inputs, graph.architecture.n_outputs
    if inputs != task.n_features:
        raise NetGraphError(f"{name}: reads {inputs} inputs; its X has {task.n_features} columns")
    if outputs != task.y.shape[1]:
        raise NetGraphError(f"{name}: has {outputs} outputs; its y has {task.y.shape[1]} columns")


def count_outputs(graph: NetGraph, data: GivenData) -> int | None:
    """Return the number of outputs of a network; None where that cannot be told."""
    if graph.program is None:
        return graph.architecture.n_outputs
    ran = _run(graph, data, 2)
    return None if ran is None else ran.shape[1]


def _run(graph: NetGraph, data: GivenData, count: int) -> Tensor | None:
    """Return a general network's outputs on some of its rows, [rows, outputs]; None where they are no such tensor."""
    if data.x is None:
        return None
    with torch.no_grad():
        ran = to_module(graph)(_fitting(graph, data.x[data.rows(count)]))
    return ran.float() if isinstance(ran, Tensor) and ran.ndim == 2 else None


def _fitting(graph: NetGraph, x: Tensor) -> Tensor:
    """Return rows in the type that a general network reads.

    Raises:
        NetGraphError: When it reads several inputs.
    """
    like = example_of(graph)
    if not isinstance(like, Tensor):
        raise NetGraphError(f"reads {len(like)} inputs; X is one. Give None for its task")
    return x.to(like.dtype).unflatten(1, like.shape[1:]) if x.ndim == 2 < like.ndim else x.to(like.dtype)


def measure(shard: Shard, data: Sequence[GivenData], numbers: Sequence[int]) -> Shard:
    """Return a shard with the sensitivity and the score of its networks, and the meta-features of its tasks.

    Where there is no data, sensitivity is measured on standard normal rows, unless it was before, and the score is NaN.

    Args:
        shard: The shard.
        data: The data of each of its tasks.
        numbers: Number of each network among all, for errors.

    Raises:
        NetGraphError: When a network does not run on its rows; it names the network.
    """
    task = shard.task.tolist()
    figures = torch.full((len(task), 3), torch.nan)  # R^2, loss, accuracy
    graphs = list(shard.graphs)
    for i, graph in enumerate(graphs):
        if graph.program is not None:
            with building(f"network {numbers[i]}", "does not run on its X"):
                graphs[i] = graph.replace(sensitivity=_general_sensitivity(graph, data[task[i]]))
                figures[i] = _figures(_run(graph, data[task[i]], SCORE_ROWS), shard.tasks[task[i]], data[task[i]])
    forward = [i for i, graph in enumerate(graphs) if graph.program is None]
    measured = _sensitivities([graphs[i] for i in forward], [data[task[i]] for i in forward])
    for i, values in zip(forward, measured, strict=True):
        graphs[i] = graphs[i].replace(sensitivity=values)
    for k, own in enumerate(data):
        chosen = [i for i in forward if task[i] == k and own.x is not None]
        for i, ran in zip(chosen, _outputs([graphs[i] for i in chosen], own), strict=True):
            figures[i] = _figures(ran, shard.tasks[k], own)
    meta_features = [own.meta_features(one) for own, one in zip(data, shard.tasks, strict=True)]
    names = ("r2", "validation_loss", "validation_accuracy") if any(one.has_classes for one in shard.tasks) else ("r2",)
    columns = {name: figures[:, i].clone() for i, name in enumerate(names)} | shard.columns
    return replace(shard, graphs=graphs, columns=columns, meta_features=torch.cat(meta_features))


def _general_sensitivity(graph: NetGraph, data: GivenData) -> Tensor:
    if data.x is not None:
        return sensitivity(graph, _fitting(graph, data.x[data.rows(SENSITIVITY_ROWS)]))
    if not graph.sensitivity.isnan().any():
        return graph.sensitivity
    inputs = example_of(graph, torch.Generator().manual_seed(0))
    return sensitivity(graph, *((inputs,) if isinstance(inputs, Tensor) else inputs))


def _sensitivities(graphs: Sequence[NetGraph], data: Sequence[GivenData]) -> list[Tensor]:
    """Measure feed-forward networks side by side, those with as many rows at once."""
    measured = [graph.sensitivity for graph in graphs]
    groups: dict[int, list[int]] = defaultdict(list)
    rows: dict[int, Tensor] = {}
    for i, (graph, own) in enumerate(zip(graphs, data, strict=True)):
        if own.x is not None:
            rows[i] = own.x[own.rows(SENSITIVITY_ROWS)].float()
        elif graph.sensitivity.isnan().any():
            rows[i] = probe(graph.architecture.n_inputs, SENSITIVITY_ROWS)
        if i in rows:
            groups[len(rows[i])].append(i)
    for members in groups.values():
        x = pad_rows([rows[i] for i in members], max(rows[i].shape[1] for i in members))
        chosen = [graphs[i] for i in members]
        values = sensitivities([graph.architecture for graph in chosen], [graph.state for graph in chosen], x)
        for i, one in zip(members, values, strict=True):
            measured[i] = one
    return measured


def _outputs(graphs: Sequence[NetGraph], data: GivenData) -> list[Tensor]:
    """Run feed-forward networks on rows of their common data, [rows, outputs] each."""
    if not graphs or data.x is None:
        return []
    states = [graph.state.float() for graph in graphs]
    values = outputs([graph.architecture for graph in graphs], states, data.x[data.rows(SCORE_ROWS)].float())
    return [own[:, : graph.architecture.n_outputs] for own, graph in zip(values, graphs, strict=True)]


def _figures(output: Tensor | None, task: Task, data: GivenData) -> Tensor:
    """Return R^2 (of classes McFadden's), loss and accuracy (of classes) of outputs on the rows that were run, [3].

    They are NaN where the outputs do not fit.
    """
    y = task.y[data.rows(SCORE_ROWS)]
    figures = torch.full((3,), torch.nan)
    if output is not None and output.shape == y.shape and output.isfinite().all():
        loss = get_loss(task.loss)
        value = loss.value(output, y)
        figures[:2] = torch.stack([loss.explained(value, y), value])
        if task.has_classes:
            figures[2] = loss.score(output, y)
    return figures
