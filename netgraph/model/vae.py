"""NetVAE: networks to latents and back, free-running."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.modules.trace import mode
from netgraph.graph.netgraph import NetGraph
from netgraph.model.arguments import as_architectures, as_canonical, as_latents, as_rows, seeded
from netgraph.model.batch import NetBatch, by_size, check_batches, net_batch
from netgraph.model.completion import FEATURES
from netgraph.model.decoder import Decoder, solve_on_rows
from netgraph.model.encoder import Encoder, Posterior
from netgraph.model.function import FunctionPosterior
from netgraph.model.loss import NOT_MEASURED, Losses, draw_given, output_error, weight_error
from netgraph.model.prior import Prior
from netgraph.model.projector import as_labels, as_run, write_projector
from netgraph.model.stored import StoredModel
from netgraph.reading import is_whole
from netgraph.stack import Stack

if TYPE_CHECKING:
    import pandas as pd


class NetVAE(StoredModel):
    """A variational autoencoder over networks, z = [f | a | w]: function, architecture and weights.

    Args:
        encoder: q(z | network).
        decoder: p(network | z).
        prior: Carries noise from N(0, I) to function codes and architecture codes.

    Attributes:
        config: The model's sizes.
        card: Data, seeds, steps, machine, time and figures of its training; empty before it.
        function: Slice of the function code in z.
        architecture: Slice of the architecture code.
        weights: Slice of the weight code.

    Example:
        >>> vae = NetVAE.from_pretrained()
        >>> z = vae.encode(vae.sample(2, n_inputs=3, seed=0, steps=0))
        >>> rebuilt = vae.decode(z[:, vae.function], steps=0)
        >>> [graph.architecture.n_inputs for graph in rebuilt]
        [3, 3]
    """

    def __init__(self, encoder: Encoder, decoder: Decoder, prior: Prior) -> None:
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.config, self.card = encoder.config, {}
        first, second = self.config.function_size, self.config.function_size + self.config.architecture_size
        self.function, self.architecture = slice(0, first), slice(first, second)
        self.weights = slice(second, self.config.latent_size)

    def forward(self, batch: NetBatch) -> tuple[Posterior, Tensor, Tensor, Tensor]:
        """Encode networks, and write networks of the same architectures that compute the same functions.

        Returns:
            The posterior; the mask of elements that the weight code gives, and standardized written states, [sum P]
            each; the outputs of the encoded functions on the common rows, [B, R, K].
        """
        posterior = self.encoder(batch)
        given = draw_given(batch)
        initial = torch.where(given, posterior.w, torch.randn_like(posterior.w))
        written, target = self.decoder(posterior.f, batch.structure, initial, given, self.encoder.function)
        return posterior, given, written, target

    def loss(self, batch: NetBatch, stack: Stack | None = None) -> Losses:
        """Compute every term of the loss; call :meth:`fit_statistics` before the first step.

        Args:
            batch: Canonical networks.
            stack: The executor of their architectures, where there is one already.

        Raises:
            NetGraphError: When a network's sensitivity was not measured, and the loss asks for it.
        """
        if self.config.loss.sensitivity and batch.sensitivity.isnan().any():
            raise NetGraphError(f"a network: {NOT_MEASURED}")
        stack = stack or Stack(batch.structure.architectures, batch.state.device)
        posterior, given, written, target = self(batch)
        condition = self.decoder.condition(batch.meta_features)
        index, type_, parent = self.decoder.architecture.losses(posterior.sample(), condition, batch.structure)
        state = self.encoder.scales.restore(written, batch.structure)
        return Losses(
            index=index,
            type=type_,
            parent=parent,
            weight=weight_error(written, posterior.w, given, batch, self.config.loss.sensitivity),
            output=output_error(stack, state, self.encoder.function.rows(stack.max_inputs), target),
            kl=posterior.kl().mean(),
        )

    @torch.no_grad()
    def fit_statistics(self, networks: Sequence[NetBatch]) -> None:
        """Compute the statistics that are stored with the weights: of weights, functions, meta-features; and coverage.

        Args:
            networks: Batches of canonical training networks, such as ``Batches(...).networks``.

        Raises:
            NetGraphError: When there is no network, or something else than a batch of them.
        """
        check_batches(networks)
        self.encoder.fit(networks)
        self.decoder.condition.fit(torch.cat([batch.meta_features for batch in networks]))
        self.decoder.architecture.cover({a.key for batch in networks for a in batch.structure.architectures})

    @torch.no_grad()
    def encode(self, networks: Sequence[NetGraph | nn.Module], meta_features: ArrayLike | None = None) -> Tensor:
        """Encode networks; they are brought to canonical form first.

        Args:
            networks: n feed-forward networks, graphs or modules; the model reads no others.
            meta_features: Of the data sets they were trained on, [n, features] or [features].

        Returns:
            Means of q(z | network), [n, latent]; the weight code is 0 beyond a network's own weights.

        Raises:
            NetGraphError: When a network is not feed-forward, not covered (see :attr:`coverage`) or not finite, or
                ``meta_features`` has another length.
        """
        graphs = as_canonical(networks, self.coverage)
        rows = self.encoder.condition.rows(meta_features, len(graphs)).cpu()
        z: dict[int, Tensor] = {}
        with mode(self, training=False):
            for part in by_size([graph.architecture for graph in graphs]):
                batch = net_batch([graphs[i] for i in part], self.config, rows[part]).to(self.device)
                posterior = self.encoder(batch)
                w = self.encoder.pad(posterior.w, batch)
                z |= zip(part, torch.cat([posterior.f, posterior.mean, w], dim=1), strict=True)
        return torch.stack([z[i] for i in range(len(graphs))])

    @torch.no_grad()
    def encode_rows(self, X: ArrayLike, y: ArrayLike) -> FunctionPosterior:
        """Encode a data set in the space of function codes, in closed form: see :meth:`.FunctionCode.of_rows`.

        Args:
            X: Standardized features, [rows, features].
            y: Standardized targets, [rows] or [rows, outputs].

        Raises:
            NetGraphError: When the shapes do not fit, a value is not finite, or no training network has as many inputs
                and outputs.
        """
        x, target = as_rows(X, y)
        self.coverage.check_counts(x.shape[1], target.shape[1], "a data set")
        return self.encoder.function.of_rows(x.to(self.device), target.to(self.device))

    @torch.no_grad()
    def decode(
        self,
        z: Tensor,
        meta_features: ArrayLike | None = None,
        architecture: Architecture | NetGraph | nn.Module | Sequence[Any] | None = None,
        *,
        steps: int | None = None,
        seed: int = 0,
    ) -> list[NetGraph]:
        """Decode free-running, from z alone, to n graphs, each of which is valid by construction.

        ``z`` may be cut anywhere: the prior draws an architecture that is missing, and the hypernet writes the weights.

        Args:
            z: Latents, [n, k], k from 1 to the latent's size.
            meta_features: Of the data sets the networks are for, [n, features] or [features].
            architecture: One for all networks, or one each, in place of that of ``z``.
            steps: Steps of variable projection after the hypernet; those of the configuration when None.
            seed: Seed of the noise, which all networks share: each depends on its own latent alone.

        Raises:
            NetGraphError: When ``z`` or ``meta_features`` has another length, there is no latent, one is not finite, or
                an architecture has another number of inputs or outputs than its function.
        """
        z, generator = as_latents(z, self.config.latent_size, self.encoder.condition.null), seeded(seed)
        given, a, w = z[:, self.function], z[:, self.architecture], z[:, self.weights]
        f = nn.functional.pad(given, (0, self.config.function_size - given.shape[1]))
        with mode(self, training=False):
            counts = self.encoder.function.counts(f)
            meta = self.decoder.condition.rows(meta_features, len(z))
            if architecture is not None:
                architectures = as_architectures(architecture, counts.tolist())
            elif a.shape[1] == self.config.architecture_size:
                architectures = self.decoder.decode_architectures(a, counts, meta)
            else:
                noise = torch.randn(1, self.config.architecture_size, generator=generator).to(f)
                architectures = self.draw_architectures(f, noise.expand(len(f), -1), meta)
            noise = torch.randn(1, self.config.weight_size, generator=generator).expand(len(f), -1)
            outputs = f.new_zeros(len(f), self.config.n_rows, self.config.max_outputs)
            if any(architecture.state_size > w.shape[1] for architecture in architectures):  # else nothing is fitted
                outputs = self.encoder.function.complete(given, counts)
            return self.decoder.write(self.encoder, f, outputs, w, architectures, steps, noise)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        meta_features: ArrayLike | None = None,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        architecture: Architecture | NetGraph | nn.Module | Sequence[Any] | None = None,
        seed: int | None = None,
        *,
        n_inputs: int | None = None,
        n_outputs: int | None = None,
        steps: int | None = None,
    ) -> list[NetGraph]:
        """Sample new networks: noise from N(0, I), carried to codes, decoded.

        Args:
            n: Number of networks.
            meta_features: Of the data set they are for, [features].
            X: Standardized features of a data set to fit, [rows, features]: function codes are drawn from q(f | X, y),
                and output layers are solved on its rows.
            y: Its standardized targets, [rows] or [rows, outputs].
            architecture: One for all networks, or one each; drawn from the prior when None.
            seed: Seed of the noise.
            n_inputs: Number of inputs; drawn when None, or that of ``X``.
            n_outputs: Number of outputs; drawn when None, or that of ``y``.
            steps: Steps of variable projection after the hypernet; those of the configuration when None.

        Raises:
            NetGraphError: When a number is out of range, ``meta_features`` has another length, the rows do not fit, or
                no training network has as many inputs and outputs.
        """
        if not is_whole(n, 1):
            raise NetGraphError(f"cannot sample {n} networks: n is a whole number, at least 1")
        generator, n, function = seeded(seed), int(n), self.encoder.function
        rows = None if X is None and y is None else as_rows(X, y, n_inputs, n_outputs)
        if rows is None:
            function.check_counts(n_inputs, n_outputs)
            self.coverage.check_counts(n_inputs, n_outputs, "samples")
        noise = torch.randn(n, self.config.function_size, generator=generator).to(self.device)
        with mode(self, training=False):
            meta = self.prior.condition.rows(meta_features, n)
            if rows is not None:
                posterior = self.encode_rows(*rows)
                f = posterior.mean + posterior.deviation * noise
            else:
                f = self.prior.draw_functions(noise, n_inputs, n_outputs, meta, function)
            counts = function.counts(f)
            if architecture is None:
                noise = torch.randn(n, self.config.architecture_size, generator=generator)
                architectures = self.draw_architectures(f, noise.to(f), meta)
            else:
                architectures = as_architectures(architecture, counts.tolist())
            noise = torch.randn(n, self.config.weight_size, generator=generator)
            draw = torch.randn(n, FEATURES + f.shape[1] - 1, generator=generator).to(f) if rows is None else None
            outputs = function.complete(f, counts, draw)
            graphs = self.decoder.write(self.encoder, f, outputs, f[:, :0], architectures, steps, noise)
        return graphs if rows is None else solve_on_rows(graphs, *rows)

    @torch.no_grad()
    def draw_architectures(
        self, f: Tensor, noise: Tensor, meta_features: ArrayLike | None = None
    ) -> list[Architecture]:
        """Draw architectures for function codes from noise: see :meth:`.Prior.draw_architectures`."""
        counts, meta = self.encoder.function.counts(f), self.decoder.condition.rows(meta_features, len(f))
        with mode(self, training=False):
            return self.prior.draw_architectures(noise, f, counts, meta, self.decoder)

    def to_tensorboard(
        self, networks: Sequence[NetGraph | nn.Module], folder: str | Path, labels: "pd.DataFrame | None" = None
    ) -> None:
        """Write the function codes of networks as a run of TensorBoard, for its tab Projector.

        Args:
            networks: n networks, as of :meth:`encode`.
            folder: Folder of the run; points that were written there before are replaced.
            labels: Labels to color and to search by, one row a network; sizes of the architectures when None.

        Raises:
            NetGraphError: When a network cannot be encoded, there are more or fewer labels, or the folder is a file.
            StoreError: When the folder cannot be written to.

        Example:
            >>> vae = NetVAE.from_pretrained()
            >>> vae.to_tensorboard(vae.sample(3, n_inputs=2, seed=0, steps=0), "latents/sampled")
            >>> Path("latents/sampled/labels.tsv").read_text().split()[:4]
            ['depth', 'parameters', 'inputs', 'outputs']
        """
        graphs = as_canonical(networks, self.coverage)
        path, labels = as_run(folder), as_labels(labels, graphs)
        write_projector(path, self.encode(graphs)[:, self.function], labels)
