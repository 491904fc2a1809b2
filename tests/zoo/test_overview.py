"""Zoos at a prompt and in a notebook."""

import shutil

import numpy as np
import pytest

from netgraph import Zoo
from netgraph.zoo import describe_zoo, merge_zoos, overview
from tests.shown import cells, parsed
from tests.zoo.stores import small_recipe, write_store, write_zoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("zoos") / "<zoo>", small_recipe(n_tasks=6, tasks_per_shard=2))


def rows(html):
    return {row[0]: row[1] for row in cells(html)}


def test_one_line_counts_networks(zoo):
    assert repr(zoo) == str(zoo) == f"Zoo(18 networks of 6 tasks, {zoo.folder})"
    assert repr(zoo[3:5]) == f"Zoo(2 of 18 networks, {zoo.folder})"
    assert repr(zoo[:0]) == f"Zoo(0 of 18 networks, {zoo.folder})"
    assert repr(zoo.tasks) == "Tasks(6 tasks)"
    assert repr(zoo.shard(1)) == f"OpenShard(6 networks, {zoo.folder / 'shards' / '00001.safetensors'})"


def test_a_notebook_shows_what_describe_zoo_tells_and_the_recipe(zoo):
    html = zoo._repr_html_()
    described = dict(
        line.split("  ", 1) if "  " in line else line.split("R2", 1) for line in describe_zoo(zoo).split("\n")
    )
    shown = rows(html)
    assert [shown[name.strip()] for name in described if name != "validation "] == [
        value.strip() for name, value in described.items() if name != "validation "
    ]
    assert shown["n_tasks"] == "6"
    assert shown["tasks.n_features"] == "2, 10"
    assert "<zoo>" not in html


def test_a_part_is_counted(zoo):
    part = zoo[[0, 1, 17]]
    assert rows(part._repr_html_())["networks"] == "3 (2 train, 1 test)"
    assert rows(zoo[:0]._repr_html_())["networks"] == "0 (0 train, 0 test)"


def test_a_large_zoo_is_shown_without_reading_its_shards(zoo, monkeypatch):
    monkeypatch.setattr(overview, "MOST_READ", 17)
    opened = Zoo(zoo.folder)
    html = opened._repr_html_()
    assert not opened._shards._open
    assert rows(html)["networks"] == "18 (15 train, 3 test)"
    assert rows(html)["inputs"] == f"up to {zoo.sizes.inputs}"
    assert rows(html)["layer types"] == ", ".join(zoo.sizes.types)
    assert "describe_zoo(zoo) tells more, and reads all 3 shards" in html
    assert repr(opened)
    assert not opened._shards._open


def test_a_merged_zoo_shows_each_recipe(zoo, tmp_path):
    other = write_zoo(tmp_path / "other", ["linear"] * 2, seed=1)
    merged = merge_zoos([zoo.folder, other.folder], tmp_path / "merged")
    summaries = [one.text for one in parsed(merged._repr_html_()).iter("summary")]
    assert summaries == ["Recipe 1", "Recipe 2"]


def test_odd_zoos_are_shown(zoo, tmp_path):
    empty = write_store(tmp_path / "empty", small_recipe(n_tasks=2, tasks_per_shard=2), nets=0)
    assert repr(empty) == f"Zoo(0 networks of 2 tasks, {empty.folder})"
    assert rows(empty._repr_html_())["parameters"] == "no network was kept"
    shutil.copytree(zoo.folder, tmp_path / "damaged")
    shard = tmp_path / "damaged" / "shards" / "00001.safetensors"
    shard.write_bytes(np.random.default_rng(0).bytes(shard.stat().st_size))
    damaged = Zoo(tmp_path / "damaged")
    assert repr(damaged).startswith("Zoo(18 networks")
    html = damaged._repr_html_()
    assert rows(html)["networks"] == "18 (15 train, 3 test)"
    assert "00001.safetensors" in parsed(html).findall("p")[1].text
