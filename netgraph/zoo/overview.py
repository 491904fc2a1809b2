"""Facts about a zoo in words: those of its manifest, there at once, and those of the content of its shards."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraph.errors import StoreError
from netgraph.graph.architecture import Ints
from netgraph.html import Html, folded, fragment, paragraph, settings_html
from netgraph.lines import counted
from netgraph.reading import one_line
from netgraph.zoo.given_data import NONE
from netgraph.zoo.manifest import PARTS, ShardSizes
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.rows import digest_of
from netgraph.zoo.shards import Shards

#: Quantiles of R^2 and accuracy that are shown.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Most networks of a zoo whose shards are read for a notebook; chosen: a quarter of a second.
MOST_READ = 2000


@dataclass
class _Content:
    """Content of the shards of a zoo.

    Attributes:
        families: Number of tasks of each family.
        losses: Number of tasks of each loss.
        reasons: Number of networks left out for each reason.
        copies: Number of networks that repeat an architecture of their task.
        digests: The first 8 bytes of each architecture's hash.
        sizes: Number of state elements of each architecture.
        figures: Figures of each network, by name.
    """

    families: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    copies: int = 0
    digests: list[NDArray[np.uint64]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    figures: dict[str, list[NDArray[np.float32]]] = field(default_factory=lambda: {"r2": [], "validation_accuracy": []})

    def read(self, shards: Shards) -> None:
        """Read all shards, one after the other."""
        for number in range(len(shards)):
            shard = shards.open(number)
            self.reasons.update(row["reason"].split(" of ")[0] for row in shard.record["excluded"])
            families = [task["family"] for task in shard.record["tasks"]]
            self.families.update("without data" if family == NONE else family for family in families)
            self.losses.update(task.get("loss", "squared_error") for task in shard.record["tasks"])
            if not len(shard):
                continue
            _, chosen = np.unique(shard.architecture_of, return_index=True)
            architectures = [shard.architecture(i) for i in {*chosen.tolist(), *shard.general}]
            self.digests.append(np.array([int(digest_of(one)[:16], 16) for one in architectures], np.uint64))
            self.sizes += [one.state_size for one in architectures]
            for name in self.figures.keys() & shard.columns.keys():
                self.figures[name].append(shard.columns[name].numpy())
            if "seed_index" in shard.columns:
                self.copies += int((shard.columns["seed_index"] > 0).sum())


def zoo_facts(shards: Shards) -> dict[str, str]:
    """Return facts about a zoo in words, by labels; all shards are read.

    Raises:
        StoreError: When a shard is missing or damaged; it names the file.
    """
    content = _Content()
    content.read(shards)
    distinct = len(np.unique(np.concatenate(content.digests))) if content.digests else 0
    copies = f"; {content.copies:,} networks repeat an architecture of their task" if content.copies else ""
    none = "none was measured" if content.figures["r2"] else "no network was kept"
    sizes = f"{min(content.sizes):,} to {max(content.sizes):,}" if content.sizes else none
    accuracy = _quantiles(content.figures["validation_accuracy"])
    reasons = f": {_counts(content.reasons)}" if content.reasons else ""
    at_once = manifest_facts(shards, shards.sizes().general)
    return {
        "networks": at_once["networks"],
        "architectures": f"{distinct:,} distinct{copies}",
        "parameters": sizes,
        "tasks": f"{at_once['tasks']}: {_counts(content.families)}",
        "losses": _counts(content.losses),
        "validation R2": _quantiles(content.figures["r2"]) or none,
        **({"accuracy": accuracy} if accuracy else {}),
        "left out": at_once["left out"] + reasons,
        "on disk": at_once["on disk"],
        "training": at_once["training"],
    }


def manifest_facts(shards: Shards, general: int = 0) -> dict[str, str]:
    """Return the facts that a zoo's manifest tells, by labels; no shard is read.

    Args:
        shards: The shards of the zoo.
        general: Number of networks that are not feed-forward.
    """
    files = [path for path in shards.folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    parts = _in_parts(shards.part) + (f"; {general:,} of them are not feed-forward" if general else "")
    return {
        "networks": f"{len(shards.part):,} ({parts})",
        "tasks": f"{shards.n_tasks:,}",
        "left out": f"{shards.excluded:,}",
        "on disk": f"{sum(path.stat().st_size for path in files) / 1e6:,.1f} MB in {len(shards):,} shards",
        "training": f"{shards.seconds:,.1f} s, summed over processes",
    }


def zoo_line(shards: Shards, networks: Ints) -> str:
    """Return numbers of networks and tasks, and the folder, in one line.

    Args:
        shards: The shards of the zoo.
        networks: The networks of a part, or all, by their numbers in the whole zoo, [n].
    """
    whole = len(shards.part)
    if len(networks) == whole:
        sizes = f"{counted(whole, 'network')} of {counted(shards.n_tasks, 'task')}"
    else:
        sizes = f"{len(networks):,} of {counted(whole, 'network')}"
    return f"{sizes}, {one_line(shards.folder)}"


def zoo_html(line: str, shards: Shards, networks: Ints, recipes: Sequence[ZooRecipe]) -> Html:
    """Return the facts about a zoo and its recipes; of a large one, the facts of its manifest.

    Args:
        line: The zoo in one line.
        shards: Its shards.
        networks: The networks of a part, or all, by their numbers in the whole zoo, [n].
        recipes: Its recipes.
    """
    facts, notes = manifest_facts(shards), []
    if len(networks) != len(shards.part):
        facts = {"networks": f"{len(networks):,} ({_in_parts(shards.part[networks])})"}
    elif len(networks) > MOST_READ:
        facts |= _largest(shards.known_sizes())
        notes = [f"netgraph.zoo.describe_zoo(zoo) tells more, and reads all {len(shards):,} shards for it"]
    else:
        try:
            facts = zoo_facts(shards)
        except StoreError as error:
            notes = [str(error)]
    named = [f"Recipe {i}" if len(recipes) > 1 else "Recipe" for i in range(1, len(recipes) + 1)]
    folds = [folded(name, recipe.table()) for name, recipe in zip(named, recipes, strict=True)]
    return fragment(paragraph(line), settings_html(facts), *map(paragraph, notes), *folds)


def _largest(sizes: ShardSizes | None) -> dict[str, str]:
    """Return the largest networks in words, where their sizes are known."""
    if sizes is None:
        return {}
    largest = {"parameters": sizes.state, "nodes": sizes.nodes, "inputs": sizes.inputs, "outputs": sizes.outputs}
    types = {"layer types": ", ".join(sizes.types)} if sizes.types else {}
    return {name: f"up to {most:,}" for name, most in largest.items() if most} | types


def _in_parts(part: Any) -> str:
    """Return the number of networks of each part of a zoo in words, of the part of each network, [n]."""
    counts = {name: int((part == name).sum()) for name in PARTS}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name != "val")


def _quantiles(parts: Sequence[NDArray[np.float32]]) -> str:
    """Return quantiles of the figures that are not NaN, in words; nothing where there are none."""
    values = np.concatenate([np.empty(0), *parts])
    known = values[~np.isnan(values)]
    if not len(known):
        return ""
    return ", ".join(f"{q:.0%} {v:.2f}" for q, v in zip(QUANTILES, np.quantile(known, QUANTILES), strict=True))


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())
