"""Targets composed of simpler functions: perceptrons, causal graphs, and products of two families."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.families.base import Problem, TaskFamily, get_family
from netgraph.tasks.inputs import choice, integer, log_uniform, normal, standard, uniform
from netgraph.tasks.settings import Between, Range, Whole, some_of
from netgraph.tasks.task import Description

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "elu": torch.nn.functional.elu,
    "sin": torch.sin,
}
MECHANISMS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda value: value,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sin": lambda value: torch.sin(2 * value),
    "square": torch.square,
    "abs": torch.abs,
}
#: Families of the factors of a product.
FACTORS = (
    *("linear", "mlp_teacher", "bayesian_network", "polynomial", "gaussian_process"),
    *("structural_causal_model", "oblivious_trees", "piecewise"),
)


@dataclass(frozen=True)
class MLPTeacher(TaskFamily):
    """The output of a random multilayer perceptron: weights N(0, s^2 / fan_in), biases N(0, b^2).

    Attributes:
        depth: Hidden layers.
        width: Units of each hidden layer.
        weight_scale: s, drawn evenly; near 1 the target is nearly linear, at 3 it is rugged.
        bias_scale: b, drawn evenly.
        activations: Names to choose from.
    """

    name: ClassVar[str] = "mlp_teacher"
    depth: Annotated[Whole, Between(1, 16)] = (1, 3)
    width: Annotated[Whole, Between(1, 4096)] = (8, 32)
    weight_scale: Annotated[Range, Between(0.01, 100)] = (1.0, 2.5)
    bias_scale: Annotated[Range, Between(0, 100)] = (0.5, 0.5)
    activations: Annotated[tuple[str, ...], some_of(ACTIVATIONS)] = tuple(ACTIVATIONS)

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        depth, width = integer(*self.depth, generator), integer(*self.width, generator)
        activation = choice(self.activations, generator)
        weight_scale, bias_scale = uniform(*self.weight_scale, generator), uniform(*self.bias_scale, generator)
        hidden = z
        for _ in range(depth):
            hidden = ACTIVATIONS[activation](_affine(hidden, width, weight_scale, bias_scale, generator))
        drawn: Description = {"depth": depth, "width": width, "activation": activation}
        drawn |= {"weight_scale": weight_scale, "bias_scale": bias_scale}
        return Problem(z, hidden @ normal(width, generator=generator), drawn)


@dataclass(frozen=True)
class BayesianNetwork(TaskFamily):
    """A draw from the prior of a Bayesian tanh network, with a scale of its own for each input and each layer.

    The weights of input i are N(0, (a_i s_1)^2 / fan_in) with its relevance a_i, those of a later layer l
    N(0, s_l^2 / fan_in), the biases of layer l N(0, s_l^2). Every scale has a log-uniform hyper-prior.

    Source: Neal, Bayesian Learning for Neural Networks (1996), section 4.3: automatic relevance determination.

    Attributes:
        depth: Hidden layers.
        width: Units of each hidden layer.
        weight_scale: s, one for each layer.
        relevance: a, one for each input.
    """

    name: ClassVar[str] = "bayesian_network"
    depth: Annotated[Whole, Between(1, 16)] = (1, 3)
    width: Annotated[Whole, Between(1, 4096)] = (8, 64)
    weight_scale: Annotated[Range, Between(0.01, 100)] = (0.7, 4.0)
    relevance: Annotated[Range, Between(0.01, 100)] = (0.2, 1.0)

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        depth, width = integer(*self.depth, generator), integer(*self.width, generator)
        relevance = [log_uniform(*self.relevance, generator) for _ in range(z.shape[1])]
        scales = [log_uniform(*self.weight_scale, generator) for _ in range(depth)]
        hidden = z * torch.tensor(relevance, dtype=z.dtype)
        for scale in scales:
            hidden = torch.tanh(_affine(hidden, width, scale, scale, generator))
        drawn: Description = {"depth": depth, "width": width}
        drawn |= {"weight_scale": _numbers(scales), "relevance": _numbers(relevance)}
        return Problem(z, hidden @ normal(width, generator=generator), drawn)


def _affine(hidden: Tensor, width: int, weight_scale: float, bias_scale: float, generator: Generator) -> Tensor:
    """Apply a random linear layer, [rows, fan_in] -> [rows, width]."""
    weight = normal(hidden.shape[1], width, generator=generator) * weight_scale / math.sqrt(hidden.shape[1])
    return hidden @ weight + bias_scale * normal(width, generator=generator)


def _numbers(values: list[float]) -> str:
    return ",".join(f"{value:.4g}" for value in values)


@dataclass(frozen=True)
class StructuralCausalModel(TaskFamily):
    """A random graph of causes; the target is one of its nodes, the columns are others, the rest stays hidden.

    Node j is ``f_j(sum of w_ij node_i over its parents)``, standardized, plus normal noise of its own. Causes without a
    parent are columns of z. Every other node descends from the first of them, and a column is a node that shares a
    cause with the target: it may be a cause of it, an effect, or the effect of a common cause. The target is therefore
    no function of the columns alone, and the recipe's noise is added on top.

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
        """Compute the value of each node, [rows]."""
        values = list(z.unbind(1))
        for causes in parents[len(values) :]:
            mechanism = MECHANISMS[choice(self.mechanisms, generator)]
            weights = normal(len(causes), generator=generator)
            mixed = torch.stack([values[i] for i in causes], dim=1) @ (weights / weights.norm())
            values.append(standard(mechanism(mixed)) + noise * normal(len(z), generator=generator))
        return values


def related(parents: list[list[int]], target: int) -> list[int]:
    """List the nodes that share a cause with the target; a node is among its causes, the target is left out."""
    causes: list[set[int]] = []
    for node, direct in enumerate(parents):
        causes.append({node}.union(*(causes[i] for i in direct)))
    return [node for node in range(len(parents)) if node != target and causes[node] & causes[target]]


@dataclass(frozen=True)
class Products(TaskFamily):
    """``(m + a)(m + b)``: a and b are two different families' targets of the same columns, at variance 1.

    The families have their default settings; the columns are normal or uniform whatever their :meth:`inputs` are. A
    family that makes columns of its own in :meth:`draw` goes first, and the second takes them.

    Attributes:
        factors: Families to choose the two from, at least two of them.
        offset: m, drawn evenly; at 0 neither factor shows alone, the larger the more the sum of both does.
    """

    name: ClassVar[str] = "products"
    keeps_columns: ClassVar[bool] = False
    factors: Annotated[tuple[str, ...], some_of(FACTORS)] = FACTORS
    offset: Annotated[Range, Between(0, 100)] = (0.0, 1.5)

    def __post_init__(self) -> None:
        """Check the fields; see :meth:`TaskFamily.__post_init__`."""
        super().__post_init__()
        if len(self.factors) < 2 or len(set(self.factors)) < len(self.factors):
            raise NetGraphError(f"families.products.factors is {self.factors!r}; it must be two or more, each once")

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        order = torch.randperm(len(self.factors), generator=generator)[:2]
        pair = [get_family(self.factors[i]) for i in order.tolist()]
        first, second = sorted(pair, key=lambda family: family.keeps_columns)
        offset = uniform(*self.offset, generator)
        x, a, of_first = first.draw(z, generator)
        _, b, of_second = second.draw(standard(x), generator)
        drawn: Description = {"first": first.name, "second": second.name, "offset": offset}
        drawn |= {f"first.{key}": value for key, value in of_first.items()}
        drawn |= {f"second.{key}": value for key, value in of_second.items()}
        return Problem(x, (offset + standard(a)) * (offset + standard(b)), drawn)
