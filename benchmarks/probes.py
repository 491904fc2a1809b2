"""What a latent knows: linear probes on function codes, and the prediction of validation R² from latents."""

from typing import Any

import pandas as pd
import torch
from torch import Tensor

from benchmarks.report import Picture, table
from benchmarks.zoos import SEED, UNSEEN, checkpoint_of, open_or_build, unseen, with_rows, without_classes
from netgraph import NetVAE, Zoo
from netgraph.evaluation import predictor_tau, probe_error, probe_family, weight_statistics

TITLE = "Probes"
ABOUT = (
    "Linear probes on the function codes of networks of unseen tasks, one a task, cross-validated: the task's family "
    "(logistic regression; chance: the most frequent family), and the error on the validation rows (ridge regression, "
    "R²). And networks of one task each, trained in varied ways (10 to 500 steps, peak rates 10⁻⁴ to 10⁻¹, all "
    "architectures of the checkpoint's recipe): Kendall's tau of true and predicted validation R² (gradient boosting, "
    "5 folds), from codes and from weight statistics (mean, variance and quartiles of each tensor)."
)
VARIED: dict[str, Any] = {"steps": (10, 500), "learning_rate": (1e-4, 0.1), "least_r2": -1e30}
#: Columns of the tasks with varied trainings.
COLUMNS = 6
FEATURES = ("f", "f and a", "f, a and weight statistics", "weight statistics")


def grid(
    n: int = 1600, networks: int = 1300, tasks: int = 3, checkpoint: str | None = None, zoo: str = UNSEEN
) -> list[dict[str, Any]]:
    """Return the run of the linear probes, and one for each task with varied trainings.

    Args:
        n: Most networks of the linear probes.
        networks: Networks trained on one task; those that no step improved are left out.
        tasks: Number of such tasks.
        checkpoint: Path of a checkpoint; the one that ships when None.
        zoo: Folder of a zoo of unseen tasks, one network each; built where there is none.
    """
    runs: list[dict[str, Any]] = [{"task": None, "n": n, "zoo": zoo}]
    runs += [{"task": task, "n": networks, "zoo": f"runs/benchmark_varied_{task}"} for task in range(tasks)]
    return [run | {"checkpoint": checkpoint} for run in runs]


def measure(task: int | None, n: int, zoo: str, checkpoint: str | None) -> dict[str, Any]:
    """Measure the linear probes, or the predictors on one task."""
    vae = checkpoint_of(checkpoint)
    if task is None:
        return linear_probes(vae, unseen(zoo, checkpoint), n)
    counts = {"n_tasks": 1, "n_test_tasks": 0, "nets_per_task": n, "tasks_per_shard": 1, "seed": SEED + 10 + task}
    changes = {"tasks": {"n_features": (COLUMNS, COLUMNS)}, "training": VARIED}
    source = open_or_build(zoo, lambda: without_classes(checkpoint).changed(**counts, **changes))
    graphs = [graph for graph in source.stream() if vae.coverage.covers(graph.architecture)]
    z, r2 = vae.encode(graphs), torch.tensor([graph.r2 for graph in graphs])
    statistics, both = weight_statistics(graphs), z[:, : vae.architecture.stop]
    features = (z[:, vae.function], both, torch.cat([both, statistics], dim=1), statistics)
    taus = {name: predictor_tau(values, r2) for name, values in zip(FEATURES, features, strict=True)}
    return {"count": len(graphs), "tau": taus, "r2_deviation": float(r2.std())}


def linear_probes(vae: NetVAE, source: Zoo, n: int) -> dict[str, Any]:
    """Measure the probes for family and error."""
    graphs, _ = with_rows(source, vae, n)
    tasks = [graph.task for graph in graphs]
    f, r2 = vae.encode(graphs)[:, vae.function], Tensor([graph.r2 for graph in graphs])
    families = [source.tasks[task].family for task in tasks]
    accuracy, chance = probe_family(f, families, tasks), max(map(families.count, families)) / len(families)
    return {"count": len(graphs), "family": accuracy, "chance": chance, "error_r2": probe_error(f, r2, tasks)}


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate the probes, and tau by task."""
    linear, varied = runs[runs["task"].isna()], runs[runs["task"].notna()]
    parts: list[str | Picture] = []
    if len(linear):
        names = {"family": "accuracy of the family", "chance": "chance", "error_r2": "R² of the error"}
        parts.append(table(linear.rename(columns=names | {"count": "networks"})[["networks", *names.values()]]))
    if len(varied):
        taus = pd.DataFrame(varied["tau"].tolist())[list(FEATURES)]
        taus.insert(0, "networks", varied["count"].astype(int).tolist())
        parts += ["Kendall's tau, a task a row:", table(taus)]
    return parts
