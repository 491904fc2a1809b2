"""Task families: each draws random noiseless regression problems of one kind. One of the two registries."""

from netgraph.tasks.families.base import Inputs, Problem, TaskFamily, family_names, get_family, register
from netgraph.tasks.families.composed import BayesianNetwork, MLPTeacher, Products, StructuralCausalModel
from netgraph.tasks.families.functions import (
    Friedman1,
    Friedman2,
    Friedman3,
    GaussianProcess,
    Linear,
    ObliviousTrees,
    Piecewise,
    Polynomial,
)

__all__ = ["Inputs", "Problem", "TaskFamily", "family_names", "get_family", "register"]

for _family in (
    *(Linear, Friedman1, Friedman2, Friedman3, MLPTeacher, BayesianNetwork, Polynomial, GaussianProcess),
    *(StructuralCausalModel, ObliviousTrees, Piecewise, Products),
):
    register(_family())
