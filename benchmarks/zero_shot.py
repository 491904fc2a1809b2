"""Networks for unseen tasks: what they are worth before any gradient step, and how many steps they are ahead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from checkpoint import Setup, axes, picture, setup, table
from torch import Generator, Tensor

from netgraph import NetGraph
from netgraph.evaluation import random_like
from netgraph.evaluation.training_start import Start, StartConfig, compare_starts, rows_to_train_on
from netgraph.model import Rows
from netgraph.search.data import Data
from netgraph.search.running import errors_of, solve
from netgraph.stack import Stack
from netgraph.tasks import Task, check_meta_vector, get_meta_features

#: Share of a task's rows, the last ones, that no network has seen; the zoo's own networks did not train on them.
UNSEEN = 0.25
#: Networks of a task that are trained on, and candidates of which the best is taken.
NETWORKS, CANDIDATES = 8, 64
#: Steps of training from random initialization whose error is the one that is to be reached.
LEVELS = (10, 20, 50, 100, 200, 500)


@dataclass(frozen=True)
class Problem:
    """A held-out task, its rows cut in two.

    Attributes:
        number: Its number in the zoo.
        task: The task.
        seen: The rows that networks are made for.
        unseen: The others.
        meta_features: Of the rows that are seen, [features].
    """

    number: int
    task: Task
    seen: Data
    unseen: Data
    meta_features: Tensor

    @property
    def rows(self) -> Rows:
        """The rows that are seen, as the model reads them."""
        return Rows.of(self.seen.x, self.seen.y)

    def r2(self, graphs: Sequence[NetGraph]) -> Tensor:
        """R^2 on the unseen rows, [networks]; -1 for anything worse."""
        stack = Stack([graph.architecture for graph in graphs])
        with torch.no_grad():
            output = stack(stack.flatten([graph.state for graph in graphs]), self.unseen.x)[..., 0]
        y = self.unseen.y
        r2 = 1 - (output - y).square().sum(dim=1) / (y - y.mean()).square().sum()
        return r2.nan_to_num(-1.0).clamp(min=-1.0)


def problems(chosen: Setup) -> list[Problem]:
    """Draw held-out tasks."""
    zoo = chosen.zoo
    numbers = sorted({graph.task for graph in zoo.stream(zoo.split("test"))})
    drawn = torch.randperm(len(numbers), generator=chosen.generator)[: chosen.options.tasks].tolist()
    found = []
    for number in sorted(numbers[i] for i in drawn):
        task = zoo.task(number)
        cut = rows_to_train_on(task.rows, UNSEEN)
        parts = Data(task.x[:cut], task.y[:cut]), Data(task.x[cut:], task.y[cut:])
        meta_features = check_meta_vector(get_meta_features(parts[0].x.numpy(), parts[0].y.numpy()))[0]
        found.append(Problem(number, task, *parts, meta_features))
    return found


def sources(chosen: Setup) -> dict[str, Callable[[Problem, int], list[NetGraph]]]:
    """Give what makes networks for a task, by name; the last layers of all of them are solved on the rows seen."""
    vae, seed = chosen.vae, chosen.options.seed

    def sampled(problem: Problem, n: int, rows: bool, told: bool) -> list[NetGraph]:
        meta = problem.meta_features if told else None
        counts = {"rows": problem.rows} if rows else {"n_inputs": problem.task.n_features}
        return vae.sample(n, meta, seed + problem.number, **counts)

    def random(problem: Problem, n: int) -> list[NetGraph]:
        return random_like(sampled(problem, n, True, False), Generator().manual_seed(seed + problem.number))

    return {
        "rows": lambda problem, n: sampled(problem, n, True, False),
        "rows and meta-features": lambda problem, n: sampled(problem, n, True, True),
        "meta-features": lambda problem, n: sampled(problem, n, False, True),
        "neither (the prior alone)": lambda problem, n: sampled(problem, n, False, False),
        "random initialization, architectures of the first": random,
    }


def zero_shot(chosen: Setup, tasks: Sequence[Problem]) -> list[str]:
    """Tabulate R^2 on unseen rows without a gradient step."""
    rows = []
    for name, draw in sources(chosen).items():
        single, best = [], []
        for problem in tasks:
            judged = solve(draw(problem, CANDIDATES), problem.seen)
            r2 = problem.r2([one.graph for one in judged])
            single.append(r2[:NETWORKS])
            best.append(r2[errors_of(judged).argmin()])
        rows.append([name, *_spread(torch.cat(single)), *_spread(torch.stack(best))])
    trained = chosen.zoo.table.groupby("task")["validation_r2"]
    own = torch.cat([torch.tensor(trained.get_group(problem.number).to_numpy()) for problem in tasks]).clamp(min=-1)
    rows.append(["trained networks of the zoo (300 to 500 steps)", *_spread(own), *["–"] * 3])
    head = ["networks for", "one network: median R²", "mean", "10th percentile"]
    return table([*head, f"best of {CANDIDATES}: median R²", "mean", "10th percentile"], rows)


def _spread(r2: Tensor) -> list[float]:
    return [float(r2.double().median()), float(r2.double().mean()), float(r2.double().quantile(0.1))]


def starts(chosen: Setup, tasks: Sequence[Problem], draw: Callable[[Problem, int], list[NetGraph]]) -> Start:
    """Train networks made for tasks, and random ones of the same architectures, on the rows that were seen."""
    graphs = [graph for problem in tasks for graph in draw(problem, NETWORKS)]
    rows = [(problem.task.x, problem.task.y) for problem in tasks for _ in range(NETWORKS)]
    return compare_starts(graphs, rows, UNSEEN, [0.0] * len(graphs), chosen.generator, StartConfig())


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


def ahead(start: Start) -> list[list[float | int | str]]:
    """Compare steps to the errors of random initialization after some steps."""
    rows: list[list[float | int | str]] = []
    for level in LEVELS:
        ours, theirs = steps_to(start, level)
        share = float(ours.isfinite().double().mean())
        ratio = float((theirs / ours).median())
        rows.append([level, float(theirs.median()), float(ours.median()), ratio, share])
    return rows


def draw_curves(start: Start) -> str:
    """Draw R^2 on unseen rows over steps: medians, and the quarter above and below."""
    figure, (ax,) = axes(7, 4.2, 1)
    for label, side in (("made for the rows", start.sampled), ("random initialization", start.random)):
        low, middle, high = (side.r2.clamp(min=-1).quantile(q, dim=0) for q in (0.25, 0.5, 0.75))
        (line,) = ax.plot(start.looks, middle, label=label)
        ax.fill_between(start.looks, low, high, alpha=0.12, color=line.get_color(), linewidth=0)
    ax.set_xscale("symlog", linthresh=5)
    ax.set(xlabel="steps of AdamW", ylabel="R² on unseen rows", ylim=(-1, 1))
    ax.set_xticks([0, 5, 10, 20, 50, 100, 200, 500], ["0", "5", "10", "20", "50", "100", "200", "500"])
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    return picture(figure, "zero_shot", "R² on unseen rows over steps of training, medians and quarters")


def main() -> None:
    """Measure and write the section."""
    chosen = setup("zero_shot.py", __doc__, tasks=100)
    tasks, made = problems(chosen), sources(chosen)
    start = starts(chosen, tasks, made["rows"])
    lines = [
        f"{len(tasks)} held-out random tasks, {NETWORKS} networks each; the last quarter of the rows is unseen. Last "
        "layers are solved in closed form on the rows that were seen, of every network that is not trained: no "
        f"gradient step. The best of {CANDIDATES} is the one of least error when rows that were seen are left out.",
        "",
        *zero_shot(chosen, tasks),
        "",
        "Few-shot: the same networks and random initializations of the same architectures, trained alike (AdamW, 0.02 "
        "falling along a cosine, 48 rows a step). The error to be reached is the least that the random twin had within "
        "so many steps; errors are looked at after 0, 5, 10, 20, … steps; a start without training counts as one.",
        "",
        *table(
            ["within steps", "random: median steps", "made: median steps", "ratio, median", "reached"], ahead(start)
        ),
        "",
        draw_curves(start),
    ]
    chosen.write("Zero-shot and few-shot", lines)


if __name__ == "__main__":
    main()
