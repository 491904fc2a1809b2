"""Task families: each draws random noiseless regression problems of one kind. One of the two registries."""

from netgraph.tasks.families.base import (
    Inputs,
    Problem,
    TaskFamily,
    family_names,
    get_family,
    register,
)
from netgraph.tasks.families.causal import StructuralCausalModel
from netgraph.tasks.families.friedman import Friedman1, Friedman2, Friedman3
from netgraph.tasks.families.gaussian_process import GaussianProcess
from netgraph.tasks.families.linear import Linear
from netgraph.tasks.families.perceptron import BayesianNetwork, MLPTeacher
from netgraph.tasks.families.piecewise import Piecewise
from netgraph.tasks.families.polynomial import Polynomial
from netgraph.tasks.families.products import Products
from netgraph.tasks.families.trees import ObliviousTrees

__all__ = [
    "BayesianNetwork",
    "Friedman1",
    "Friedman2",
    "Friedman3",
    "GaussianProcess",
    "Inputs",
    "Linear",
    "MLPTeacher",
    "ObliviousTrees",
    "Piecewise",
    "Polynomial",
    "Problem",
    "Products",
    "StructuralCausalModel",
    "TaskFamily",
    "family_names",
    "get_family",
    "register",
]

for _family in (
    Linear(),
    Friedman1(),
    Friedman2(),
    Friedman3(),
    MLPTeacher(),
    BayesianNetwork(),
    Polynomial(),
    GaussianProcess(),
    StructuralCausalModel(),
    ObliviousTrees(),
    Piecewise(),
    Products(),
):
    register(_family)
