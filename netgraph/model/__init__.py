"""The VAE: encoder, latent z = [f | a | w], decoder, prior, loss."""

from netgraph.model.config import LossWeights, VAEConfig
from netgraph.model.coverage import Coverage
from netgraph.model.decoder import Decoder
from netgraph.model.encoder import Encoder
from netgraph.model.function import FunctionPosterior
from netgraph.model.prior import Prior
from netgraph.model.vae import NetVAE

__all__ = ["Coverage", "Decoder", "Encoder", "FunctionPosterior", "LossWeights", "NetVAE", "Prior", "VAEConfig"]
