import json
from dataclasses import asdict
from pathlib import Path

import pytest

from netgraph import NetGraphError
from netgraph.files import datasets_folder
from netgraph.zoo import ZooRecipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht: [1, 2]", "yaml: widht: unknown key; known: n_tasks, n_test_tasks"),
        ("architectures: {widths: [8, 4]}", r"architectures.widths is \(8, 4\); it must be two whole numbers"),
        ("architectures: {widths: wide}", "architectures.widths is 'wide'"),
        ("architectures: {activations: {Softmax: 1.0}}", "architectures.activations is .* some of ReLU, Tanh"),
        ("architectures: {skips: {Add: -1.0}}", "architectures.skips is .* a weight at least 0"),
        ("architectures: {depths: {9: 1}}", "architectures.depths is .* some of 1, 2, 3"),
        ("architectures: 3", "architectures is 3; it must be a mapping"),
        ("architectures: {width_scale: cubic}", "architectures.width_scale is 'cubic'; it must be one of even, log"),
        ("training: {optimizers: {lion: 1}}", "training.optimizers is .* some of sgd, adam, adamw"),
        ("training: {steps: [0, 5]}", "training.steps is .* two whole numbers at least 1"),
        ("training: {steps: 300}", "training.steps is 300"),
        ("training: {weight_decay: [0, 1]}", "training.weight_decay is .* both 0"),
        ("training: {trajectory: [50, 0]}", "training.trajectory is .* rising"),
        ("training: {patience: 1.5}", "training.patience is 1.5; it must be two whole numbers at least 0"),
        ("tasks: {rows: 4, learnable: false}", "tasks.rows is 4; it must be at least 8"),
        (
            "tasks: {families: {linear: {rank: 3}}}",
            "tasks.families.linear.rank: unknown key; known: weight, effective_rank",
        ),
        ("training: {trajectory: 5}", "training.trajectory is 5; it must be a list of whole numbers from 0 to 300"),
        ("training: {trajectory: null}", "training.trajectory is None"),
        ("training: {trajectory: [0, 1000]}", r"training.trajectory is \(0, 1000\)"),
        ("training: {validation_share: 0.01}", "training.validation_share is 0.01; it must be a share that leaves"),
        ("{tasks: {rows: 8}, training: {validation_share: 0.9}}", "training.validation_share is 0.9"),
        ("real: null", "real is None; it must be a list of names, each once"),
        ("real: [1]", "real is .* a list of names"),
        ("real: diabetes", "real is 'diabetes'; it must be a list of names"),
        ("real: {a: 1}", "real is .* a list of names"),
        ("real: [diabetes, diabetes]", "real is .* each once"),
        ("real: [abalone]\nreal_test: ['openml:44956']", "real_test is .* none of"),
        ("n_tasks: 0", r"mine.yaml: n_tasks is 0; it must be a whole number at least 1"),
        ("n_test_tasks: 600", "n_test_tasks is 600; it must be less than n_tasks, 600"),
        ("real: [diabetes]\nreal_test: [diabetes]", "real_test is .* none of"),
        ("n_tasks: [", "not YAML"),
        ("- 3", "a recipe is a mapping"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(NetGraphError, match=message) as caught:
        ZooRecipe.load(path)
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(NetGraphError, match="unknown recipe 'absent'; known: classes, full, quick, tiny, wide"):
        ZooRecipe.load("absent")


def test_the_quick_recipe_is_the_default():
    assert ZooRecipe.load("quick") == ZooRecipe()


@pytest.mark.parametrize("path", sorted(datasets_folder().glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_that_come_with_netgraph_survive_json(path):
    if path.stem == "real":
        pytest.skip("a list of data sets, not a recipe")
    recipe = ZooRecipe.load(path.stem)
    again = ZooRecipe.from_dict(json.loads(json.dumps(asdict(recipe))))
    assert again == recipe
    assert again.digest == recipe.digest
    assert recipe.changed(seed=1).digest != recipe.digest


def test_changes_reach_into_sections():
    changed = ZooRecipe().changed(seed=3, tasks={"rows": 64}, training={"steps": (5, 9)})
    assert (changed.seed, changed.tasks.rows, changed.training.steps) == (3, 64, (5, 9))
    assert changed.tasks.n_features == ZooRecipe().tasks.n_features
    assert changed.architectures == ZooRecipe().architectures
    with pytest.raises(NetGraphError, match=r"training.steps is \(9, 5\)"):
        ZooRecipe().changed(training={"steps": (9, 5)})
    with pytest.raises(NetGraphError, match="step: unknown key; known: n_tasks"):
        ZooRecipe().changed(step=3)
    with pytest.raises(NetGraphError, match=r"tasks.row: unknown key; known: families"):
        ZooRecipe().changed(tasks={"row": 3})


def test_a_recipe_names_only_what_differs(tmp_path: Path):
    path = tmp_path / "mine.yml"
    path.write_text("n_tasks: 7\nn_test_tasks: 2\narchitectures: {depths: {2: 1, 8: 0.5}}\n")
    recipe = ZooRecipe.load(path)
    assert recipe == ZooRecipe().changed(n_tasks=7, n_test_tasks=2, architectures={"depths": {"2": 1, "8": 0.5}})
    path.write_text("")
    assert ZooRecipe.load(path) == ZooRecipe()
    path.write_text("training: {learning_rate: [1e-3, 1e-2]}")  # YAML 1.1 reads these two as text
    assert ZooRecipe.load(path).training.learning_rate == (0.001, 0.01)
    path.write_bytes(b"n_tasks: \xff")
    with pytest.raises(NetGraphError, match=r"mine.yml: not YAML"):
        ZooRecipe.load(path)
