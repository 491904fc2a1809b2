"""The VAE: encoder, latent, decoder, loss."""

from netgraph.model.config import GeneratorConfig, LossWeights, PriorConfig, VAEConfig
from netgraph.model.coverage import Coverage
from netgraph.model.generator import Rows
from netgraph.model.vae import NetVAE

__all__ = ["Coverage", "GeneratorConfig", "LossWeights", "NetVAE", "PriorConfig", "Rows", "VAEConfig"]
