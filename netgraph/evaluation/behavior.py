"""Metrics over the outputs of networks."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.pairs import (
    PARAMETERS,
    Graphs,
    Rows,
    as_list,
    check_outputs,
    row_cosine,
    run,
    run_pairs,
)
from netgraph.stack import probe

#: Root mean square, relative to the output's size, below which a difference of outputs is rounding.
_ROUNDING = 1e-6


def cosine_similarity(true: Graphs, generated: Graphs, x: Rows) -> float:
    """Compute the mean cosine of the last hidden activations of two networks.

    Units are matched by index, as the networks stand: bring networks of other origin to canonical form first.
    The cosine is taken for each row and averaged over rows, then over pairs. Where widths differ the shorter vector is
    padded with zeros; two zero vectors have cosine 1, a zero vector and another one 0, one that is not finite 0. The
    cosine distance is 1 minus this. A high cosine can hide a broken network: report :func:`output_r2` beside it.

    Args:
        true: One graph, or n of them.
        generated: As many.
        x: Rows, [rows, inputs] for all pairs, or a sequence of n such tensors. A network reads its first columns; a
            generated one with more inputs than there are columns reads 0 for those.

    Returns:
        A value in [-1, 1].

    Raises:
        NetGraphError: When the lengths differ, the two of a pair differ in outputs, or x holds NaN or has too few
            columns for a true network.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> round(cosine_similarity(graph, graph, torch.randn(5, 2)), 6)
        1.0
    """
    return float(cosine_similarity_per_pair(true, generated, x).mean())


def cosine_similarity_per_pair(true: Graphs, generated: Graphs, x: Rows) -> Tensor:
    """Return :func:`cosine_similarity` of each pair, [n] float64."""
    return torch.stack([row_cosine(a, b).mean() for (_, a), (_, b) in run_pairs(true, generated, x)])


def output_r2(true: Graphs, generated: Graphs, x: Rows) -> float:
    """Compute the mean coefficient of determination of the true outputs, 1 - Σ(ŷ - y)² / Σ(y - ȳ)².

    y is the true network's output, ŷ the generated one's, ȳ the mean of y over rows for each output; sums run over rows
    and outputs. A constant y gives 1 where ŷ equals it (to 1e-6) and 0 elsewhere. A ŷ that is not finite gives -inf.
    Nothing is clamped, so that one broken network decides the mean: see :func:`output_r2_median`. Arguments and errors
    as of :func:`cosine_similarity`; the value is in [-inf, 1].

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> output_r2(graph, graph, torch.randn(5, 2))
        1.0
    """
    return float(output_r2_per_pair(true, generated, x).mean())


def output_r2_median(true: Graphs, generated: Graphs, x: Rows) -> float:
    """Compute the median of :func:`output_r2` over pairs.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> output_r2_median([graph, graph], [graph, graph], torch.randn(5, 2))
        1.0
    """
    return median(output_r2_per_pair(true, generated, x))


def output_r2_per_pair(true: Graphs, generated: Graphs, x: Rows) -> Tensor:
    """Return :func:`output_r2` of each pair, [n] float64."""
    return torch.stack([_r2(y, prediction) for (y, _), (prediction, _) in run_pairs(true, generated, x)])


def agreement(graphs: Graphs, others: Graphs, x: Rows) -> float:
    """Compute the share of rows on which two networks predict the same class, a mean over pairs.

    It is ``1/n Σ_i [c(f(x_i)) = c(g(x_i))]`` with ``c(z) = argmax_k z_k``, the first of equal ones; of networks with
    one output, a logit, ``c(z) = [z > 0]``. A row on which an output is NaN or infinite counts 0.

    Args:
        graphs: One graph, or n of them; outputs are logits, or probabilities where there are several.
        others: As many.
        x: Rows, as of :func:`cosine_similarity`.

    Returns:
        A value in [0, 1].

    Raises:
        NetGraphError: As of :func:`cosine_similarity`.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 3))
        >>> agreement(graph, graph, torch.randn(5, 2))
        1.0
    """
    return float(agreement_per_pair(graphs, others, x).mean())


def agreement_per_pair(graphs: Graphs, others: Graphs, x: Rows) -> Tensor:
    """Return :func:`agreement` of each pair, [n] float64."""
    return torch.stack([_same_class(a, b).double().mean() for (a, _), (b, _) in run_pairs(graphs, others, x)])


def _same_class(a: Tensor, b: Tensor) -> Tensor:
    """Return whether outputs, [rows, outputs], are finite and of the same class, [rows]."""
    one, other = (z[:, 0] > 0 if z.shape[1] == 1 else z.argmax(dim=1) for z in (a, b))
    return (one == other) & (a.isfinite() & b.isfinite()).all(dim=1)


def rate_distortion(true: Graphs, rebuilt: Mapping[int, Graphs], x: Rows) -> dict[int, dict[str, float]]:
    """Compute the rate-distortion curve of a latent: output R^2 against latent size.

    Args:
        true: One graph, or n of them.
        rebuilt: As many for each latent size, the number of latent numbers that the networks were rebuilt from.
        x: Rows, as of :func:`cosine_similarity`; not the rows that decoding used.

    Returns:
        For each latent size, in rising order: ``output_r2_median``, ``output_r2_p10`` (10th percentile) and
        ``parameters_per_number``, the mean number of parameters of a true network over the latent size.

    Raises:
        NetGraphError: When a latent size is below 1, or as :func:`output_r2`.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> rate_distortion(graph, {1: graph}, torch.randn(5, 2))[1]["parameters_per_number"]
        3.0
    """
    counts = [np.isin(graph.architecture.element_kind, PARAMETERS).sum() for graph in as_list(true, "true")]
    if min(rebuilt, default=1) < 1:
        raise NetGraphError(f"latent size {min(rebuilt)}; a rate-distortion curve begins at 1 number")
    r2 = {size: output_r2_per_pair(true, rebuilt[size], x) for size in sorted(rebuilt)}
    return {
        size: {
            "output_r2_median": median(values),
            "output_r2_p10": low_decile(values),
            "parameters_per_number": float(np.mean(counts)) / size,
        }
        for size, values in r2.items()
    }


def low_decile(values: Tensor) -> float:
    """Return the 10th percentile, the lower of its two neighbors."""
    return float(values.quantile(0.1, interpolation="lower"))


def median(values: Tensor) -> float:
    """Return the median, infinite values included, the mean of the two middle ones of an even number."""
    return float(np.median(values.numpy()))


def _r2(y: Tensor, prediction: Tensor) -> Tensor:
    if not torch.isfinite(prediction).all():
        return y.new_tensor(float("-inf"))
    error, total = (prediction - y).square().sum(), (y - y.mean(dim=0)).square().sum()
    rounding = _ROUNDING**2 * y.numel() * max(1.0, float(y.square().mean()))
    if total > rounding:
        return 1 - error / total
    return (error <= rounding).to(y)


def behavior(graphs: Graphs, n_rows: int = 64, seed: int = 0, *, first: bool = False) -> Tensor:
    """Return the outputs of networks on common standard normal rows.

    Args:
        graphs: n graphs; each reads its first columns of the rows, which are the same in every call.
        n_rows: Number of rows.
        seed: Seed of the rows.
        first: Return the first output alone, of networks of any numbers of outputs.

    Returns:
        Behavior vectors, [n, n_rows * outputs] float64.

    Raises:
        NetGraphError: When an output is NaN or infinite, or numbers of outputs differ.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> behavior([graph, graph]).shape
        torch.Size([2, 64])
    """
    networks = as_list(graphs, "behavior")
    if not first:
        check_outputs(networks)
    rows = probe(max(graph.architecture.n_inputs for graph in networks), n_rows, seed)
    width = 1 if first else networks[0].architecture.n_outputs
    vectors = torch.stack([outputs[:, :width].flatten() for outputs, _ in run(networks, [rows] * len(networks))])
    broken = (~torch.isfinite(vectors)).any(dim=1).nonzero()
    if len(broken):
        raise NetGraphError(f"behavior: the output of graph {int(broken[0])} is not finite")
    return vectors


def standardize(vectors: Tensor, reference: Tensor) -> Tensor:
    """Standardize behavior vectors row of the probe by row: (v - mean) / deviation.

    Args:
        vectors: Behavior of the networks to describe, [n, values].
        reference: Behavior of the networks of mean 0 and population deviation 1, [m, values].

    Returns:
        As ``vectors``, in deviations of the reference networks; a row on which they all agree is only shifted.
    """
    deviation = reference.std(dim=0, correction=0)
    return (vectors - reference.mean(dim=0)) / torch.where(deviation > 0, deviation, torch.ones_like(deviation))
