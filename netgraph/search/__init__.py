"""Networks for a data set."""

from netgraph.search.base import default_candidates
from netgraph.search.candidates import Candidates, Generated, Random
from netgraph.search.classifier import NetGraphClassifier
from netgraph.search.data import TabularData
from netgraph.search.estimator import NetGraphRegressor
from netgraph.search.extras.random_features import RandomFeatures, ScaledRandom
from netgraph.search.fit_job import FitJob, fit_table
from netgraph.search.latent_search import LatentObjective, sampler_of, search_latents
from netgraph.search.scoring import Candidate, CrossValidation
from netgraph.search.search_job import SearchJob, search_table

__all__ = [
    "Candidate",
    "Candidates",
    "CrossValidation",
    "FitJob",
    "Generated",
    "LatentObjective",
    "NetGraphClassifier",
    "NetGraphRegressor",
    "Random",
    "RandomFeatures",
    "ScaledRandom",
    "SearchJob",
    "TabularData",
    "default_candidates",
    "fit_table",
    "sampler_of",
    "search_latents",
    "search_table",
]
