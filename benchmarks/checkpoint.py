"""The last stage of the checkpoint that ships: its hypernet, trained alone on drawn tasks and sampled networks.

``netgraph run --preset full`` trains everything else. ``python -m benchmarks.checkpoint runs/hypernet --device cuda
--seconds 500 --batch 1024``: architectures are those of samples, and tasks are drawn by the recipe of the card.
"""

from dataclasses import asdict
from itertools import chain
from pathlib import Path

import jsonargparse
import torch
from joblib import Parallel, delayed

from benchmarks.peers.training import EqualTime
from netgraph import NetGraph, NetGraphError, NetVAE, canonicalize, get_meta_features
from netgraph.machine import check_device, provenance
from netgraph.tasks import META_FEATURE_NAMES, Task, TaskRecipe, draw_tasks
from netgraph.training import Episodes, Example, TrainConfig, train_generator

#: Tasks, and networks, that a process draws at once; the first seed (a zoo counts from 0); rows of task and example.
TASKS, NETWORKS, SEED, ROWS, EXAMPLE_ROWS = 125, 256, 5000, 256, 32
UNKNOWN = [float("nan")] * len(META_FEATURE_NAMES)


def tasks_of(recipe: TaskRecipe, known: bool, seed: int) -> list[tuple[Task, list[float]]]:
    """Draw tasks, and compute their meta-features where these are to be known."""
    tasks = draw_tasks(TASKS, recipe, seed=seed)
    return [(task, list(get_meta_features(task.x, task.y)) if known else UNKNOWN) for task in tasks]


def networks_of(checkpoint: Path | None, seed: int) -> list[NetGraph]:
    """Sample networks in canonical form."""
    return list(map(canonicalize, NetVAE.from_pretrained(checkpoint).sample(NETWORKS, seed=seed)))


def main(
    out: Path,
    checkpoint: Path | None = None,
    device: str = "cpu",
    seconds: float = 480.0,
    tasks: int = 24_000,
    known: int = 6_000,
    networks: int = 8_192,
    batch: int = 512,
) -> None:
    """Train the hypernet of a checkpoint, the one that ships by default.

    Args:
        out: Folder of checkpoints and logs.
        checkpoint: Path of the checkpoint to begin with.
        device: Device of the training, ``cpu`` or ``cuda``.
        seconds: Training time.
        tasks: Number of tasks.
        known: Number of tasks with meta-features.
        networks: Number of sampled networks.
        batch: Networks of a batch.
    """
    check_device(device)
    vae = NetVAE.from_pretrained(checkpoint)
    if "tasks" not in vae.card.get("recipe", ()):
        raise NetGraphError("the checkpoint's card has no recipe of tasks")
    recipe = TaskRecipe.from_dict(vae.card["recipe"]["tasks"] | {"rows": ROWS})
    parallel = Parallel(n_jobs=-1)
    parts = parallel(delayed(tasks_of)(recipe, i * TASKS < known, SEED + i) for i in range(-(-tasks // TASKS)))
    drawn, features = zip(*chain.from_iterable(parts), strict=True)
    episodes = Episodes(drawn, torch.tensor(features), shared=4)
    sampled = parallel(delayed(networks_of)(checkpoint, SEED + i) for i in range(-(-networks // NETWORKS)))
    noise = torch.Generator().manual_seed(SEED)
    examples = [
        Example(graph, torch.randn(EXAMPLE_ROWS, graph.architecture.n_inputs, generator=noise), torch.tensor(UNKNOWN))
        for graph in chain.from_iterable(sampled)
        if graph.architecture.n_inputs in episodes.columns
    ]
    training = TrainConfig(batch_size=batch, generator_epochs=10**6, mixed=True)
    pace = EqualTime({"hypernet": seconds})
    card = {f"generator_{name}": value for name, value in provenance().items()} | {"generator_tasks": asdict(recipe)}
    train_generator(vae, examples, out, training, episodes=episodes, callbacks=[pace], device=device, card=card)


if __name__ == "__main__":
    jsonargparse.auto_cli(main)
