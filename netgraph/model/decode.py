"""From latents to graphs: layouts become architectures, and these take their weights."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.model.autoencoder import Autoencoder
from netgraph.model.batch import StructureBatch, structure_batch
from netgraph.model.config import RESPONSE
from netgraph.model.context import Context
from netgraph.model.layout import Layouts
from netgraph.model.parts import by_size
from netgraph.model.response import calibrate
from netgraph.model.slots import join, split
from netgraph.stack import Stack, solve_last_layers

#: Networks whose architectures are decoded at once: a step costs about the same for few and for many.
CHUNK = 256


def decode_layouts(
    vae: Autoencoder, layout: Tensor, context: Context, generator: torch.Generator | None = None
) -> list[Architecture]:
    """Return the architectures of layouts, [B, G, slot]; the most likely ones without a generator."""
    if not isinstance(generator, torch.Generator | None):
        raise NetGraphError(f"generator is {generator!r}; expected a torch.Generator, or None")
    found: list[Architecture] = []
    for start in range(0, len(layout), CHUNK):
        part = slice(start, start + CHUNK)
        given = None if context.counts is None else context.counts[part]
        found += vae.structure.generate(layout[part], context.of_decoder[part], given, generator)
    return found


def decode_weights(
    vae: Autoencoder,
    architectures: Sequence[Architecture],
    latents: Callable[[list[int], StructureBatch], Tensor],
    context: Context,
    finished: bool = True,
) -> list[NetGraph]:
    """Decode the weights of architectures.

    Args:
        vae: The model.
        architectures: The architectures.
        latents: Gives the latents, [b, latent], of b of them, whose numbers and batch it is told.
        context: What the networks are for.
        finished: Whether outputs are scaled as the latents say, and last layers solved on the rows that there are.

    Returns:
        A graph for each architecture, on the CPU.

    Raises:
        NetGraphError: When a latent lies so far out that a weight of its finished network is not finite.
    """
    order, parts = by_size(architectures)
    states: list[Tensor] = []
    for part in parts:
        own = [architectures[i] for i in part]
        batch = structure_batch(own, vae.config).to(vae.device)
        z = latents(part, batch)
        state = vae.scales.restore(vae.weights(z, context.of_decoder[part], batch), batch)
        if finished:
            stack, rows = Stack(own, vae.device), context.part(part).rows
            state = calibrate(stack, state, vae.responses.restore(z[:, -RESPONSE:]))
            state = state if rows is None else solve_last_layers(stack, state, rows.x, rows.y).state
        states += torch.tensor_split(state.cpu(), batch.state_ptr[1:-1].tolist())
    for i, place in enumerate(order):
        if finished and not states[place].isfinite().all():
            raise NetGraphError(f"z[{i}] lies too far out: a weight of the network is not finite")
    return [NetGraph(a, states[i].clone()) for a, i in zip(architectures, order, strict=True)]


def carry_weights(
    vae: Autoencoder, noise: Tensor, layouts: Layouts, context: Context, finished: bool
) -> tuple[list[NetGraph], Tensor]:
    """Decode networks of layouts, whose other slots are carried from noise; arguments as of :meth:`.NetVAE.carry`.

    Returns:
        n graphs, and their latents, [n, latent].
    """
    if len(layouts) != len(noise):
        raise NetGraphError(f"{len(layouts)} layouts for {len(noise)} networks")
    z, network, (_, place_noise) = torch.zeros_like(noise), layouts.network.to(vae.device), split(noise, vae.config)

    def latents(part: list[int], batch: StructureBatch) -> Tensor:
        own = network[part]
        places = carry_places(vae, place_noise[part], own, batch, context.part(part))
        z[part] = torch.cat([join(own[:, :-1], places), own[:, -1, :RESPONSE]], dim=1)
        return z[part]

    return decode_weights(vae, layouts.architectures, latents, context, finished), z


def carry_places(vae: Autoencoder, noise: Tensor, network: Tensor, batch: StructureBatch, context: Context) -> Tensor:
    """Carry noise to the slots of places, [B, K, slot]: by the hypernet where there are rows, else by the prior.

    Args:
        vae: The model.
        noise: Drawn from N(0, I), [B, K, slot].
        network: Slots of the layouts, and one of the response, [B, G + 1, slot].
        batch: The architectures that the layouts decode to.
        context: What the networks are for.
    """
    if context.rows is None or context.rows.tokens is None or vae.generator is None:
        return vae.prior.carry_places(noise, network, batch, context.of_prior)
    known = vae.prior.standardize_network(network)
    places, filled = vae.generator(noise, known, batch, context.of_prior, context.rows.tokens, context.rows.real)
    return cast(Tensor, vae.prior.restore_places(places) * filled)
