"""Metrics and the report."""

from netgraph.evaluation.evaluate import Reconstruction, evaluate_reconstruction, evaluate_samples, random_like

__all__ = ["Reconstruction", "evaluate_reconstruction", "evaluate_samples", "random_like"]
