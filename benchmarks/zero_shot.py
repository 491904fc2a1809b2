"""Networks for unseen tasks: what they are worth before any gradient step, and how many steps they are ahead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from checkpoint import Setup, setup, table
from few_shot import RATE_TASKS, few_shot_lines
from netgraph.search.fit import find
from netgraph.search.running import errors_of, solve
from new_dataset_sources import InOrder
from torch import Generator, Tensor

from netgraph import NetGraph
from netgraph.evaluation import random_like
from netgraph.evaluation.training_start import Start, StartConfig, compare_starts, rows_to_train_on
from netgraph.model import Rows
from netgraph.search import SearchConfig
from netgraph.search.data import Data
from netgraph.stack import Stack
from netgraph.tasks import Task, check_meta_vector, compressed, get_meta_features

#: Share of a task's rows, the last ones, that no network has seen; the zoo's own networks did not train on them.
UNSEEN = 0.25
#: Networks of a task that are trained on, and candidates of which the best is taken.
NETWORKS, CANDIDATES = 8, 64
#: Name of what owes nothing to the model but its architectures.
RANDOM = "random initialization, architectures of the first"
#: Learning rates of which each kind of start gets its best.
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 2e-2)


@dataclass(frozen=True)
class Problem:
    """A task, its rows cut in two.

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


#: Makes networks for a task, of a number.
Draw = Callable[[Problem, int], list[NetGraph]]


def problems(chosen: Setup, split: str, count: int) -> list[Problem]:
    """Draw tasks of ``train`` or ``test`` networks."""
    zoo = chosen.zoo
    numbers = sorted({graph.task for graph in zoo.stream(zoo.split(split))})
    drawn = torch.randperm(len(numbers), generator=chosen.generator)[:count].tolist()
    found = []
    for number in sorted(numbers[i] for i in drawn):
        task = zoo.task(number)
        cut = rows_to_train_on(task.rows, UNSEEN)
        x = compressed(task.x)  # as a fit does
        parts = Data(x[:cut], task.y[:cut]), Data(x[cut:], task.y[cut:])
        meta_features = check_meta_vector(get_meta_features(parts[0].x.numpy(), parts[0].y.numpy()))[0]
        found.append(Problem(number, task, *parts, meta_features))
    return found


def sources(chosen: Setup) -> dict[str, Draw]:
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
        RANDOM: random,
    }


def zero_shot(chosen: Setup, tasks: Sequence[Problem]) -> list[str]:
    """Tabulate R^2 on unseen rows without a gradient step."""
    rows = []
    for name, draw in sources(chosen).items():
        single, best, joined = [], [], []
        for problem in tasks:
            networks = draw(problem, CANDIDATES)
            judged = solve(networks, problem.seen)
            r2 = problem.r2([one.graph for one in judged])
            single.append(r2[:NETWORKS])
            best.append(r2[errors_of(judged).argmin()])
            joined.append(problem.r2([begin(problem, networks)])[0])
        rows.append([name, *spread(torch.cat(single)), *spread(torch.stack(best)), *spread(torch.stack(joined))])
    trained = chosen.zoo.table.groupby("task")["validation_r2"]
    own = torch.cat([torch.tensor(trained.get_group(problem.number).to_numpy()) for problem in tasks]).clamp(min=-1)
    rows.append(["trained networks of the zoo (300 to 500 steps)", *spread(own), *["–"] * 6])
    head = ["networks for"]
    for what in ("one network", f"best of {CANDIDATES}", "begun fit"):
        head += [f"{what}: median R²", "mean", "10th percentile"]
    return table(head, rows)


def spread(r2: Tensor) -> list[float]:
    """Give median, mean and 10th percentile."""
    return [float(r2.double().median()), float(r2.double().mean()), float(r2.double().quantile(0.1))]


def best_of(draw: Draw) -> Draw:
    """Make networks that are each the best of :data:`CANDIDATES` by what rows are predicted to be when left out."""

    def best(problem: Problem, n: int) -> list[NetGraph]:
        judged = solve(draw(problem, CANDIDATES * n), problem.seen)
        parts = [judged[i::n] for i in range(n)]
        return [min(part, key=lambda one: one.error).graph for part in parts]

    return best


def begin(problem: Problem, candidates: Sequence[NetGraph]) -> NetGraph:
    """Give what a fit has before its first gradient step: the best of baselines and candidates, joined."""
    config = SearchConfig(n_candidates=len(candidates), rungs=())
    return find(InOrder(candidates), problem.seen, config).graph


def begun(draw: Draw) -> Draw:
    """Make networks that are each what a fit begins with of :data:`CANDIDATES`."""

    def begun_each(problem: Problem, n: int) -> list[NetGraph]:
        networks = draw(problem, CANDIDATES * n)
        return [begin(problem, networks[i::n]) for i in range(n)]

    return begun_each


@dataclass(frozen=True)
class Kind:
    """A kind of start.

    Attributes:
        name: What it is called.
        draw: Makes networks.
        networks: How many for a task.
    """

    name: str
    draw: Draw
    networks: int

    def of(self, tasks: Sequence[Problem]) -> list[NetGraph]:
        """Make the networks of tasks, those of a task beside each other."""
        return [graph for problem in tasks for graph in self.draw(problem, self.networks)]


def kinds(chosen: Setup) -> list[Kind]:
    """Give the starts that are compared with random initialization."""
    made, random = (sources(chosen)[name] for name in ("rows", RANDOM))
    return [
        Kind("made for the rows", made, NETWORKS),
        Kind(f"best of {CANDIDATES} made for the rows", best_of(made), 1),
        Kind(f"best of {CANDIDATES} random ones, last layers solved", best_of(random), 1),
        Kind(f"begun fit with {CANDIDATES} made for the rows", begun(made), 1),
        Kind(f"begun fit with {CANDIDATES} random ones", begun(random), 1),
    ]


def compared(
    chosen: Setup, tasks: Sequence[Problem], graphs: Sequence[NetGraph], rate: float, random_rate: float
) -> Start:
    """Train starts, as many for every task, and random ones of the same architectures, on the rows that were seen."""
    rows = [(problem.task.x, problem.task.y) for problem in tasks for _ in range(len(graphs) // len(tasks))]
    configs = [StartConfig(learning_rate=one) for one in (rate, random_rate)]
    return compare_starts(graphs, rows, UNSEEN, [0.0] * len(graphs), chosen.generator, *configs)


def best_rates(
    chosen: Setup, tasks: Sequence[Problem], graphs: Sequence[NetGraph], rates: Sequence[float]
) -> tuple[float, float]:
    """Choose the rates of starts, and of random initialization, of the best mean over looks of median R^2."""
    found = {rate: compared(chosen, tasks, graphs, rate, rate) for rate in rates}

    def best(side: str) -> float:
        return max(rates, key=lambda rate: float(getattr(found[rate], side).r2.clamp(min=-1).median(dim=0)[0].mean()))

    return best("sampled"), best("random")


@dataclass(frozen=True)
class Trained:
    """Kinds of starts, trained at their best rates; all by name.

    Attributes:
        rates: Of the starts, and of random initialization.
        graphs: The starts.
        found: How they did.
    """

    rates: dict[str, tuple[float, float]]
    graphs: dict[str, list[NetGraph]]
    found: dict[str, Start]


def train_starts(
    chosen: Setup, all_kinds: Sequence[Kind], tasks: Sequence[Problem], rates: Sequence[float] = RATES
) -> Trained:
    """Choose the rates of all kinds on training tasks, and train their starts for others."""
    others = problems(chosen, "train", RATE_TASKS)
    best = {kind.name: best_rates(chosen, others, kind.of(others), rates) for kind in all_kinds}
    graphs = {kind.name: kind.of(tasks) for kind in all_kinds}
    return Trained(best, graphs, {name: compared(chosen, tasks, own, *best[name]) for name, own in graphs.items()})


def main() -> None:
    """Measure and write both sections; the second one takes most of the time."""
    chosen = setup("zero_shot.py", __doc__, tasks=100)
    tasks, all_kinds = problems(chosen, "test", chosen.options.tasks), kinds(chosen)
    lines = [
        f"{len(tasks)} held-out random tasks, {NETWORKS} networks each; the last quarter of the rows is unseen. Last "
        "layers are solved in closed form on the rows that were seen, of every network that is not trained: no "
        f"gradient step. The best of {CANDIDATES} is the one of least error when rows that were seen are left out. "
        f"A begun fit is what `NetGraphRegressor` has of {CANDIDATES} candidates before its first gradient step: the "
        "best of baselines, focused baselines and candidates, joined to one network by least squares.",
        "",
        *zero_shot(chosen, tasks),
    ]
    chosen.write("Zero-shot", lines)
    trained = train_starts(chosen, all_kinds, tasks)
    about = (
        f'Starts of {len(all_kinds)} kinds for {len(tasks)} held-out tasks, {NETWORKS} networks each, as "Zero-shot".'
    )
    chosen.write("Few-shot", [about, *few_shot_lines(trained.rates, trained.found, "zero_shot")])


if __name__ == "__main__":
    main()
