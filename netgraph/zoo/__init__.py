"""Zoos: random architectures trained on random tasks, and their store on disk."""

from netgraph.zoo.architectures import (
    ArchitectureRecipe,
    draw_architecture,
    draw_architectures,
    initialize,
    random_like,
)
from netgraph.zoo.build import build_zoo
from netgraph.zoo.fit_recipe import FitConfig, FitRecipe, Schedule
from netgraph.zoo.fitting import fit_networks, pad_rows
from netgraph.zoo.merge import merge_zoos
from netgraph.zoo.optimizers import OPTIMIZERS
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.training_state import Fitted
from netgraph.zoo.verify import describe_zoo, verify_zoo
from netgraph.zoo.zoo import Zoo

__all__ = [
    "OPTIMIZERS",
    "ArchitectureRecipe",
    "FitConfig",
    "FitRecipe",
    "Fitted",
    "Schedule",
    "Zoo",
    "ZooRecipe",
    "build_zoo",
    "describe_zoo",
    "draw_architecture",
    "draw_architectures",
    "fit_networks",
    "initialize",
    "merge_zoos",
    "pad_rows",
    "random_like",
    "verify_zoo",
]
