"""What generated networks are worth: their errors on rows that the generator did not see."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgraph.model.batch import StructureBatch
from netgraph.model.context import Context
from netgraph.model.generator import Rows
from netgraph.model.slots import join, split
from netgraph.stack import Stack, fit_ridge

if TYPE_CHECKING:
    from netgraph.model.vae import NetVAE

#: Activations are cut here, and those that are no numbers count as 0: a network that overflows breaks no step.
LARGEST = 50.0


def generated_errors(
    vae: "NetVAE", z: Tensor, structure: StructureBatch, stack: Stack, context: Context, rows: Rows, seen: int
) -> Tensor:
    """Generate networks of given architectures for some rows, solve their last layers there, and test them on others.

    Args:
        vae: The model.
        z: Latents whose layouts are taken, [B, latent].
        structure: The architectures that they decode to.
        stack: Their executor.
        context: What the networks are for; its rows are those that are seen.
        rows: All rows, of one data set a network.
        seen: How many of them, the first ones, are seen.

    Returns:
        Mean squared errors on the rows that are not seen, relative to the target's variance, [B]; the
        gradient reaches the generator.
    """
    noise = torch.randn_like(split(z, vae.config)[1])
    places = vae.carry_places(noise, vae.prior.of_network(z), structure, context)
    code = join(split(z, vae.config)[0], places)
    state = vae.scales.restore(vae.weights(code, context.of_decoder, structure), structure)
    hidden = stack(state, rows.x, return_hidden=True)[1].clamp(-LARGEST, LARGEST)
    hidden = hidden.where(hidden.isfinite(), 0.0).double()
    y = rows.y.double()
    unseen = (fit_ridge(hidden[:, :seen], y[:, :seen]).predict(hidden) - y)[:, seen:]
    return unseen.square().mean(dim=1) / y[:, seen:].var(dim=1).clamp(min=1e-3)
