"""netgraph, on the terms of its peers."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from equal_time import EqualTime
from torch import Tensor

from netgraph import NetGraph, NetVAE
from netgraph.errors import NetGraphError
from netgraph.presets import PRESETS
from netgraph.training import Example, train
from peers.base import Peer
from peers.plan import Bounds


class NetGraphVAE(Peer):
    """The VAE of the quick preset, with room for the benchmark's networks and a latent of the size that is asked for.

    Its prior, which rebuilding does not use, is trained for a second.

    Args:
        latent_size: A multiple of the number of its slots.
        folder: Takes its checkpoints and its log; what an earlier training left there is removed, so that none goes on.
        seed: As of every peer.
        bounds: Sizes of the networks.
    """

    name = "netgraph"

    def __init__(self, latent_size: int, folder: Path, seed: int = 0, bounds: Bounds = Bounds()) -> None:
        super().__init__(latent_size, seed)
        units = bounds.depth * bounds.width
        slots = bounds.depth + 2 + units + 1
        if latent_size % slots:
            raise NetGraphError(f"latent size {latent_size} is not a multiple of netgraph's {slots} slots")
        self.folder = folder
        self.config = replace(
            PRESETS["quick"].vae,
            place_depths=bounds.depth,
            place_positions=bounds.width,
            slot_size=latent_size // slots,
            max_nodes=bounds.inputs + 4 * units + 1,
            max_fan=max(bounds.inputs, bounds.width) + 8,
            spill=True,
        )

    def fit(self, train_on: Sequence[Example], seconds: float) -> None:
        """Train it."""
        training = replace(
            PRESETS["quick"].training,
            max_epochs=100_000,
            max_steps=None,
            max_seconds=None,
            prior_epochs=100_000,
            prior_steps=None,
            prior_seconds=None,
            threads=1,
            seed=self.seed,
        )
        if self.folder.exists():
            shutil.rmtree(self.folder)
        equal_time = EqualTime({"VAE": seconds, "prior": 1.0})
        self.vae: NetVAE = train(train_on, self.folder, self.config, training, callbacks=[equal_time])

    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Give the means."""
        return self.vae.encode(graphs)

    def decode(self, z: Tensor) -> list[NetGraph | None]:
        """Decode; every network is valid."""
        return list(self.vae.decode(z))
