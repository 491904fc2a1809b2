"""Training batches: collated and compiled once, so that a training step is tensor work alone."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.arguments import as_feed_forward
from netgraph.graph.modules.trace import mode
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize
from netgraph.lines import Compact, counted
from netgraph.model.batch import NetBatch, net_batch
from netgraph.model.config import VAEConfig
from netgraph.model.encoder import draw_codes
from netgraph.model.loss import NOT_MEASURED
from netgraph.model.vae import NetVAE
from netgraph.progress import Progress
from netgraph.stack import Stack, probe, with_sensitivity
from netgraph.tasks import META_FEATURE_NAMES, check_meta_vector
from netgraph.training.config import TrainConfig


@dataclass(frozen=True, repr=False)
class Example(Compact):
    """A canonical network with the meta-features of its task.

    Attributes:
        graph: The network; a module is brought to canonical form, and its sensitivity measured on standard normal rows.
        meta_features: Of its task, from :func:`~netgraph.get_meta_features` or as a tensor, [features]; NaN, or None,
            where its data are unknown.

    Raises:
        NetGraphError: When the graph is none of a feed-forward network, or the meta-features are not one vector of
            numbers that are finite, or all NaN.
    """

    graph: NetGraph
    meta_features: Tensor

    def __post_init__(self) -> None:
        graph = as_feed_forward(self.graph, "an example", "the model")
        if graph is not self.graph:
            rows = probe(graph.architecture.n_inputs).to(graph.state)
            object.__setattr__(self, "graph", with_sensitivity(canonicalize(graph), rows))
        unknown = [math.nan] * len(META_FEATURE_NAMES)
        given = unknown if self.meta_features is None else self.meta_features
        vectors = check_meta_vector(given, n=None, unknown=True)
        if len(vectors) != 1:
            raise NetGraphError(f"meta-features of {len(vectors)} data sets for one network")
        object.__setattr__(self, "meta_features", vectors[0])


class Batches(Dataset[tuple[NetBatch, Stack]]):
    """Batches of networks of similar size and their executors, composed once.

    Args:
        examples: Networks.
        config: The model's sizes.
        training: Batch size and seed.
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
        self.batches: list[tuple[NetBatch, Stack]] = []
        with Progress("batches", len(examples), "network", shown=progress) as bar:
            for part in order.split(training.batch_size):
                graphs = [examples[i].graph for i in part.tolist()]
                stack = Stack([graph.architecture for graph in graphs])
                meta_features = torch.stack([examples[i].meta_features for i in part.tolist()])
                self.batches.append((net_batch(graphs, config, meta_features, stack).packed(), stack))
                bar.update(units=len(part))

    @property
    def networks(self) -> list[NetBatch]:
        """The networks of every batch, packed."""
        return [nets for nets, _ in self.batches]

    @property
    def architectures(self) -> set[Architecture]:
        """The architectures of all networks, without names."""
        return {one.key for nets in self.networks for one in nets.structure.architectures}

    @property
    def inputs(self) -> set[int]:
        """The numbers of inputs of all networks."""
        return {one.n_inputs for one in self.architectures}

    def __repr__(self) -> str:
        networks = sum(len(stack.architectures) for _, stack in self.batches)
        return f"Batches({counted(networks, 'network')} in {len(self):,})"

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, i: int) -> tuple[NetBatch, Stack]:
        nets, stack = self.batches[i]
        return nets.unpacked(), stack


def _check(example: Example, name: str, config: VAEConfig) -> None:
    """Raise if an example would fail in the first training step, or would make it meaningless."""
    if not isinstance(example, Example):
        raise NetGraphError(f"{name}: expected an Example, got {type(example).__name__}")
    graph, architecture, features = example.graph, example.graph.architecture, config.n_meta_features
    if config.loss.sensitivity and graph.sensitivity.isnan().any():
        raise NetGraphError(f"{name}: {NOT_MEASURED}")
    if not graph.state.isfinite().all():
        raise NetGraphError(f"{name}: a weight is not finite")
    if architecture.n_outputs > config.max_outputs:
        most = f"this model reads at most {config.max_outputs} (max_outputs)"
        raise NetGraphError(f"{name}: {architecture.n_outputs} outputs; {most}")
    if architecture.n_inputs > config.max_inputs:
        most = f"this model reads at most {config.max_inputs} (max_inputs)"
        raise NetGraphError(f"{name}: {architecture.n_inputs} inputs; {most}")
    if len(example.meta_features) != features:
        raise NetGraphError(f"{name}: {len(example.meta_features)} meta-features; this model takes {features}")


class Codes(Dataset[tuple[Tensor, ...]]):
    """Batches of the codes of encoded networks, and of copies whose inputs are permuted and change sign.

    Functions of standardized columns are as likely with their inputs permuted or of changed sign.

    Args:
        vae: The model, whose encoder is trained.
        batches: Networks.
        training: Size of a batch, transformations and seed.
    """

    @torch.no_grad()
    def __init__(self, vae: NetVAE, batches: Batches, training: TrainConfig) -> None:
        generator, parts = torch.Generator().manual_seed(training.seed), []
        function = vae.encoder.function
        with mode(vae, training=False):
            for nets, stack in map(batches.__getitem__, range(len(batches))):
                posterior, counts = vae.encoder(nets.to(vae.device)), nets.structure.counts
                outputs = nets.transformed_outputs(stack, function.common, training.transformations, generator)
                f = [function.encode(copy.to(vae.device), counts.to(vae.device)).cpu() for copy in outputs]
                rest = posterior.mean.cpu(), posterior.log_variance.cpu(), counts, nets.meta_features
                parts.append((torch.cat(f), *(values.repeat(len(f), 1) for values in rest)))
        self.tensors = tuple(torch.cat(values) for values in zip(*parts, strict=True))
        self.batches = torch.randperm(len(self.tensors[0]), generator=generator).split(training.batch_size)

    def statistics(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the arguments of :meth:`.Prior.fit`: f, draws of a, numbers of inputs and outputs, meta-features."""
        f, mean, log_variance, counts, meta_features = self.tensors
        return f, draw_codes(mean, log_variance, torch.Generator().manual_seed(0)), counts, meta_features

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, i: int) -> tuple[Tensor, ...]:
        return tuple(values[self.batches[i]] for values in self.tensors)


class Epochs:
    """Batches in the order of an epoch, drawn anew for each; a pass begins at the step at hand.

    Args:
        batches: The batches.
        seed: Seed of the orders.
        step: Returns the number of steps that are done.
        devices: Devices that share each epoch's batches evenly; the few that are left over wait for another epoch.
        rank: Returns the number of the device at hand.
    """

    def __init__(
        self,
        batches: Batches | Codes,
        seed: int,
        step: Callable[[], int],
        devices: int = 1,
        rank: Callable[[], int] = lambda: 0,
    ) -> None:
        self.batches, self.seed, self.step, self.devices, self.rank = batches, seed, step, devices, rank
        if len(self) < 1:
            raise NetGraphError(f"{len(batches)} batches for {devices} devices; a smaller batch_size gives more")

    def __len__(self) -> int:
        return len(self.batches) // self.devices

    def __iter__(self) -> Iterator[tuple[NetBatch, Stack] | tuple[Tensor, ...]]:
        epoch, first = divmod(self.step(), len(self))
        generator = torch.Generator().manual_seed((self.seed * 100_003 + epoch) % 2**63)
        order = torch.randperm(len(self.batches), generator=generator)[self.rank() :: self.devices]
        for i in order[first : len(self)].tolist():
            yield self.batches[i]
