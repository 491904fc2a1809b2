"""Candidates that owe nothing to the model: random networks, the nearest networks of a zoo, and evolution from it."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from netgraph.search.projection import Projection
from netgraph.search.source import Source
from netgraph.search.sources import random_network
from netgraph.search.strategies import GENERATION
from torch import Generator, Tensor

from netgraph import NetGraph, Zoo
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.search.data import Data
from netgraph.tasks import check_meta_vector, get_meta_features
from netgraph.zoo.architectures import ArchitectureRecipe, chance

#: Deviations from the mean at which a meta-feature is clipped, as where it conditions the model.
FARTHEST = 5.0
#: Networks that evolution keeps, and of how many the best becomes a parent.
POPULATION, TOURNAMENT = 64, 2
#: Probability that a child is a new draw of the generator, and that a parent is crossed with one of its architecture.
NEW, CROSSED = 0.1, 0.5
#: Least and largest mutation step, in deviations of the numbers of a layer's weight or bias.
STEPS = (0.02, 0.5)


class Library:
    """The networks of a zoo's training tasks; only those that were asked for are held.

    Args:
        zoo: The zoo.
    """

    def __init__(self, zoo: Zoo) -> None:
        self.zoo = zoo
        table = zoo.table
        self.rows = table.loc[table["split"] == "train", ["task", "n_inputs", "validation_r2"]]
        known = zoo.meta_features[sorted(set(self.rows["task"]))]
        deviation = known.std(dim=0, correction=0)
        self.mean, self.scale = known.mean(dim=0), torch.where(deviation > 0, deviation, 1.0)
        self.networks = lru_cache(maxsize=None)(self._networks)

    def _networks(self, n_inputs: int) -> list[NetGraph]:
        """Read the networks that have so many inputs, or the number nearest to it that the zoo has.

        The latter are padded with inputs of weight 0, or their last inputs are cut; networks whose inputs are read by
        something else than linear layers are left out then.
        """
        known = sorted(set(self.rows["n_inputs"].tolist()), key=lambda known: (abs(known - n_inputs), known))
        for number in known:
            chosen = self.rows.index[self.rows["n_inputs"] == number].tolist()
            fitted = ((graph, with_inputs(graph, n_inputs)) for graph in self.zoo.stream(chosen))
            if networks := [_named_like(graph, found) for graph, found in fitted if found is not None]:
                return networks
        raise ValueError(f"{self.zoo.folder}: no network can read {n_inputs} inputs")

    def by_distance(self, data: Data) -> list[NetGraph]:
        """Give the same networks, those of the nearest tasks first, and of a task the best first.

        The distance is Euclidean, between meta-features that are standardized over the training tasks.
        """
        own = self._standard(check_meta_vector(get_meta_features(data.x.numpy(), data.y.numpy())))
        networks = self.networks(data.x.shape[1])
        tasks = sorted({graph.task for graph in networks})
        distance = (self._standard(self.zoo.meta_features[tasks]) - own).norm(dim=1)
        far = dict(zip(tasks, distance.tolist(), strict=True))
        return sorted(networks, key=lambda graph: (far[graph.task], graph.task, -graph.r2))

    def _standard(self, meta_features: Tensor) -> Tensor:
        return ((meta_features - self.mean) / self.scale).clamp(-FARTHEST, FARTHEST)


def _named_like(graph: NetGraph, found: NetGraph) -> NetGraph:
    found.task, found.r2 = graph.task, graph.r2
    return found


def with_inputs(graph: NetGraph, n_inputs: int) -> NetGraph | None:
    """Pad a network with inputs of weight 0, or cut its last ones; None where other than linear layers read them."""
    old = graph.architecture
    if old.n_inputs == n_inputs:
        return graph
    if any(0 in layer.inputs and layer.type != "Linear" for layer in old.layers):
        return None
    source = old.layers[0]
    new = Architecture((make_layer("Input", (), n_inputs, source.name), *old.layers[1:]))
    state = torch.zeros(new.state_size)
    for before, after in zip(old.tensors, new.tensors, strict=True):
        values = graph.state[before.offset : before.offset + before.size].reshape(before.shape)
        target = state[after.offset : after.offset + after.size].view(after.shape)
        kept = tuple(slice(min(pair)) for pair in zip(before.shape, after.shape, strict=True))
        target[kept] = values[kept]
    return NetGraph(new, state)


class InOrder(Source):
    """Networks in a given order, from the beginning again when they are used up."""

    def __init__(self, networks: Sequence[NetGraph]) -> None:
        self.networks, self.next = networks, 0

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Give the next n networks; nothing is drawn."""
        first, self.next = self.next, self.next + n
        return [self.networks[i % len(self.networks)] for i in range(first, first + n)]


class Projected(Source):
    """Networks of a source that read along the directions of a projection, as they read all columns.

    Args:
        source: Gives networks that read projections.
        projection: Of the data set.
    """

    def __init__(self, source: Source, projection: Projection) -> None:
        self.source, self.projection = source, projection
        self.batch, self.made, self.remakes = source.batch, source.made, source.remakes

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Give n networks."""
        graphs = self.source.draw(n, seed)
        self.made = self.source.made
        return self.projection.networks(graphs)

    def again(self, parts: Sequence[Data]) -> list[list[NetGraph]]:
        """Make those for other rows that the source makes again."""
        made = self.source.again([self.projection.data(part) for part in parts])
        return [self.projection.networks(graphs) for graphs in made]

    def learn(self, errors: Tensor) -> None:
        """Tell the source."""
        self.source.learn(errors)


class Evolution(Source):
    """Evolves the weights and architectures of trained networks, without a model.

    The population begins with networks of the zoo, drawn at random. A child is a new draw of the generator with a
    probability of ``NEW``; else the winner of a tournament, crossed with a probability of ``CROSSED`` with another of
    its architecture, each layer from one of them, where the population has one, and mutated: Gaussian noise with the
    deviation of the numbers of each weight or bias times a step that is drawn for each child, evenly in its logarithm.
    The ``POPULATION`` best networks so far are kept.

    Args:
        seeds: Networks of the zoo with as many inputs as the data set.
        recipe: What new architectures are made of.
        generator: Draws the order of the seeds.
    """

    batch = GENERATION

    def __init__(self, seeds: Sequence[NetGraph], recipe: ArchitectureRecipe, generator: Generator) -> None:
        self.recipe, self.n_inputs = recipe, seeds[0].architecture.n_inputs
        order = torch.randperm(len(seeds), generator=generator)[:POPULATION].tolist()
        self.waiting = [seeds[i] for i in order]
        self.population: list[tuple[float, NetGraph]] = []
        self.drawn: list[NetGraph] = []

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Give n networks: what is left of the seeds, then children."""
        generator = Generator().manual_seed(seed)
        seeds, self.waiting = self.waiting[:n], self.waiting[n:]
        self.drawn = seeds + [self._child(generator) for _ in range(n - len(seeds))]
        return self.drawn

    def learn(self, errors: Tensor) -> None:
        """Keep the best so far, those that failed never."""
        told = [pair for pair in zip(errors.tolist(), self.drawn, strict=True) if pair[0] < float("inf")]
        self.population = sorted(self.population + told, key=lambda pair: pair[0])[:POPULATION]

    def _child(self, generator: Generator) -> NetGraph:
        if not self.population or chance(NEW, generator):
            return random_network(self.recipe, self.n_inputs, generator)
        parent = self._parent(generator)
        others = [g for _, g in self.population if g is not parent and g.architecture.key == parent.architecture.key]
        if others and chance(CROSSED, generator):
            parent = cross(parent, others[int(torch.randint(len(others), (), generator=generator))], generator)
        low, high = STEPS
        return mutate(parent, low * (high / low) ** float(torch.rand((), generator=generator)), generator)

    def _parent(self, generator: Generator) -> NetGraph:
        """Give the winner of a tournament: members lie in order of their errors, so that the first is the best."""
        drawn = torch.randint(len(self.population), (TOURNAMENT,), generator=generator)
        return self.population[int(drawn.min())][1]


def cross(one: NetGraph, other: NetGraph, generator: Generator) -> NetGraph:
    """Give a network each of whose layers comes from one of two networks of the same architecture."""
    architecture = one.architecture
    from_one = (torch.rand(len(architecture.layers), generator=generator) < 0.5).tolist()
    state = other.state.clone()
    for tensor in architecture.tensors:
        if from_one[tensor.layer]:
            inside = slice(tensor.offset, tensor.offset + tensor.size)
            state[inside] = one.state[inside]
    return NetGraph(architecture, state)


def mutate(graph: NetGraph, step: float, generator: Generator) -> NetGraph:
    """Add noise to weights and biases: ``step`` times the deviation of the numbers of each, running figures stay."""
    state = graph.state.clone()
    for tensor in graph.architecture.tensors:
        if tensor.slot.kind in ("edge", "bias"):
            values = state[tensor.offset : tensor.offset + tensor.size]
            values += step * values.std(correction=0) * torch.randn(tensor.size, generator=generator)
    return NetGraph(graph.architecture, state)
