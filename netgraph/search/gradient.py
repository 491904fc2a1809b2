"""Gradient descent in the latent: draws of the prior whose hidden activations learn to be good to regress on."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.graph.netgraph import NetGraph
from netgraph.model.batch import structure_batch
from netgraph.model.config import RESPONSE
from netgraph.model.descend import descend
from netgraph.model.parts import by_size, evaluating
from netgraph.model.prior import FlowPrior
from netgraph.model.response import calibrate
from netgraph.model.slots import split
from netgraph.search.data import Data
from netgraph.search.source import Source
from netgraph.stack import LastLayer, Stack, fit_ridge

if TYPE_CHECKING:
    from netgraph.search.sources import Prior

#: Steps of Adam that a latent is moved by at a time, and their learning rate.
STEPS, LEARNING_RATE = 20, 0.05
#: Most rows that gradients are measured on.
MOST_ROWS = 512
#: Share of them that no step is fitted to: they say how far to go.
HELD_OUT = 0.33
#: Latents that wait to be moved.
WAITING = 256
#: Activations beyond it count as overflown.
LARGEST = 1e12
#: Probability that a slot of N(0, I) lies beyond the trust region.
REST = 1e-6


class Gradient(Source):
    """Networks whose latents are moved down the gradient of their error.

    The first batch are draws of the prior. Of every later batch one half are the best latents so far, moved by some
    steps of Adam, and the other half are draws of the prior again; what was moved may be moved on, and no latent is
    moved from twice. A step goes through the decoder, the network's hidden activations and the ridge regression that
    stands for its last layer: what falls is log(1 + mean square) of what that leaves of each row's target when the
    other rows alone are fitted. A network that does not end in one linear vertex with a bias is moved by its own error.
    The slots of the layout stay, and so does the architecture; those of places stay within :func:`near`, the trust
    region.

    Hidden activations that have learned from a row's target know it, and the leave-one-out error then says nothing: let
    fall freely on the diabetes data it comes to 0.02, and the error of unseen rows to 1.1 (0.5 at the start). A third
    of the rows is therefore kept from the steps, and a latent goes as far as its error on these falls; one whose error
    rises at once has not moved and makes room for another draw.

    It does not remake: of few rows too, networks are judged by leaving out one after the other, which flatters them.

    Args:
        prior: Gives first latents.
        data: The rows that networks may be fitted to.
    """

    batch = 32

    def __init__(self, prior: "Prior", data: Data) -> None:
        order = np.random.default_rng(0).permutation(len(data.x))[:MOST_ROWS]
        self.prior, self.data = prior, prior.projection.data(data.rows(order))
        self.fitted = torch.arange(len(order)) >= HELD_OUT * len(order)
        self._drawn: tuple[list[NetGraph], list[Tensor]] = [], []
        self._waiting: list[tuple[float, NetGraph, Tensor]] = []
        self._taken = 0

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Give n networks, at most half of which are latents that were waiting and have moved."""
        chosen = self._waiting[: n // 2]
        self._taken = len(chosen)
        graphs, z = self.move([graph for _, graph, _ in chosen], [at for *_, at in chosen])
        size = self.prior.vae.config.latent_size
        noise = torch.randn(n - len(graphs), size, generator=Generator().manual_seed(seed))
        drawn, places = self.prior.carry(noise)
        self._drawn = graphs + drawn, z + list(places)
        return self.prior.projection.networks(self._drawn[0])

    def learn(self, errors: Tensor) -> None:
        """Let the latents of the networks drawn last wait to be moved, those that failed left out."""
        told = [row for row in zip(errors.tolist(), *self._drawn, strict=True) if row[0] < float("inf")]
        waiting, self._taken = self._waiting[self._taken :], 0
        self._waiting = sorted([*waiting, *told], key=lambda row: row[0])[:WAITING]

    def move(self, graphs: Sequence[NetGraph], latents: Sequence[Tensor]) -> tuple[list[NetGraph], list[Tensor]]:
        """Move the latents of networks, each [latent]; give the networks and latents of those that became better."""
        moved: list[tuple[NetGraph, Tensor]] = []
        with evaluating(self.prior.vae):
            for part in by_size([graph.architecture for graph in graphs])[1]:
                goal = _Goal(self.prior, [graphs[i] for i in part], self.data, self.fitted)
                start = torch.stack([latents[i] for i in part])
                z = goal.descend(start)
                better = (z != start).any(dim=1).tolist()
                found = zip(part, goal.states(z), z, better, strict=True)
                moved += [(NetGraph(graphs[i].architecture, state), own) for i, state, own, kept in found if kept]
        return [graph for graph, _ in moved], [own for _, own in moved]


class _Goal:
    """The errors of B networks of known architectures on the rows, by their latents."""

    def __init__(self, prior: "Prior", graphs: Sequence[NetGraph], data: Data, fitted: Tensor) -> None:
        self.vae, architectures = prior.vae, [graph.architecture for graph in graphs]
        device = prior.vae.device
        self.batch = structure_batch(architectures, prior.vae.config).to(device)
        self.stack = Stack(architectures, device)
        self.given = LastLayer(self.stack).given
        self.x, self.y = data.x.to(device), data.y.to(device).expand(len(graphs), -1)
        self.fitted = fitted.to(device).expand(len(graphs), -1)
        with torch.no_grad():
            self.condition = prior.condition(len(graphs))

    def _decoded(self, z: Tensor) -> Tensor:
        return self.vae.scales.restore(self.vae.weights(z, self.condition, self.batch), self.batch)

    @torch.no_grad()
    def states(self, z: Tensor) -> list[Tensor]:
        """Give the states of the networks, as the model decodes them."""
        state = self._decoded(z)
        if self.vae.config.response:
            state = calibrate(self.stack, state, self.vae.responses.restore(z[:, -RESPONSE:]))
        return [own.clone() for own in self.stack.split(state.cpu())]

    def descend(self, z: Tensor) -> Tensor:
        """Move latents, [B, latent]."""
        return descend(z, self.vae.config, self.judge, STEPS, LEARNING_RATE, near(self.vae.prior, z))

    def judge(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Decode latents; give log(1 + error) on rows that are fitted, and errors on the others, each [B].

        They are infinite for what overflows.
        """
        output, hidden = self.stack(self._decoded(z), self.x, return_hidden=True)
        sound = (hidden.detach().abs() < LARGEST).all(dim=(1, 2))  # NaN is not
        hidden, y = hidden.where(sound[:, None, None], 0.0).double(), self.y.double()
        solved = fit_ridge(hidden, y, counted=self.fitted)
        own = output[..., 0].where(~self.given[:, None], 0.0) - y
        solved_rest = solved.left_out.where(self.fitted, solved.predict(hidden) - y)
        square = solved_rest.where(self.given[:, None], own).square().where(sound[:, None], torch.inf)
        return _mean(square, self.fitted).log1p(), _mean(square, ~self.fitted)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return values.where(counted, 0.0).sum(dim=1) / counted.sum(dim=1)


def near(prior: FlowPrior, start: Tensor) -> Callable[[Tensor], Tensor]:
    """Give what keeps slots of places where the decoder was trained.

    A slot's distance from the mean of encoded training networks' slots, in units of their deviations, stays at most
    that which N(0, I) exceeds with probability 1e-6 (the chi distribution of its coordinates: 8.7 of 24), or what it
    was at the start where this is more. Slots that leave are brought back along the line to the mean.

    Args:
        prior: Holds the statistics.
        start: Latents, [B, latent].
    """
    from scipy.stats import chi

    mean, scale = prior.place_mean, prior.place_scale

    def distance(places: Tensor) -> Tensor:
        standardized: Tensor = (places - mean) / scale
        return standardized.square().sum(dim=-1, keepdim=True).sqrt()

    most = distance(split(start, prior.config)[1]).clamp(min=float(chi.isf(REST, prior.config.slot_size)))

    def keep(places: Tensor) -> Tensor:
        excess = distance(places) / most
        return torch.where(excess > 1, mean + (places - mean) / excess, places)

    return keep
