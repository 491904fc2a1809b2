"""Search the latent space for networks that are accurate and small, with a sampler of Optuna."""

import optuna
import torch
from sklearn.datasets import load_diabetes

from netgraph import NetGraph, NetVAE
from netgraph.search import LatentObjective, TabularData, sampler_of, search_latents
from netgraph.tasks import standardize


def main(n_trials: int = 64) -> list[tuple[float, NetGraph]]:
    """Return the networks of the Pareto front, each with its error out of fold, from small to large."""
    X, y = (torch.from_numpy(standardize(values)[0]).float() for values in load_diabetes(return_X_y=True))
    objective = LatentObjective(NetVAE.from_pretrained(), TabularData(X, y[:, None]), ("error", "parameters"))
    study = optuna.create_study(directions=["minimize", "minimize"])  # or one in a file, which a later call continues
    search_latents(objective, study, sampler_of("nsga2", seed=0), n_trials)
    best = sorted(study.best_trials, key=lambda trial: trial.values[1])
    latents = torch.tensor([list(trial.params.values()) for trial in best], dtype=torch.float64)
    front = [(trial.values[0], one.graph) for trial, one in zip(best, objective.candidates(latents), strict=True)]
    print(f"{len(front)} networks of {n_trials}; error 1 is that of the mean")
    for error, graph in front:
        print(f"{error:.3f} {graph.state.numel():5} parameters  {graph.architecture}")
    return front


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
