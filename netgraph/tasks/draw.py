"""Random tasks: a family's noiseless problem, with distractor columns and observation noise."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.check import MIN_ROWS
from netgraph.tasks.families import TaskFamily, family_names, get_family
from netgraph.tasks.inputs import columns, integer, normal, uniform
from netgraph.tasks.task import Description, Task, make_task

#: Largest standard deviation of the observation noise, as a share of the noiseless target's.
MAX_NOISE = 0.3
#: Largest weight of an informative column in a distractor.
MAX_LEAK = 0.5
#: Draws of a family before a target that does not vary is an error (a ReLU teacher may be dead on every row).
MAX_DRAWS = 100


def draw_task(
    family: str,
    n_features: int,
    rows: int,
    seed: int,
    noise: float | None = None,
    n_distractors: int | None = None,
) -> Task:
    """Draw one task.

    Args:
        family: Name of a registered task family.
        n_features: Number of columns, distractors included.
        rows: Number of rows, at least 2.
        seed: Seed of everything random in it, not negative.
        noise: Standard deviation of the observation noise as a share of the noiseless target's; drawn evenly
            from [0, 0.3] where it is None.
        n_distractors: Number of columns that the target does not depend on; up to half of the columns where
            it is None, or as many as the family leaves over. The columns are shuffled.

    Returns:
        The task. Its description has the keys ``noise``, ``n_informative``, ``n_distractors`` and
        ``informative``, the comma-separated indices of the informative columns in the family's order.

    Raises:
        NetGraphError: The family is unknown or cannot have that many columns, or a number is out of range.
    """
    kind = get_family(family)
    _check_numbers(rows, seed, noise)
    generator = Generator().manual_seed(seed)
    # Both are always drawn, so that giving one of them does not change anything else in the task.
    drawn_noise, drawn_share = uniform(0.0, MAX_NOISE, generator), uniform(0.0, 1.0, generator)
    noise = drawn_noise if noise is None else noise
    n_informative = n_features - _n_distractors(kind, n_features, n_distractors, drawn_share)
    informative, signal = _draw_signal(kind, n_informative, rows, generator)
    y = signal + noise * signal.std(correction=0) * normal(rows, generator=generator)
    x = torch.cat([informative, _distractors(informative, n_features - n_informative, generator)], dim=1)
    order = torch.randperm(n_features, generator=generator)
    description: Description = {
        "noise": noise,
        "n_informative": n_informative,
        "n_distractors": n_features - n_informative,
        "informative": ",".join(str(int(i)) for i in torch.argsort(order)[:n_informative]),
    }
    return make_task(x[:, order], y, family=family, seed=seed, description=description)


def draw_tasks(
    n: int,
    *,
    families: Mapping[str, float] | Sequence[str] | None = None,
    n_features: tuple[int, int] = (2, 10),
    rows: int = 128,
    seed: int,
    start: int = 0,
) -> list[Task]:
    """Draw many tasks; the i-th depends on (seed, start + i) alone, however many are drawn.

    Args:
        n: Number of tasks.
        families: Names of the families to draw from, or their weights; all alike where it is None. A family
            that needs more columns than a task has is left out for that task.
        n_features: Fewest and most columns of a task. The fewest rise to what the least demanding family
            needs.
        rows: Number of rows of each task.
        seed: Seed of the whole, not negative.
        start: Number of the first task: a long list may be drawn in pieces.

    Returns:
        The tasks, in order. ``draw_task(t.family, t.n_features, t.rows, t.seed)`` draws any of them again.

    Raises:
        NetGraphError: A family is unknown, a weight is not a positive number, or no family fits the columns.
    """
    weights = _weights(families)
    low = max(n_features[0], min(get_family(name).min_features for name in weights))
    if low > n_features[1]:
        raise NetGraphError(f"no task family of {', '.join(weights)} fits n_features={n_features}")
    if seed < 0 or start < 0:
        raise NetGraphError(f"seed and start must not be negative, got {seed} and {start}")
    return [_numbered_task(number, weights, (low, n_features[1]), rows, seed) for number in range(start, start + n)]


def _numbered_task(number: int, weights: dict[str, float], n_features: tuple[int, int], rows: int, seed: int) -> Task:
    choice_seed, task_seed = (int(state) for state in np.random.SeedSequence([seed, number]).generate_state(2))
    generator = Generator().manual_seed(choice_seed)
    width = integer(*n_features, generator)
    fitting = [name for name in weights if get_family(name).min_features <= width]
    shares = torch.tensor([weights[name] for name in fitting], dtype=torch.float64)
    family = fitting[int(torch.multinomial(shares, 1, generator=generator))]
    return draw_task(family, width, rows, task_seed)


def _weights(families: Mapping[str, float] | Sequence[str] | None) -> dict[str, float]:
    if families is None or isinstance(families, str):
        families = family_names() if families is None else (families,)
    weights = dict(families) if isinstance(families, Mapping) else dict.fromkeys(families, 1.0)
    for name, weight in weights.items():
        get_family(name)
        if not 0 < weight < float("inf"):
            raise NetGraphError(f"the weight of task family '{name}' must be a positive number, got {weight}")
    if not weights:
        raise NetGraphError("families is empty; name at least one task family")
    return weights


def _check_numbers(rows: int, seed: int, noise: float | None) -> None:
    if rows < MIN_ROWS:
        raise NetGraphError(f"a task needs at least {MIN_ROWS} rows, got {rows}")
    if seed < 0:
        raise NetGraphError(f"seed must not be negative, got {seed}")
    if noise is not None and not 0 <= noise < float("inf"):
        raise NetGraphError(f"noise must be a finite number and not negative, got {noise}")


def _n_distractors(family: TaskFamily, n_features: int, wanted: int | None, share: float) -> int:
    """Number of distractors: as wanted, else ``share``, in [0, 1), of the way through what is usual."""
    name, most = family.name, n_features - family.min_features
    if most < 0:
        raise NetGraphError(f"{name} needs at least {family.min_features} columns, got {n_features}")
    fewest = 0 if family.max_features is None else max(0, n_features - family.max_features)
    if wanted is None:
        usual = max(fewest, min(most, n_features // 2))
        return fewest + int(share * (usual - fewest + 1))
    if not fewest <= wanted <= most:
        raise NetGraphError(f"{name} with {n_features} columns has {fewest} to {most} distractors, not {wanted}")
    return wanted


def _draw_signal(family: TaskFamily, n_features: int, rows: int, generator: Generator) -> tuple[Tensor, Tensor]:
    for _ in range(MAX_DRAWS):
        x, signal = family.draw(n_features, rows, generator)
        if signal.std(correction=0) > 1e-6 * (1 + signal.mean().abs()):
            return x, signal
    raise NetGraphError(f"{family.name}: the target did not vary in {MAX_DRAWS} draws of {rows} rows")


def _distractors(informative: Tensor, n: int, generator: Generator) -> Tensor:
    """Columns [rows, n] that the target ignores; half of them correlate mildly with an informative one."""
    own = columns(n, len(informative), generator)
    partner = torch.randint(0, informative.shape[1], (n,), generator=generator)
    leak = MAX_LEAK * torch.rand(n, generator=generator, dtype=torch.float64)
    leak = leak * torch.randint(0, 2, (n,), generator=generator)
    scaled = (informative - informative.mean(dim=0)) / informative.std(dim=0, correction=0)
    return own * torch.sqrt(1 - leak**2) + scaled[:, partner] * leak
