"""NetVAE: networks to latents and back, free-running."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph, as_graphs
from netgraph.graph.symmetry import canonicalize
from netgraph.model.batch import NetBatch, StructureBatch, net_batch
from netgraph.model.checkpoint import Checkpoint, load_model, save_checkpoint
from netgraph.model.condition import Condition
from netgraph.model.config import GeneratorConfig, VAEConfig
from netgraph.model.context import Context, Counts, shared_counts
from netgraph.model.coverage import Coverage
from netgraph.model.decode import carry_weights, decode_layouts, decode_weights
from netgraph.model.encoder import LEAST_LOG_VARIANCE, Encoder
from netgraph.model.generator import Generator, Rows
from netgraph.model.layout import Layouts
from netgraph.model.parts import by_size, evaluating, finite_rows, is_whole, seeded
from netgraph.model.prior import FlowPrior
from netgraph.model.refine import refine
from netgraph.model.response import ResponseScale
from netgraph.model.slots import split
from netgraph.model.statistics import fit_statistics
from netgraph.model.structure import StructureDecoder
from netgraph.model.weights import Scales, WeightDecoder


class NetVAE(nn.Module):
    """A variational autoencoder over networks, architecture and weights together.

    Args:
        config: Its sizes; the defaults when None.

    Attributes:
        card: Where it comes from and how good it is: data, seeds, steps, machine, time, figures; empty before training.
        portfolio: Layouts that go well together for data sets, by their numbers of inputs; None before training.
    """

    def __init__(self, config: VAEConfig | None = None) -> None:
        super().__init__()
        self.config = config or VAEConfig()
        self.card: dict[str, Any] = {}
        self.portfolio: Layouts | None = None
        self.scales, self.responses = Scales(), ResponseScale()
        self.condition = Condition(self.config.n_meta_features, self.config.width, self.config.condition_dropout)
        self.encoder = Encoder(self.config)
        self.structure = StructureDecoder(self.config)
        self.weights = WeightDecoder(self.config)
        self.prior = FlowPrior(self.config)
        self.generator = Generator(self.config, self.config.generator) if self.config.generator else None

    def with_generator(self, sizes: GeneratorConfig, seed: int = 0) -> Self:
        """Give the same model with a new generator, which has yet to be trained, and without a portfolio.

        Args:
            sizes: Of the generator.
            seed: Of its weights.

        Raises:
            NetGraphError: When a width is not a multiple of its heads, or the seed is no whole number from 0 on.
        """
        seeded(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            fresh = type(self)(replace(self.config, generator=sizes))
        kept = {name: value for name, value in self.state_dict().items() if not name.startswith("generator.")}
        fresh.load_state_dict(kept, strict=False)
        fresh.card = {name: value for name, value in self.card.items() if not name.startswith("generator")}
        return fresh.to(self.device).eval()

    @torch.no_grad()
    def encode(self, graphs: Sequence[NetGraph], meta_features: ArrayLike | None = None) -> Tensor:
        """Encode networks; they are brought to canonical form first.

        Args:
            graphs: n networks.
            meta_features: Of the data sets they were trained on, [n, features] or [features].

        Returns:
            Means of q(z | network), [n, latent].

        Raises:
            NetGraphError: When a network is not like those that the model was trained on (see :attr:`coverage`), its
                weights are not finite, or ``meta_features`` has another length.
        """
        graphs = as_graphs(graphs, "encode")
        mean, _ = self.posterior([canonicalize(graph) for graph in graphs], meta_features)
        return mean

    @torch.no_grad()
    def posterior(self, graphs: Sequence[NetGraph], meta_features: ArrayLike | None = None) -> tuple[Tensor, Tensor]:
        """Give mean and log-variance of q(z | network) for canonical graphs, each [n, latent]."""
        graphs = as_graphs(graphs, "graphs to encode")
        self.coverage.check_networks(graphs)
        rows = self.condition.rows(meta_features, len(graphs)).cpu()
        order, parts = by_size([graph.architecture for graph in graphs])
        found = []
        with evaluating(self):
            for part in parts:
                batch = net_batch([graphs[i] for i in part], self.config, rows[part]).to(self.device)
                found.append(self.encode_batch(batch))
        mean, log_variance = zip(*found, strict=True)
        return torch.cat(mean)[order], torch.cat(log_variance)[order]

    def encode_batch(self, batch: NetBatch) -> tuple[Tensor, Tensor]:
        """Give mean and log-variance of q(z | network) for a batch on the model's device, each [B, latent]."""
        state = self.scales.standardize(batch.state, batch.structure)
        mean, log_variance = self.encoder(batch, state, self.condition(batch.meta_features))
        response = self.responses.standardize(batch.response)
        exact = torch.full_like(response, LEAST_LOG_VARIANCE)
        return torch.cat([mean, response], dim=1), torch.cat([log_variance, exact], dim=1)

    def refine(
        self,
        graphs: Sequence[NetGraph],
        xs: Sequence[ArrayLike],
        steps: int = 20,
        learning_rate: float = 0.05,
        meta_features: ArrayLike | None = None,
    ) -> Tensor:
        """Encode networks and refine the latents by gradient steps on their behavior; see :func:`.refine.refine`."""
        return refine(self, graphs, xs, steps, learning_rate, meta_features)

    def fit_statistics(self, networks: Sequence[NetBatch]) -> None:
        """Fit every statistic that is stored with the weights to the training networks; see :func:`.fit_statistics`.

        Those of latents depend on the encoder: call it before the first training step, and again before the prior is
        trained. It draws no random number of the caller's.

        Args:
            networks: Batches of canonical training networks, such as ``Batches(...).networks``.

        Raises:
            NetGraphError: When there is no network, or something else than a batch of them.
        """
        fit_statistics(self, networks)

    @torch.no_grad()
    def draw_posterior(self, batch: NetBatch, generator: torch.Generator | None = None) -> Tensor:
        """Draw from q(z | network) for a batch on the model's device, [B, latent]."""
        mean, log_variance = self.encode_batch(batch)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return mean + noise * (0.5 * log_variance).exp()

    @torch.no_grad()
    def decode(
        self,
        z: Tensor,
        meta_features: ArrayLike | None = None,
        *,
        counts: Counts | None = None,
        generator: torch.Generator | None = None,
    ) -> list[NetGraph]:
        """Decode free-running, from z alone; every graph is valid by construction.

        Args:
            z: Latents, [n, latent].
            meta_features: Of the data sets the networks are for, [n, features] or [features].
            counts: Numbers of inputs and outputs of each network, if they are to be given rather than decoded.
            generator: Draws the structure; the most likely one is taken when None.

        Returns:
            n graphs.

        Raises:
            NetGraphError: When ``z`` or ``meta_features`` has another length, there is no latent, one is not finite, or
                lies so far out that a weight is not.
        """
        z = finite_rows(z, "z", self.config.latent_size, self.condition.null)
        with evaluating(self):
            context = Context.of(self, len(z), meta_features, counts=counts)
            architectures = decode_layouts(self, split(z, self.config)[0], context, generator)
            return decode_weights(self, architectures, lambda part, batch: z[part], context)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        meta_features: ArrayLike | None = None,
        seed: int | None = None,
        *,
        rows: Rows | None = None,
        n_inputs: int | None = None,
        n_outputs: int = 1,
    ) -> list[NetGraph]:
        """Sample new networks: noise from N(0, I), carried to a latent, decoded.

        Args:
            n: How many.
            meta_features: Of the data set they are for, [features].
            seed: Of the noise.
            rows: Rows of the data set that they are to fit, or of several, which share the networks.
            n_inputs: Number of inputs, if it is to be given rather than decoded; that of the rows where there are some.
            n_outputs: Number of outputs, if ``n_inputs`` is given.

        Raises:
            NetGraphError: When ``n`` is no whole number from 1 on, ``seed`` none from 0 on, ``meta_features`` has
                another length, the rows do not fit, or no network of as many inputs or outputs was trained on.
        """
        if not is_whole(n, 1):
            raise NetGraphError(f"cannot sample {n} networks: n is a whole number, at least 1")
        generator, n = seeded(seed), int(n)
        counts = shared_counts(self.coverage, n, n_inputs, n_outputs)
        noise = torch.randn(n, self.config.latent_size, generator=generator).to(self.device)
        return self.carry(noise, meta_features, rows=rows, counts=counts)[0]

    @torch.no_grad()
    def carry(
        self,
        noise: Tensor,
        meta_features: ArrayLike | None = None,
        *,
        rows: Rows | None = None,
        counts: Counts | None = None,
        layouts: Layouts | None = None,
        finished: bool = True,
    ) -> tuple[list[NetGraph], Tensor]:
        """Carry noise to latents, and decode them.

        The prior carries it to layouts, and those to places; where there are rows, the generator writes the places, and
        the last layers of the networks are solved on the rows.

        Args:
            noise: Drawn from N(0, I), [n, latent]; the same noise gives the same networks.
            meta_features: Of the data sets the networks are for, [n, features] or [features].
            rows: Rows of these data sets; of fewer, each is for a share of the networks in a row.
            counts: Numbers of inputs and outputs of each network, if they are to be given rather than decoded.
            layouts: Layouts of the n networks, if they are not to be carried from the noise.
            finished: Whether last layers are scaled or solved; what fits them anyway saves the time.

        Returns:
            n graphs, and their latents, [n, latent], from which :meth:`decode` gives them again, but for last layers
            that were solved or left as they are.

        Raises:
            NetGraphError: When ``meta_features`` has another length, the rows do not fit, there are rows and the model
                was made without a generator, there are other layouts than networks, or noise lies too far out.
        """
        noise = finite_rows(noise, "noise", self.config.latent_size, self.condition.null)
        with evaluating(self):
            context = Context.of(self, len(noise), meta_features, rows, counts)
            layouts = self.carry_layouts(noise, context) if layouts is None else layouts
            return carry_weights(self, noise, layouts, context, finished)

    def carry_layouts(self, noise: Tensor, context: Context) -> Layouts:
        """Carry noise, [B, latent], to layouts by the prior, and decode the architectures that they stand for."""
        network = self.prior.carry_network(self.prior.of_network(noise), context.of_prior)
        return Layouts(network, decode_layouts(self, network[:, :-1], context))

    def carry_places(self, noise: Tensor, network: Tensor, batch: StructureBatch, context: Context) -> Tensor:
        """Carry noise to the slots of places, [B, K, slot]: by the generator where there are rows, else by the prior.

        Args:
            noise: Drawn from N(0, I), [B, K, slot].
            network: Slots of the layouts, and one of the response, [B, G + 1, slot].
            batch: The architectures that the layouts decode to.
            context: What the networks are for.
        """
        if context.rows is None or context.rows.tokens is None or self.generator is None:
            return self.prior.carry_places(noise, network, batch, context.of_prior)
        known = self.prior.standardize_network(network)
        places, filled = self.generator(noise, known, batch, context.of_prior, context.rows.tokens, context.rows.real)
        return cast(Tensor, self.prior.restore_places(places) * filled)

    @property
    def coverage(self) -> Coverage:
        """The architectures that the model was trained on: those that it encodes and decodes."""
        return self.structure.coverage

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.condition.null.device

    def save(self, path: str | Path) -> None:
        """Write ``path`` (safetensors) and, last, its record, of the same name with ``.json``."""
        found = Checkpoint(self.config, self.card, self.state_dict(), self.portfolio, self.coverage)
        save_checkpoint(found, Path(path))

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None) -> Self:
        """Read a checkpoint.

        Args:
            path: The safetensors file; the checkpoint that ships with the package when None.

        Raises:
            StoreError: When there is none, it is damaged, or it is of another version.
        """
        return load_model(cls, path)
