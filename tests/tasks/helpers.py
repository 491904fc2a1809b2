"""What the tests of tasks share."""

import torch

from netgraph.tasks import TaskRecipe

#: No modifiers, no noise, no distractors, no filter.
PLAIN = TaskRecipe(modifiers={}, signal_to_noise=None, distractors=(0, 0), learnable=False)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def raw_y(task):
    return (task.y.double() * task.y_scale + task.y_mean)[:, 0]


def raw_x(task):
    return task.x.double() * task.x_scale + task.x_mean


def informative(task):
    return [int(i) for i in task.description["informative"].split(",")]


def equal(a, b):
    """Two tasks are the same, but for how many draws were dropped before them."""
    same = torch.equal(a.x, b.x) and torch.equal(a.y, b.y) and (a.family, a.seed) == (b.family, b.seed)
    return same and a.description | {"dropped": 0} == b.description | {"dropped": 0}


def linear_r2(x, y):
    """R^2 of the least-squares plane."""
    x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    residual = y - x @ torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    return float(1 - residual.var() / y.var())
