"""Every kind of file that the library reads: how one is written, and how it is read and used."""

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from optuna import create_trial
from optuna.distributions import FloatDistribution
from torch import nn

from netgraph import NetVAE, Zoo, from_module, to_module
from netgraph.files import _record_sha256
from netgraph.graph.io import load_graphs, save_graphs
from netgraph.job import Job
from netgraph.search.latent_search import NAMES, open_study
from netgraph.tasks.dataset import RealDataset, read_cached, read_catalog, write_cached
from netgraph.tasks.table import read_table
from netgraph.training import TrainConfig
from netgraph.training.module import VAEModule
from netgraph.training.resume import restore, save, seeded
from netgraph.zoo import ZooRecipe
from tests.model.small import untrained
from tests.zoo.stores import small_recipe, write_store


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        write: Writes one into a folder.
        read: Reads it, and gives what must be the same; it uses what was read.
        names: Names of the files that are damaged.
    """

    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    names: tuple[str, ...]


def feed_forward() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 4),
        nn.LayerNorm(4),
        nn.LeakyReLU(0.3),
        nn.Linear(4, 2),
        nn.BatchNorm1d(2),
        nn.Tanh(),
        nn.Linear(2, 1),
    ).eval()


class Mixed(nn.Module):
    """A convolution, a recurrent layer, a parameter and a buffer of whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lstm, self.head = (
            nn.Conv1d(2, 4, 3, padding=1),
            nn.LSTM(4, 3, batch_first=True),
            nn.Linear(6, 1),
        )
        self.scale = nn.Parameter(torch.ones(4))
        self.register_buffer("order", torch.arange(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = torch.relu(self.conv(x).transpose(1, 2)) * self.scale
        hidden, _ = self.lstm(found + self.order)
        return self.head(torch.cat([hidden[:, -1], hidden.mean(dim=1)], dim=1))


def tensors_of(module: nn.Module) -> bytes:
    return b"".join(value.numpy().tobytes() for value in module.state_dict().values())


def write_graphs(folder: Path) -> None:
    save_graphs(
        [from_module(feed_forward()), from_module(nn.Sequential(nn.Linear(2, 2), nn.GELU()))], folder / "g.safetensors"
    )


def read_graphs(folder: Path) -> Any:
    graphs = load_graphs(folder / "g.safetensors")
    return [(graph.architecture.layers, tensors_of(to_module(graph)), graph.validate()) for graph in graphs]


def write_modules(folder: Path) -> None:
    torch.manual_seed(0)
    save_graphs([from_module(Mixed().eval(), torch.randn(2, 2, 5))], folder / "m.safetensors")


def read_modules(folder: Path) -> Any:
    (graph,) = load_graphs(folder / "m.safetensors")
    return repr(graph.program.calls), graph.num_nodes, tensors_of(to_module(graph))


def write_checkpoint(folder: Path) -> None:
    model = untrained()
    model.card = {"seed": 1}
    model.save(folder / "vae.safetensors")


def read_checkpoint(folder: Path) -> Any:
    model = NetVAE.from_pretrained(folder / "vae.safetensors")
    return model.config, model.card, model.coverage, tensors_of(model)


def write_zoo(folder: Path) -> None:
    zoo = write_store(folder, small_recipe(n_tasks=2, tasks_per_shard=2), checkpoints=2)
    record = {"format": "netgraph.Zoo", "version": 2, "digest": "0", "recipes": [asdict(zoo.recipe)]}
    (folder / "zoo.json").write_text(json.dumps(record | {"record_sha256": _record_sha256(record)}))


def read_zoo(folder: Path) -> Any:
    zoo = Zoo(folder)
    graphs = [(graph.architecture.layers, tensors_of(to_module(graph)), graph.task, graph.r2) for graph in zoo]
    tasks = [
        (task.family, task.seed, float(task.y_mean), float(task.y_scale), task.x.numpy().tobytes())
        for task in zoo.tasks
    ]
    table, split = zoo.table.to_csv(), zoo.split("test")
    return zoo.recipe, graphs, tasks, table, split, zoo.meta_features.tolist(), zoo.trajectory(0).tolist()


def write_cache(folder: Path) -> None:
    data = RealDataset("mine", np.arange(12.0).reshape(6, 2), np.arange(6.0), ("a", "b"))
    write_cached(data, {"source": {"name": "mine"}}, 7, folder)


def read_cache(folder: Path) -> Any:
    data = read_cached(7, folder, "mine")
    return data.x.tolist(), data.y.tolist(), data.feature_names


def write_recipe(folder: Path) -> None:
    (folder / "r.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(asdict(ZooRecipe.load("tiny"))))))


def write_catalog(folder: Path) -> None:
    (folder / "c.yaml").write_text(yaml.safe_dump({"a": {"openml": 3, "target": "y", "rows": 5}, "b": {"openml": 4}}))


def job(folder: Path) -> Job:
    return Job.open(folder / "run.json", {"preset": "tiny", "seed": 0}, {"preset": None, "seed": None})


def write_job(folder: Path) -> None:
    found = job(folder)
    found.seconds["zoo"] = 1.5
    found.write()


def read_job(folder: Path) -> Any:
    found = job(folder)
    return found.of, found.seconds


def in_training() -> tuple[VAEModule, torch.optim.Optimizer]:
    module = VAEModule(untrained(), TrainConfig(max_epochs=1), 1)
    return module, module.configure_optimizers()


def write_training(folder: Path) -> None:
    module, optimizer = in_training()
    for group in optimizer.param_groups:
        for value in group["params"][:3]:
            value.grad = torch.ones_like(value)
    optimizer.step()
    save(folder / "t.safetensors", module, optimizer)


def read_training(folder: Path) -> Any:
    module, optimizer = in_training()
    with seeded(0):  # the states of the global generators are restored too
        restore(folder / "t.safetensors", module, optimizer)
    state = optimizer.state_dict()["state"]
    moments = [sorted((key, value.tolist()) for key, value in state[i].items()) for i in sorted(state)]
    return tensors_of(module.vae), module.steps_done, module.seconds_before, module.skipped, moments


def write_study(folder: Path) -> None:
    with open_study(folder / "study.db", 2, {"seed": 1}) as study:
        distribution = FloatDistribution(0.0, 1.0)
        params = dict.fromkeys(NAMES, 0.5)
        study.add_trial(
            create_trial(params=params, distributions=dict.fromkeys(NAMES, distribution), values=[1.0, 2.0])
        )


def read_study(folder: Path) -> Any:
    with open_study(folder / "study.db", 2, {"seed": 1}) as study:
        return [trial.values for trial in study.get_trials()]


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(20.0), "y": np.arange(20.0) ** 2})


def table_of(name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of another encoding, or rows without a target
            found = read_table(folder / name, "y")
        return found.X.to_numpy().tolist(), found.y.tolist(), found.features

    return read


#: Kinds of files whose content a checksum vouches for, or whose every change is seen.
VOUCHED = {
    "graphs": Kind(write_graphs, read_graphs, ("g.json", "g.safetensors")),
    "modules": Kind(write_modules, read_modules, ("m.json", "m.safetensors")),
    "checkpoint": Kind(write_checkpoint, read_checkpoint, ("vae.json", "vae.safetensors")),
    "zoo": Kind(write_zoo, read_zoo, ("zoo.json", "manifest.json", "shards/00000.json", "shards/00000.safetensors")),
    "cache": Kind(write_cache, read_cache, ("openml-7.json", "openml-7.safetensors")),
    "job": Kind(write_job, read_job, ("run.json",)),
    "training": Kind(write_training, read_training, ("t.json", "t.safetensors")),
}
#: Kinds of files in which people may write what they like.
FREE = {
    "recipe": Kind(write_recipe, lambda folder: ZooRecipe.load(folder / "r.yaml"), ("r.yaml",)),
    "catalog": Kind(write_catalog, lambda folder: read_catalog(folder / "c.yaml"), ("c.yaml",)),
    "study": Kind(write_study, read_study, ("study.db",)),
    "csv": Kind(lambda folder: frame().to_csv(folder / "d.csv", index=False), table_of("d.csv"), ("d.csv",)),
    "gz": Kind(lambda folder: frame().to_csv(folder / "d.csv.gz", index=False), table_of("d.csv.gz"), ("d.csv.gz",)),
    "parquet": Kind(lambda folder: frame().to_parquet(folder / "d.parquet"), table_of("d.parquet"), ("d.parquet",)),
}
KINDS = VOUCHED | FREE
