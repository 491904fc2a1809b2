"""Metrics and the report."""

from netgraph.evaluation.evaluate import Reconstruction, evaluate_reconstruction, evaluate_samples
from netgraph.evaluation.health import Health, health
from netgraph.evaluation.samples import random_like
from netgraph.evaluation.training_start import Start, start_of_samples, training_start

__all__ = [
    "Health",
    "Reconstruction",
    "Start",
    "evaluate_reconstruction",
    "evaluate_samples",
    "health",
    "random_like",
    "start_of_samples",
    "training_start",
]
