"""Steps of training that networks need to become as good as trained ones, from weights of two origins."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.behavior import median
from netgraph.evaluation.samples import random_like
from netgraph.graph.netgraph import NetGraph
from netgraph.model import NetVAE, Rows
from netgraph.stack import first_outputs
from netgraph.zoo import FitConfig, Zoo, fit_networks, pad_rows

#: Steps after which networks are looked at: often at first, where there is most to see.
LOOKS = (0, 5, 10, 20, 30, 40, 50, 75, 100, 125, 150, 200, 250, 300, 350, 400, 450, 500)


@dataclass(frozen=True)
class StartConfig:
    """How networks are fine-tuned, from either start alike: AdamW, its rate falling along a cosine to 0.

    Attributes:
        looks: Steps after which the validation error is measured, in rising order; training ends with the last.
        batch_rows: Rows of a step.
        learning_rate: Peak learning rate.
        weight_decay: Weight decay.
    """

    looks: tuple[int, ...] = LOOKS
    batch_rows: int = 48
    learning_rate: float = 0.02
    weight_decay: float = 1e-4


@dataclass(frozen=True)
class Tuning:
    """Networks of one origin while they are fine-tuned.

    Attributes:
        r2: R^2 on the validation rows at each look, [n, looks]; -inf where it is not finite.
        steps: Steps of the first look at which each network reached its target, [n]; inf where none did.
    """

    r2: Tensor
    steps: Tensor

    @property
    def median_steps(self) -> float:
        """Median of the steps; inf where fewer than half of the networks reach their targets."""
        return median(self.steps)

    @property
    def share_reached(self) -> float:
        """Share of networks that reach their targets."""
        return float(self.steps.isfinite().double().mean())


@dataclass(frozen=True)
class Start:
    """Sampled networks beside networks of the same architectures with initial weights.

    Attributes:
        looks: Steps of the looks.
        targets: R^2 that each network has to reach, [n].
        sampled: The sampled ones.
        random: The others.
    """

    looks: tuple[int, ...]
    targets: Tensor
    sampled: Tuning
    random: Tuning

    @property
    def figures(self) -> dict[str, float]:
        """Figures by name, all finite: a median that is not is left out, the shares tell why."""
        sides = {"sampled": self.sampled, "random": self.random}
        steps = {f"{name}_steps": side.median_steps for name, side in sides.items()}
        shares = {f"{name}_share_reached": side.share_reached for name, side in sides.items()}
        return {name: value for name, value in steps.items() if value < math.inf} | shares


def start_of_samples(
    vae: NetVAE, zoo: Zoo, n_tasks: int, n_networks: int, generator: Generator, config: StartConfig | None = None
) -> Start:
    """Sample networks for held-out tasks, and fine-tune them.

    A model that reads rows is given those that the networks are then trained on, any other the task's meta-features and
    number of inputs.

    Args:
        vae: Samples them.
        zoo: Holds the tasks and the trained networks.
        n_tasks: How many of its held-out tasks, drawn at random; all when there are fewer.
        n_networks: Samples for each.
        generator: Draws the tasks, and all that :func:`training_start` draws.
        config: How to train.
    """
    networks = zoo.stream(zoo.split("test"))
    held_out = sorted({graph.task for graph in networks if vae.coverage.covers(graph.architecture)})
    drawn = torch.randperm(len(held_out), generator=generator)[:n_tasks].tolist()
    sampled = {}
    for number in sorted(held_out[i] for i in drawn):
        task = zoo.task(number)
        if vae.generator is None:
            sampled[number] = vae.sample(n_networks, zoo.meta_features[number], seed=number, n_inputs=task.n_features)
        else:
            cut = task.rows - zoo.recipes[0].training.n_validation(task.rows)
            rows = Rows.of(task.x[:cut], task.y[:cut])
            sampled[number] = vae.sample(n_networks, seed=number, rows=rows)
    return training_start(sampled, zoo, generator, config)


def training_start(
    sampled: Mapping[int, Sequence[NetGraph]], zoo: Zoo, generator: Generator, config: StartConfig | None = None
) -> Start:
    """Fine-tune networks sampled for tasks of a zoo, beside random ones of the same architectures.

    Both train on the rows that the zoo's networks of the task were trained on, with the same settings and the same rows
    a step. A network's target is the validation R^2 of the task's median network in the zoo, each at its best step; on
    the same rows this is the validation error of the median network.

    Args:
        sampled: Networks sampled for each task, by its number in the zoo; they have as many inputs as it has features.
        zoo: Holds the tasks and the trained networks.
        generator: Draws the initial weights and the rows of each step.
        config: How to train.

    Raises:
        NetGraphError: When there is no network, a task has none in the zoo, a network has another number of inputs than
            its task, or the tasks differ in their numbers of rows.
    """
    r2 = zoo.table.groupby("task")["validation_r2"].median()
    missing = [number for number in sampled if number not in r2.index]
    if missing:
        raise NetGraphError(f"{zoo.folder}: task {missing[0]} has no networks to take a target from")
    graphs = [graph for own in sampled.values() for graph in own]
    of = [number for number, own in sampled.items() for _ in own]
    tasks = {number: zoo.task(number) for number in sampled}
    share = zoo.recipes[0].training.validation_share
    rows = [(tasks[number].x, tasks[number].y) for number in of]
    return compare_starts(graphs, rows, share, [float(r2[number]) for number in of], generator, config)


def compare_starts(
    sampled: Sequence[NetGraph],
    rows: Sequence[tuple[Tensor, Tensor]],
    validation_share: float,
    targets: Sequence[float],
    generator: Generator,
    config: StartConfig | None = None,
) -> Start:
    """Fine-tune networks, and others of the same architectures with initial weights, each on its own rows.

    Args:
        sampled: n networks with one output.
        rows: x [rows, inputs] and y [rows] of each, as many rows for all.
        validation_share: Share of the rows, the last ones, on which R^2 is measured.
        targets: R^2 that each has to reach.
        generator: Draws the initial weights and the rows of each step.
        config: How to train.

    Raises:
        NetGraphError: When there is no network, one has another number of inputs than its rows have columns, or the
            numbers of rows differ.
    """
    if not sampled:
        raise NetGraphError("training start: no graphs")
    for i, (graph, (x, _)) in enumerate(zip(sampled, rows, strict=True)):
        architecture = graph.architecture
        if architecture.n_inputs != x.shape[1]:
            raise NetGraphError(f"graph {i} has {architecture.n_inputs} inputs, its task has {x.shape[1]} features")
        if architecture.n_outputs != 1:
            raise NetGraphError(f"graph {i} has {architecture.n_outputs} outputs, its task one target")
        if len(x) != len(rows[0][0]):
            raise NetGraphError(f"graph {i}: its task has {len(x)} rows, the first one's {len(rows[0][0])}")
    config, wanted = config or StartConfig(), torch.tensor(targets)
    seed = int(torch.randint(2**62, (), generator=generator))
    sets = sampled, random_like(sampled, generator)
    tuned = [_tune(graphs, rows, validation_share, wanted, config, Generator().manual_seed(seed)) for graphs in sets]
    return Start(config.looks, wanted, *tuned)


def _tune(
    graphs: Sequence[NetGraph],
    rows: Sequence[tuple[Tensor, Tensor]],
    validation_share: float,
    targets: Tensor,
    config: StartConfig,
    generator: Generator,
) -> Tuning:
    x = pad_rows([own for own, _ in rows], max(own.shape[1] for own, _ in rows))
    y = torch.stack([own for _, own in rows])[:, :, None]
    cut = x.shape[1] - round(x.shape[1] * validation_share)
    fit = FitConfig.uniform(
        len(graphs),
        steps=max(1, config.looks[-1]),
        batch_rows=config.batch_rows,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    architectures, looks = [graph.architecture for graph in graphs], len(config.looks)
    fitted = fit_networks(
        architectures,
        [graph.state for graph in graphs],
        (x[:, :cut], y[:, :cut]),
        (x[:, cut:], y[:, cut:]),
        replace(fit, trajectory=config.looks),
        generator,
    )
    repeated = [architecture for architecture in architectures for _ in config.looks]
    states = [state for trajectory in fitted.trajectory for state in trajectory]
    outputs = first_outputs(repeated, states, x[:, cut:].repeat_interleave(looks, 0)).view(len(graphs), looks, -1)
    target = y[:, None, cut:, 0]  # [n, 1, rows]
    total = (target - target.mean(dim=2, keepdim=True)).square().sum(dim=2).clamp(min=1e-12)
    r2 = (1 - (outputs - target).square().sum(dim=2) / total).nan_to_num(nan=-torch.inf)
    reached = r2 >= targets[:, None]
    first = torch.tensor(config.looks).double()[reached.int().argmax(dim=1)]
    return Tuning(r2, torch.where(reached.any(dim=1), first, torch.inf))
