"""Everything about a model that is not the model: its files, its coverage and its device."""

from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from netgraph.inputs import check_checkpoint, checkpoint_path
from netgraph.model.card import card_html, model_line
from netgraph.model.checkpoint import load_checkpoint, save_checkpoint
from netgraph.model.config import VAEConfig
from netgraph.model.coverage import Coverage
from netgraph.model.decoder import Decoder
from netgraph.model.encoder import Encoder
from netgraph.model.prior import Prior
from netgraph.outputs import check_suffix


class StoredModel(nn.Module):
    """A model of three parts with a checkpoint; the base of :class:`~netgraph.model.vae.NetVAE`.

    Attributes:
        encoder: q(z | network).
        decoder: p(network | z).
        prior: Carries noise from N(0, I) to function codes and architecture codes.
        config: The model's sizes.
        card: Data, seeds, steps, machine, time and figures of its training; empty before it.
    """

    encoder: Encoder
    decoder: Decoder
    prior: Prior
    config: VAEConfig
    card: dict[str, Any]

    def __repr__(self) -> str:
        """Return one line; ``str`` and ``print`` show the tree of modules, as of any module of torch."""
        parameters = sum(parameter.numel() for parameter in self.parameters())
        return f"{type(self).__name__}({model_line(self.config, self.card, self.coverage)}, {parameters:,} parameters)"

    def __str__(self) -> str:
        return super().__repr__()

    def _repr_html_(self) -> str:
        return card_html(repr(self), self.config, self.card, self.coverage)

    @classmethod
    def from_config(cls, config: VAEConfig | None = None) -> Self:
        """Return an untrained model; of default sizes when None."""
        config = config or VAEConfig()
        return cls(Encoder(config), Decoder(config), Prior(config))

    @property
    def coverage(self) -> Coverage:
        """The architectures of the training networks; it encodes and draws no others."""
        return self.decoder.architecture.coverage

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.encoder.condition.null.device

    def save(self, path: str | Path) -> None:
        """Write ``path`` (.safetensors) and, last, its record, of the same name with ``.json``.

        Raises:
            NetGraphError: When the name ends in something else.
        """
        save_checkpoint(check_suffix(path, ".safetensors"), self.config, self.card, self.coverage, self.state_dict())

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None) -> Self:
        """Read a checkpoint.

        Args:
            path: The safetensors file; the checkpoint that ships with the package when None, or ``shipped``.

        Raises:
            StoreError: When there is none, it is damaged, or it is of another version.
        """
        check_checkpoint(path)
        vae, card, coverage = load_checkpoint(checkpoint_path(path), cls.from_config)
        vae.card, vae.decoder.architecture.coverage = card, coverage
        return vae.eval()
