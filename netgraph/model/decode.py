"""From latents to graphs: layouts become architectures, and these take their weights."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.model.batch import StructureBatch, structure_batch
from netgraph.model.config import RESPONSE
from netgraph.model.context import Context
from netgraph.model.parts import by_size
from netgraph.model.response import calibrate
from netgraph.stack import Stack, solve_last_layers

if TYPE_CHECKING:
    from netgraph.model.vae import NetVAE

#: Networks whose architectures are decoded at once: a step costs about the same for few and for many.
CHUNK = 256


def decode_layouts(
    vae: "NetVAE", layout: Tensor, context: Context, generator: torch.Generator | None = None
) -> list[Architecture]:
    """Give the architectures of layouts, [B, G, slot]; the most likely ones without a generator."""
    found: list[Architecture] = []
    for start in range(0, len(layout), CHUNK):
        part = slice(start, start + CHUNK)
        given = None if context.counts is None else context.counts[part]
        found += vae.structure.generate(layout[part], context.of_decoder[part], given, generator)
    return found


def decode_weights(
    vae: "NetVAE",
    architectures: Sequence[Architecture],
    latents: Callable[[list[int], StructureBatch], Tensor],
    context: Context,
    finished: bool = True,
) -> list[NetGraph]:
    """Give architectures their weights.

    Args:
        vae: The model.
        architectures: The architectures.
        latents: Gives the latents, [b, latent], of b of them, whose numbers and batch it is told.
        context: What the networks are for.
        finished: Whether outputs are scaled as the latents say, and last layers solved on the rows that there are.

    Returns:
        A graph for each architecture, on the CPU.
    """
    order, parts = by_size(architectures)
    states: list[Tensor] = []
    for part in parts:
        own = [architectures[i] for i in part]
        batch = structure_batch(own, vae.config).to(vae.device)
        z = latents(part, batch)
        state = vae.scales.restore(vae.weights(z, context.of_decoder[part], batch), batch)
        if finished:
            state = _finished(vae, Stack(own, vae.device), state, z, context.part(part))
        states += torch.tensor_split(state.cpu(), batch.state_ptr[1:-1].tolist())
    return [NetGraph(a, states[i].clone()) for a, i in zip(architectures, order, strict=True)]


def _finished(vae: "NetVAE", stack: Stack, state: Tensor, z: Tensor, context: Context) -> Tensor:
    if vae.config.response:
        state = calibrate(stack, state, vae.responses.restore(z[:, -RESPONSE:]))
    if context.rows is not None:
        state = solve_last_layers(stack, state, context.rows.x, context.rows.y).state
    return state
