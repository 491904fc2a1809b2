"""NetVAE: networks to latents and back, free-running."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph, as_graphs
from netgraph.graph.symmetry import canonicalize
from netgraph.model.autoencoder import Autoencoder
from netgraph.model.checkpoint import COVERAGE, SHIPPED, Checkpoint, check_state, load_checkpoint, save_checkpoint
from netgraph.model.config import GeneratorConfig, VAEConfig
from netgraph.model.context import Context, Counts
from netgraph.model.decode import carry_weights, decode_layouts, decode_weights
from netgraph.model.generator import Rows
from netgraph.model.layout import Layouts
from netgraph.model.parts import evaluating, finite_rows, is_whole, seeded
from netgraph.model.refine import refine
from netgraph.model.slots import split


class NetVAE(Autoencoder):
    """A variational autoencoder over networks, architecture and weights together.

    Args:
        config: Its sizes; the defaults when None.

    Attributes:
        card: Where it comes from and how good it is: data, seeds, steps, machine, time, figures; empty before training.
        portfolio: Layouts that go well together for data sets, by their numbers of inputs; None before training.
    """

    def __init__(self, config: VAEConfig | None = None) -> None:
        super().__init__(config)
        self.card: dict[str, Any] = {}
        self.portfolio: Layouts | None = None

    def with_generator(self, sizes: GeneratorConfig, seed: int = 0) -> Self:
        """Return the same model with a new generator, which has yet to be trained, and without a portfolio.

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
        counts = None if n_inputs is None else [(n_inputs, n_outputs)] * n
        if counts is None and n_outputs != 1:
            self.coverage.check_counts(None, n_outputs, "samples")
            raise NetGraphError(f"n_outputs is {n_outputs}, and n_inputs is not given")
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
        found = load_checkpoint(path)
        with torch.device("meta"):
            expected = cls(found.config).state_dict()
        check_state(Path(path or SHIPPED), found.state, expected)
        vae = cls(found.config)
        vae.card, vae.portfolio, vae.structure.coverage = found.card, found.portfolio, found.coverage
        vae.load_state_dict(found.state | {COVERAGE: vae.structure.get_extra_state()})
        return vae.eval()
