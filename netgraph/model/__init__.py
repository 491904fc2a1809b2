"""The VAE: encoder, latent z = [f | a | w], decoder, prior, loss."""

from netgraph.model.config import LossWeights, VAEConfig
from netgraph.model.coverage import Coverage
from netgraph.model.latent import Encoder
from netgraph.model.prior import Prior
from netgraph.model.vae import FunctionPosterior, NetVAE
from netgraph.model.writing import Decoder

__all__ = ["Coverage", "Decoder", "Encoder", "FunctionPosterior", "LossWeights", "NetVAE", "Prior", "VAEConfig"]
