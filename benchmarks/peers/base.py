"""The contract of a peer, and the padded parameter vectors that peers are fitted to."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from netgraph import NetGraph, NetGraphError
from netgraph.graph import Architecture


class Padding:
    """Places of state elements in one vector for all architectures: tensors aligned by layer, units by number.

    A tensor's place is told by its linear layer, counted from the inputs (layers around others, and the output layer,
    apart), by layer type and by name; it is as large as that of any of the architectures.
    """

    def __init__(self, architectures: Iterable[Architecture]) -> None:
        shapes: dict[str, tuple[int, ...]] = {}
        for architecture in {one.key: one for one in architectures}.values():
            for key, tensor in zip(tensor_keys(architecture), architecture.tensors, strict=True):
                known = shapes.get(key, tensor.shape)
                shapes[key] = tuple(max(pair) for pair in zip(known, tensor.shape, strict=True))
        sizes = [int(np.prod(shape)) for shape in shapes.values()]
        starts = np.cumsum([0, *sizes])
        self.shapes, self.start, self.size = shapes, dict(zip(shapes, starts.tolist(), strict=False)), int(starts[-1])
        #: Number of the tensor at each place, [size].
        self.owner = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))

    def places(self, architecture: Architecture) -> Tensor:
        """Return the place of each state element, [P] long.

        Raises:
            NetGraphError: When a tensor is of no layer that the padding knows, or larger.
        """
        parts = []
        for key, tensor in zip(tensor_keys(architecture), architecture.tensors, strict=True):
            shape = self.shapes.get(key, ())
            if len(shape) != len(tensor.shape) or any(a > b for a, b in zip(tensor.shape, shape, strict=True)):
                raise NetGraphError(f"{architecture}: the padding of these peers has no place for {key}")
            parts.append(self.start[key] + np.ravel_multi_index(np.indices(tensor.shape), shape).ravel())
        return torch.from_numpy(np.concatenate(parts))

    def pad(self, graphs: Sequence[NetGraph]) -> tuple[Tensor, Tensor]:
        """Return padded states, 0 where a network has no element, and whether it has one, each [n, size]."""
        vectors, there = torch.zeros(len(graphs), self.size), torch.zeros(len(graphs), self.size, dtype=torch.bool)
        for vector, mask, graph in zip(vectors, there, graphs, strict=True):
            places = self.places(graph.architecture)
            vector[places], mask[places] = graph.state, True
        return vectors, there


def tensor_keys(architecture: Architecture) -> list[str]:
    """Name the tensors of an architecture, so that those of equal names correspond."""
    last, keys = len(architecture.layers) - 1, []
    for tensor in architecture.tensors:
        layer = architecture.layers[tensor.layer]
        before = architecture.layers[: tensor.layer + 1]
        block = sum(one.type == "Linear" and one.hyper_parameters["bias"] for one in before)
        around = "around" if layer.type == "Linear" and not layer.hyper_parameters["bias"] else "in"
        keys.append(f"{'output' if tensor.layer == last else f'{around} {block}'} {layer.type} {tensor.name}")
    return keys


class Peer(ABC):
    """A map of canonical networks to latents of one size and back, from latents and the true architectures.

    Parameter vectors are padded, and standardized tensor by tensor; networks of a batch do not see each other.

    Args:
        latent_size: Numbers in a latent; a peer that uses fewer leaves the last ones 0.
        padding: Where state elements lie.
        seed: Of initial weights and batches.
    """

    def __init__(self, latent_size: int, padding: Padding, seed: int = 0) -> None:
        self.latent_size, self.padding, self.seed = latent_size, padding, seed

    def fit(self, train: Sequence[NetGraph], seconds: float) -> None:
        """Fit to training networks for some seconds, preparation not counted; a closed form has no such limit."""
        vectors, there = self.padding.pad(train)
        owner, count = self.padding.owner, len(self.padding.shapes)

        def tensor_means(values: Tensor) -> Tensor:  # over the elements that networks have, at each place
            sums = [torch.zeros(count).index_add(0, owner, part.sum(dim=0)) for part in (values, there.float())]
            return (sums[0] / sums[1].clamp(min=1))[owner]

        self.mean = tensor_means(vectors)
        self.deviation = tensor_means((vectors - self.mean).square() * there).sqrt().clamp(min=1e-3)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(self.seed)
            self.fit_vectors((vectors - self.mean) / self.deviation * there, there, train, seconds)

    @abstractmethod
    def fit_vectors(self, vectors: Tensor, there: Tensor, train: Sequence[NetGraph], seconds: float) -> None:
        """Fit to standardized parameter vectors, and whether networks have their elements, [n, size]."""

    @abstractmethod
    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Return the latents of canonical networks, [n, latent_size]."""

    @abstractmethod
    def decode(self, z: Tensor, architectures: Sequence[Architecture]) -> list[NetGraph]:
        """Return the network of each latent."""

    def standardize(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Return standardized parameter vectors, [n, size]."""
        vectors, there = self.padding.pad(graphs)
        return (vectors - self.mean) / self.deviation * there

    def networks(self, vectors: Tensor, architectures: Sequence[Architecture]) -> list[NetGraph]:
        """Return the networks of standardized parameter vectors, [n, size]."""
        states = vectors * self.deviation + self.mean
        pairs = zip(architectures, states, strict=True)
        return [NetGraph(architecture, state[self.padding.places(architecture)]) for architecture, state in pairs]


def fit_length(vectors: Tensor, length: int) -> Tensor:
    """Append zeros to vectors, or cut them, [n, any] -> [n, length]."""
    return torch.nn.functional.pad(vectors, (0, length - vectors.shape[1]))
