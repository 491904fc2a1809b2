"""Random tasks: a family's noiseless problem, with modifiers, distractor columns and observation noise."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.check import MIN_ROWS
from netgraph.tasks.families import Problem, TaskFamily, get_family
from netgraph.tasks.inputs import choose, columns, integer, log_uniform, normal, standard, uniform
from netgraph.tasks.modifiers import Classes, ColumnModifier, Heteroscedasticity, Modifier
from netgraph.tasks.recipe import TaskRecipe
from netgraph.tasks.split import stratified_order
from netgraph.tasks.task import Description, Task, make_task

#: Largest weight of an informative column in a distractor.
MAX_LEAK = 0.5
#: A target whose standard deviation is a smaller share of its largest value does not vary.
LEAST_VARIATION = 1e-6
#: Draws of a family before a target that does not vary is an error (a ReLU teacher may be dead on every row).
MAX_DRAWS = 100
#: A task has at most a class for so many of its rows: chosen so that rare classes too have some for validation.
ROWS_A_CLASS = 8
#: Fewest rows of a class: one for training, one for validation.
MIN_CLASS_ROWS = 2
#: Draws of a task before the filter gives up.
MAX_TRIES = 100
#: Random halvings of the rows by which the filter judges; each grows two trees.
HALVINGS = 8


class _Streams(NamedTuple):
    """One source of randomness for each part of a task, so that a change of one part does not change the others."""

    problem: Generator
    choices: Generator
    modifiers: Generator
    distractors: Generator
    noise: Generator
    classes: Generator

    @classmethod
    def of(cls, seed: int) -> "_Streams":
        states = np.random.SeedSequence(seed).generate_state(len(cls._fields))
        return cls(*(Generator().manual_seed(int(state)) for state in states))


def draw_task(
    family: str | TaskFamily, n_features: int, rows: int, seed: int, recipe: TaskRecipe | None = None
) -> Task:
    """Draw one task, learnable or not.

    Args:
        family: Name of a task family, with the recipe's settings; or a family with settings of its own.
        n_features: Number of columns, distractors included, in random order.
        rows: Number of rows, at least 2.
        seed: Seed of everything random in it, not negative.
        recipe: Recipe of modifiers, noise and distractors; its sizes, weights and filter play no part. The default
            recipe where it is None.

    Returns:
        The task. Its description has the keys ``noise`` (standard deviation of the noise as a share of the noiseless
        target's), ``n_informative``, ``n_distractors``, ``informative`` (the comma-separated indices of the informative
        columns in the family's order), every hyper-parameter that the family drew, and
        ``<modifier>.<key>`` for every modifier that acted. Along the rows of a task of classes every class occurs
        evenly, so that a cut anywhere is stratified.

    Raises:
        NetGraphError: The family is unknown or cannot have that many columns, a number is out of range, or the target
            varied in none of 100 draws.

    Example:
        >>> task = draw_task("linear", n_features=3, rows=50, seed=0)
        >>> task.x.shape, task.y.shape
        (torch.Size([50, 3]), torch.Size([50, 1]))
    """
    recipe = recipe or TaskRecipe()
    kind = family if isinstance(family, TaskFamily) else recipe.configured.get(family) or get_family(family)
    if n_features < kind.min_features:
        raise NetGraphError(f"{kind.name} needs at least {kind.min_features} columns, got {n_features}")
    if rows < MIN_ROWS:
        raise NetGraphError(f"a task needs at least {MIN_ROWS} rows, got {rows}")
    if seed < 0:
        raise NetGraphError(f"seed must not be negative, got {seed}")
    streams = _Streams.of(seed)
    drawn = log_uniform(*(recipe.signal_to_noise or (1.0, 1.0)), streams.choices)
    noise = 1 / math.sqrt(drawn) if recipe.signal_to_noise else 0.0
    fewest = 0 if kind.max_features is None else max(0, n_features - kind.max_features)
    n_distractors = max(fewest, int(uniform(*recipe.distractors, streams.choices) * n_features))
    n_informative = max(n_features - n_distractors, kind.min_features)
    acting = [one for one in recipe.active_modifiers if uniform(0.0, 1.0, streams.modifiers) < one.probability]
    problem, before = _draw_problem(kind, n_informative, rows, acting, streams)
    y, of_noise = _observe_target(problem, noise, acting, streams)
    x, informative, of_columns = _observe_columns(problem.x, n_features, acting, streams)
    description: Description = {
        "noise": noise,
        "n_informative": n_informative,
        "n_distractors": n_features - n_informative,
        "informative": ",".join(map(str, informative)),
    }
    description |= problem.drawn | before | of_noise | of_columns
    classes = next((modifier for modifier in acting if isinstance(modifier, Classes)), None)
    if classes is None:
        return make_task(x, y, family=kind.name, seed=seed, description=description)
    numbers, loss, of_classes = _draw_classes(kind, problem, y, classes, streams.classes)
    order = torch.from_numpy(stratified_order(numbers.numpy()))
    description |= of_classes
    return make_task(x[order], numbers[order], family=kind.name, seed=seed, description=description, loss=loss)


def draw_tasks(n: int, recipe: TaskRecipe | None = None, *, seed: int, start: int = 0) -> list[Task]:
    """Draw many tasks; the i-th depends on (recipe, seed, start + i) alone, however many are drawn.

    A family that needs more columns than a task has is left out for that task. Where the recipe asks for learnable
    tasks, an unlearnable one is drawn again, with the same family and size and the next seed of the task.

    Args:
        n: Number of tasks.
        recipe: Their distribution; the default recipe where it is None.
        seed: Seed of the whole, not negative.
        start: Number of the first task: a long list may be drawn in pieces.

    Returns:
        The tasks, in order. ``draw_task(t.family, t.n_features, t.rows, t.seed, recipe)`` draws any of them again. The
        description has, beyond that function's, the key ``dropped``: the number of unlearnable draws before it.

    Raises:
        NetGraphError: A number is negative, a family's target does not vary, or 100 draws of a task were unlearnable.

    Example:
        >>> first, second = draw_tasks(2, seed=0)
        >>> draw_tasks(1, seed=0, start=1)[0].seed == second.seed
        True
    """
    recipe = recipe or TaskRecipe()
    if seed < 0 or start < 0:
        raise NetGraphError(f"seed and start must not be negative, got {seed} and {start}")
    return [_numbered_task(recipe, seed, number) for number in range(start, start + n)]


def _numbered_task(recipe: TaskRecipe, seed: int, number: int) -> Task:
    seeds = np.random.SeedSequence([seed, number]).generate_state(1 + MAX_TRIES)
    generator = Generator().manual_seed(int(seeds[0]))
    fewest = {name: recipe.configured[name].min_features for name in recipe.weights}
    low, high = recipe.n_features
    width = integer(max(low, min(fewest.values())), high, generator)
    fitting = [name for name in recipe.weights if fewest[name] <= width]
    shares = torch.tensor([recipe.weights[name] for name in fitting], dtype=torch.float64)
    family = fitting[int(torch.multinomial(shares, 1, generator=generator))]
    for dropped in range(MAX_TRIES):
        task = draw_task(family, width, recipe.rows, int(seeds[1 + dropped]), recipe)
        if not recipe.learnable or learnable_r2(task.x, task.y, task.seed) > 0:
            return replace(task, description=task.description | {"dropped": dropped})
    raise NetGraphError(
        f"task {number}: {MAX_TRIES} draws of {family} with {width} columns and {recipe.rows} rows were unlearnable; "
        "raise rows or signal_to_noise, or set learnable to false"
    )


def learnable_r2(x: Tensor, y: Tensor, seed: int) -> float:
    """Compute R^2 of 16 extra-trees (Geurts, Ernst and Wehenkel 2006) on the rows that they were not grown on.

    Each halving of the rows grows one tree on either half and asks it for the other; a row's prediction is the mean
    over halvings. Milliseconds for a hundred rows, one thread. Of fewer than some 30 rows the trees learn little, and
    the figure is low whatever is there.

    Args:
        x: [rows, features].
        y: [rows, outputs], not constant.
        seed: Of the halvings and the trees, not negative.

    Returns:
        ``1 - sum (y - prediction)^2 / sum (y - mean)^2``: 0 for the mean, 1 at best.
    """
    from sklearn.tree import ExtraTreeRegressor

    rows, target = np.ascontiguousarray(x.float().numpy()), y.double().numpy()
    random = np.random.default_rng(seed)
    predicted = np.zeros_like(target)
    for _ in range(HALVINGS):
        order = random.permutation(len(target))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        for grown, asked in (halves, halves[::-1]):
            tree = ExtraTreeRegressor(min_samples_leaf=2, max_features=1.0, random_state=int(random.integers(2**31)))
            tree.fit(rows[grown], target[grown], check_input=False)
            predicted[asked] += tree.predict(rows[asked], check_input=False).reshape(len(asked), -1) / HALVINGS
    return float(1 - np.square(target - predicted).sum() / np.square(target - target.mean(axis=0)).sum())


def _draw_problem(
    family: TaskFamily, n_features: int, rows: int, acting: list[Modifier], streams: _Streams
) -> tuple[Problem, Description]:
    """Draw the noiseless problem, its columns modified first, and the description of the modifiers."""
    for _ in range(MAX_DRAWS):
        z, drawn = family.inputs(n_features, rows, streams.problem)
        z, modified = _modify(z, acting, False, streams.modifiers)
        x, target, more = family.draw(z, streams.problem)
        if target.std(correction=0) > LEAST_VARIATION * target.abs().max():
            return Problem(x, target, drawn | more), modified
    raise NetGraphError(f"{family.name}: the target did not vary in {MAX_DRAWS} draws of {rows} rows")


def _modify(x: Tensor, acting: list[Modifier], observed: bool, generator: Generator) -> tuple[Tensor, Description]:
    """Return the columns after the modifiers of observed columns, or of the columns behind the target."""
    description: Description = {}
    for modifier in acting:
        if isinstance(modifier, ColumnModifier) and modifier.observed == observed:
            x, drawn = modifier.change(x, generator)
            description |= _named(modifier, drawn)
    return x, description


def _named(modifier: Modifier, drawn: Description) -> Description:
    return {f"{modifier.name}.{key}": value for key, value in drawn.items()}


def _observe_target(
    problem: Problem, noise: float, acting: list[Modifier], streams: _Streams
) -> tuple[Tensor, Description]:
    """Add noise to the target, [rows], with a deviation of exactly ``noise`` times that of the noiseless target."""
    error = normal(len(problem.target), generator=streams.noise)
    description: Description = {}
    for modifier in acting:
        if isinstance(modifier, Heteroscedasticity):
            scale, drawn = modifier.scale(problem.x, streams.noise)
            error, description = error * scale, _named(modifier, drawn)
    return problem.target + noise * problem.target.std(correction=0) * standard(error), description


def _draw_classes(
    kind: TaskFamily, problem: Problem, target: Tensor, classes: Classes, generator: Generator
) -> tuple[Tensor, str, Description]:
    """Return each row's class, [rows] long, of :data:`MIN_CLASS_ROWS` rows at least, the loss and a description."""
    low, high = classes.number
    most = max(2, len(target) // ROWS_A_CLASS)
    for _ in range(MAX_DRAWS):
        number = min(int(log_uniform(low, high + 1, generator)), high, most)
        if choose(classes.kinds, generator) == "softmax" and kind.keeps_columns:
            others = (kind.draw(problem.x, generator).target for _ in range(number - 1))
            numbers, drawn = classes.draw(torch.stack([problem.target, *others], dim=1), generator)
        else:
            numbers, drawn = classes.cut(target, number, generator)
        _, numbers, counts = numbers.unique(return_inverse=True, return_counts=True)
        if len(counts) > 1 and int(counts.min()) >= MIN_CLASS_ROWS:
            binary = len(counts) == 2 and uniform(0.0, 1.0, generator) < classes.binary
            loss = "binary_cross_entropy" if binary else "cross_entropy"
            return numbers, loss, _named(classes, {"number": len(counts)} | drawn)
    raise NetGraphError(f"{kind.name}: no classes of {MIN_CLASS_ROWS} rows in {MAX_DRAWS} draws of {len(target)} rows")


def _observe_columns(
    informative: Tensor, n_features: int, acting: list[Modifier], streams: _Streams
) -> tuple[Tensor, list[int], Description]:
    """Return columns in random order, [rows, n_features], indices of the informative ones, and a description."""
    n = informative.shape[1]
    x = torch.cat([informative, _distractors(informative, n_features - n, streams.distractors)], dim=1)
    x, drawn = _modify(x, acting, True, streams.modifiers)
    order = torch.randperm(n_features, generator=streams.distractors)
    return x[:, order], torch.argsort(order)[:n].tolist(), drawn


def _distractors(informative: Tensor, n: int, generator: Generator) -> Tensor:
    """Draw columns [rows, n] that the target ignores; half of them correlate mildly with an informative one."""
    own = columns(n, len(informative), generator)
    partner = torch.randint(0, informative.shape[1], (n,), generator=generator)
    leak = MAX_LEAK * torch.rand(n, generator=generator, dtype=torch.float64)
    leak = leak * torch.randint(0, 2, (n,), generator=generator)
    return own * torch.sqrt(1 - leak**2) + standard(informative)[:, partner] * leak
