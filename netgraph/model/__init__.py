"""The VAE: encoder, latent z = [f | a | w], decoder, prior, loss."""

from netgraph.model.config import LossWeights, VAEConfig
from netgraph.model.coverage import Coverage
from netgraph.model.vae import FunctionPosterior, NetVAE

__all__ = ["Coverage", "FunctionPosterior", "LossWeights", "NetVAE", "VAEConfig"]
