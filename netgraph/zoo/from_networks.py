"""A zoo of networks that were trained elsewhere, written shard by shard; an interrupted writing is resumed."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch_geometric.data import Data

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import EncodedTensors, make_folder, record_path
from netgraph.graph.netgraph import NetGraph, check_graph
from netgraph.graph.read_module import from_module
from netgraph.graph.symmetry import canonicalize
from netgraph.progress import Progress
from netgraph.reading import building
from netgraph.zoo.given_columns import Columns, as_columns, as_split
from netgraph.zoo.given_data import GivenData, as_data
from netgraph.zoo.manifest import (
    ShardEntry,
    check_given,
    manifest_path,
    read_manifest,
    write_manifest,
    write_zoo_record,
)
from netgraph.zoo.measuring import check_sizes, count_outputs, measure
from netgraph.zoo.storage import Shard, clear_leftovers, encode, read_job, shard_path, sizes_of, write_parts

#: Most numbers, and most networks, of a shard, but for one network alone (chosen: 32 MiB of float32).
MOST_NUMBERS, MOST_NETWORKS = 2**23, 1024


@dataclass(frozen=True)
class _Given:
    """All that is given, checked as far as that takes no conversion."""

    networks: list[NetGraph | nn.Module]
    data: list[GivenData]
    index: list[int]
    columns: Columns
    parts: list[str]


def write_networks(
    networks: Iterable[NetGraph | nn.Module],
    tasks: Any,
    root: str | Path,
    table: Any = None,
    split: str | Sequence[str] | None = None,
    *,
    index: Sequence[int] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> None:
    """Write a zoo; see :meth:`netgraph.zoo.zoo.Zoo.from_networks`."""
    if isinstance(networks, Data | nn.Module) or not isinstance(networks, Iterable):
        kind = type(networks).__name__
        raise NetGraphError(f"networks: expected a list of modules or graphs, got {kind}; put it in a list")
    listed = list(networks)
    if not listed:
        raise NetGraphError("no networks to put into a zoo")
    for i, network in enumerate(listed):
        if not isinstance(network, nn.Module):
            check_graph(network, f"network {i}")
    data, numbers = as_data(tasks, index, len(listed))
    parts = as_split(split, numbers, len(data), seed)
    given = _Given(listed, data, numbers, as_columns(table, len(listed)), parts)
    folder = Path(root)
    check_given(folder)
    clear_leftovers(folder)
    entries: list[ShardEntry] = []
    with Progress("import", len(listed), "network", shown=progress) as bar:
        for job, members in enumerate(_jobs(listed)):
            entries.append(_write_job(folder, job, given, members))
            bar.update(units=len(members))
    if not manifest_path(folder).exists():
        write_manifest(folder, entries)
    elif read_manifest(folder) != entries:
        raise StoreError(f"{manifest_path(folder)}: of a zoo with another split; choose another folder")


def _jobs(networks: Sequence[NetGraph | nn.Module]) -> Iterator[range]:
    """Cut networks into those of a shard each, in their order."""
    first, numbers = 0, 0
    for i, network in enumerate(networks):
        size = _size(network)
        if i > first and (numbers + size > MOST_NUMBERS or i - first == MOST_NETWORKS):
            yield range(first, i)
            first, numbers = i, 0
        numbers += size
    yield range(first, len(networks))


def _size(network: NetGraph | nn.Module) -> int:
    if isinstance(network, NetGraph):
        return network.state.numel()
    return sum(value.numel() for values in (network.parameters(), network.buffers()) for value in values)


def _write_job(folder: Path, job: int, given: _Given, members: range) -> ShardEntry:
    """Write a shard, unless it is there."""
    bare = _bare(given, members)
    record = encode(bare, "").record
    content = json.dumps([len(given.networks), members.start, record], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    records = read_job(folder, job)
    if not records:
        encoded = encode(measure(bare, [given.data[i] for i in _local(given, members)], members), digest)
        make_folder(folder / "shards")
        if not (folder / "zoo.json").exists():  # a call that fails before its first shard claims no folder
            write_zoo_record(folder, None, [])
        write_parts(folder, job, [EncodedTensors(encoded.payload, encoded.record | {"parts": []})])
        records = read_job(folder, job)
    (name, record), *_ = records.items()
    if record["recipe"] != digest:
        place = record_path(shard_path(folder, job))
        raise StoreError(f"{place}: made of other networks, data or columns; choose another folder")
    parts = given.parts[members.start : members.stop]
    test = [{parts[i] for i in _of(bare, task)} == {"test"} for task in range(len(bare.tasks))]
    networks, tasks = record["networks"], _local(given, members)
    return ShardEntry(name, record["sha256"], networks, test, 0, 0.0, sizes_of(record), tasks, parts)


def _local(given: _Given, members: range) -> list[int]:
    """Return the numbers of the data sets of some networks."""
    return sorted({given.index[i] for i in members})


def _of(shard: Shard, task: int) -> list[int]:
    """Return the networks of a task of a shard."""
    return (shard.task == task).nonzero().flatten().tolist()


def _bare(given: _Given, members: range) -> Shard:
    """Return the shard of some networks before anything is measured."""
    graphs = [_convert(given.networks[i], given.data[given.index[i]], f"network {i}") for i in members]
    local = _local(given, members)
    shard = Shard(
        graphs=graphs,
        task=torch.tensor([local.index(given.index[i]) for i in members]),
        columns={name: values[members.start : members.stop] for name, values in given.columns.numbers.items()},
        tasks=[],
        meta_features=torch.zeros(0),
        first_task=local[0],
        excluded=[],
        seconds=0.0,
        texts={name: values[members.start : members.stop] for name, values in given.columns.texts.items()},
    )
    for task, number in enumerate(local):
        first, *others = _of(shard, task)
        with building(f"network {members[first]}", "does not run on its X"):
            outputs = count_outputs(graphs[first], given.data[number])
            shard.tasks.append(given.data[number].to_task(outputs))
        for i in (first, *others):
            check_sizes(graphs[i], shard.tasks[task], f"network {members[i]}")
    return shard


def _convert(network: NetGraph | nn.Module, data: GivenData, name: str) -> NetGraph:
    """Return a network as a graph on the CPU, checked; a feed-forward one in canonical form."""
    with building(name, "cannot be converted"):
        if isinstance(network, nn.Module):
            example = None if data.x is None else data.x[:2]
            if example is not None and not any(isinstance(part, nn.Embedding) for part in network.modules()):
                example = example.to(next(network.parameters(), torch.zeros(0)))
            network = from_module(network, example)
        network.validate()
        graph = network.to("cpu")
        graph = graph.replace(state=graph.state.detach(), sensitivity=graph.sensitivity.detach())
        return graph if graph.program is not None else canonicalize(graph)
