"""The sizes of a run, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from netgraph.errors import unknown
from netgraph.model import VAEConfig
from netgraph.training import TrainConfig

#: Least values that figures of a model are to have, by name.
TARGETS = {"edge_f1": 0.97, "cosine_similarity": 0.85, "output_r2_median": 0.7, "validity": 1.0, "uniqueness": 0.95}


@dataclass(frozen=True)
class Preset:
    """The size of a run.

    Attributes:
        recipe: Name of the zoo's recipe.
        vae: The model; its limits are set by the zoo's networks.
        training: How it is trained. Chosen: steps of ``quick`` and ``full`` for the time they take on two cores.
        n_samples: Samples drawn.
        n_start_tasks: Held-out tasks that networks are sampled for and fine-tuned on.
        search_seconds: Wall time of each search of a network for the real data set; None for no limit.
        n_splits: Splits of the real data set.
        targets: Least values that figures are to have, by name; none of a smoke test, whose figures mean nothing.
    """

    recipe: str
    vae: VAEConfig
    training: TrainConfig
    n_samples: int = 1000
    n_start_tasks: int = 50
    search_seconds: float | None = None
    n_splits: int = 5
    targets: Mapping[str, float] = field(default_factory=lambda: TARGETS)


PRESETS = {
    "quick": Preset(
        "quick",
        VAEConfig(),
        TrainConfig(
            batch_size=32,
            max_epochs=200,
            max_steps=1800,
            max_seconds=1800.0,
            prior_epochs=200,
            prior_steps=800,
            prior_seconds=900.0,
            mixed=True,
        ),
        n_start_tasks=16,
        search_seconds=4.0,
        n_splits=3,
    ),
    "full": Preset(
        "full",
        VAEConfig(exemplars=16384),
        TrainConfig(
            max_epochs=200,
            max_steps=9000,
            max_seconds=7200.0,
            prior_epochs=400,
            prior_steps=5000,
            prior_seconds=7200.0,
            mixed=True,
        ),
    ),
    "tiny": Preset(
        "tiny",
        VAEConfig(width=32, hypernet_layers=2, prior_width=64, fit_steps=5),
        TrainConfig(batch_size=16, max_epochs=10, prior_epochs=5, checkpoint_seconds=1.0, log_every=1),
        n_samples=20,
        n_start_tasks=1,
        search_seconds=0.5,
        n_splits=2,
        targets={},
    ),
}


def preset_of(name: str) -> Preset:
    """Return the sizes of a name in :data:`PRESETS`.

    Raises:
        NetGraphError: When the name is unknown.
    """
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]
