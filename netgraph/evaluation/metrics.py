"""The metrics: pure functions over pairs and sets of graphs.

Over pairs: one NetGraph or a sequence on either side, and a float, the mean over pairs; the ``_per_pair`` sibling
returns the value of each pair.
"""

from netgraph.evaluation.behavior import (
    agreement,
    agreement_per_pair,
    behavior,
    cosine_similarity,
    cosine_similarity_per_pair,
    output_r2,
    output_r2_median,
    output_r2_per_pair,
    rate_distortion,
)
from netgraph.evaluation.samples import (
    energy_distance,
    function_spread,
    is_valid,
    nearest_distance,
    novelty,
    sample_quality,
    uniqueness,
    validity,
)
from netgraph.evaluation.shapes import shape_aucs, shape_quality
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
    "agreement",
    "agreement_per_pair",
    "behavior",
    "cosine_similarity",
    "cosine_similarity_per_pair",
    "edge_accuracy",
    "edge_accuracy_per_pair",
    "edge_f1",
    "edge_f1_per_pair",
    "energy_distance",
    "function_spread",
    "is_valid",
    "nearest_distance",
    "novelty",
    "output_r2",
    "output_r2_median",
    "output_r2_per_pair",
    "parameter_cosine_similarity",
    "parameter_cosine_similarity_per_pair",
    "rate_distortion",
    "sample_quality",
    "shape_aucs",
    "shape_quality",
    "uniqueness",
    "validity",
    "weight_within_tolerance",
    "weight_within_tolerance_per_pair",
]
