"""Training batches: collated, compiled and observed once, so that a training step is tensor work alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph, as_graph
from netgraph.model.batch import NetBatch, net_batch
from netgraph.model.config import VAEConfig
from netgraph.model.loss import NOT_MEASURED, Behavior, observe
from netgraph.progress import Progress
from netgraph.tasks import check_meta_vector
from netgraph.training.config import TrainConfig


@dataclass(frozen=True)
class Example:
    """A canonical network with what is known of its task.

    Attributes:
        graph: The network.
        x: Rows of its task, [rows, inputs]; arrays become tensors of float32.
        meta_features: Meta-features of its task, as :func:`~netgraph.get_meta_features` gives them or as a tensor,
            [features]; NaN where they are not known.

    Raises:
        NetGraphError: When the graph is none, the rows are no numbers, or the meta-features are not one vector of
            numbers that are finite, or all NaN.
    """

    graph: NetGraph
    x: Tensor
    meta_features: Tensor

    def __post_init__(self) -> None:
        as_graph(self.graph, "an example")
        if not isinstance(self.x, Tensor):
            try:
                object.__setattr__(self, "x", torch.as_tensor(np.asarray(self.x), dtype=torch.float32))
            except (TypeError, ValueError):
                raise NetGraphError(f"an example: x is a {type(self.x).__name__}; expected [rows, inputs]") from None
        vectors = check_meta_vector(self.meta_features, n=None, unknown=True)
        if len(vectors) != 1:
            raise NetGraphError(f"meta-features of {len(vectors)} data sets for one network")
        object.__setattr__(self, "meta_features", vectors[0])


class Batches(Dataset[tuple[NetBatch, Behavior]]):
    """Batches of networks of similar size, composed once and visited in a new order in every epoch.

    Args:
        examples: Networks.
        config: The model's sizes.
        training: Batch size, rows and seed.
        progress: Whether progress is shown.

    Raises:
        NetGraphError: When there is no example, or one cannot be trained on; it names the network.
    """

    def __init__(
        self, examples: Sequence[Example], config: VAEConfig, training: TrainConfig, progress: bool = False
    ) -> None:
        if not examples:
            raise NetGraphError("no networks to train on")
        for i, example in enumerate(examples):
            _check(example, f"network {i}", config)
        size = torch.tensor([float(example.graph.num_nodes) for example in examples])
        noise = torch.rand(len(size), generator=torch.Generator().manual_seed(training.seed))
        order = (size + 2 * noise).argsort()  # by size, and a little noise, so that neighbors differ between seeds
        self.batches: list[tuple[NetBatch, Behavior]] = []
        with Progress("batches", len(examples), "network", shown=progress) as bar:
            for part in order.split(training.batch_size):
                chosen = [examples[i] for i in part.tolist()]
                graphs = [example.graph for example in chosen]
                behavior = observe(graphs, [example.x[: training.rows] for example in chosen])
                meta_features = torch.stack([example.meta_features for example in chosen])
                nets = net_batch(graphs, config, meta_features, behavior.stack).packed()
                self.batches.append((nets, behavior))
                bar.update(units=len(part))

    @property
    def networks(self) -> list[NetBatch]:
        """The networks of every batch, packed, without their behavior."""
        return [nets for nets, _ in self.batches]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, i: int) -> tuple[NetBatch, Behavior]:
        nets, behavior = self.batches[i]
        return nets.unpacked(), behavior


def _check(example: Example, name: str, config: VAEConfig) -> None:
    """Raise if an example would fail in the first training step, or make it meaningless."""
    if not isinstance(example, Example):
        raise NetGraphError(f"{name}: expected an Example, got {type(example).__name__}")
    inputs, features = example.graph.architecture.n_inputs, config.n_meta_features
    if config.loss.sensitivity and example.graph.sensitivity.isnan().any():
        raise NetGraphError(f"{name}: {NOT_MEASURED}")
    if not example.graph.state.isfinite().all():
        raise NetGraphError(f"{name}: a weight is not finite")
    if example.x.ndim != 2 or example.x.shape[1] != inputs or not len(example.x) or not example.x.isfinite().all():
        raise NetGraphError(f"{name}: x has shape {tuple(example.x.shape)}; expected [rows, {inputs}] finite numbers")
    if len(example.meta_features) != features:
        raise NetGraphError(f"{name}: {len(example.meta_features)} meta-features; this model takes {features}")


class Epochs:
    """Batches in the order of an epoch, drawn anew for each; a pass begins at the step at hand.

    Args:
        batches: The batches.
        seed: Of the orders.
        step: Returns the number of steps that are done.
    """

    def __init__(self, batches: Batches, seed: int, step: Callable[[], int]) -> None:
        self.batches, self.seed, self.step = batches, seed, step

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[NetBatch, Behavior]]:
        epoch, first = divmod(self.step(), len(self.batches))
        generator = torch.Generator().manual_seed((self.seed * 100_003 + epoch) % 2**63)
        for i in torch.randperm(len(self.batches), generator=generator).tolist()[first:]:
            yield self.batches[i]


def to_device(batch: tuple[NetBatch, Behavior], device: torch.device) -> tuple[NetBatch, Behavior]:
    """Move a batch; its executor is compiled for the device once."""
    nets, behavior = batch
    if behavior.x.device == device:
        return batch
    moved = {name: getattr(behavior, name).to(device) for name in ("x", "output", "hidden")}
    return nets.to(device), replace(behavior, stack=behavior.stack.on(device), **moved)
