"""The VAE: encoder, latent, decoder, loss."""

from netgraph.model.config import LossWeights, VAEConfig
from netgraph.model.vae import NetVAE

__all__ = ["LossWeights", "NetVAE", "VAEConfig"]
