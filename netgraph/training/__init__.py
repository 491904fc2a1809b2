"""Training of the VAE: data, Lightning module, TensorBoard, checkpoints."""

from netgraph.training.config import TrainConfig
from netgraph.training.data import Batches, Example
from netgraph.training.module import VAEModule
from netgraph.training.sizes import config_for
from netgraph.training.train import train

__all__ = ["Batches", "Example", "TrainConfig", "VAEModule", "config_for", "train"]
