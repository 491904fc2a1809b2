"""Building a zoo, shard by shard; an interrupted build goes on where it stopped."""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import make_folder, read_record, write_atomically
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize
from netgraph.stack import sensitivities
from netgraph.tasks import Task, check_meta_vector, draw_tasks, get_meta_features
from netgraph.zoo.architectures import draw_architecture, initialize
from netgraph.zoo.best import Fitted
from netgraph.zoo.engines import ENGINES
from netgraph.zoo.fit_config import FitConfig
from netgraph.zoo.fitting import fit_networks, pad_rows
from netgraph.zoo.manifest import entries_of, manifest_path, write_manifest
from netgraph.zoo.optimizers import OPTIMIZERS
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.store import EncodedShard, Shard, encode_shard, shard_exists
from netgraph.zoo.zoo import FORMAT, VERSION, Zoo

#: Rows on which sensitivity is measured.
SENSITIVITY_ROWS = 64
#: A network that explains less of its validation rows than this diverged.
LEAST_R2 = -1.0


@dataclass(frozen=True)
class ShardJob:
    """Builds one shard; it depends on the recipe and the shard's number only.

    Attributes:
        recipe: The zoo's recipe.
    """

    recipe: ZooRecipe

    def __call__(self, number: int) -> EncodedShard:
        """Build a shard."""
        return encode_shard(make_shard(self.recipe, number), self.recipe.digest)


def build_zoo(
    recipe: ZooRecipe | str | Path,
    root: str | Path,
    engine: str = "local",
    *,
    workers: int | None = None,
    progress: bool = True,
) -> Zoo:
    """Build a zoo of trained networks, or complete one whose build was interrupted.

    Args:
        recipe: A recipe, a YAML file, or the name of a recipe that comes with netgraph.
        root: The folder to build it in.
        engine: ``local``, or ``ray`` for many machines.
        workers: Processes; one a core when None.
        progress: Show it.

    Raises:
        NetGraphError: When the recipe or the engine is unknown, or the folder holds a zoo of another recipe.
    """
    recipe = recipe if isinstance(recipe, ZooRecipe) else ZooRecipe.load(recipe)
    root = Path(root)
    if engine not in ENGINES:
        raise NetGraphError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
    _open(root, recipe)
    missing = [number for number in range(recipe.n_shards) if not shard_exists(root, number, recipe.digest)]
    _write(ENGINES[engine](ShardJob(recipe), missing, workers), root, len(missing), progress)
    if missing or not manifest_path(root).exists():
        write_manifest(root, entries_of(root, recipe))
    return Zoo(root)


def _open(root: Path, recipe: ZooRecipe) -> None:
    """Write the zoo's record, or check that it is one of this recipe."""
    path = root / "zoo.json"
    if path.exists():
        if read_record(path, FORMAT, VERSION)["digest"] != recipe.digest:
            raise StoreError(f"{path}: a zoo of another recipe; choose another folder")
        return
    make_folder(root)
    record = {"format": FORMAT, "version": VERSION, "digest": recipe.digest, "recipes": [asdict(recipe)]}
    write_atomically(path, json.dumps(record, indent=1).encode())


def _write(done: Iterable[tuple[int, EncodedShard]], root: Path, count: int, progress: bool) -> None:
    """Write every shard as it is done."""
    from tqdm import tqdm

    hidden = not (progress and sys.stderr.isatty())
    bar = tqdm(done, total=count, desc="zoo", unit="shard", disable=hidden)
    for written, (number, shard) in enumerate(bar, 1):
        shard.write(root, number)
        if progress and hidden and (written % 10 == 0 or written == count):
            print(f"zoo: {written} of {count} shards", flush=True)


def make_shard(recipe: ZooRecipe, number: int) -> Shard:
    """Draw, train and measure the networks of a shard."""
    first = number * recipe.tasks_per_shard
    count = min(recipe.tasks_per_shard, recipe.n_tasks - first)
    tasks = draw_tasks(
        count, families=recipe.families, n_features=recipe.inputs, rows=recipe.rows, seed=recipe.seed, start=first
    )
    generator = Generator().manual_seed((recipe.seed * 1_000_003 + number) % 2**31 + 1)
    task = torch.arange(count).repeat_interleave(recipe.nets_per_task)
    architectures = [draw_architecture(recipe, tasks[i].n_features, generator) for i in task.tolist()]
    started = time.perf_counter()
    fitted, x = _fit(architectures, [tasks[i] for i in task.tolist()], recipe, generator)
    seconds = time.perf_counter() - started
    sensitivity = sensitivities(architectures, fitted.states, x[:, :SENSITIVITY_ROWS])
    kept = _kept(fitted).nonzero().flatten()
    graphs = [canonicalize(NetGraph(architectures[i], fitted.states[i], sensitivity[i])) for i in kept.tolist()]
    meta_features = torch.cat([check_meta_vector(get_meta_features(one.x, one.y)) for one in tasks])
    return Shard(
        graphs=graphs,
        task=task[kept],
        columns={"r2": fitted.r2[kept], "best_step": fitted.best_step[kept], "steps": fitted.steps[kept]},
        tasks=tasks,
        meta_features=meta_features,
        first_task=first,
        excluded=_excluded(architectures, task, fitted),
        seconds=seconds,
    )


def _excluded(architectures: Sequence[Architecture], task: torch.Tensor, fitted: Fitted) -> list[dict[str, Any]]:
    """Say which networks are left out, and why."""
    return [
        {
            "task": int(task[i]),
            "architecture": repr(architectures[i]),
            "reason": "diverged" if fitted.diverged[i] else f"R^2 of {float(fitted.r2[i]):.3g}",
        }
        for i in (~_kept(fitted)).nonzero().flatten().tolist()
    ]


def _kept(fitted: Fitted) -> torch.Tensor:
    return (fitted.r2 > LEAST_R2) & ~fitted.diverged


def _fit(
    architectures: Sequence[Architecture],
    tasks: Sequence[Task],
    recipe: ZooRecipe,
    generator: Generator,
) -> tuple[Fitted, torch.Tensor]:
    states = [initialize(architecture, generator) for architecture in architectures]
    x = pad_rows([task.x for task in tasks], max(task.n_features for task in tasks))
    y = torch.stack([task.y for task in tasks])[..., None]
    cut = recipe.rows - round(recipe.rows * recipe.validation_share)
    config = FitConfig(
        torch.full((len(states),), recipe.steps),
        recipe.batch_rows,
        _log_uniform(recipe.learning_rate, len(states), generator),
        _log_uniform(recipe.weight_decay, len(states), generator),
        torch.full((len(states),), OPTIMIZERS.index("adamw")),
    )
    rows = (x[:, :cut], y[:, :cut]), (x[:, cut:], y[:, cut:])
    return fit_networks(architectures, states, *rows, config, generator), x


def _log_uniform(bounds: tuple[float, float], n: int, generator: Generator) -> torch.Tensor:
    low, high = torch.tensor(bounds, dtype=torch.float64).log()
    drawn: torch.Tensor = low + (high - low) * torch.rand(n, generator=generator, dtype=torch.float64)
    return drawn.exp().float()
