"""The whole job: zoo, training, evaluation on held-out tasks, samples, a real data set, report.

Every phase leaves its result in the run's folder, so that an interrupted run goes on with the first phase that is not
done; the time that an interrupted phase took is counted.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Generator

from netgraph.errors import NetGraphError, StoreError
from netgraph.evaluation import Reconstruction, evaluate_reconstruction, evaluate_samples, start_of_samples
from netgraph.evaluation.report import Report, write_report
from netgraph.files import read_record, record_path, write_atomically
from netgraph.graph.io import save_graphs
from netgraph.graph.netgraph import NetGraph
from netgraph.machine import check_device, provenance
from netgraph.model import GeneratorConfig, LossWeights, NetVAE, PriorConfig, VAEConfig
from netgraph.search import RealResult, SearchConfig, try_real
from netgraph.tasks import draw_tasks
from netgraph.threads import threads
from netgraph.training import Episodes, Example, PortfolioConfig, TrainConfig, train
from netgraph.training.history import loss_curves, write_metrics
from netgraph.zoo import Zoo, ZooRecipe, build_zoo

FORMAT, VERSION = "netgraph.run", 1
KEYS = (
    "edge_accuracy", "edge_f1", "cosine_similarity", "parameter_cosine_similarity", "output_r2_median", "validity",
    "uniqueness", "novelty", "sample_quality", "sample_behaviour_distance", "random_behaviour_distance",
    "floor_behaviour_distance", "zoo_models_per_second", "train_seconds", "total_seconds", "n_train", "n_test",
)  # fmt: skip
TARGETS = {
    "edge_f1": 0.97, "cosine_similarity": 0.85, "output_r2_median": 0.7, "validity": 1.0, "uniqueness": 0.95,
}  # fmt: skip


@dataclass(frozen=True)
class Preset:
    """The size of a run.

    Attributes:
        recipe: Name of the zoo's recipe.
        vae: Sizes of the model.
        training: How it is trained.
        n_tasks: Tasks that the generator is trained on beside those of the zoo.
        n_samples: Samples drawn.
        n_start_tasks: Held-out tasks that networks are sampled for and fine-tuned on.
        search: How a network for the real data set is looked for.
        n_splits: Splits of the real data set.
    """

    recipe: str
    vae: VAEConfig
    training: TrainConfig
    n_tasks: int = 1000
    n_samples: int = 1000
    n_start_tasks: int = 50
    search: SearchConfig = field(default_factory=SearchConfig)
    n_splits: int = 5


PRESETS = {
    "quick": Preset(
        "quick",
        VAEConfig(max_nodes=96, max_fan=24, generator=GeneratorConfig()),
        TrainConfig(
            batch_size=32,
            learning_rate=3e-3,
            max_epochs=15,
            max_seconds=260.0,
            generator_seconds=45.0,
            mixed=True,
            portfolio=PortfolioConfig(size=16, pool=32, tasks=8),
        ),
        n_tasks=500,
    ),
    "full": Preset(
        "full",
        VAEConfig(
            place_depths=6,
            place_positions=32,
            slot_size=24,
            max_nodes=416,
            max_fan=33,
            loss=LossWeights(jacobian=0.2),
            prior=PriorConfig(width=96),
            generator=GeneratorConfig(),
        ),
        TrainConfig(
            max_epochs=200,
            max_seconds=2100.0,
            prior_epochs=400,
            prior_seconds=3000.0,
            generator_epochs=400,
            generator_seconds=2700.0,
            portfolio=PortfolioConfig(),
            mixed=True,
        ),
        n_tasks=12_000,
    ),
    "tiny": Preset(
        "tiny",
        VAEConfig(
            max_nodes=96,
            max_fan=24,
            width=32,
            prior=PriorConfig(width=32),
            generator=GeneratorConfig(width=32, layers=2, row_width=16, row_rounds=1),
        ),
        TrainConfig(
            batch_size=16,
            max_epochs=10,
            max_seconds=20.0,
            prior_epochs=5,
            prior_seconds=10.0,
            generator_epochs=5,
            generator_seconds=10.0,
            portfolio=PortfolioConfig(size=2, pool=4, tasks=2),
            checkpoint_seconds=1.0,
            log_every=1,
        ),
        n_tasks=50,
        n_samples=20,
        n_start_tasks=1,
        search=SearchConfig(n_candidates=32, n_tuned=4, rungs=(10, 20)),
        n_splits=2,
    ),
}


def run(
    preset: str | None = None, out: str | Path = "runs/quick", seed: int | None = None, device: str = "cpu"
) -> dict[str, float]:
    """Do the whole job, or go on with one that was interrupted.

    Args:
        preset: ``quick``, ``full``, or ``tiny`` (a smoke test); that of the folder, or ``quick``, when None.
        out: The folder; it takes ``zoo/``, ``checkpoints/``, ``tensorboard/``, ``samples/``, ``report.html`` and
            ``metrics.json``.
        seed: Of everything; that of the folder, or 0, when None.
        device: Where the model is trained, ``cpu`` or ``cuda``.

    Returns:
        The figures in ``metrics.json``.

    Raises:
        NetGraphError: When the preset is unknown, or the folder holds a run of another preset or seed.
    """
    folder, device = Path(out), check_device(device)
    job = _Job.open(folder, preset, seed)
    size = PRESETS[job.preset]
    with job.phase("zoo"):
        recipe = replace(ZooRecipe.load(size.recipe), seed=job.seed)
        zoo = build_zoo(recipe, folder / "zoo")
    with job.phase("train"):
        vae = _trained(zoo, size, folder, job.seed, device)
    with job.phase("evaluate"), threads(1):
        held_out = zoo.split("test")
        reconstruction, pairs, z = _rebuild(vae, zoo, held_out)
        samples = vae.sample(size.n_samples, seed=job.seed)
        save_graphs(samples, folder / "samples" / "samples.safetensors")
        real = try_real(vae, config=size.search, n_splits=size.n_splits)
        save_graphs([real.graph], folder / "samples" / "diabetes.safetensors")
        generator = Generator().manual_seed(job.seed)
        test, training = ([zoo[i] for i in zoo.split(name)] for name in ("test", "train"))
        figures = reconstruction.metrics | evaluate_samples(samples, test, training, generator)
        figures |= start_of_samples(vae, zoo, size.n_start_tasks, 4, generator).figures
    workers = min(os.cpu_count() or 1, recipe.n_shards)
    figures |= {
        "zoo_models_per_second": len(zoo) * workers / max(zoo.train_seconds, 1e-9),
        "train_seconds": job.seconds["train"],
        "total_seconds": sum(job.seconds.values()),
        "n_train": float(len(training)),
        "n_test": float(len(test)),
    }
    vae.card |= {"recipe": asdict(recipe), "preset": job.preset, "seed": job.seed, **provenance(), "figures": figures}
    vae.save(_checkpoint(folder))
    _leave(folder, job, figures, real, reconstruction, pairs, z, [zoo.tasks[zoo[i].task].family for i in held_out])
    return figures


def _trained(zoo: Zoo, size: Preset, folder: Path, seed: int, device: str) -> NetVAE:
    if record_path(_checkpoint(folder)).exists():
        return NetVAE.from_pretrained(_checkpoint(folder))
    examples = [_example(zoo, i) for i in zoo.split("train")]
    episodes = training_episodes(zoo, size.n_tasks)
    return train(examples, folder, size.vae, replace(size.training, seed=seed), episodes=episodes, device=device)


def training_episodes(zoo: Zoo, n_more: int) -> Episodes:
    """Take the tasks of a zoo's training networks, and more of the same kind, which no network was trained on."""
    numbers = sorted({graph.task for graph in zoo.stream(zoo.split("train"))})
    recipe, known = zoo.recipe, zoo.meta_features[numbers]
    more = draw_tasks(n_more, recipe.tasks, seed=recipe.seed, start=len(zoo.tasks))
    tasks = [zoo.tasks[number] for number in numbers] + more
    return Episodes(tasks, torch.cat([known, torch.full((n_more, known.shape[1]), torch.nan)]))


def _checkpoint(folder: Path) -> Path:
    return folder / "checkpoints" / "vae.safetensors"


def _example(zoo: Zoo, i: int) -> Example:
    graph = zoo[i]
    return Example(graph, zoo.tasks[graph.task].x, zoo.meta_features[graph.task])


def _rebuild(
    vae: NetVAE, zoo: Zoo, held_out: Sequence[int]
) -> tuple[Reconstruction, list[tuple[NetGraph, NetGraph, float, float]], torch.Tensor]:
    """Encode held-out networks and decode them free-running; also three pairs to look at, from bad to good."""
    true = [zoo[i] for i in held_out]
    z = vae.encode(true)
    rebuilt = vae.decode(z)
    result = evaluate_reconstruction(true, rebuilt, [zoo.tasks[graph.task].x for graph in true])
    ranked = result.output_r2.argsort().tolist()
    shown = [ranked[len(ranked) * k // 4] for k in (1, 2, 3)]
    pairs = [(true[i], rebuilt[i], float(result.cosine[i]), float(result.output_r2[i])) for i in shown]
    return result, pairs, z.cpu()


def _leave(
    folder: Path,
    job: "_Job",
    figures: dict[str, float],
    real: RealResult,
    reconstruction: Reconstruction,
    pairs: list[tuple[NetGraph, NetGraph, float, float]],
    z: torch.Tensor,
    families: list[str],
) -> None:
    write_metrics(folder / "tensorboard", figures)
    report = Report(
        title=f"netgraph run, preset {job.preset}, seed {job.seed}",
        metrics=figures,
        targets=TARGETS,
        curves=loss_curves(folder / "tensorboard"),
        pairs=pairs,
        latents=z,
        families=families,
        output_r2=reconstruction.output_r2,
        cosine=reconstruction.cosine,
        real=real.scores,
    )
    write_report(report, folder / "report.html")
    listed = {key: figures[key] for key in KEYS} | {
        "more": {key: value for key, value in figures.items() if key not in KEYS},
        "diabetes_test_r2": real.scores,
        "diabetes_test_r2_deviation": real.spread,
    }
    write_atomically(folder / "metrics.json", json.dumps(listed, indent=1).encode())


@dataclass
class _Job:
    """What a run's folder says of it: preset, seed, and the time that each phase took so far."""

    path: Path
    preset: str
    seed: int
    seconds: dict[str, float]

    @classmethod
    def open(cls, folder: Path, preset: str | None, seed: int | None) -> "_Job":
        """Read the folder's record, or begin one."""
        if preset is not None and preset not in PRESETS:
            raise NetGraphError(f"unknown preset {preset!r}; known: {', '.join(PRESETS)}")
        path = folder / "run.json"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            job = cls(path, preset or "quick", seed or 0, {})
            job.write()
            return job
        record = read_record(path, FORMAT, VERSION)
        for key, asked in (("preset", preset), ("seed", seed)):
            if asked is not None and asked != record[key]:
                raise StoreError(f"{path}: a run with {key} {record[key]}, not {asked}; choose another folder")
        return cls(path, record["preset"], record["seed"], record["seconds"])

    def write(self) -> None:
        """Write the record."""
        fields = {"preset": self.preset, "seed": self.seed, "seconds": self.seconds}
        write_atomically(self.path, json.dumps({"format": FORMAT, "version": VERSION} | fields).encode())

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase; an evaluation is done anew and counts once."""
        before = 0.0 if name == "evaluate" else self.seconds.get(name, 0.0)
        started = time.monotonic()
        print(f"{name} ...", flush=True)
        try:
            yield
        finally:
            self.seconds[name] = before + time.monotonic() - started
            self.write()
        print(f"{name}: {self.seconds[name]:.0f} s", flush=True)
