"""Looking at a zoo and checking it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netgraph.errors import InvalidGraphError, NetGraphError, StoreError
from netgraph.progress import Progress
from netgraph.zoo.manifest import ShardEntry, manifest_path, read_manifest
from netgraph.zoo.open_shard import OpenShard
from netgraph.zoo.zoo import Zoo

#: Quantiles of R^2 that are shown.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def verify_zoo(zoo: Zoo, progress: bool = True) -> int:
    """Check every checksum and every network, in the memory of a few shards.

    Returns:
        Number of networks.

    Raises:
        NetGraphError: When it is a part of a zoo.
        StoreError: When a shard is missing, damaged or not the one of the manifest, or a network is not sound; it
            names the file.
    """
    _check_whole(zoo)
    entries = read_manifest(zoo.folder)
    with Progress("verify", zoo.n_shards, "shard", shown=progress) as bar:
        for number in range(zoo.n_shards):
            _verify_shard(zoo.shard(number, again=True), entries[number], zoo)
            bar.update()
    return len(zoo)


def _verify_shard(shard: OpenShard, entry: ShardEntry, zoo: Zoo) -> None:
    if shard.record["networks"] != entry.networks:
        raise StoreError(f"{manifest_path(zoo.folder)}: counts other networks than shard {entry.name} has")
    for i in range(len(shard)):
        try:
            shard.graph(i).validate()
        except InvalidGraphError as error:
            raise StoreError(f"{shard.path}: network {i}: {error}") from None


def describe_zoo(zoo: Zoo) -> str:
    """Say what is in a zoo: counts, task families, architectures, size on disk, R^2, what was left out.

    It takes the memory of a few shards, and 12 bytes a network.

    Raises:
        NetGraphError: When it is a part of a zoo.
        StoreError: When a shard is missing or damaged; it names the file.
    """
    _check_whole(zoo)
    figures = _Figures()
    for number in range(zoo.n_shards):
        figures.add(zoo.shard(number))
    size = sum(path.stat().st_size for path in _files(zoo.folder))
    test = sum(_test_networks(entry) for entry in read_manifest(zoo.folder))
    lines = {
        "networks": f"{len(zoo):,} ({len(zoo) - test:,} train, {test:,} test)",
        "architectures": figures.architectures,
        "parameters": figures.parameters,
        "tasks": f"{len(zoo.tasks):,}: " + _counts(figures.families),
        "validation R2": figures.quantiles,
        "left out": f"{zoo.excluded:,}" + (f": {_counts(figures.reasons)}" if figures.reasons else ""),
        "on disk": f"{size / 1e6:,.1f} MB in {zoo.n_shards:,} shards",
        "training": f"{zoo.train_seconds:,.1f} s, summed over processes",
    }
    return "\n".join(f"{name:15s}{value}" for name, value in lines.items())


def _check_whole(zoo: Zoo) -> None:
    if len(zoo) != zoo.len():
        raise NetGraphError(f"{zoo.folder}: this is a part of {len(zoo):,} networks; give the whole zoo, Zoo(root)")


def _files(folder: Path) -> Iterator[Path]:
    """The zoo's files, without what a killed write left behind."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path


def _test_networks(entry: ShardEntry) -> int:
    return sum(count for count, test in zip(entry.networks, entry.test, strict=True) if test)


@dataclass
class _Figures:
    """What the shards of a zoo amount to, one after the other.

    Attributes:
        families: Number of tasks of each family.
        reasons: Number of networks that were left out, by reason.
        digests: First 8 bytes of the hashes of each shard's architectures.
        r2: R^2 of each shard's networks on validation rows.
        copies: Number of networks whose architecture the task had before.
        sizes: Fewest and most parameters of a network of each shard.
    """

    families: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    digests: list[NDArray[np.uint64]] = field(default_factory=list)
    r2: list[NDArray[np.float32]] = field(default_factory=list)
    copies: int = 0
    sizes: list[int] = field(default_factory=list)

    def add(self, shard: OpenShard) -> None:
        """Count a shard."""
        self.reasons.update(row["reason"].split(" of ")[0] for row in shard.record["excluded"])
        self.families.update(task["family"] for task in shard.record["tasks"])
        if not len(shard):
            return
        rows = np.unique(shard.architecture_of)
        digests = [int(shard.table.architecture(row).digest[:16], 16) for row in rows.tolist()]
        self.digests.append(np.array(digests, np.uint64))
        sizes = shard.table.state_size[rows]
        self.sizes += [int(sizes.min()), int(sizes.max())]
        self.r2.append(shard.columns["r2"].numpy())
        if "seed_index" in shard.columns:
            self.copies += int((shard.columns["seed_index"] > 0).sum())

    @property
    def architectures(self) -> str:
        """How many there are, and how many networks repeat one."""
        count = len(np.unique(np.concatenate(self.digests))) if self.digests else 0
        repeats = f"; {self.copies:,} networks repeat an architecture of their task" if self.copies else ""
        return f"{count:,} distinct" + repeats

    @property
    def parameters(self) -> str:
        """The smallest and the largest network."""
        return f"{min(self.sizes):,} to {max(self.sizes):,}" if self.sizes else "no network was kept"

    @property
    def quantiles(self) -> str:
        """Those of R^2."""
        if not self.r2:
            return "no network was kept"
        values = np.quantile(np.concatenate(self.r2).astype(np.float64), QUANTILES)
        return ", ".join(f"{q:.0%} {value:.2f}" for q, value in zip(QUANTILES, values, strict=True))


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())
