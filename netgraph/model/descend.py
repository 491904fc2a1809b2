"""Gradient descent of latents through the decoder: their place slots move, the slots of the layout stay."""

from collections.abc import Callable

import torch
from torch import Tensor

from netgraph.model.config import VAEConfig
from netgraph.model.slots import join, split

#: Judges codes, [B, code]: what is to be lowered, and the error by which the best step is known, each [B].
Judge = Callable[[Tensor], tuple[Tensor, Tensor]]


@torch.enable_grad()
def descend(
    z: Tensor,
    config: VAEConfig,
    judge: Judge,
    steps: int,
    learning_rate: float,
    keep: Callable[[Tensor], Tensor] = lambda places: places,
) -> Tensor:
    """Move the place slots of latents by Adam (Kingma & Ba 2015); the architectures that they decode to stay.

    A gradient that is not finite counts as 0, so that a latent whose network overflows cannot disturb the others.

    Args:
        z: Latents, [B, latent].
        config: The model's sizes.
        judge: Judges codes; it is asked ``steps + 1`` times.
        steps: Steps.
        learning_rate: Of Adam.
        keep: Brings slots of places, [B, K, slot], back to where they may be, after each step.

    Returns:
        Of each latent the one on its way, itself among them, whose error was least, [B, latent].
    """
    layout, start = split(z, config)
    places = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([places], learning_rate)
    best, least = start.clone(), torch.full((len(z),), float("inf"), device=z.device)
    for step in range(steps + 1):
        loss, error = judge(join(layout, places))
        better = error.detach() < least
        best[better], least[better] = places.detach()[better], error.detach()[better].to(least)
        if step < steps:
            (gradient,) = torch.autograd.grad(loss.sum(), places)
            places.grad = gradient.nan_to_num(0.0, 0.0, 0.0)
            optimizer.step()
            with torch.no_grad():
                places.copy_(keep(places))
    return torch.cat([join(layout, best), z[:, config.code_size :]], dim=1)
