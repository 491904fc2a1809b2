"""Data sets, recipes and families at a prompt and in a notebook."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from netgraph.graph import LAYER_TYPES
from netgraph.tasks import (
    LOSSES,
    TaskFamily,
    TaskRecipe,
    family_names,
    get_family,
    get_loss,
    load_real,
    make_task,
    read_table,
)
from netgraph.tasks.families.base import Problem
from netgraph.zoo import ArchitectureRecipe, FitRecipe, ZooRecipe
from tests.shown import cells, parsed

X = np.arange(24.0).reshape(12, 2)


def captions(html):
    return [caption.text for caption in parsed(html).iter("caption")]


def test_a_task_is_one_line_of_sizes():
    assert repr(make_task(X, X[:, 0], family="mine", seed=3)) == (
        "Task(mine, 12 rows, 2 features, 1 output, squared_error, seed=3)"
    )
    classes = make_task(X, list("abc") * 4, family="mine", loss="cross_entropy")
    assert repr(classes) == "Task(mine, 12 rows, 2 features, 3 classes, cross_entropy, seed=0)"
    assert repr(make_task(X, X, family="x" * 500)).startswith(f"Task({'x' * 59}…, 12 rows, 2 features, 2 outputs, ")


def test_a_task_shows_first_rows_units_and_how_it_was_drawn():
    task = make_task(X, X[:, 0], family="<linear>", description={"noise": 0.25, "note": "a<b"})
    html = task._repr_html_()
    assert captions(html) == ["First rows", "How it was drawn"]
    table = cells(html)
    assert table[0] == ["x0", "x1", "y0"]
    assert float(table[1][0]) == pytest.approx(float(task.x[0, 0]), abs=1e-3)
    rows = {row[0]: row[1:] for row in table}
    assert rows["noise"] == ["0.25"]
    assert rows["note"] == ["a<b"]
    assert rows["y0"] == ["11", f"{float(task.y_scale):.4g}"]
    assert len(html) < 5000


def test_odd_tasks_are_shown():
    task = make_task(X, X[:, 0], family="a\nb")
    none = torch.zeros(0, dtype=torch.float64)
    without_y = replace(task, y=task.y[:, :0], y_mean=none, y_scale=none)
    empty = replace(without_y, x=task.x[:, :0], x_mean=none, x_scale=none)
    no_rows = replace(task, x=task.x[:0], y=task.y[:0])
    for odd, sizes in (
        (without_y, "12 rows, 2 features, 0 outputs"),
        (empty, "12 rows, 0 features, 0 outputs"),
        (no_rows, "0 rows, 2 features, 1 output"),
    ):
        assert repr(odd) == f"Task(a b, {sizes}, squared_error, seed=0)"
        parsed(odd._repr_html_())


def test_many_columns_are_cut():
    wide = make_task(np.random.default_rng(0).normal(size=(30, 400)), np.arange(30.0), family="wide")
    header = cells(wide._repr_html_())[0]
    assert header == [*(f"x{i}" for i in range(8)), "… 392 more …", "y0"]


def test_real_data_and_tables_show_their_first_rows(tmp_path):
    diabetes = load_real("diabetes")
    assert repr(diabetes) == "RealDataset(diabetes, 442 rows, 10 features)"
    assert cells(diabetes._repr_html_())[0][-1] == "target"
    frame = pd.DataFrame({"<b>size": ["1,5", "2", ""] * 10, "color": ["red"] * 30, "y": np.arange(30)})
    frame.to_csv(tmp_path / "table.csv", index=False)
    table = read_table(tmp_path / "table.csv", target="y")
    assert repr(table) == "Table(30 rows, 2 features, target y, regression)"
    assert cells(table._repr_html_())[:2] == [["<b>size", "color", "y"], ["1,5", "red", "0"]]


def test_recipes_show_the_settings_that_differ_and_can_be_evaluated():
    assert repr(TaskRecipe()) == "TaskRecipe()"
    recipe = ZooRecipe().changed(n_tasks=700, tasks={"rows": 64}, training={"steps": (20, 20)})
    expected = "ZooRecipe(n_tasks=700, tasks=TaskRecipe(rows=64), training=FitRecipe(steps=(20, 20)))"
    assert repr(recipe) == expected
    known = {kind.__name__: kind for kind in (ZooRecipe, TaskRecipe, ArchitectureRecipe, FitRecipe)}
    for one in (recipe, ZooRecipe.load("full"), ZooRecipe.load("tiny")):
        assert eval(repr(one), known) == one  # noqa: S307 - the line itself is under test


def test_recipes_show_all_settings_in_a_notebook_with_changed_defaults():
    rows = {row[0]: row[1:] for row in cells(ZooRecipe().changed(tasks={"rows": 64})._repr_html_())}
    assert rows["tasks.rows"] == ["64", "128"]
    assert rows["tasks.n_features"] == ["2, 10", ""]
    depths = ArchitectureRecipe(depths={"8": 1.0})
    assert {row[0]: row[1:] for row in cells(depths._repr_html_())}["depths.8"] == ["1", "–"]


@dataclass(frozen=True)
class Steep(TaskFamily):
    """A family of a user's own."""

    name: ClassVar[str] = "<steep>"
    slope: float = 3.0

    def draw(self, z, generator):
        return Problem(z, self.slope * z[:, 0], {})


@pytest.mark.parametrize("family", [*map(get_family, family_names()), Steep()], ids=lambda family: family.name)
def test_families_show_their_settings(family):
    assert "\n" not in repr(family)
    assert repr(family).startswith(type(family).__name__)
    parsed(family._repr_html_())


def test_entries_of_registries_are_short():
    assert repr(get_loss("squared_error")) == "Loss(squared_error)"
    assert "function" not in repr(LOSSES)
    assert repr(LAYER_TYPES["Linear"]) == "LayerType(Linear, code 4, linear)"
    assert len(repr(LAYER_TYPES)) < 1000
