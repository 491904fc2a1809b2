"""The losses: of encoder and decoder, each term of its own, of the prior's flows, and of the hypernet's networks."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import SLOT_KINDS
from netgraph.graph.netgraph import NetGraph
from netgraph.model.autoencoder import Autoencoder
from netgraph.model.batch import NetBatch, StructureBatch
from netgraph.model.context import Context
from netgraph.model.decode import carry_places
from netgraph.model.generator import Rows
from netgraph.model.slots import join, split
from netgraph.stack import Stack, fit_ridge

_COUNT = SLOT_KINDS.index("count")
NOT_MEASURED = "its sensitivity is NaN: measure it with netgraph.sensitivity before training"
#: Sensitivities are cut here, after scaling to mean 1, so that one neuron cannot be the whole loss.
MAX_SENSITIVITY = 5.0
#: Activations are cut here, and those that are no numbers count as 0: a network that overflows breaks no step.
LARGEST_ACTIVATION = 50.0


@dataclass(frozen=True)
class Behavior:
    """Outputs and hidden activations of a batch of networks on rows of their tasks.

    Attributes:
        stack: The executor of the batch's architectures.
        x: Rows, [B, rows, inputs]; the second half are neighbors of the first.
        output: Outputs of the original networks, [B, rows, outputs].
        hidden: Their last hidden activations, [B, rows, width].
    """

    stack: Stack
    x: Tensor
    output: Tensor
    hidden: Tensor


@dataclass(frozen=True)
class Losses:
    """The terms of the loss, each a scalar, unweighted.

    Attributes:
        index: Cross-entropy of the tokens' index (stay or advance) and of the numbers of inputs and outputs, nats.
        type: Cross-entropy of layer types, nats a network.
        parent: Cross-entropy of the parent pointer, nats a network.
        weight: Sensitivity-weighted squared error of the standardized state, mean over elements.
        output: Error of the outputs relative to their variance, log(1 + error), mean over networks.
        hidden: Error of the last hidden activations relative to their energy, likewise.
        jacobian: Error of the differences of the outputs between neighboring rows, relative to their energy, likewise.
        kl: KL divergence of q(z | network) from N(0, I), nats a network.
        layout_kl: The share of the layout's slots in it.
        rate: That of the places' slots for each element of the state, mean over networks.
    """

    index: Tensor
    type: Tensor
    parent: Tensor
    weight: Tensor
    output: Tensor
    hidden: Tensor
    jacobian: Tensor
    kl: Tensor
    layout_kl: Tensor
    rate: Tensor

    def items(self) -> list[tuple[str, Tensor]]:
        """List the terms by name."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


def observe(graphs: Sequence[NetGraph], xs: Sequence[Tensor], step: float = 0.1) -> Behavior:
    """Run the original networks on rows of their tasks, [rows, inputs] each, once before training.

    Of tasks with different numbers of rows the first ones are taken, as many as the shortest has. Every row has a
    neighbor at a random distance of about ``step`` in each column.
    """
    stack, count = Stack([graph.architecture for graph in graphs]), min(len(rows) for rows in xs)
    x = torch.zeros(len(graphs), count, stack.max_inputs)
    for row, rows in zip(x, xs, strict=True):
        row[:, : rows.shape[1]] = rows[:count]
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(len(graphs)))
    x = torch.cat([x, x + step * noise], dim=1)
    with torch.no_grad():
        output, hidden = stack(stack.flatten([graph.state for graph in graphs]), x, return_hidden=True)
    return Behavior(stack, x, output, hidden)


def compute_losses(vae: Autoencoder, batch: NetBatch, behavior: Behavior) -> Losses:
    """Encode, decode with the true architecture given, and measure every term.

    Call ``vae.fit_statistics`` before the first step, so that the weights are standardized.

    Raises:
        NetGraphError: When a network's sensitivity was not measured.
    """
    if batch.sensitivity.isnan().any():
        raise NetGraphError(f"a network: {NOT_MEASURED}")
    condition = vae.condition(batch.meta_features)
    standardized = vae.scales.standardize(batch.state, batch.structure)
    mean, log_variance = vae.encoder(batch, standardized, condition)
    z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
    index, type_, parent = vae.structure.losses(split(z, vae.config)[0], condition, batch.structure)
    rebuilt = vae.weights(z, condition, batch.structure)
    errors = behavior_errors(behavior, vae.scales.restore(rebuilt, batch.structure))
    output, hidden, jacobian = (torch.log1p(error).mean() for error in errors)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)  # [B, latent]
    layout_kl, place_kl = (part.sum(dim=(1, 2)) for part in split(kl, vae.config))
    return Losses(
        index=index,
        type=type_,
        parent=parent,
        weight=weight_error(rebuilt, standardized, batch, vae.config.loss.sensitivity),
        output=output,
        hidden=hidden,
        jacobian=jacobian,
        kl=kl.sum(dim=1).mean(),
        layout_kl=layout_kl.mean(),
        rate=(place_kl / batch.structure.state_ptr.diff()).mean(),
    )


def prior_losses(vae: Autoencoder, batch: NetBatch) -> tuple[Tensor, Tensor]:
    """Compute the flow-matching losses of the prior on latents that are drawn from q(z | network).

    Only the prior gets a gradient. Call ``vae.fit_statistics`` once the encoder is trained, before the first step.

    Returns:
        Mean squared errors of the velocities of the architecture code and of the weight code, two scalars.
    """
    z = vae.draw_posterior(batch)
    condition = vae.prior.embed_condition(batch.meta_features, batch.structure.steps[:, 0, 2])
    return vae.prior.losses(z, batch.structure, condition)


def weight_error(rebuilt: Tensor, true: Tensor, batch: NetBatch, by_sensitivity: bool = True) -> Tensor:
    """Mean over networks of the (sensitivity-weighted) mean squared error; counts of batches are left out.

    The sensitivity is scaled to mean 1 over the elements of each network and cut at ``MAX_SENSITIVITY``.
    """
    structure = batch.structure
    counted = (structure.slot_kind != _COUNT).float()
    size = batch.state.new_zeros(len(batch)).index_add(0, structure.slot_network, counted).clamp(min=1)
    importance = counted
    if by_sensitivity:
        total = size.new_zeros(len(batch)).index_add(0, structure.slot_network, batch.sensitivity * counted)
        scale = (size / total.clamp(min=1e-12))[structure.slot_network]
        importance = (batch.sensitivity * scale).clamp(max=MAX_SENSITIVITY) * counted
    error = importance * (rebuilt - true).square() / size[structure.slot_network]
    return error.sum() / len(batch)


def behavior_errors(behavior: Behavior, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compare rebuilt networks with the originals on rows of their tasks.

    Returns:
        Squared error of the outputs relative to their variance over rows, of the last hidden activations relative to
        their energy, and of the outputs' differences between neighboring rows relative to theirs (the Jacobian along
        random directions; Sobolev training, Czarnecki et al. 2017), each [B].
    """
    output, hidden = behavior.stack(state, behavior.x, return_hidden=True)
    centered = behavior.output - behavior.output.mean(dim=1, keepdim=True)
    change, true_change = _change(output), _change(behavior.output)
    return (
        _relative(output - behavior.output, centered, 1e-3),
        _relative(hidden - behavior.hidden, behavior.hidden, 1e-3),
        _relative(change - true_change, true_change, 1e-5),
    )


def _change(output: Tensor) -> Tensor:
    rows, neighbors = output.chunk(2, dim=1)
    return neighbors - rows


def _relative(error: Tensor, reference: Tensor, floor: float) -> Tensor:
    return error.square().sum(dim=(1, 2)) / (reference.square().sum(dim=(1, 2)) + floor * reference.shape[1])


def generated_errors(
    vae: Autoencoder, z: Tensor, structure: StructureBatch, stack: Stack, context: Context, rows: Rows, seen: int
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
    places = carry_places(vae, noise, vae.prior.of_network(z), structure, context)
    code = join(split(z, vae.config)[0], places)
    state = vae.scales.restore(vae.weights(code, context.of_decoder, structure), structure)
    hidden = stack(state, rows.x, return_hidden=True)[1].clamp(-LARGEST_ACTIVATION, LARGEST_ACTIVATION)
    hidden = hidden.where(hidden.isfinite(), 0.0).double()
    y = rows.y.double()
    unseen = (fit_ridge(hidden[:, :seen], y[:, :seen]).predict(hidden) - y)[:, seen:]
    return unseen.square().mean(dim=1) / y[:, seen:].var(dim=1).clamp(min=1e-3)
