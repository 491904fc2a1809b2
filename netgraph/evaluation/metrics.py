"""The metrics: pure functions over pairs and sets of graphs.

Each takes one NetGraph or a sequence on either side and gives a float, the mean over pairs; its ``_per_pair`` sibling
gives the value of each pair.
"""

from netgraph.evaluation.behavior import (
    behavior,
    cosine_similarity,
    cosine_similarity_per_pair,
    output_r2,
    output_r2_median,
    output_r2_per_pair,
)
from netgraph.evaluation.distances import energy_distance, nearest_distance, sample_quality
from netgraph.evaluation.samples import is_valid, novelty, uniqueness, validity
from netgraph.evaluation.structure import (
    edge_accuracy,
    edge_accuracy_per_pair,
    edge_f1,
    edge_f1_per_pair,
    parameter_cosine_similarity,
    parameter_cosine_similarity_per_pair,
    weight_within_tolerance,
    weight_within_tolerance_per_pair,
)

__all__ = [
    "behavior",
    "cosine_similarity",
    "cosine_similarity_per_pair",
    "edge_accuracy",
    "edge_accuracy_per_pair",
    "edge_f1",
    "edge_f1_per_pair",
    "energy_distance",
    "is_valid",
    "nearest_distance",
    "novelty",
    "output_r2",
    "output_r2_median",
    "output_r2_per_pair",
    "parameter_cosine_similarity",
    "parameter_cosine_similarity_per_pair",
    "sample_quality",
    "uniqueness",
    "validity",
    "weight_within_tolerance",
    "weight_within_tolerance_per_pair",
]
