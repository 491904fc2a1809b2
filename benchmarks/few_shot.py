"""How many times fewer steps of training a start takes than random initialization."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from checkpoint import axes, picture, table
from torch import Tensor

from netgraph.evaluation.training_start import Start, Tuning

#: Steps of training from random initialization whose error is the one that is to be reached.
LEVELS = (10, 20, 50, 100, 200, 500)
#: Training tasks on which learning rates are chosen.
RATE_TASKS = 25


def few_shot_lines(rates: Mapping[str, tuple[float, float]], found: Mapping[str, Start], name: str) -> list[str]:
    """Tell what starts are ahead, given the rates of every one and of its random networks; draw a picture of a name."""
    return [about_few_shot(rates), "", *few_shot(found), "", draw_curves(found, name)]


def about_few_shot(rates: Mapping[str, tuple[float, float]]) -> str:
    """Say what was done, given the rates of every start and of its random networks."""
    told = "; ".join(f"{name} {own:g} and {random:g}" for name, (own, random) in rates.items())
    return (
        "Each stands beside random initializations of the same architectures; all are trained on the rows that were "
        "seen (AdamW, its rate falling along a cosine, 48 rows a step). Peak rates of a start and of random "
        f"initialization are those that were best on {RATE_TASKS} training tasks: {told}. The error to be reached is "
        "the least that a random network had within so many steps; errors are looked at after 0, 5, 10, 20, … steps; a "
        "start without training counts as one. Told is how many times fewer steps the start takes to it than the "
        "random network, the median, 0 where most never get there, and the share that does."
    )


def steps_to(start: Start, level: int) -> tuple[Tensor, Tensor]:
    """Steps after which each made network has the best error that its random twin had within so many steps, [n] each.

    The second are the twin's own steps to that error; both count from 1, and inf stands for never.
    """
    looks = torch.tensor(start.looks).double().clamp(min=1)
    wanted = start.random.r2[:, torch.tensor(start.looks) <= level].max(dim=1).values[:, None]

    def first(r2: Tensor) -> Tensor:
        reached = r2 >= wanted
        return torch.where(reached.any(dim=1), looks[reached.int().argmax(dim=1)], torch.inf)

    return first(start.sampled.r2), first(start.random.r2)


def beside(start: Start, random: Tuning) -> Start:
    """Compare starts with other random networks.

    Args:
        start: One for each of n tasks.
        random: As many for each task beside each other, [n times as many, looks].
    """
    times = len(random.r2) // len(start.sampled.r2)
    r2, steps, targets = (
        one.repeat_interleave(times, dim=0) for one in (start.sampled.r2, start.sampled.steps, start.targets)
    )
    return replace(start, targets=targets, sampled=Tuning(r2, steps), random=random)


def ahead(start: Start) -> list[tuple[float, float]]:
    """Give for every level how many times fewer steps a start takes, the median, and the share that gets there."""
    found = []
    for level in LEVELS:
        ours, theirs = steps_to(start, level)
        found.append((float((theirs / ours).median()), float(ours.isfinite().double().mean())))
    return found


def few_shot(found: Mapping[str, Start]) -> list[str]:
    """Tabulate how many times fewer steps the starts take."""
    (first, single), *others = found.items()
    pairs = [(first, "the same architecture", single)]
    for name, start in others:
        pairs += [
            (name, "the same architecture", start),
            (name, "architectures of the first row", beside(start, single.random)),
        ]
    head = ["start", "random initialization", *(f"in {level} steps" for level in LEVELS)]
    return table(head, [[*names, *(f"{n:.3g} × ({k:.0%})" for n, k in ahead(start))] for *names, start in pairs])


def draw_curves(found: Mapping[str, Start], name: str) -> str:
    """Draw R^2 on unseen rows over steps: medians, and the quarter above and below; to a picture of that name."""
    figure, (ax,) = axes(7, 4.2, 1)
    first, *_, last = found.values()
    sides = {name: start.sampled for name, start in found.items()}
    sides |= {"random initialization": first.random, "random initialization, as large as a begun fit": last.random}
    for label, side in sides.items():
        low, middle, high = (side.r2.clamp(min=-1).quantile(q, dim=0) for q in (0.25, 0.5, 0.75))
        (line,) = ax.plot(first.looks, middle, label=label)
        ax.fill_between(first.looks, low, high, alpha=0.12, color=line.get_color(), linewidth=0)
    ax.set_xscale("symlog", linthresh=5)
    ax.set(xlabel="steps of AdamW", ylabel="R² on unseen rows", ylim=(-1, 1))
    ax.set_xticks([0, 5, 10, 20, 50, 100, 200, 500], ["0", "5", "10", "20", "50", "100", "200", "500"])
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    return picture(figure, name, "R² on unseen rows over steps of training, medians and quarters")
