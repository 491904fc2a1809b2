"""Candidates for comparison: random weights, the nearest networks of a zoo, and evolution of a zoo's networks."""

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import Generator, Tensor

from netgraph import NetGraph, NetGraphError, Zoo, get_meta_features
from netgraph.graph import prepend_linear
from netgraph.search import Candidates
from netgraph.stack import Stack, solve_output_layers
from netgraph.zoo import ZooRecipe, draw_architecture, initialize, random_like

#: Standard deviations at which a meta-feature is clipped, as in the conditioning of the model.
CLIP = 5.0
#: Networks that evolution keeps and that it makes at once, and of how many the best becomes a parent.
POPULATION, GENERATION, TOURNAMENT = 64, 32, 2
#: Probability that a child is a new random network, and that a parent is crossed with another of its architecture.
NEW, CROSSED = 0.1, 0.5
#: Least and largest mutation step, in standard deviations of the numbers of a weight or bias.
STEPS = (0.02, 0.5)


class RandomWeights(Candidates):
    """Architectures of another source, with PyTorch's initial weights."""

    uses_targets = False

    def __init__(self, source: Candidates) -> None:
        self.source = source

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        """Return networks of the architectures that the other source samples."""
        return random_like(self.source.sample(n, X, y, seed), Generator().manual_seed(seed))


class Library:
    """Networks of a zoo's training tasks, by their number of inputs; they are read at once."""

    def __init__(self, zoo: Zoo) -> None:
        self.networks: dict[int, list[NetGraph]] = {}
        for graph in zoo.stream(zoo.split("train")):
            self.networks.setdefault(graph.architecture.n_inputs, []).append(graph)
        self.meta_features = zoo.meta_features.numpy()
        tasks = {graph.task for graphs in self.networks.values() for graph in graphs}
        self.scaler = StandardScaler().fit(self.meta_features[sorted(tasks)])


class FromZoo(Candidates):
    """Networks that begin with those of a zoo; of more columns than these read, they read principal components."""

    uses_targets = False  # but for the order or choice of networks; so no method is slowed down by refits

    def __init__(self, library: Library) -> None:
        self.library = library

    def draw(self, n: int, X: Tensor, y: Tensor, generator: Generator) -> list[NetGraph]:
        """Return at most n networks for rows that the zoo's networks read."""
        raise NotImplementedError

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        """Return at most n networks; NetGraphError where all of the zoo read more inputs than there are features."""
        generator, features = Generator().manual_seed(seed), X.shape[1]
        inputs = max((count for count in self.library.networks if count <= features), default=0)
        if not inputs:
            raise NetGraphError(f"no network of the zoo reads {features} inputs or fewer")
        if inputs == features:
            return self.draw(n, X, y, generator)
        components = PCA(inputs, svd_solver="full").fit(X.double().numpy())
        directions = torch.from_numpy(components.components_.T / components.explained_variance_**0.5)
        graphs = self.draw(n, (X.double() @ directions).float(), y, generator)
        return [prepend_linear(graph, directions) for graph in graphs]


class Nearest(FromZoo):
    """Networks of the tasks with the nearest meta-features, each once; the targets choose their order alone."""

    remaining: list[NetGraph] | None = None

    def draw(self, n: int, X: Tensor, y: Tensor, generator: Generator) -> list[NetGraph]:
        """Return the next n networks, of a task the best first."""
        if self.remaining is None:
            networks = self.library.networks[X.shape[1]]
            rows = [
                get_meta_features(X.numpy(), y[:, 0].numpy()),
                *(self.library.meta_features[g.task] for g in networks),
            ]
            standardized = self.library.scaler.transform(np.stack(rows)).clip(-CLIP, CLIP)
            distances = np.linalg.norm(standardized[1:] - standardized[0], axis=1)
            order = np.lexsort([[-graph.r2 for graph in networks], [graph.task for graph in networks], distances])
            self.remaining = [networks[i] for i in order]
        drawn, self.remaining = self.remaining[:n], self.remaining[n:]
        return drawn


class Evolution(FromZoo):
    """Weights and architectures of trained networks, mutated and crossed, without a model.

    The population begins with networks of the zoo, drawn at random. Every generation is scored by the leave-one-out
    error of the solved output layer, and the best networks so far are kept.
    """

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self.recipe = ZooRecipe.load("full").architectures
        self.population: list[tuple[float, NetGraph]] = []

    def draw(self, n: int, X: Tensor, y: Tensor, generator: Generator) -> list[NetGraph]:
        """Return n networks: at first ones of the zoo, then children."""
        drawn, networks = [], self.library.networks[X.shape[1]]  # type: list[NetGraph], list[NetGraph]
        while len(drawn) < n:
            size = min(GENERATION, n - len(drawn))
            chosen = torch.randperm(len(networks), generator=generator)[:size].tolist()
            graphs = [] if self.population else [networks[i] for i in chosen]
            graphs += [self.child(X.shape[1], generator) for _ in range(size - len(graphs))]
            stack = Stack([graph.architecture for graph in graphs])
            solved = solve_output_layers(stack, stack.flatten([graph.state for graph in graphs]), X, y)
            errors = (solved.prediction - y).square().mean(dim=(1, 2)).nan_to_num(torch.inf).tolist()
            scored = [*self.population, *zip(errors, graphs, strict=True)]
            self.population = sorted(scored, key=lambda pair: pair[0])[:POPULATION]
            drawn += graphs
        return drawn

    def child(self, inputs: int, generator: Generator) -> NetGraph:
        """Return a new random network, or the mutated winner of a tournament, crossed with another network or not."""
        new, cross, step = torch.rand(3, generator=generator).tolist()
        if new < NEW or not self.population:
            architecture = draw_architecture(self.recipe, inputs, generator)
            return NetGraph(architecture, initialize(architecture, generator))
        members = [graph for _, graph in self.population]
        parent = members[int(torch.randint(len(members), (TOURNAMENT,), generator=generator).min())]
        same = [graph for graph in members if graph.architecture.key == parent.architecture.key]
        other = same[int(torch.randint(len(same), (), generator=generator))] if cross < CROSSED else parent
        return offspring(parent, other, STEPS[0] * (STEPS[1] / STEPS[0]) ** step, generator)


def offspring(one: NetGraph, other: NetGraph, step: float, generator: Generator) -> NetGraph:
    """Cross two networks of one architecture layer by layer, and add noise of ``step`` standard deviations."""
    from_one, state = torch.rand(len(one.architecture.layers), generator=generator) < 0.5, other.state.clone()
    for tensor in one.architecture.tensors:
        inside = slice(tensor.offset, tensor.offset + tensor.size)
        if from_one[tensor.layer]:
            state[inside] = one.state[inside]
        if tensor.kind in ("edge", "bias"):
            noise = torch.randn(tensor.size, generator=generator)
            state[inside] += step * state[inside].std(correction=0) * noise
    return NetGraph(one.architecture, state)
