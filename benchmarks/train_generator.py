"""Train the generator of a checkpoint further, or one of other sizes anew, on a GPU or a core.

No zoo is needed: the networks whose layouts it is trained for are samples of the checkpoint, and the tasks are drawn by
the recipe of the checkpoint's zoo, of more rows:

    python benchmarks/train_generator.py runs/generator --device cuda --seconds 480 --width 128 --layers 5

Called again with the same folder it goes on. It leaves ``checkpoints/vae.safetensors`` there.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from equal_time import EqualTime
from joblib import Parallel, delayed

from netgraph import NetVAE
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize
from netgraph.machine import check_device, provenance
from netgraph.model import GeneratorConfig
from netgraph.tasks import META_FEATURE_NAMES, Task, TaskRecipe, draw_tasks, get_meta_features, make_task
from netgraph.training import Episodes, Example, PortfolioConfig, TrainConfig, train_generator

#: Tasks, and networks, that a process draws at once.
TASKS, NETWORKS = 125, 256
#: Seed of the first of them; a zoo counts from 0.
SEED = 5000
#: Rows on which a network is observed.
OBSERVED = 32


def drawn(recipe: TaskRecipe, seed: int) -> list[tuple[Any, Any]]:
    """Draw tasks: x and y, as arrays."""
    torch.set_num_threads(1)
    return [(task.x.numpy(), task.y.numpy()) for task in draw_tasks(TASKS, recipe, seed=seed)]


def described(recipe: TaskRecipe, seed: int) -> list[Any]:
    """Give the meta-features of the same tasks."""
    return [get_meta_features(x, y).to_numpy("float32") for x, y in drawn(recipe, seed)]


def sampled(checkpoint: Path | None, seed: int) -> list[tuple[Any, Any]]:
    """Sample networks: their layers and states."""
    torch.set_num_threads(1)
    graphs = [canonicalize(graph) for graph in NetVAE.from_pretrained(checkpoint).sample(NETWORKS, seed=seed)]
    return [(graph.architecture.layers, graph.state.numpy()) for graph in graphs]


def side_by_side(function: Callable[..., list[Any]], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Call a function in a process a core; join what it gives."""
    return list(chain.from_iterable(Parallel(n_jobs=-1)(delayed(function)(*one) for one in arguments)))


def episodes_of(options: argparse.Namespace, recipe: TaskRecipe) -> Episodes:
    """Draw the tasks."""
    parts = -(-options.tasks // TASKS)
    found = side_by_side(drawn, [(recipe, SEED + i) for i in range(parts)])
    tasks: list[Task] = [make_task(x, y, family="drawn") for x, y in found]
    told = torch.from_numpy(_told(options, recipe)[: len(tasks)])
    untold = torch.full((len(tasks) - len(told), len(META_FEATURE_NAMES)), torch.nan)
    return Episodes(tasks, torch.cat([told, untold]), options.shared)


def _told(options: argparse.Namespace, recipe: TaskRecipe) -> npt.NDArray[np.float32]:
    """Give the meta-features of the first tasks, [told, features], from the file that keeps them, if there is one."""
    if options.meta_features and options.meta_features.exists():
        return np.asarray(np.load(options.meta_features))
    parts = -(-options.told // TASKS)
    found = side_by_side(described, [(recipe, SEED + i) for i in range(parts)])
    told = np.array(found, dtype="float32").reshape(-1, len(META_FEATURE_NAMES))
    if options.meta_features:
        np.save(options.meta_features, told)
    return told


def examples_of(options: argparse.Namespace, most_inputs: int) -> list[Example]:
    """Sample the networks, and keep those of one output that read no more columns than tasks have."""
    parts = -(-options.networks // NETWORKS)
    untold, examples = torch.full((len(META_FEATURE_NAMES),), torch.nan), []
    for layers, state in side_by_side(sampled, [(options.checkpoint, SEED + i) for i in range(parts)]):
        graph = NetGraph(Architecture(layers), torch.from_numpy(state))
        if graph.architecture.n_outputs > 1 or graph.architecture.n_inputs > most_inputs:
            continue
        x = torch.randn(OBSERVED, graph.architecture.n_inputs, generator=torch.Generator().manual_seed(0))
        examples.append(Example(graph, x, untold))
    return examples


def main() -> None:
    """Draw tasks and networks, train, and say how long it took."""
    options = _options()
    check_device(options.device)
    vae = NetVAE.from_pretrained(options.checkpoint)
    sizes = replace(vae.config.generator or GeneratorConfig(), **options.sizes)
    if options.anew or sizes != vae.config.generator:
        vae = vae.with_generator(sizes)
    if "tasks" not in vae.card.get("recipe", ()):
        raise SystemExit(f"{options.checkpoint}: its card has no recipe of tasks")
    recipe = TaskRecipe.from_dict(vae.card["recipe"]["tasks"] | {"rows": options.rows})
    if options.device == "cuda":
        torch.set_float32_matmul_precision("high")
    training = TrainConfig(
        batch_size=options.batch,
        generator_learning_rate=options.learning_rate,
        generator_epochs=10**6,
        mixed=True,
        portfolio=PortfolioConfig() if options.portfolio and vae.portfolio is None else None,
    )
    episodes, examples = episodes_of(options, recipe), examples_of(options, recipe.n_features[1])
    made = {f"generator_{name}": value for name, value in provenance().items()} | {"generator_tasks": asdict(recipe)}
    paced = [EqualTime({"hypernet": options.seconds})]
    vae = train_generator(
        vae, examples, options.out, training, episodes=episodes, callbacks=paced, device=options.device, card=made
    )
    print(f"{vae.card['generator_steps']} steps in all, {vae.card['generator_seconds']:.0f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder that takes checkpoints and tensorboard")
    parser.add_argument("--checkpoint", type=Path, help="where to begin; the one that ships when left out")
    parser.add_argument("--anew", action="store_true", help="forget the generator that is there")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--tasks", type=int, default=45_000, help=f"tasks that are drawn, {TASKS} at a time")
    parser.add_argument("--told", type=int, default=0, help="how many of them with meta-features (pymfe)")
    parser.add_argument("--meta-features", type=Path, help="a .npy file that keeps these, and is read if it is there")
    parser.add_argument("--portfolio", action=argparse.BooleanOptionalAction, default=True, help="choose one if needed")
    parser.add_argument("--rows", type=int, default=256, help="rows of a task")
    parser.add_argument("--networks", type=int, default=16_384, help=f"networks that are sampled, {NETWORKS} at a time")
    parser.add_argument("--batch", type=int, default=512, help="networks in a batch")
    parser.add_argument("--shared", type=int, default=4, help="networks of a batch that share a task")
    for one in fields(GeneratorConfig):
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=int, help="of the generator; as it is if left out")
    options = parser.parse_args()
    given = {one.name: getattr(options, one.name) for one in fields(GeneratorConfig)}
    options.sizes = {name: value for name, value in given.items() if value is not None}
    return options


if __name__ == "__main__":
    main()
