"""Refining latents: a few gradient steps on what the rebuilt networks compute, for each network on its own rows."""

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph, as_graphs
from netgraph.graph.symmetry import canonicalize
from netgraph.model.autoencoder import Autoencoder
from netgraph.model.batch import structure_batch
from netgraph.model.parts import by_size, evaluating, finite_rows, is_whole
from netgraph.model.slots import join, split
from netgraph.stack import Stack

#: Part of a mean square below which an error is not taken relative to it.
FLOOR = 1e-3


def refine(
    vae: Autoencoder,
    graphs: Sequence[NetGraph],
    xs: Sequence[ArrayLike],
    steps: int = 20,
    learning_rate: float = 0.05,
    meta_features: ArrayLike | None = None,
) -> Tensor:
    """Encode networks, then move each latent's place slots by Adam towards the network's behavior.

    What is lowered is log(1 + error) of the outputs plus that of the last hidden activations, with the true
    architecture given. Every network keeps the latent, the encoder's among them, whose outputs on its rows are nearest
    to the true ones. The slots of the layout stay as they are, and so does the architecture that is decoded.

    Args:
        vae: The model.
        graphs: n networks; they are brought to canonical form first.
        xs: Rows of each network's task, [rows, inputs]; numbers of rows may differ.
        steps: Gradient steps.
        learning_rate: Of Adam.
        meta_features: Of the data sets they were trained on, [n, features] or [features].

    Returns:
        Latents, [n, latent].

    Raises:
        NetGraphError: When there is no graph or one is not covered, ``steps`` is below 0 or no whole number,
            ``learning_rate`` is not above 0, rows are not one finite [rows, inputs] tensor a network, or
            ``meta_features`` has another length.
    """
    if not is_whole(steps):
        raise NetGraphError(f"steps is {steps}; it must be at least 0, and a whole number")
    if not isinstance(learning_rate, Real) or not 0 < learning_rate < math.inf:
        raise NetGraphError(f"learning_rate is {learning_rate}; it must be above 0, and finite")
    canonical = [canonicalize(graph) for graph in as_graphs(graphs, "refine")]
    rows = _check_rows(canonical, xs)
    z, _ = vae.posterior(canonical, meta_features)
    features = vae.condition.rows(meta_features, len(z))
    _, parts = by_size([graph.architecture for graph in canonical])
    with evaluating(vae):
        for part in parts:
            goal = _Goal(vae, [canonical[i] for i in part], [rows[i] for i in part], features[part])
            z[part] = _descend(z[part], goal, steps, learning_rate)
    return z


def _check_rows(graphs: Sequence[NetGraph], xs: Sequence[ArrayLike]) -> list[Tensor]:
    """Return the rows of each network as a tensor."""
    if not isinstance(xs, Sequence | np.ndarray | Tensor):
        raise NetGraphError(f"expected rows of {len(graphs)} networks, got {type(xs).__name__}")
    if len(graphs) != len(xs):
        raise NetGraphError(f"{len(xs)} tensors of rows for {len(graphs)} networks")
    checked = []
    for i, (graph, x) in enumerate(zip(graphs, xs, strict=True)):
        n_inputs = graph.architecture.n_inputs
        try:
            checked.append(finite_rows(x, f"rows of network {i}", n_inputs, torch.empty(0)))
        except NetGraphError as error:
            wrong = f"rows of network {i}: expected finite values, [rows, {n_inputs}], at least one row"
            raise NetGraphError(wrong) from error
    return checked


class _Goal:
    """Outputs of B networks on their rows, and the distance of other networks of the same architectures."""

    def __init__(self, vae: Autoencoder, graphs: Sequence[NetGraph], xs: Sequence[Tensor], features: Tensor) -> None:
        architectures = [graph.architecture for graph in graphs]
        self.vae = vae
        self.batch = structure_batch(architectures, vae.config).to(vae.device)
        self.stack = Stack(architectures, vae.device)
        self.counts = torch.tensor([len(x) for x in xs], device=vae.device)
        self.x = torch.zeros(len(xs), int(self.counts.max()), self.stack.max_inputs, device=vae.device)
        for padded, x in zip(self.x, xs, strict=True):
            padded[: len(x), : x.shape[1]] = x
        self.real = (torch.arange(self.x.shape[1], device=vae.device) < self.counts[:, None])[..., None]
        with torch.no_grad():
            self.condition = vae.condition(features)
            state = self.stack.flatten([graph.state.float().to(vae.device) for graph in graphs])
            self.output, self.hidden = self._run(state)
        mean = self.output.sum(dim=1, keepdim=True) / self.counts[:, None, None]
        self.output_energy = self._energy((self.output - mean) * self.real)
        self.hidden_energy = self._energy(self.hidden)

    def _run(self, state: Tensor) -> tuple[Tensor, Tensor]:
        output, hidden = self.stack(state, self.x, return_hidden=True)
        return output.masked_fill(~self.real, 0.0), hidden.masked_fill(~self.real, 0.0)

    def _energy(self, values: Tensor) -> Tensor:
        return values.square().sum(dim=(1, 2)) + FLOOR * self.counts

    def judge(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Decode latents, [B, latent]; give what is to be lowered, and the relative squared errors of outputs, [B]."""
        standardized = self.vae.weights(z, self.condition, self.batch)
        output, hidden = self._run(self.vae.scales.restore(standardized, self.batch))
        output_error = (output - self.output).square().sum(dim=(1, 2)) / self.output_energy
        hidden_error = (hidden - self.hidden).square().sum(dim=(1, 2)) / self.hidden_energy
        return torch.log1p(output_error) + torch.log1p(hidden_error), output_error


@torch.enable_grad()
def _descend(z: Tensor, goal: _Goal, steps: int, learning_rate: float) -> Tensor:
    """Move the place slots of latents by Adam (Kingma & Ba 2015); the architectures that they decode to stay.

    A gradient that is not finite counts as 0, so that a latent whose network overflows cannot disturb the others.

    Returns:
        Of each latent the one on its way, itself among them, whose error was least, [B, latent].
    """
    config = goal.vae.config
    layout, start = split(z, config)
    places = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([places], learning_rate)
    best, least = start.clone(), torch.full((len(z),), float("inf"), device=z.device)
    for step in range(steps + 1):
        loss, error = goal.judge(join(layout, places))
        better = error.detach() < least
        best[better], least[better] = places.detach()[better], error.detach()[better].to(least)
        if step < steps:
            (gradient,) = torch.autograd.grad(loss.sum(), places)
            places.grad = gradient.nan_to_num(0.0, 0.0, 0.0)
            optimizer.step()
    return torch.cat([join(layout, best), z[:, config.code_size :]], dim=1)
