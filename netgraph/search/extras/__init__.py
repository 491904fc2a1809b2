"""Candidate sources beside the model's: random features."""

from netgraph.search.extras.random_features import RandomFeatures

__all__ = ["RandomFeatures"]
