"""Training on the networks and tasks of a zoo."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from netgraph.model.config import VAEConfig
from netgraph.model.vae import NetVAE
from netgraph.progress import Progress
from netgraph.tasks import Task, draw_tasks
from netgraph.training.config import TrainConfig
from netgraph.training.data import Example
from netgraph.training.episodes import Episodes
from netgraph.training.sizes import config_for
from netgraph.training.train import train
from netgraph.zoo import Zoo


def train_on_zoo(
    zoo: Zoo,
    folder: str | Path,
    config: VAEConfig,
    training: TrainConfig,
    n_tasks: int,
    device: str = "cpu",
    card: Mapping[str, Any] | None = None,
) -> NetVAE:
    """Train a VAE on a zoo's training networks, and its generator on their tasks and more of the same kind.

    Args:
        zoo: The zoo.
        folder: As of :func:`~netgraph.training.train.train`; an interrupted training goes on.
        config: The model; its sizes are those of :func:`~netgraph.training.sizes.config_for`.
        training: How it is trained.
        n_tasks: Tasks beside those of the zoo.
        device: ``cpu`` or ``cuda``.
        card: What the checkpoint's card says besides.

    Raises:
        NetGraphError: As of :func:`~netgraph.training.train.train` and, before any work, of
            :func:`~netgraph.training.sizes.config_for`.
    """
    config = config_for(zoo, config)
    numbers = zoo.split("train")
    examples = []
    with Progress("read", len(numbers), "network") as bar:
        for one in zoo.stream(numbers):
            examples.append(Example(one, zoo.tasks[one.task].x, zoo.meta_features[one.task]))
            bar.update()
    episodes = training_episodes(zoo, sorted({example.graph.task for example in examples}), n_tasks)
    return train(examples, folder, config, training, episodes=episodes, device=device, card=card)


def training_episodes(zoo: Zoo, numbers: Sequence[int], n_more: int) -> Episodes:
    """Take tasks of a zoo, and more of the same kind, which no network was trained on.

    Args:
        zoo: The zoo; of a merged one, each recipe gives its share of what is more.
        numbers: Those of its tasks that are taken.
        n_more: How many more; those of a number of columns that no task of the zoo has are left out.

    Raises:
        NetGraphError: When the tasks differ in their rows.
    """
    more: list[Task] = []
    for i, recipe in enumerate(zoo.recipes):
        share = n_more * (i + 1) // len(zoo.recipes) - len(more)
        more += draw_tasks(share, recipe.tasks, seed=recipe.seed, start=len(zoo.tasks))
    known, tasks = zoo.meta_features[list(numbers)], [zoo.tasks[number] for number in numbers]
    read = {task.n_features for task in tasks}
    tasks += [task for task in more if task.n_features in read]
    untold = torch.full((len(tasks) - len(known), known.shape[1]), torch.nan)
    return Episodes(tasks, torch.cat([known, untold]))
