"""The sizes of a run, by name."""

from dataclasses import dataclass

from netgraph.errors import NetGraphError
from netgraph.model import GeneratorConfig, LossWeights, PriorConfig, VAEConfig
from netgraph.training import PortfolioConfig, TrainConfig


@dataclass(frozen=True)
class Preset:
    """The size of a run.

    Attributes:
        recipe: Name of the zoo's recipe.
        vae: The model; what has to hold the zoo's networks is as large as they are.
        training: How it is trained. Chosen: steps of ``quick`` and ``full`` for the time they take on two cores.
        n_tasks: Tasks that the generator is trained on beside those of the zoo.
        n_samples: Samples drawn.
        n_start_tasks: Held-out tasks that networks are sampled for and fine-tuned on.
        search_seconds: Wall time of each search of a network for the real data set; None for no limit.
        n_splits: Splits of the real data set.
    """

    recipe: str
    vae: VAEConfig
    training: TrainConfig
    n_tasks: int = 1000
    n_samples: int = 1000
    n_start_tasks: int = 50
    search_seconds: float | None = None
    n_splits: int = 5


PRESETS = {
    "quick": Preset(
        "quick",
        VAEConfig(generator=GeneratorConfig()),
        TrainConfig(
            batch_size=32,
            learning_rate=3e-3,
            max_epochs=200,
            max_steps=2600,
            max_seconds=1800.0,
            prior_epochs=200,
            prior_steps=1100,
            prior_seconds=900.0,
            generator_epochs=200,
            generator_steps=200,
            generator_seconds=600.0,
            mixed=True,
            portfolio=PortfolioConfig(size=16, pool=32, tasks=8),
        ),
        n_tasks=500,
    ),
    "full": Preset(
        "full",
        VAEConfig(
            slot_size=24,
            loss=LossWeights(jacobian=0.2),
            prior=PriorConfig(width=96),
            generator=GeneratorConfig(),
        ),
        TrainConfig(
            max_epochs=200,
            max_steps=7100,
            max_seconds=14_400.0,
            prior_epochs=400,
            prior_steps=7200,
            prior_seconds=21_600.0,
            generator_epochs=400,
            generator_steps=3800,
            generator_seconds=21_600.0,
            portfolio=PortfolioConfig(),
            mixed=True,
        ),
        n_tasks=12_000,
    ),
    "tiny": Preset(
        "tiny",
        VAEConfig(
            width=32,
            prior=PriorConfig(width=32),
            generator=GeneratorConfig(width=32, layers=2, row_width=16, row_rounds=1),
        ),
        TrainConfig(
            batch_size=16,
            max_epochs=10,
            prior_epochs=5,
            generator_epochs=5,
            portfolio=PortfolioConfig(size=2, pool=4, tasks=2),
            checkpoint_seconds=1.0,
            log_every=1,
        ),
        n_tasks=50,
        n_samples=20,
        n_start_tasks=1,
        search_seconds=0.5,
        n_splits=2,
    ),
}


def preset_of(name: str) -> Preset:
    """Give the sizes of a name in :data:`PRESETS`.

    Raises:
        NetGraphError: When the name is unknown.
    """
    if name not in PRESETS:
        raise NetGraphError(f"unknown preset {name!r}; known: {', '.join(PRESETS)}")
    return PRESETS[name]
