"""The questions about the model, measured on tiny cases."""

import pandas as pd
import pytest

from benchmarks import ablations, checkpoint, rebuilding, reconstruction, sampling, zoos
from benchmarks.harness import load_runs, measure_runs
from netgraph import NetGraphError, NetVAE
from netgraph.zoo import ZooRecipe
from tests.zoo.stores import build_here

ONE_TASK_EACH = {"n_tasks": 12, "n_test_tasks": 12 - 1, "nets_per_task": 1, "tasks_per_shard": 12}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("zoos")


@pytest.fixture(scope="module")
def unseen(folder):
    """Networks of tasks of three columns, one each."""
    recipe = ZooRecipe.load("full").changed(
        **ONE_TASK_EACH, seed=1, tasks={"n_features": (3, 3)}, training={"steps": (30, 30), "least_r2": -1e9}
    )
    build_here(recipe, folder / "unseen")
    return str(folder / "unseen")


def reported(module, runs, tmp_path):
    measure_runs(module, "question", runs, tmp_path)
    return module.report(load_runs("question", tmp_path))


def test_the_checkpoint_is_measured_on_tasks_it_has_not_seen(monkeypatch):
    built = []
    monkeypatch.setattr(zoos, "build_zoo", lambda recipe, folder: built.append(recipe) or _stop())
    for open_zoo in (zoos.unseen, zoos.seen):
        with pytest.raises(InterruptedError):
            open_zoo("absent", None)
    unseen, seen = built
    shipped = ZooRecipe.from_dict(NetVAE.from_pretrained().card["recipe"])
    assert (unseen.nets_per_task, unseen.tasks, unseen.architectures) == (1, shipped.tasks, shipped.architectures)
    assert unseen.seed != shipped.seed == seen.seed
    assert seen.changed(n_tasks=shipped.n_tasks, n_test_tasks=shipped.n_test_tasks) == shipped


def _stop():
    raise InterruptedError


def test_peers_are_compared(folder, tmp_path):
    recipe = ZooRecipe.load("benchmark").changed(
        n_tasks=6, n_test_tasks=2, nets_per_task=4, tasks_per_shard=6, training={"steps": (20, 20)}
    )
    build_here(recipe, folder / "benchmark")
    runs = reconstruction.grid(seconds=0.2, latents=[38], zoo=str(folder / "benchmark"))
    assert {run["peer"] for run in runs} == set(reconstruction.PEERS)
    about, text, picture = reported(reconstruction, runs, tmp_path)
    assert "121 parameters" in about
    assert len(text.splitlines()) == 2 + len(runs)
    assert sum(line.endswith(" – |") for line in text.splitlines()) == len(runs) - 1  # edge F1 of the peers
    assert picture.figure.axes
    with pytest.raises(NetGraphError, match="--seconds 0"):
        reconstruction.grid(seconds=0)


def test_networks_are_rebuilt_and_the_worst_named(unseen, tmp_path):
    about, groups, _, worst = reported(rebuilding, rebuilding.grid(n=8, zoo=unseen), tmp_path)
    assert "Networks: 8;" in about
    assert groups.splitlines()[2].startswith("| all | 8 | 1.0000 |")
    assert worst.splitlines()[2].startswith("| Input(3) > ")


def test_groups_hold_every_network_once():
    columns = dict.fromkeys((*rebuilding.TRAITS, *rebuilding.SHARES, "cosine", "output R²"), range(40))
    groups = rebuilding.groups(pd.DataFrame(columns))
    for trait in rebuilding.TRAITS:
        assert groups.loc[[name.startswith(trait) for name in groups.index], "n"].sum() == 40
    assert groups.loc["all", "output R², 10th percentile"] == 3


def test_samples_stand_beside_trained_networks_and_random_weights(unseen, tmp_path):
    about, sets, figures = reported(sampling, sampling.grid(20, 1, zoo=unseen, training_zoo=unseen), tmp_path)
    assert "20 samples" in about
    assert [line.split(" | ")[0].strip("| ") for line in sets.splitlines()[2:]] == [
        name for _, name in sampling.SETS.values()
    ]
    assert "| validity | 1.000 |" in figures
    assert "| shape_quality | – |" in figures  # too few networks for a two-sample test


def test_every_variant_changes_one_thing():
    assert len(set(ablations.VARIANTS.values())) == len(ablations.VARIANTS)
    assert ablations.VARIANTS["base"] == ablations.BASE
    with pytest.raises(NetGraphError, match=r"--variants: unknown 'no'; known: base, "):
        ablations.grid(variants=["base", "no"])


def test_a_variant_is_trained_and_measured(folder, tmp_path):
    recipe = ZooRecipe.load("tiny").changed(n_tasks=6, n_test_tasks=2, tasks_per_shard=6, training={"steps": (20, 20)})
    build_here(recipe, folder / "quick")
    runs = ablations.grid(seconds=0.3, n=6, variants=["base", "no direct path"], zoo=str(folder / "quick"))
    _, text = reported(ablations, runs, tmp_path)
    assert [line.split(" | ")[0] for line in text.splitlines()[2:]] == ["| base", "| no direct path"]


def test_a_hypernet_is_trained_further(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "TASKS", 48)
    monkeypatch.setattr(checkpoint, "NETWORKS", 24)
    monkeypatch.setattr(checkpoint, "ROWS", 48)
    monkeypatch.setattr(checkpoint, "Parallel", lambda n_jobs: lambda calls: [f(*a, **k) for f, a, k in calls])
    checkpoint.main(tmp_path, seconds=0.3, tasks=48, known=8, networks=24, batch=8)
    trained, shipped = NetVAE.from_pretrained(tmp_path / "checkpoints" / "vae.safetensors"), NetVAE.from_pretrained()
    assert trained.card["generator_steps"] > shipped.card["generator_steps"]
    assert trained.card["generator_tasks"]["rows"] == 48
    assert (trained.weights.norm.weight == shipped.weights.norm.weight).all()
