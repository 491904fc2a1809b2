"""Two-sample tests between sets of networks by the shape of the functions that they compute."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score

from netgraph import NetGraph, NetGraphError, metrics
from netgraph.stack import probe

FOLDS = 5
#: Deviation of a network's outputs below which they are constant: rounding alone.
CONSTANT = 1e-6
Floats = npt.NDArray[np.float64]


def shape_features(graphs: Sequence[NetGraph]) -> Floats:
    """Describe networks of one output by their standardized outputs on 64 common rows, whatever the columns' order.

    Returns:
        Sorted absolute correlations with the columns and with their squares (NaN beyond the inputs), the share of the
        variance that is not linear, the largest absolute value, third and fourth moment, and the number of inputs,
        [n, 2 * most inputs + 5].
    """
    outputs = metrics.behavior(graphs)  # [n, 64]
    inputs = [graph.architecture.n_inputs for graph in graphs]
    x = probe(max(inputs)).double()
    y = torch.where(outputs.std(dim=1, keepdim=True) > CONSTANT, standardize(outputs.T).T, 0.0)
    features = torch.full((len(y), 2 * x.shape[1] + 5), torch.nan, dtype=torch.float64)
    for row, count, values in zip(features, inputs, y, strict=True):
        columns = standardize(x[:, :count])
        linear = columns @ torch.linalg.lstsq(columns, values[:, None]).solution
        rest = (values[:, None] - linear).square().mean()
        row[-5:] = torch.stack([rest, values.abs().max(), (values**3).mean(), (values**4).mean(), torch.tensor(count)])
        for start, terms in ((0, columns), (x.shape[1], standardize(columns.square()))):
            row[start : start + count] = (terms.T @ values / len(values)).abs().sort(descending=True).values
    return np.asarray(features)


def standardize(values: torch.Tensor) -> torch.Tensor:
    """Standardize columns, [rows, columns]."""
    return (values - values.mean(dim=0)) / values.std(dim=0, correction=0)


def auc(a: Floats, b: Floats, seed: int = 0) -> float:
    """Classifier two-sample test (Lopez-Paz and Oquab 2017) with gradient boosting, in shuffled folds.

    Args:
        a: Features of one set, [n, features].
        b: Features of the other, [m, features].
        seed: Of folds and classifier.

    Returns:
        Mean area under the ROC curve over the folds: 0.5 where the sets cannot be told apart, 1 where always.
    """
    label = np.repeat([0, 1], [len(a), len(b)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    classifier = HistGradientBoostingClassifier(random_state=seed)
    return float(cross_val_score(classifier, np.concatenate([a, b]), label, cv=folds, scoring="roc_auc").mean())


def match_inputs(*sets: Sequence[NetGraph]) -> list[list[NetGraph]]:
    """Cut sets of networks so that each has equally many of every number of inputs; the first ones are kept.

    Raises:
        NetGraphError: When fewer networks are left than the test has folds.
    """
    groups: list[defaultdict[int, list[NetGraph]]] = [defaultdict(list) for _ in sets]
    for group, graphs in zip(groups, sets, strict=True):
        for graph in graphs:
            group[graph.architecture.n_inputs].append(graph)
    sizes = {n: min(len(group[n]) for group in groups) for n in sorted(groups[0])}
    matched = [[graph for n, size in sizes.items() for graph in group[n][:size]] for group in groups]
    if len(matched[0]) < FOLDS:
        raise NetGraphError(f"{len(matched[0])} networks a set have equal numbers of inputs; a test takes {FOLDS}")
    return matched
