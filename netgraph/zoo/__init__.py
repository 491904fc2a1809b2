"""Zoos: random architectures trained on random tasks, and their store on disk."""

from netgraph.zoo.build import build_zoo
from netgraph.zoo.fitting import FitConfig, Fitted, fit_stack, pad_rows
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.zoo import Zoo

__all__ = ["FitConfig", "Fitted", "Zoo", "ZooRecipe", "build_zoo", "fit_stack", "pad_rows"]
