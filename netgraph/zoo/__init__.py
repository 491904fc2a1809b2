"""Zoos: random architectures trained on random tasks, and their store on disk.

Imported when first used, so that the manifest of a zoo is read without torch.
"""

from typing import TYPE_CHECKING

from netgraph.lazy import attach

if TYPE_CHECKING:
    from netgraph.zoo.architectures import ArchitectureRecipe, draw_architecture, draw_architectures
    from netgraph.zoo.build import build_zoo
    from netgraph.zoo.fit_recipe import FitConfig, FitRecipe, Schedule
    from netgraph.zoo.fitting import fit_networks, pad_rows
    from netgraph.zoo.initial import initialize, random_like
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
__getattr__, __dir__ = attach(
    __name__,
    {
        "architectures": ["ArchitectureRecipe", "draw_architecture", "draw_architectures"],
        "build": ["build_zoo"],
        "fit_recipe": ["FitConfig", "FitRecipe", "Schedule"],
        "fitting": ["fit_networks", "pad_rows"],
        "initial": ["initialize", "random_like"],
        "merge": ["merge_zoos"],
        "optimizers": ["OPTIMIZERS"],
        "recipe": ["ZooRecipe"],
        "training_state": ["Fitted"],
        "verify": ["describe_zoo", "verify_zoo"],
        "zoo": ["Zoo"],
    },
)
