"""The arms of warm starts: a model's networks for the rows, and their peers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph import NetGraph, NetGraphError, NetVAE, Zoo, canonicalize, get_meta_features
from netgraph.evaluation import Arm, Generated, Random, StartTask
from netgraph.graph import TENSOR_KINDS
from netgraph.tasks import compressed
from netgraph.zoo import fit_networks, initialize, pad_rows

ARMS = (
    "generated for the rows",
    "generated, no steps of decoding",
    "generated, shrunk and perturbed",
    "sampled for nothing",
    "nearest training network",
    "average of aligned networks",
    "random, solved",
    "random",
)
#: State elements that are trained; the others are statistics of rows.
TRAINED_KINDS = [TENSOR_KINDS.index("edge"), TENSOR_KINDS.index("bias")]


@dataclass(frozen=True)
class Sampled:
    """Networks sampled from N(0, I), told nothing but the numbers of inputs and outputs."""

    name: str
    vae: NetVAE
    solved: bool = True

    def networks(self, task: StartTask, n: int, seed: int) -> list[NetGraph]:
        """Sample n networks."""
        return self.vae.sample(n, n_inputs=task.X.shape[1], n_outputs=1, seed=seed)


@dataclass(frozen=True)
class ShrinkPerturb:
    """Networks θ of another arm as shrink · θ + noise · θ₀, θ₀ initial weights (shrink and perturb; Ash & Adams 2020).

    Attributes:
        name: Name of the arm.
        of: The other arm.
        shrink: Factor of its weights; chosen: the paper finds values around 0.5 to keep what was learned.
        noise: Factor of the initial weights; chosen: a small share of them.
        solved: Whether output layers are fitted to the training rows.
    """

    name: str
    of: Arm
    shrink: float = 0.6
    noise: float = 0.1
    solved: bool = True

    def networks(self, task: StartTask, n: int, seed: int) -> list[NetGraph]:
        """Shrink and perturb the n networks of the other arm."""
        generator = Generator().manual_seed(seed)
        changed = []
        for graph in self.of.networks(task, n, seed):
            initial = initialize(graph.architecture, generator)
            trained = torch.from_numpy(np.isin(graph.architecture.element_kind, TRAINED_KINDS))
            state = torch.where(trained, self.shrink * graph.state + self.noise * initial, graph.state)
            changed.append(NetGraph(graph.architecture, state))
        return changed


class TrainingTasks:
    """The regression tasks that a zoo trains on, by the distance of their meta-features.

    Args:
        zoo: The zoo.
    """

    def __init__(self, zoo: Zoo) -> None:
        self.zoo = zoo
        table = zoo.table[(zoo.table["split"] == "train") & (zoo.table["task_loss"] == "squared_error")]
        #: Numbers of the networks of each task, and the number of inputs that they have.
        self.networks = {task: rows.index.tolist() for task, rows in table.groupby("task")}
        self.n_inputs: dict[Any, int] = table.groupby("task")["n_inputs"].first().to_dict()
        features = zoo.meta_features[list(self.networks)].double()
        self.mean, self.scale = features.mean(dim=0), features.std(dim=0).clamp(min=1e-9)

    def nearest(self, task: StartTask) -> list[int]:
        """Return numbers of the tasks with as many features, the nearest first, without the task itself.

        Raises:
            NetGraphError: When there is none.
        """
        alike = [number for number, n_inputs in self.n_inputs.items() if n_inputs == task.X.shape[1]]
        others = [n for n in alike if not torch.equal(self.zoo.task(n).x[: len(task.X)], task.X)]
        if not others:
            raise NetGraphError(f"{self.zoo.folder}: no training task of {task.X.shape[1]} features")
        own = torch.tensor(get_meta_features(task.X.numpy(), task.y.numpy()).tolist())
        distance = (self._scaled(self.zoo.meta_features[others]) - self._scaled(own)).square().sum(dim=1)
        return [others[i] for i in distance.argsort(stable=True).tolist()]

    def _scaled(self, features: Tensor) -> Tensor:
        return compressed((features.double() - self.mean) / self.scale)


@dataclass(frozen=True)
class Nearest:
    """Networks of the training task with the nearest meta-features, of their own architectures.

    Attributes:
        name: Name of the arm.
        tasks: The training tasks; the next nearest follows where a task has too few networks.
        solved: Whether output layers are fitted to the training rows.
    """

    name: str
    tasks: TrainingTasks
    solved: bool = True

    def networks(self, task: StartTask, n: int, seed: int) -> list[NetGraph]:
        """Read n networks, in the order of the zoo."""
        numbers = [i for nearest in self.tasks.nearest(task) for i in self.tasks.networks[nearest]]
        return [self.tasks.zoo[i] for i in numbers[:n]]


@dataclass(frozen=True)
class Average:
    """Means of canonical networks of one architecture, trained as the zoo's are on the nearest training tasks.

    The canonical form aligns the networks: equal scales and signs, units of a layer in the order of their norms.

    Attributes:
        name: Name of the arm.
        tasks: The training tasks.
        like: Arm whose architectures they have.
        count: Networks of a mean, of a task each.
        solved: Whether output layers are fitted to the training rows.
    """

    name: str
    tasks: TrainingTasks
    like: Arm
    count: int = 4
    solved: bool = True

    def networks(self, task: StartTask, n: int, seed: int) -> list[NetGraph]:
        """Train n times ``count`` networks, and average them."""
        zoo, generator = self.tasks.zoo, Generator().manual_seed(seed)
        training = zoo.recipes[0].training
        near = [zoo.task(number) for number in self.tasks.nearest(task)[: self.count]]
        architectures = [graph.architecture for graph in self.like.networks(task, n, seed) for _ in near]
        x = pad_rows([task.x for task in near], task.X.shape[1]).repeat(n, 1, 1)
        y = torch.stack([task.y for task in near]).repeat(n, 1, 1)
        cut = x.shape[1] - training.n_validation(x.shape[1])
        fitted = fit_networks(
            architectures,
            [initialize(architecture, generator) for architecture in architectures],
            (x[:, :cut], y[:, :cut]),
            (x[:, cut:], y[:, cut:]),
            training.draw(len(architectures), generator),
            generator,
        )
        trained = [NetGraph(*pair) for pair in zip(architectures, fitted.states, strict=True)]
        states = [canonicalize(graph).state for graph in trained]
        groups = [range(start, start + len(near)) for start in range(0, len(states), len(near))]
        return [
            NetGraph(architectures[group[0]], torch.stack([states[i] for i in group]).mean(dim=0)) for group in groups
        ]


def arms_of(vae: NetVAE, training: Zoo) -> list[Arm]:
    """Build all arms, in the order of ``ARMS``, of a model and a zoo whose training tasks it has seen."""
    tasks, generated, unrefined = TrainingTasks(training), Generated(ARMS[0], vae), Generated(ARMS[1], vae, steps=0)
    changed, sampled = ShrinkPerturb(ARMS[2], generated), Sampled(ARMS[3], vae)
    nearest, average = Nearest(ARMS[4], tasks), Average(ARMS[5], tasks, unrefined)
    random = Random(ARMS[6], unrefined, solved=True), Random(ARMS[7], unrefined)
    return [generated, unrefined, changed, sampled, nearest, average, *random]
