"""Looking at a zoo and checking it."""

import sys
from collections import Counter
from typing import TYPE_CHECKING

from netgraph.errors import InvalidGraphError, StoreError
from netgraph.zoo.manifest import manifest_path, read_manifest
from netgraph.zoo.zoo import Zoo

if TYPE_CHECKING:
    import pandas as pd

#: Quantiles of R^2 that are shown.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def verify_zoo(zoo: Zoo, progress: bool = True) -> int:
    """Check every checksum and every network, in the memory of one shard.

    Returns:
        Number of networks.

    Raises:
        StoreError: When a shard is missing, damaged or not the one of the manifest, or a network is not sound; it
            names the file.
    """
    from tqdm import tqdm

    entries = read_manifest(zoo.folder)
    hidden = not (progress and sys.stderr.isatty())
    for number in tqdm(range(zoo.n_shards), desc="verify", unit="shard", disable=hidden):
        shard = zoo.shard(number)
        if shard.record["networks"] != entries[number].networks:
            raise StoreError(
                f"{manifest_path(zoo.folder)}: counts other networks than shard {entries[number].name} has"
            )
        for i in range(len(shard)):
            try:
                shard.graph(i).validate()
            except InvalidGraphError as error:
                raise StoreError(f"{shard.path}: network {i}: {error}") from None
    return len(zoo)


def describe_zoo(zoo: Zoo) -> str:
    """Say what is in a zoo: counts, task families, architectures, size on disk, R^2, what was left out."""
    table = zoo.table
    reasons: Counter[str] = Counter()
    families: Counter[str] = Counter()
    for number in range(zoo.n_shards):
        record = zoo.shard(number).record
        reasons.update(row["reason"].split(" of ")[0] for row in record["excluded"])
        families.update(task["family"] for task in record["tasks"])
    size = sum(path.stat().st_size for path in zoo.folder.rglob("*") if path.is_file())
    splits = table["split"].value_counts()
    r2 = table["validation_r2"].quantile(list(QUANTILES))
    lines = {
        "networks": f"{len(zoo):,} ({splits.get('train', 0):,} train, {splits.get('test', 0):,} test)",
        "architectures": f"{table['architecture'].nunique():,} distinct" + _copies(table),
        "parameters": f"{table['n_parameters'].min():,} to {table['n_parameters'].max():,}",
        "tasks": f"{len(zoo.tasks):,}: " + _counts(families),
        "validation R2": ", ".join(f"{q:.0%} {value:.2f}" for q, value in r2.items()),
        "left out": f"{zoo.excluded:,}" + (f": {_counts(reasons)}" if reasons else ""),
        "on disk": f"{size / 1e6:,.1f} MB in {zoo.n_shards:,} shards",
        "training": f"{zoo.train_seconds:,.1f} s, summed over processes",
    }
    return "\n".join(f"{name:15s}{value}" for name, value in lines.items())


def _copies(table: "pd.DataFrame") -> str:
    """Say how many networks repeat an architecture on its task on purpose."""
    copies = int((table["seed_index"] > 0).sum()) if "seed_index" in table else 0
    return f"; {copies:,} networks are copies from other seeds" if copies else ""


def _counts(counter: "Counter[str]") -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())
