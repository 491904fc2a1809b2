"""Structural causal models: columns and target are nodes of one random graph of causes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.families.base import Problem, TaskFamily
from netgraph.tasks.inputs import choice, integer, normal, standard, uniform
from netgraph.tasks.settings import Between, Range, Whole, some_of
from netgraph.tasks.task import Description

MECHANISMS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda value: value,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sin": lambda value: torch.sin(2 * value),
    "square": torch.square,
    "abs": torch.abs,
}


@dataclass(frozen=True)
class StructuralCausalModel(TaskFamily):
    """A random graph of causes; the target is one of its nodes, the columns are others, the rest stays hidden.

    Node j is ``f_j(sum of w_ij node_i over its parents)``, standardized, plus normal noise of its own. Causes without a
    parent are columns of z. Every other node descends from the first of them, and a column is a node that shares a
    cause with the target: it may be a cause of it, an effect, or the effect of a common cause. The target is therefore
    no function of the columns alone, and the recipe's signal-to-noise ratio counts what is added on top.

    Source: the structural causal prior of Hollmann et al., TabPFN, arXiv 2207.01848, section 4.

    Attributes:
        hidden: Nodes beyond the columns and the target.
        parents: Parents of a node that is not a root; fewer where fewer nodes come before it.
        node_noise: Standard deviation of a node's own noise, in units of its mechanism's; drawn evenly, one a task.
        mechanisms: Names of f to choose from, node by node.
    """

    name: ClassVar[str] = "structural_causal_model"
    keeps_columns: ClassVar[bool] = False
    hidden: Annotated[Whole, Between(0, 1000)] = (1, 12)
    parents: Annotated[Whole, Between(1, 100)] = (1, 4)
    node_noise: Annotated[Range, Between(0, 10)] = (0.02, 0.3)
    mechanisms: Annotated[tuple[str, ...], some_of(MECHANISMS)] = tuple(MECHANISMS)

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        roots = integer(1, z.shape[1], generator)
        hidden, noise = integer(*self.hidden, generator), uniform(*self.node_noise, generator)
        parents = self.graph(roots, roots + z.shape[1] + hidden + 1, generator)
        values = self._values(z[:, :roots], parents, noise, generator)
        target = integer(roots, len(parents) - 1, generator)
        candidates = related(parents, target)
        chosen = [candidates[i] for i in torch.randperm(len(candidates), generator=generator)[: z.shape[1]].tolist()]
        drawn: Description = {"roots": roots, "hidden": hidden, "node_noise": noise}
        return Problem(torch.stack([values[i] for i in chosen], dim=1), values[target], drawn)

    def graph(self, roots: int, nodes: int, generator: Generator) -> list[list[int]]:
        """Draw the parents of each node, in topological order: none of a root, all else descends from node 0."""
        parents: list[list[int]] = [[] for _ in range(roots)]
        for node in range(roots, nodes):
            first = choice([0, *range(roots, node)], generator)
            others = [i for i in torch.randperm(node, generator=generator).tolist() if i != first]
            parents.append([first, *others[: integer(*self.parents, generator) - 1]])
        return parents

    def _values(self, z: Tensor, parents: list[list[int]], noise: float, generator: Generator) -> list[Tensor]:
        """Value of each node, [rows]."""
        values = list(z.unbind(1))
        for causes in parents[len(values) :]:
            mechanism = MECHANISMS[choice(self.mechanisms, generator)]
            weights = normal(len(causes), generator=generator)
            mixed = torch.stack([values[i] for i in causes], dim=1) @ (weights / weights.norm())
            values.append(standard(mechanism(mixed)) + noise * normal(len(z), generator=generator))
        return values


def related(parents: list[list[int]], target: int) -> list[int]:
    """Nodes that share a cause with the target, itself counted among the causes of each, the target left out."""
    causes: list[set[int]] = []
    for node, direct in enumerate(parents):
        causes.append({node}.union(*(causes[i] for i in direct)))
    return [node for node in range(len(parents)) if node != target and causes[node] & causes[target]]
