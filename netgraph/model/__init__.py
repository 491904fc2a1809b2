"""The VAE: encoder, latent, decoder, loss."""

from netgraph.model.config import LossWeights, PriorConfig, VAEConfig
from netgraph.model.vae import NetVAE

__all__ = ["LossWeights", "NetVAE", "PriorConfig", "VAEConfig"]
