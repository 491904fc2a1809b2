"""The portfolio: layouts that go well together for data sets of each number of columns.

Layouts do not depend on a data set's rows, so those that a search begins with can be chosen once. As in auto-sklearn's
portfolios (Feurer et al. 2022, "Auto-Sklearn 2.0"), they are chosen greedily: the next one is that which lowers the
error of the best most, on average over tasks that the generator is trained on.
"""

import torch
from torch import Tensor

from netgraph.model.context import Context
from netgraph.model.layout import Layouts
from netgraph.model.parts import evaluating
from netgraph.model.vae import NetVAE
from netgraph.stack import first_outputs
from netgraph.training.config import PortfolioConfig
from netgraph.training.episodes import Episode, Episodes
from netgraph.training.module import LEAST_ERROR

#: Networks that are made for the tasks at once.
PART = 1024
#: Largest error, in units of the target's variance, that a network counts with.
MOST_ERROR = 4.0
#: Least variance of a target that errors are measured by.
LEAST_VARIANCE = 1e-3


@torch.no_grad()
def build_portfolio(vae: NetVAE, episodes: Episodes, config: PortfolioConfig, seed: int = 0) -> Layouts:
    """Choose layouts for each number of columns that there are tasks of and that the model covers; the best come first.

    Args:
        vae: A model with a generator.
        episodes: Gives tasks.
        config: How many.
        seed: Of layouts, tasks and networks.
    """
    parts = []
    with torch.random.fork_rng(), evaluating(vae):
        torch.manual_seed(seed)
        for columns in sorted(vae.coverage.inputs.intersection(episodes.columns)):
            context = Context.of(vae, config.pool, counts=[(columns, 1)] * config.pool)
            layouts = vae.carry_layouts(torch.randn(config.pool, vae.config.latent_size, device=vae.device), context)
            errors = _errors(vae, layouts, episodes.draw(torch.full((episodes.shared * config.tasks,), columns)))
            parts.append(layouts.part(greedily((LEAST_ERROR + errors).log(), config.size)))
    joined = Layouts.join(parts)
    return Layouts(joined.network.cpu(), joined.architectures)


def greedily(errors: Tensor, size: int) -> list[int]:
    """Choose rows one by one, each of which lowers the mean over columns of the least error most.

    Args:
        errors: [candidates, tasks].
        size: How many.

    Returns:
        Their numbers, in the order in which they were chosen.
    """
    chosen: list[int] = []
    least = torch.full_like(errors[0], torch.inf)
    for _ in range(min(size, len(errors))):
        means = torch.minimum(errors, least).mean(dim=1)
        means[chosen] = torch.inf
        chosen.append(int(means.argmin()))
        least = torch.minimum(errors[chosen[-1]], least)
    return chosen


def _errors(vae: NetVAE, layouts: Layouts, episode: Episode) -> Tensor:
    """Write a network of each layout for each task; return its error on the rows not seen, [layouts, tasks].

    It is the mean square relative to the target's variance.
    """
    count, tasks = len(layouts), len(episode.rows)
    pairs = [(i, t) for i in range(count) for t in range(tasks)]
    found = []
    for start in range(0, len(pairs), PART):
        which, task = (list(side) for side in zip(*pairs[start : start + PART], strict=True))
        noise = torch.randn(len(which), vae.config.latent_size, device=vae.device)
        rows = episode.rows.part(task)
        graphs, _ = vae.carry(noise, rows=rows.first(episode.seen), layouts=layouts.part(which))
        x, y = rows.x[:, episode.seen :].cpu(), rows.y[:, episode.seen :].cpu()
        output = first_outputs([graph.architecture for graph in graphs], [graph.state for graph in graphs], x)
        relative = (output - y).square().mean(dim=1) / y.var(dim=1).clamp(min=LEAST_VARIANCE)
        found.append(relative.nan_to_num(MOST_ERROR, MOST_ERROR).clamp(max=MOST_ERROR))
    return torch.cat(found).view(count, tasks)
