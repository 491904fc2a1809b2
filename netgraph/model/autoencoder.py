"""The modules of the VAE, and the way of a batch of networks through its encoder."""

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph, as_graphs
from netgraph.model.batch import NetBatch, net_batch
from netgraph.model.condition import Condition, Standardization
from netgraph.model.config import RESPONSE, VAEConfig
from netgraph.model.coverage import Coverage
from netgraph.model.encoder import LEAST_LOG_VARIANCE, Encoder
from netgraph.model.generator import Generator
from netgraph.model.parts import by_size, evaluating
from netgraph.model.prior import FlowPrior
from netgraph.model.slots import Slots, split
from netgraph.model.structure import StructureDecoder
from netgraph.model.weights import Scales, WeightDecoder

#: Batches that are encoded for the prior's statistics, at least, where there are as many. Chosen: the standard error
#: of a mean over 100 batches of 32 networks is below 2 % of the deviation.
ENCODED = 100


class Autoencoder(nn.Module):
    """Encoder, decoder, prior and hypernet of the VAE, with the statistics that are stored with their weights.

    Args:
        config: Its sizes; the defaults when None.
    """

    def __init__(self, config: VAEConfig | None = None) -> None:
        super().__init__()
        self.config = config or VAEConfig()
        self.scales, self.responses = Scales(), Standardization(RESPONSE)
        self.condition = Condition(self.config.n_meta_features, self.config.width, self.config.condition_dropout)
        self.encoder = Encoder(self.config)
        self.structure = StructureDecoder(self.config)
        self.weights = WeightDecoder(self.config)
        self.prior = FlowPrior(self.config)
        self.generator = Generator(self.config, self.config.generator) if self.config.generator else None

    @property
    def coverage(self) -> Coverage:
        """The architectures that the model was trained on: those that it encodes and decodes."""
        return self.structure.coverage

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.condition.null.device

    @torch.no_grad()
    def posterior(self, graphs: Sequence[NetGraph], meta_features: ArrayLike | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z | network) for canonical graphs, each [n, latent]."""
        graphs = as_graphs(graphs, "graphs to encode")
        if not graphs:
            raise NetGraphError("no graphs to encode")
        for i, graph in enumerate(graphs):
            self.coverage.check(graph.architecture, f"network {i}")
            if not graph.state.isfinite().all():
                raise NetGraphError(f"network {i}: a weight is not finite")
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
        """Return mean and log-variance of q(z | network) for a batch on the model's device, each [B, latent]."""
        state = self.scales.standardize(batch.state, batch.structure)
        mean, log_variance = self.encoder(batch, state, self.condition(batch.meta_features))
        response = self.responses.standardize(batch.response)
        exact = torch.full_like(response, LEAST_LOG_VARIANCE)
        return torch.cat([mean, response], dim=1), torch.cat([log_variance, exact], dim=1)

    @torch.no_grad()
    def draw_posterior(self, batch: NetBatch, generator: torch.Generator | None = None) -> Tensor:
        """Draw from q(z | network) for a batch on the model's device, [B, latent]."""
        mean, log_variance = self.encode_batch(batch)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return mean + noise * (0.5 * log_variance).exp()

    @torch.no_grad()
    def fit_statistics(self, networks: Sequence[NetBatch]) -> None:
        """Fit every statistic that is stored with the weights to the training networks: means, deviations, coverage.

        Those of latents depend on the encoder: call it before the first training step, and again before the prior is
        trained. It draws no random number of the caller's.

        Args:
            networks: Batches of canonical training networks, such as ``Batches(...).networks``.

        Raises:
            NetGraphError: When there is no network, or something else than a batch of them.
        """
        if not networks:
            raise NetGraphError("no networks to take statistics from")
        for batch in networks:
            if not isinstance(batch, NetBatch):
                kind = type(batch).__name__
                raise NetGraphError(
                    f"statistics are of batches of networks, such as Batches(...).networks; got a {kind}"
                )
        structures = [batch.structure for batch in networks]
        kinds, fan = (torch.cat([getattr(one, name) for one in structures]) for name in ("slot_scale", "slot_fan"))
        self.scales.fit(torch.cat([batch.state for batch in networks]), kinds, fan)
        self.responses.fit(torch.cat([batch.response for batch in networks]))
        self.condition.fit(torch.cat([batch.meta_features for batch in networks]))
        self.structure.know({architecture.key for one in structures for architecture in one.architectures})
        self.fit_prior_statistics(networks)

    @torch.no_grad()
    def fit_prior_statistics(self, networks: Sequence[NetBatch]) -> None:
        """Fit the statistics of the prior alone, which are of encoded networks; see :meth:`fit_statistics`."""
        layouts, places, rows = [], [], []
        generator = torch.Generator(self.device).manual_seed(0)
        with evaluating(self):
            for batch in networks[:: max(1, len(networks) // ENCODED)]:
                nets = batch.unpacked().to(self.device)
                z = self.draw_posterior(nets, generator)
                layouts.append(self.prior.of_network(z))
                slots = Slots(nets.structure.carriers, self.config, nets.structure.spilled_place)
                places.append(split(z, self.config)[1][slots.filled.squeeze(-1)])
                rows.append(nets.meta_features)
        self.prior.fit(torch.cat(layouts), torch.cat(places), torch.cat(rows))
