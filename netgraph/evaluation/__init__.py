"""Metrics and the report."""

from netgraph.evaluation.evaluate import (
    Reconstruction,
    behavior_distances,
    evaluate_reconstruction,
    evaluate_samples,
    random_like,
)
from netgraph.evaluation.health import Health, health
from netgraph.evaluation.training_start import Start, start_of_samples, training_start

__all__ = [
    "Health",
    "Reconstruction",
    "Start",
    "behavior_distances",
    "evaluate_reconstruction",
    "evaluate_samples",
    "health",
    "random_like",
    "start_of_samples",
    "training_start",
]
