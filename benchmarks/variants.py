"""The table of ablations: each variant is one change of the model, its training or the form of its networks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from priors import gaussian, kernel_density, normal
from torch import Generator, Tensor

from netgraph.model import VAEConfig
from netgraph.training import TrainConfig

BASE = VAEConfig(max_nodes=96, max_fan=24)
TRAINING = TrainConfig(batch_size=32, learning_rate=3e-3, max_epochs=10_000, prior_epochs=10_000, mixed=True)
SEEDS = (0, 1, 2)

#: Draws latents from those of encoded networks.
Draw = Callable[[Tensor, int, Generator], Tensor]


@dataclass(frozen=True)
class Variant:
    """One change, trained anew.

    Attributes:
        group: What it is about.
        name: What is changed.
        vae: Sizes of the model.
        training: How it is trained.
        form: How networks are represented; a key of ``forms.FORMS``.
        prior: Whether a prior is trained and samples are measured.
    """

    group: str
    name: str
    vae: VAEConfig = BASE
    training: TrainConfig = TRAINING
    form: str = "canonical"
    prior: bool = False


@dataclass(frozen=True)
class Sampler:
    """Another way to draw latents of the base model.

    Attributes:
        group: What it is about.
        name: How latents are drawn.
        draw: From latents of encoded networks, a number and a generator; None for the learned prior.
        steps: Steps of the learned prior's solver.
    """

    group: str
    name: str
    draw: Draw | None = None
    steps: int = BASE.prior.steps


@dataclass(frozen=True)
class Refined:
    """The base model's latents, refined or not.

    Attributes:
        group: What it is about.
        name: What is measured.
        steps: Gradient steps on half of the rows.
        given: Whether the figures are those on the rows that were given, or on the other half.
    """

    group: str
    name: str
    steps: int
    given: bool


Entry = Variant | Sampler | Refined


def _sizes(group: str, name: str, *, prior: bool = False, **changes: Any) -> Variant:
    return Variant(group, name, replace(BASE, **changes), prior=prior)


def _loss(group: str, name: str, *, prior: bool = False, **changes: Any) -> Variant:
    return Variant(group, name, replace(BASE, loss=replace(BASE.loss, **changes)), prior=prior)


def _training(group: str, name: str, *, prior: bool = False, **changes: Any) -> Variant:
    return Variant(group, name, training=replace(TRAINING, **changes), prior=prior)


def _frontier(kl: float, slot: int) -> Variant:
    return Variant(
        "frontier",
        f"β {kl:g}, slot size {slot}",
        replace(BASE, slot_size=slot, loss=replace(BASE.loss, kl=kl)),
        prior=True,
    )


def is_base(entry: Entry) -> bool:
    """Whether it is the base, of any seed."""
    return entry.group == "base"


ENTRIES: tuple[Entry, ...] = (
    Variant("base", "seed 0", prior=True),
    Sampler("sampling", "N(0, I), no prior", normal),
    Sampler("sampling", "aggregated-posterior Gaussian", gaussian),
    Sampler("sampling", "kernel density, bandwidth 0.1", partial(kernel_density, bandwidth=0.1)),
    Sampler("sampling", "kernel density, bandwidth 0.3", partial(kernel_density, bandwidth=0.3)),
    *(Sampler("sampling", f"flow, {steps} solver steps", steps=steps) for steps in (2, 4, 12)),
    Refined("refinement", "amortized, other rows", 0, given=False),
    Refined("refinement", "20 steps, other rows", 20, given=False),
    Refined("refinement", "20 steps, rows given", 20, given=True),
    *(_training("base", f"seed {seed}", prior=True, seed=seed) for seed in SEEDS[1:]),
    *(_sizes("message passing", f"{rounds} rounds", message_rounds=rounds) for rounds in (0, 2)),
    Variant("form", "order undone", form="order undone"),
    Variant("form", "order and sign undone", form="order and sign undone"),
    Variant("form", "order, sign and scale undone", form="order, sign and scale undone"),
    Variant("form", "matched to the mean network", form="matched"),
    _loss("behavior", "no behavior term", output=0.0, hidden=0.0),
    _loss("behavior", "outputs only", hidden=0.0),
    _loss("behavior", "with Jacobians", jacobian=0.3),
    _training("behavior", "rising over the first half", behavior_warmup=0.5),
    _loss("sensitivity", "no weighting", sensitivity=False),
    *(_sizes("latent", f"slot size {size}", prior=True, slot_size=size) for size in (4, 8, 16)),
    *(_sizes("latent", f"slot size {size}, spill", prior=True, slot_size=size, spill=True) for size in (4, 8)),
    _sizes("latent", "two neurons share a slot", prior=True, place_positions=4),
    _sizes("latent", "slots for 2 hidden layers", prior=True, place_depths=2),
    _sizes("direct path", "none", prior=True, direct=False),
    _sizes("response", "not used", prior=True, response=False),
    *(_loss("KL", f"β {kl:g}", prior=True, kl=kl) for kl in (5e-4, 5e-2)),
    *(_loss("KL", f"layout's β {kl:g}", prior=True, layout_kl=kl) for kl in (1e-4, 1e-2)),
    _training("KL", "rising over the first half", prior=True, kl_warmup=0.5),
    _loss("KL", "0.05 free nats a number", prior=True, free_bits=0.05),
    *(_frontier(kl, slot) for kl in (5e-4, 5e-2) for slot in (4, 8)),
    _sizes("edge head", "MLP", edge_head="mlp"),
    *(_sizes("width", f"{width}", width=width) for width in (32, 96)),
    *(_sizes("encoder layers", f"{layers}", encoder_layers=layers) for layers in (1, 3)),
    *(_sizes("weight layers", f"{layers}", weight_layers=layers) for layers in (1, 5)),
    *(_sizes("structure layers", f"{layers}", structure_layers=layers) for layers in (1, 3)),
    _training("products", "float32", mixed=False),
)


def check(entries: tuple[Entry, ...] = ENTRIES) -> None:
    """Refuse a table with two entries of one name, or with a variant that changes nothing.

    Raises:
        ValueError: When there is one; it is named.
    """
    seen: set[tuple[str, str]] = set()
    made: list[tuple[VAEConfig, TrainConfig, str]] = []
    for entry in entries:
        if (entry.group, entry.name) in seen:
            raise ValueError(f"{entry.group}, {entry.name}: twice in the table")
        seen.add((entry.group, entry.name))
        if isinstance(entry, Variant):
            what = (entry.vae, entry.training, entry.form)
            if what in made:
                raise ValueError(f"{entry.group}, {entry.name}: the same as another variant")
            made.append(what)
