"""Other representatives of a network's symmetry class than the canonical one; all compute the same function."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from netgraph import NetGraph
from netgraph.graph.architecture import SLOT_KINDS, Architecture
from netgraph.graph.symmetry import Floats, UnitGroup, moved_slots, unit_groups

#: Deviation of the logarithm of the scales that replace the canonical ones.
LOG_SCALE = 0.5
_BIAS = SLOT_KINDS.index("bias")

Key = tuple[int, tuple[str, ...]]
Reference = dict[Key, Floats]
Form = Callable[[Sequence[NetGraph], Sequence[NetGraph], int], tuple[list[NetGraph], list[NetGraph]]]


def undone(graph: NetGraph, generator: np.random.Generator, *, sign: bool, scale: bool) -> NetGraph:
    """Give the hidden units a random order, and random signs (around odd activations) and scales if asked for."""
    state, sensitivity = graph.state.double().numpy().copy(), graph.sensitivity.double().numpy().copy()
    order = np.arange(graph.num_nodes)
    for group in unit_groups(graph.architecture):
        units = len(group.vertices)
        order[group.vertices] = group.vertices[generator.permutation(units)]
        factor = generator.choice([-1.0, 1.0], units) if sign and group.flippable else np.ones(units)
        if scale and group.scalable:
            factor = factor * np.exp(LOG_SCALE * generator.standard_normal(units))
        state[group.incoming] *= factor[:, None]
        state[group.outgoing] /= factor[:, None]
        sensitivity[group.vertices] /= np.abs(factor)[:, None]
    return _replaced(graph, state, sensitivity, order)


def _replaced(graph: NetGraph, state: Floats, sensitivity: Floats, order: np.ndarray) -> NetGraph:
    state, sensitivity = state[moved_slots(graph.architecture, order)], sensitivity[order]
    return graph.replace(
        state=torch.from_numpy(state).to(graph.state), sensitivity=torch.from_numpy(sensitivity).to(graph.sensitivity)
    )


def key_of(architecture: Architecture, number: int, group: UnitGroup) -> Key:
    """Say which units share a reference: those of as many groups further on, with the same layers."""
    return number, tuple(architecture.layers[i].type for i in architecture.layer_of[group.vertices[0]])


def weights_of(architecture: Architecture, state: Floats, group: UnitGroup, fan: int) -> Floats:
    """Incoming weights of each unit, padded with zeros to ``fan``, and its bias, [units, fan + 1]."""
    bias = architecture.slot_kind[group.first[0]] == _BIAS
    found = np.zeros((len(group.vertices), fan + 1))
    found[:, : (~bias).sum()] = state[group.first[:, ~bias]]
    found[:, fan] = state[group.first[:, bias]].sum(axis=1)
    return found


def reference_of(graphs: Sequence[NetGraph], fan: int) -> Reference:
    """Average the weights of the units in each place, by depth and activation, each [places, fan + 1]."""
    rows: dict[Key, list[Floats]] = defaultdict(list)
    for graph in graphs:
        for number, group in enumerate(unit_groups(graph.architecture)):
            found = weights_of(graph.architecture, graph.state.double().numpy(), group, fan)
            rows[key_of(graph.architecture, number, group)].append(found)
    return {key: _mean(found) for key, found in rows.items()}


def _mean(rows: Sequence[Floats]) -> Floats:
    total = np.zeros((max(len(own) for own in rows), rows[0].shape[1]))
    count = np.zeros((len(total), 1))
    for own in rows:
        total[: len(own)] += own
        count[: len(own)] += 1
    return total / count


def matched(graph: NetGraph, reference: Reference, fan: int) -> NetGraph:
    """Order the hidden units so that their incoming weights are nearest to the reference's, layer after layer."""
    for number, group in enumerate(unit_groups(graph.architecture)):
        target = reference.get(key_of(graph.architecture, number, group))
        if target is None:
            continue
        own = weights_of(graph.architecture, graph.state.double().numpy(), group, fan)
        count = min(len(own), len(target))
        cost = np.zeros((len(own), len(own)))
        cost[:, :count] = np.square(own[:, None] - target[None, :count]).sum(axis=2)
        units, places = linear_sum_assignment(cost)
        order = np.arange(graph.num_nodes)
        order[group.vertices[places]] = group.vertices[units]
        graph = _replaced(graph, graph.state.double().numpy(), graph.sensitivity.double().numpy(), order)
    return graph


def _undoing(*, sign: bool = False, scale: bool = False) -> Form:
    def form(train: Sequence[NetGraph], test: Sequence[NetGraph], seed: int) -> tuple[list[NetGraph], list[NetGraph]]:
        generator = np.random.default_rng(seed)
        first, second = ([undone(g, generator, sign=sign, scale=scale) for g in graphs] for graphs in (train, test))
        return first, second

    return form


def _matching(train: Sequence[NetGraph], test: Sequence[NetGraph], seed: int) -> tuple[list[NetGraph], list[NetGraph]]:
    """Match to the mean of the canonical training networks, then once more to the mean of what came out."""
    fan = max(group.first.shape[1] for graph in train for group in unit_groups(graph.architecture))
    for _ in range(2):
        reference = reference_of(train, fan)
        train, test = ([matched(graph, reference, fan) for graph in graphs] for graphs in (train, test))
    return list(train), list(test)


#: Ways to give training and held-out networks another form, by name.
FORMS: dict[str, Form] = {
    "canonical": lambda train, test, seed: (list(train), list(test)),
    "order undone": _undoing(),
    "order and sign undone": _undoing(sign=True),
    "order, sign and scale undone": _undoing(sign=True, scale=True),
    "matched": _matching,
}
