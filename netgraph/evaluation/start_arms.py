"""Arms of warm starts: networks that a model generates for a task's rows, and random ones; both, on a zoo's tasks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.behavior import median
from netgraph.evaluation.warm_start import Arm, StartConfig, StartTask, measure_arm, start_tasks
from netgraph.graph.netgraph import NetGraph
from netgraph.model import NetVAE
from netgraph.zoo import ArchitectureRecipe, Zoo, draw_architecture, random_like
from netgraph.zoo.recipe import MIN_ROWS

#: Most training tasks on which peak rates are chosen; chosen: seconds of a quick run.
SELECTION = 16


@dataclass(frozen=True)
class Generated:
    """Networks that a model generates for the training rows of a task.

    Attributes:
        name: Name of the arm.
        vae: The model.
        solved: Whether output layers are fitted to the training rows.
        steps: Steps of the decoding; the model's default when None.
        architectures: Recipe of given architectures; the model draws its own when None.
    """

    name: str
    vae: NetVAE
    solved: bool = True
    steps: int | None = None
    architectures: ArchitectureRecipe | None = None

    def networks(self, task: StartTask, n: int, seed: int) -> list[NetGraph]:
        """Generate n networks."""
        given = None
        if self.architectures is not None:
            generator = Generator().manual_seed(seed)
            given = [draw_architecture(self.architectures, task.X.shape[1], generator) for _ in range(n)]
        return self.vae.sample(n, X=task.X, y=task.y, architecture=given, steps=self.steps, seed=seed)


@dataclass(frozen=True)
class Random:
    """Networks with PyTorch's initial weights.

    Attributes:
        name: Name of the arm.
        like: Arm whose architectures they have.
        solved: Whether output layers are fitted to the training rows.
    """

    name: str
    like: Arm
    solved: bool = False

    def networks(self, task: StartTask, n: int, seed: int) -> list[NetGraph]:
        """Draw n networks."""
        return random_like(self.like.networks(task, n, seed), Generator().manual_seed(seed))


def comparable_tasks(vae: NetVAE, zoo: Zoo, networks: Iterable[NetGraph]) -> list[int]:
    """Return the tasks of networks of a zoo on which starts can be compared: with rows of one regression target."""
    covered = sorted({graph.task for graph in networks if vae.coverage.covers(graph.architecture)})
    tasks = ((number, zoo.task(number)) for number in covered)
    return [i for i, task in tasks if task.rows >= MIN_ROWS and not task.has_classes and task.n_outputs == 1]


def start_of_samples(vae: NetVAE, zoo: Zoo, n_tasks: int, n_networks: int, generator: Generator) -> dict[str, float]:
    """Train networks generated for held-out tasks of a zoo, beside random ones of the same architectures.

    Args:
        vae: The model.
        zoo: The zoo; peak rates are chosen on its training tasks.
        n_tasks: Number of held-out tasks, drawn at random; all when there are fewer.
        n_networks: Networks for each.
        generator: Draws tasks, networks and rows.

    Returns:
        ``sampled_steps``, ``random_steps``: median over networks of the least budget that reaches the R^2 of the task's
        median trained network, left out where infinite; ``sampled_share_reached``, ``random_share_reached``.

    Raises:
        NetGraphError: When a split has no task with a regression target.

    Example:
        >>> start_of_samples(vae, zoo, n_tasks=2, n_networks=2, generator=Generator())  # doctest: +SKIP
        {'sampled_steps': 100.0, ...}
    """

    def drawn(split: str, count: int) -> list[StartTask]:
        numbers = comparable_tasks(vae, zoo, zoo.stream(zoo.split(split)))
        if not numbers:
            raise NetGraphError(f"{zoo.folder}: no {split} task of one regression target, on which starts are compared")
        order = torch.randperm(len(numbers), generator=generator)[:count].tolist()
        return start_tasks(zoo, [numbers[i] for i in order])

    selection, held_out = drawn("train", min(n_tasks, SELECTION)), drawn("test", n_tasks)
    config = StartConfig(schedules=("cosine",), widenings=2, networks=n_networks)
    seed = int(torch.randint(2**31, (), generator=generator))
    targets = torch.tensor([task.target for task in held_out])
    sampled = Generated("sampled", vae)
    figures = {}
    for arm in (sampled, Random("random", replace(sampled, steps=0))):
        steps: Tensor = measure_arm(arm, selection, held_out, config, seed).steps(config.budgets, targets)
        figures[f"{arm.name}_steps"] = median(steps.flatten())
        figures[f"{arm.name}_share_reached"] = float(steps.isfinite().double().mean())
    return {name: value for name, value in figures.items() if value < torch.inf}
