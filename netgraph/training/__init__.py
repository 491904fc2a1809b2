"""Training of the VAE: data, Lightning module, TensorBoard, checkpoints."""

from netgraph.training.config import PortfolioConfig, TrainConfig
from netgraph.training.data import Batches, Example
from netgraph.training.episodes import Episodes
from netgraph.training.module import VAEModule
from netgraph.training.on_zoo import config_for
from netgraph.training.train import train, train_generator

__all__ = [
    "Batches",
    "Episodes",
    "Example",
    "PortfolioConfig",
    "TrainConfig",
    "VAEModule",
    "config_for",
    "train",
    "train_generator",
]
