"""Description of a zoo, and the check of all its files and networks."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netgraph.errors import InvalidGraphError, NetGraphError, StoreError
from netgraph.progress import Progress
from netgraph.zoo.manifest import PARTS, manifest_path, read_manifest
from netgraph.zoo.rows import digest_of
from netgraph.zoo.zoo import Zoo

#: Quantiles of R^2 and accuracy that are shown.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def verify_zoo(zoo: Zoo, progress: bool = True) -> int:
    """Check every checksum and every network, in the memory of a few shards.

    Returns:
        Number of networks.

    Raises:
        NetGraphError: When it is a part of a zoo.
        StoreError: When a shard is missing, damaged or not the one of the manifest, or a network is not valid; it
            names the file.

    Example:
        >>> verify_zoo(Zoo("my_zoo"), progress=False)
        18
    """
    _check_whole(zoo)
    entries = read_manifest(zoo.folder)
    with Progress("verify", zoo.n_shards, "shard", shown=progress) as bar:
        for number in range(zoo.n_shards):
            shard, entry = zoo.shard(number, again=True), entries[number]
            if shard.record["networks"] != entry.networks:
                raise StoreError(f"{manifest_path(zoo.folder)}: counts other networks than shard {entry.name} has")
            for i in range(len(shard)):
                try:
                    shard.graph(i).validate()
                except InvalidGraphError as error:
                    raise StoreError(f"{shard.path}: network {i}: {error}") from None
            bar.update()
    return len(zoo)


def describe_zoo(zoo: Zoo) -> str:
    """Describe a zoo: counts, families, losses, architectures, size on disk, R^2, accuracy, networks left out.

    It takes the memory of a few shards, and some bytes a network.

    Raises:
        NetGraphError: When it is a part of a zoo.
        StoreError: When a shard is missing or damaged; it names the file.

    Example:
        >>> print(describe_zoo(Zoo("my_zoo")).splitlines()[0])
        networks       18 (15 train, 3 test)
    """
    _check_whole(zoo)
    families, losses, reasons, copies = Counter[str](), Counter[str](), Counter[str](), 0
    digests: list[NDArray[np.uint64]] = []  # the first 8 bytes of each architecture's hash
    figures: dict[str, list[NDArray[np.float32]]] = {"r2": [], "validation_accuracy": []}
    sizes: list[int] = []
    for number in range(zoo.n_shards):
        shard = zoo.shard(number)
        reasons.update(row["reason"].split(" of ")[0] for row in shard.record["excluded"])
        families.update(task["family"] for task in shard.record["tasks"])
        losses.update(task.get("loss", "squared_error") for task in shard.record["tasks"])
        if not len(shard):
            continue
        _, chosen = np.unique(shard.architecture_of, return_index=True)
        architectures = [shard.architecture(i) for i in {*chosen.tolist(), *shard.general}]
        digests.append(np.array([int(digest_of(one)[:16], 16) for one in architectures], np.uint64))
        sizes += [one.state_size for one in architectures]
        for name in figures.keys() & shard.columns.keys():
            figures[name].append(shard.columns[name].numpy())
        copies += int((shard.columns["seed_index"] > 0).sum()) if "seed_index" in shard.columns else 0
    files = [path for path in zoo.folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    parts = {part: len(zoo.split(part)) for part in PARTS}
    general = zoo.sizes.general
    distinct = len(np.unique(np.concatenate(digests))) if digests else 0
    none = "none was measured" if figures["r2"] else "no network was kept"
    accuracy = _quantiles(figures["validation_accuracy"])
    lines = {
        "networks": f"{len(zoo):,} ("
        + ", ".join(f"{count:,} {part}" for part, count in parts.items() if count or part != "val")
        + (f"; {general:,} of them are not feed-forward)" if general else ")"),
        "architectures": f"{distinct:,} distinct"
        + (f"; {copies:,} networks repeat an architecture of their task" if copies else ""),
        "parameters": f"{min(sizes):,} to {max(sizes):,}" if sizes else none,
        "tasks": f"{len(zoo.tasks):,}: " + _counts(families),
        "losses": _counts(losses),
        "validation R2": _quantiles(figures["r2"]) or none,
        **({"accuracy": accuracy} if accuracy else {}),
        "left out": f"{zoo.excluded:,}" + (f": {_counts(reasons)}" if reasons else ""),
        "on disk": f"{sum(path.stat().st_size for path in files) / 1e6:,.1f} MB in {zoo.n_shards:,} shards",
        "training": f"{zoo.train_seconds:,.1f} s, summed over processes",
    }
    return "\n".join(f"{name:15s}{value}" for name, value in lines.items())


def _quantiles(parts: Sequence[NDArray[np.float32]]) -> str:
    """Return quantiles of the figures that are not NaN, in words; nothing where there are none."""
    values = np.concatenate([np.empty(0), *parts])
    known = values[~np.isnan(values)]
    if not len(known):
        return ""
    return ", ".join(f"{q:.0%} {v:.2f}" for q, v in zip(QUANTILES, np.quantile(known, QUANTILES), strict=True))


def _check_whole(zoo: Zoo) -> None:
    if len(zoo) != zoo.len():
        raise NetGraphError(f"{zoo.folder}: this is a part of {len(zoo):,} networks; give the whole zoo, Zoo(root)")


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())
