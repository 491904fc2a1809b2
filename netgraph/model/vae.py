"""NetVAE: networks to latents and back, free-running."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize
from netgraph.model.batch import NetBatch, StructureBatch, net_batch, structure_batch
from netgraph.model.checkpoint import load_checkpoint, save_checkpoint
from netgraph.model.condition import Condition
from netgraph.model.config import RESPONSE, VAEConfig
from netgraph.model.encoder import LEAST_LOG_VARIANCE, Encoder
from netgraph.model.parts import by_size, evaluating
from netgraph.model.prior import FlowPrior
from netgraph.model.refine import refine
from netgraph.model.response import ResponseScale, calibrate
from netgraph.model.scales import Scales
from netgraph.model.slots import join, split
from netgraph.model.structure import StructureDecoder
from netgraph.model.weights import WeightDecoder
from netgraph.stack import Stack

#: Networks whose architectures are decoded at once: a step costs about the same for few and for many.
CHUNK = 256


class NetVAE(nn.Module):
    """A variational autoencoder over networks, architecture and weights together.

    Args:
        config: Its sizes; the defaults when None.

    Attributes:
        card: Where it comes from and how good it is: data, seeds, steps, machine, time, figures; empty before training.
    """

    def __init__(self, config: VAEConfig | None = None) -> None:
        super().__init__()
        self.config = config or VAEConfig()
        self.card: dict[str, Any] = {}
        self.scales, self.responses = Scales(), ResponseScale()
        self.condition = Condition(self.config.n_meta_features, self.config.width, self.config.condition_dropout)
        self.encoder = Encoder(self.config)
        self.structure = StructureDecoder(self.config)
        self.weights = WeightDecoder(self.config)
        self.prior = FlowPrior(self.config)

    @torch.no_grad()
    def encode(self, graphs: Sequence[NetGraph], meta_features: Tensor | None = None) -> Tensor:
        """Encode networks; they are brought to canonical form first.

        Args:
            graphs: n networks.
            meta_features: Of the data sets they were trained on, [n, features] or [features].

        Returns:
            Means of q(z | network), [n, latent].

        Raises:
            NetGraphError: When a network is larger than the model allows or has a layer of a type that is not among
                those it was trained on, or ``meta_features`` has another length.
        """
        self.structure.check_known([graph.architecture for graph in graphs])
        mean, _ = self.posterior([canonicalize(graph) for graph in graphs], meta_features)
        return mean

    @torch.no_grad()
    def posterior(self, graphs: Sequence[NetGraph], meta_features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Give mean and log-variance of q(z | network) for canonical graphs, each [n, latent]."""
        if not graphs:
            raise NetGraphError("no graphs to encode")
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
        xs: Sequence[Tensor],
        steps: int = 20,
        learning_rate: float = 0.05,
        meta_features: Tensor | None = None,
    ) -> Tensor:
        """Encode networks and refine the latents by gradient steps on their behavior; see :func:`.refine.refine`."""
        return refine(self, graphs, xs, steps, learning_rate, meta_features)

    @torch.no_grad()
    def draw_posterior(self, batch: NetBatch) -> Tensor:
        """Draw from q(z | network) for a batch on the model's device, [B, latent]."""
        mean, log_variance = self.encode_batch(batch)
        return mean + torch.randn_like(mean) * (0.5 * log_variance).exp()

    @torch.no_grad()
    def decode(
        self,
        z: Tensor,
        meta_features: Tensor | None = None,
        *,
        counts: Sequence[tuple[int, int]] | None = None,
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
            NetGraphError: When ``z`` or ``meta_features`` has another length than the model asks for.
        """
        if z.ndim != 2 or z.shape[1] != self.config.latent_size:
            raise NetGraphError(f"z has shape {tuple(z.shape)}; expected [n, {self.config.latent_size}]")
        with evaluating(self):
            z, condition = z.to(self.device), self.condition(self.condition.rows(meta_features, len(z)))
            architectures = self._architectures(split(z, self.config)[0], condition, counts, generator)
            return self._weighted(architectures, lambda part, batch: z[part], condition)

    def _architectures(
        self,
        layout: Tensor,
        condition: Tensor,
        counts: Sequence[tuple[int, int]] | None,
        generator: torch.Generator | None,
    ) -> list[Architecture]:
        found: list[Architecture] = []
        for start in range(0, len(layout), CHUNK):
            part = slice(start, start + CHUNK)
            given = None if counts is None else counts[part]
            found += self.structure.generate(layout[part], condition[part], given, generator)
        return found

    def _weighted(
        self,
        architectures: list[Architecture],
        latents: Callable[[list[int], StructureBatch], Tensor],
        condition: Tensor,
    ) -> list[NetGraph]:
        """Give architectures their weights; ``latents`` gives those of a part, whose batch it is told."""
        order, parts = by_size(architectures)
        states: list[Tensor] = []
        for part in parts:
            own = [architectures[i] for i in part]
            batch = structure_batch(own, self.config).to(self.device)
            z = latents(part, batch)
            state = self.scales.restore(self.weights(z, condition[part], batch), batch)
            if self.config.response:
                state = calibrate(Stack(own, self.device), state, self.responses.restore(z[:, -RESPONSE:]))
            states += torch.tensor_split(state.cpu(), batch.state_ptr[1:-1].tolist())
        return [NetGraph(a, states[i].clone()) for a, i in zip(architectures, order, strict=True)]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        meta_features: Tensor | None = None,
        seed: int | None = None,
        *,
        n_inputs: int | None = None,
        n_outputs: int = 1,
    ) -> list[NetGraph]:
        """Sample new networks: noise from N(0, I), carried to a latent by the prior, decoded.

        Args:
            n: How many.
            meta_features: Of the data set they are for, [features].
            seed: Of the noise.
            n_inputs: Number of inputs, if it is to be given rather than decoded.
            n_outputs: Number of outputs, if ``n_inputs`` is given.

        Raises:
            NetGraphError: When ``n`` is below 1 or ``meta_features`` has another length.
        """
        if n < 1:
            raise NetGraphError(f"cannot sample {n} networks")
        generator = torch.Generator()
        generator.manual_seed(seed) if seed is not None else generator.seed()
        noise = torch.randn(n, self.config.latent_size, generator=generator).to(self.device)
        counts = None if n_inputs is None else [(n_inputs, n_outputs)] * n
        return self.carry(noise, meta_features, counts=counts)[0]

    @torch.no_grad()
    def carry(
        self,
        noise: Tensor,
        meta_features: Tensor | None = None,
        *,
        counts: Sequence[tuple[int, int]] | None = None,
    ) -> tuple[list[NetGraph], Tensor]:
        """Carry noise to latents by the prior, and decode them.

        Args:
            noise: Drawn from N(0, I), [n, latent]; the same noise gives the same networks.
            meta_features: Of the data sets the networks are for, [n, features] or [features].
            counts: Numbers of inputs and outputs of each network, if they are to be given rather than decoded.

        Returns:
            n graphs, and their latents, [n, latent], from which :meth:`decode` gives them again.
        """
        n_inputs = torch.tensor([i for i, _ in counts] if counts else [0] * len(noise), device=self.device)
        rows = self.condition.rows(meta_features, len(noise))
        z = torch.zeros_like(noise)
        with evaluating(self):
            condition, wish = self.condition(rows), self.prior.embed_condition(rows, n_inputs)
            whole = self.prior.carry_network(self.prior.of_network(noise), wish)
            layout, response = whole[:, :-1], whole[:, -1, :RESPONSE]
            architectures = self._architectures(layout, condition, counts, None)
            _, place_noise = split(noise, self.config)

            def latents(part: list[int], batch: StructureBatch) -> Tensor:
                places = self.prior.carry_places(place_noise[part], whole[part], batch, wish[part])
                z[part] = torch.cat([join(layout[part], places), response[part]], dim=1)
                return z[part]

            return self._weighted(architectures, latents, condition), z

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.condition.null.device

    def save(self, path: str | Path) -> None:
        """Write ``path`` (safetensors) and, last, its record, of the same name with ``.json``."""
        save_checkpoint(self, self.config, self.card, Path(path))

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None) -> Self:
        """Read a checkpoint.

        Args:
            path: The safetensors file; the checkpoint that ships with the package when None.

        Raises:
            StoreError: When there is none, it is damaged, or it is of another version.
        """
        config, card, state = load_checkpoint(path)
        vae = cls(config)
        vae.card = card
        vae.load_state_dict(state)
        return vae.eval()
