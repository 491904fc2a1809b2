"""The figures of a run: networks rebuilt free-running, and samples beside random and other trained networks."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netgraph.evaluation import metrics
from netgraph.graph.netgraph import NetGraph
from netgraph.zoo.architectures import initialize


@dataclass(frozen=True)
class Reconstruction:
    """Figures of rebuilt networks.

    Attributes:
        metrics: Means and medians by name.
        output_r2: Of every pair, [pairs].
        cosine: Of every pair, [pairs].
    """

    metrics: dict[str, float]
    output_r2: Tensor
    cosine: Tensor


def evaluate_reconstruction(
    true: Sequence[NetGraph], rebuilt: Sequence[NetGraph], xs: Sequence[Tensor]
) -> Reconstruction:
    """Compare networks with what was rebuilt from their latents, on rows of their tasks, [rows, inputs] each."""
    r2 = metrics.output_r2_per_pair(true, rebuilt, xs)
    cosine = metrics.cosine_similarity_per_pair(true, rebuilt, xs)
    same = [a.architecture.key == b.architecture.key for a, b in zip(true, rebuilt, strict=True)]
    figures = {
        "edge_accuracy": metrics.edge_accuracy(true, rebuilt),
        "edge_f1": metrics.edge_f1(true, rebuilt),
        "weight_within_tolerance": metrics.weight_within_tolerance(true, rebuilt),
        "architecture_accuracy": sum(same) / len(same),
        "cosine_similarity": float(cosine.mean()),
        "parameter_cosine_similarity": metrics.parameter_cosine_similarity(true, rebuilt),
        "output_r2_median": float(r2.quantile(0.5)),
        "output_r2_mean_clamped": float(r2.clamp(min=-1).mean()),
    }
    return Reconstruction(figures, r2, cosine)


def random_like(graphs: Sequence[NetGraph], generator: Generator) -> list[NetGraph]:
    """Give networks of the same architectures with PyTorch's initial weights."""
    return [NetGraph(graph.architecture, initialize(graph.architecture, generator)) for graph in graphs]


def evaluate_samples(
    samples: Sequence[NetGraph], test: Sequence[NetGraph], train: Sequence[NetGraph], generator: Generator
) -> dict[str, float]:
    """Measure samples against held-out trained networks, beside random and other trained ones.

    Args:
        samples: Generated networks.
        test: Networks of held-out tasks.
        train: Networks of the training zoo.
        generator: Draws the random weights and the training networks to compare with.
    """
    held_out = metrics.behavior(test)
    finite = [graph for graph in samples if metrics.is_valid(graph)]
    drawn = torch.randperm(len(train), generator=generator)[: len(finite)].tolist()

    def distance(graphs: Sequence[NetGraph]) -> float:
        return metrics.energy_distance(metrics.behavior(graphs), held_out)

    sample, random = distance(finite), distance(random_like(finite, generator))
    floor = distance([train[i] for i in drawn])
    return {
        "validity": len(finite) / len(samples),
        "uniqueness": metrics.uniqueness(finite),
        "novelty": metrics.novelty(finite, train),
        "architecture_uniqueness": metrics.uniqueness(finite, "architecture"),
        "architecture_novelty": metrics.novelty(finite, train, "architecture"),
        "sample_quality": metrics.sample_quality(random, sample, floor),
        "sample_behaviour_distance": sample,
        "random_behaviour_distance": random,
        "floor_behaviour_distance": floor,
    }
