"""Classifier two-sample test between sets of networks by the shape of the functions that they compute."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.behavior import behavior
from netgraph.evaluation.pairs import Graphs, as_list
from netgraph.evaluation.samples import sample_quality
from netgraph.graph.netgraph import NetGraph
from netgraph.stack import probe
from netgraph.zoo import random_like

#: Folds of the cross-validation.
FOLDS = 5
#: Fewest networks a side: with fewer, four of five folds do not fill two leaves of the classifier, of 20 rows each.
LEAST = 25
#: Networks a side over all draws, which AUCs are averaged over; chosen: AUCs of one draw of 60 differ by 0.1.
SIDE = 350
#: Deviation of a network's outputs below which they are constant: rounding alone.
CONSTANT = 1e-6
Floats = npt.NDArray[np.float64]


def shape_quality(samples: Graphs, test: Graphs, others: Graphs, generator: Generator) -> float:
    """Compute the shape quality of sampled networks, (random - sample) / (random - floor) of AUCs.

    :func:`~netgraph.evaluation.samples.sample_quality` is mostly mean and deviation of the outputs; this is all but
    these two. It is 1 where samples are as hard to tell from held-out networks as other trained ones are, 0 where as
    easy as random weights. Arguments and errors as of :func:`shape_aucs`.

    Example:
        >>> shape_quality(samples, test, others, Generator())  # doctest: +SKIP
        0.8
    """
    aucs = shape_aucs(samples, test, others, generator)
    return sample_quality(aucs["random_auc"], aucs["sample_auc"], aucs["floor_auc"])


def shape_aucs(samples: Graphs, test: Graphs, others: Graphs, generator: Generator) -> dict[str, float]:
    """Compute AUCs of two-sample tests of held-out trained networks against samples and two references.

    The tests see :func:`shape_features` of sets drawn by :func:`match_sets`; AUCs are averaged over several draws where
    one has fewer than 350 networks a side.

    Args:
        samples: Sampled networks with finite outputs.
        test: Trained networks of held-out tasks.
        others: Trained networks of other tasks, such as the training zoo.
        generator: Draws networks, initial weights and folds.

    Returns:
        ``random_auc`` (initial weights in the samples' architectures), ``sample_auc`` (the samples) and ``floor_auc``
        (the other trained networks), each in [0, 1], 0.5 where a set looks the same as the held-out networks.

    Raises:
        NetGraphError: When a set has no graph, fewer than 25 networks a side have equal numbers of inputs, or an
            output is not finite.

    Example:
        >>> shape_aucs(samples, test, others, Generator())  # doctest: +SKIP
        {'random_auc': 0.52, 'sample_auc': 0.49, 'floor_auc': 0.5}
    """
    draws: defaultdict[str, list[float]] = defaultdict(list)
    n_networks = 0
    while n_networks < SIDE:
        sampled, held_out, trained = match_sets(samples, test, others, generator)
        if len(held_out) < LEAST:
            raise NetGraphError(
                f"{len(held_out)} networks a side, one a task, have equal numbers of inputs; "
                f"a two-sample test of {FOLDS} folds takes {LEAST}"
            )
        reference = shape_features(held_out)
        random = random_like(sampled, generator)
        for name, graphs in {"random_auc": random, "sample_auc": sampled, "floor_auc": trained}.items():
            seed = int(torch.randint(2**31, (), generator=generator))
            draws[name].append(two_sample_auc(reference, shape_features(graphs), seed))
        n_networks += len(held_out)
    return {name: float(np.mean(aucs)) for name, aucs in draws.items()}


def match_sets(samples: Graphs, test: Graphs, others: Graphs, generator: Generator) -> list[list[NetGraph]]:
    """Draw sets of networks for a two-sample test: one a task where tasks are known, numbers of inputs matched.

    Networks of one task are alike: a classifier that sees several of each learns tasks. A zoo's networks know theirs.

    Returns:
        Samples, held-out and other networks, equally many.

    Raises:
        NetGraphError: When a set has no graph.
    """
    sets = []
    for name, graphs in {"samples": samples, "test": test, "others": others}.items():
        networks = as_list(graphs, name)
        order = torch.randperm(len(networks), generator=generator).tolist()
        tasks = {networks[i].task if "task" in networks[i] else f"network {i}": networks[i] for i in order}
        sets.append(list(tasks.values()))
    return match_inputs(*sets)


def match_inputs(*sets: Sequence[NetGraph]) -> list[list[NetGraph]]:
    """Cut sets of networks to equal counts of each number of inputs; the first networks are kept."""
    groups: list[defaultdict[int, list[NetGraph]]] = [defaultdict(list) for _ in sets]
    for group, graphs in zip(groups, sets, strict=True):
        for graph in graphs:
            group[graph.architecture.n_inputs].append(graph)
    sizes = {n: min(len(group[n]) for group in groups) for n in sorted(groups[0])}
    return [[graph for n, size in sizes.items() for graph in group[n][:size]] for group in groups]


def shape_features(graphs: Sequence[NetGraph]) -> Floats:
    """Compute features of networks' standardized first outputs on 64 common rows, invariant to the columns' order.

    Returns:
        Sorted absolute correlations with the columns and with their squares (NaN beyond the inputs), the share of the
        variance that is not linear, the largest absolute value, third and fourth moment, and the number of inputs,
        [n, 2 * most inputs + 5].

    Example:
        >>> shape_features([netgraph.from_module(torch.nn.Linear(2, 1))]).shape
        (1, 9)
    """
    outputs = behavior(graphs, first=True)  # [n, 64]
    inputs = [graph.architecture.n_inputs for graph in graphs]
    x = probe(max(inputs)).double()
    y = torch.where(outputs.std(dim=1, keepdim=True) > CONSTANT, _standardize(outputs.T).T, 0.0)
    features = torch.full((len(y), 2 * x.shape[1] + 5), torch.nan, dtype=torch.float64)
    for row, count, values in zip(features, inputs, y, strict=True):
        columns = _standardize(x[:, :count])
        linear = columns @ torch.linalg.lstsq(columns, values[:, None]).solution
        rest = (values[:, None] - linear).square().mean()
        row[-5:] = torch.stack([rest, values.abs().max(), (values**3).mean(), (values**4).mean(), torch.tensor(count)])
        for start, terms in ((0, columns), (x.shape[1], _standardize(columns.square()))):
            row[start : start + count] = (terms.T @ values / len(values)).abs().sort(descending=True).values
    return np.asarray(features)


def _standardize(values: Tensor) -> Tensor:
    """Standardize columns, [rows, columns]."""
    return (values - values.mean(dim=0)) / values.std(dim=0, correction=0)


def two_sample_auc(a: Floats, b: Floats, seed: int = 0) -> float:
    """Compute the AUC of a classifier two-sample test (Lopez-Paz and Oquab 2017), gradient boosting in shuffled folds.

    Args:
        a: Features of one set, [n, features].
        b: Features of the other, [m, features].
        seed: Of folds and classifier.

    Returns:
        Mean area under the ROC curve over the folds: 0.5 where the sets look the same, 1 where they are separable.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    label = np.repeat([0, 1], [len(a), len(b)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    classifier = HistGradientBoostingClassifier(random_state=seed)
    with threadpool_limits(1, user_api="openmp"):  # several threads stall where another process wants a core
        scores = cross_val_score(classifier, np.concatenate([a, b]), label, cv=folds, scoring="roc_auc")
    return float(scores.mean())
