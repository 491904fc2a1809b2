"""NetVAE: networks to latents and back, free-running."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize
from netgraph.model.batch import net_batch, structure_batch
from netgraph.model.checkpoint import load_checkpoint, save_checkpoint
from netgraph.model.condition import Condition
from netgraph.model.config import VAEConfig
from netgraph.model.encoder import Encoder
from netgraph.model.prior import GaussianPrior
from netgraph.model.scales import Scales
from netgraph.model.slots import split
from netgraph.model.structure import StructureDecoder
from netgraph.model.weights import WeightDecoder

#: Networks that are encoded or decoded at once.
CHUNK = 256


class NetVAE(nn.Module):
    """A variational autoencoder over networks, architecture and weights together.

    Args:
        config: Its sizes; the defaults when None.
    """

    def __init__(self, config: VAEConfig | None = None) -> None:
        super().__init__()
        self.config = config or VAEConfig()
        self.scales = Scales()
        self.condition = Condition(self.config.n_meta_features, self.config.width, self.config.condition_dropout)
        self.encoder = Encoder(self.config)
        self.structure = StructureDecoder(self.config)
        self.weights = WeightDecoder(self.config)
        self.prior = GaussianPrior(self.config.latent_size, self.config.n_meta_features)

    @torch.no_grad()
    def encode(self, graphs: Sequence[NetGraph], meta_features: Tensor | None = None) -> Tensor:
        """Encode networks; they are brought to canonical form first.

        Args:
            graphs: n networks.
            meta_features: Of the data sets they were trained on, [n, features] or [features].

        Returns:
            Means of q(z | network), [n, latent].

        Raises:
            NetGraphError: When a network is larger than the model allows or ``meta_features`` has another length.
        """
        mean, _ = self.posterior([canonicalize(graph) for graph in graphs], meta_features)
        return mean

    @torch.no_grad()
    def posterior(self, graphs: Sequence[NetGraph], meta_features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Give mean and log-variance of q(z | network) for canonical graphs, each [n, latent]."""
        if not graphs:
            raise NetGraphError("no graphs to encode")
        rows = self.condition.rows(meta_features, len(graphs))
        found = []
        with _evaluating(self):
            for part in _chunks(len(graphs)):
                batch = net_batch(graphs[part], self.config, rows[part].cpu()).to(self.device)
                state = self.scales.standardize(batch.state, batch.structure)
                found.append(self.encoder(batch, state, self.condition(batch.meta_features)))
        mean, log_variance = zip(*found, strict=True)
        return torch.cat(mean), torch.cat(log_variance)

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
        rows = self.condition.rows(meta_features, len(z))
        graphs: list[NetGraph] = []
        with _evaluating(self):
            for part in _chunks(len(z)):
                latent, condition = z[part].to(self.device), self.condition(rows[part])
                given = None if counts is None else counts[part]
                layout, _ = split(latent, self.config)
                architectures = self.structure.generate(layout, condition, given, generator)
                graphs += self._weighted(architectures, latent, condition)
        return graphs

    def _weighted(self, architectures: list[Architecture], z: Tensor, condition: Tensor) -> list[NetGraph]:
        batch = structure_batch(architectures, self.config).to(self.device)
        state = self.scales.restore(self.weights(z, condition, batch), batch).cpu()
        parts = torch.tensor_split(state, batch.state_ptr[1:-1].tolist())
        return [NetGraph(a, part.clone()) for a, part in zip(architectures, parts, strict=True)]

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
            seed: Of the noise and of the decoder's choices.
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
        standardized = None
        if meta_features is not None:
            standardized = self.condition.standardize(self.condition.rows(meta_features, n))
        z = self.prior(noise, standardized)
        counts = None if n_inputs is None else [(n_inputs, n_outputs)] * n
        return self.decode(z, meta_features, counts=counts, generator=generator)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.condition.null.device

    def save(self, path: str | Path) -> None:
        """Write ``path`` (safetensors) and, last, its record, of the same name with ``.json``."""
        save_checkpoint(self, self.config, Path(path))

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None) -> Self:
        """Read a checkpoint.

        Args:
            path: The safetensors file; the checkpoint that ships with the package when None.

        Raises:
            StoreError: When there is none, it is damaged, or it is of another version.
        """
        config, state = load_checkpoint(path)
        vae = cls(config)
        vae.load_state_dict(state)
        return vae.eval()


class _evaluating:  # noqa: N801 - a context manager reads as a verb
    """Sets a module to evaluation mode and restores it."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.training = module, module.training

    def __enter__(self) -> None:
        self.module.eval()

    def __exit__(self, *error: Any) -> None:
        self.module.train(self.training)


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK) for start in range(0, count, CHUNK))
