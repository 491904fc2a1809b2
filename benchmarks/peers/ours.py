"""netgraph, on the terms of its peers."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from benchmarks.peers.base import Peer, fit_length
from benchmarks.peers.training import EqualTime
from netgraph import NetGraph, NetGraphError
from netgraph.model import VAEConfig
from netgraph.training import Example, TrainConfig, train

#: Neurons of a layer with latent slots of their own, the most that there is room for; further ones share slots.
POSITIONS = (16, 8, 4, 2)


class NetGraphVAE(Peer):
    """The VAE with a latent of at most the given size, trained as in the quick preset; it decodes architectures too."""

    def config(self, train_on: Sequence[Example]) -> VAEConfig:
        """Return the model's sizes: as many slots of at least four numbers as the latent has room for.

        Raises:
            NetGraphError: When the latent is too small.
        """
        architecture = max(
            (example.graph.architecture for example in train_on), key=lambda architecture: architecture.num_nodes
        )
        hidden = [layer.size for layer in architecture.layers if layer.type == "Linear"][:-1]
        for positions in POSITIONS:
            config = VAEConfig(
                place_depths=len(hidden),
                place_positions=positions,
                slot_size=4,
                max_nodes=architecture.num_nodes,
                max_fan=max(4, *hidden, architecture.n_inputs),
                spill=True,
            )
            slots, spare = config.layout_slots + config.place_slots, config.latent_size - config.code_size
            if positions <= max(hidden) and config.latent_size <= self.latent_size:
                return replace(config, slot_size=(self.latent_size - spare) // slots)
        raise NetGraphError(f"latent size {self.latent_size}: netgraph takes at least {config.latent_size} here")

    def fit(self, train_on: Sequence[Example], seconds: float) -> None:
        """Train it; its prior, which rebuilding does not use, for a moment."""
        training = TrainConfig(32, learning_rate=3e-3, max_epochs=10**5, prior_epochs=10**5, mixed=True, seed=self.seed)
        equal_time = EqualTime({"VAE": seconds, "prior": 0.1})
        with tempfile.TemporaryDirectory() as folder:
            self.vae = train(train_on, folder, self.config(train_on), training, callbacks=[equal_time])

    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Return the posterior means, followed by zeros, [n, latent_size]."""
        return fit_length(self.vae.encode(graphs), self.latent_size)

    def decode(self, z: Tensor) -> list[NetGraph]:
        """Decode free-running, architecture and weights."""
        return self.vae.decode(fit_length(z, self.vae.config.latent_size))
