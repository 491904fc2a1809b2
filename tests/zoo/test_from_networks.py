"""Zoos of networks that were trained elsewhere: the same networks come back in their order, with all that was given."""

import json
import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from netgraph import (
    NetGraphError,
    Zoo,
    canonicalize,
    detokenize,
    from_module,
    get_meta_features,
    sensitivity,
    to_module,
)
from netgraph.cli import main
from netgraph.errors import StoreError
from netgraph.graph import LAYER_TYPES
from netgraph.tasks import make_task
from netgraph.zoo import describe_zoo, merge_zoos, verify_zoo
from tests.zoo.given import IMAGES, X, Y, convolutional, modules


def made(networks, tasks, root, *arguments, **keywords) -> Zoo:
    return Zoo.from_networks(networks, tasks, root, *arguments, progress=False, **keywords)


def test_networks_come_back_in_their_order_in_canonical_form_and_measured(tmp_path):
    given = modules(7)
    zoo = made(given, (X, Y), tmp_path / "zoo")
    assert len(zoo) == 7
    assert len(zoo.tasks) == 1
    for module, graph in zip(given, zoo, strict=True):
        canonical = canonicalize(from_module(module))
        assert graph.architecture == canonical.architecture
        assert torch.equal(graph.state, canonical.state)
        assert torch.equal(graph.sensitivity, sensitivity(graph, X))
        torch.testing.assert_close(to_module(graph)(X), module(X), rtol=1e-5, atol=1e-6)
        residual = (module(X)[:, 0] - Y).square().sum() / (Y - Y.mean()).square().sum()
        assert graph.r2 == pytest.approx(1 - float(residual.detach()), abs=1e-5)
    assert torch.equal(zoo.tasks[0].x, X)
    assert torch.equal(zoo.tasks[0].y[:, 0], Y)
    assert zoo.meta_features[0].numpy() == pytest.approx(get_meta_features(X, Y).to_numpy(np.float32))
    assert verify_zoo(zoo, progress=False) == 7
    assert torch.equal(pickle.loads(pickle.dumps(zoo))[3].state, zoo[3].state)  # noqa: S301
    assert sum(len(batch.mask) for batch in zoo.token_batches(4)) == 7


def test_graphs_are_taken_as_modules_are(tmp_path):
    given = modules(3)
    one = made(given, (X, Y), tmp_path / "modules")
    other = made((from_module(module) for module in given), (X, Y), tmp_path / "graphs")
    assert one.digest == other.digest
    assert made(list(one), (X, Y), tmp_path / "again")[2].architecture == one[2].architecture


def test_columns_stand_in_the_table_beside_the_library_s_own(tmp_path):
    table = pd.DataFrame(
        {
            "accuracy": [0.5, None, 1.0],
            "epoch": [1, 2, 3],
            "optimizer": ["adam", "sgd", None],
            "kept": [True, False, True],
            "day": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]),
        },
        index=[7, 8, 9],
    )
    zoo = made(modules(3), (X, Y), tmp_path / "zoo", table)
    found = zoo.table
    assert found["accuracy"].tolist()[::2] == [0.5, 1.0]
    assert np.isnan(found["accuracy"][1])
    assert found["epoch"].tolist() == [1, 2, 3]
    assert found["kept"].tolist() == [True, False, True]
    assert found["optimizer"].tolist() == ["adam", "sgd", ""]
    assert found["day"].tolist() == ["2020-01-01", "2020-01-02", "2020-01-03"]
    assert {"task", "architecture", "validation_r2"} <= set(found)
    assert zoo[1:].table["epoch"].tolist() == [2, 3]
    mapping = made(modules(3), None, tmp_path / "mapping", {"epoch": torch.arange(3)})
    assert mapping.table["epoch"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"family": ["a"] * 3}, "table: 'family' is a column of every zoo"),
        ({"r2": [0.0] * 3}, "table: 'r2' is a column of every zoo"),
        ({"epoch": [1, 2]}, r"table: column 'epoch' has shape \(2,\); there are 3 networks"),
        ({"curve": [[1], [2], [3]]}, "table: column 'curve' has shape"),
        ({"what": [object()] * 3}, "table: column 'what' holds neither numbers nor texts, but mixed values"),
        ({3: [1, 2, 3]}, "table: 3 is no name of a column"),
        ([1, 2, 3], "table: expected a DataFrame or a mapping of columns, got list"),
    ],
)
def test_a_column_that_cannot_be_kept_is_named(table, message, tmp_path):
    with pytest.raises(NetGraphError, match=message):
        made(modules(3), None, tmp_path / "zoo", table)
    assert not (tmp_path / "zoo").exists()


def test_tasks_are_one_for_all_or_one_a_network_or_fewer_with_an_index(tmp_path):
    given, other = modules(4), (X + 1, Y)
    task = make_task(X.numpy(), Y.numpy(), family="mine", seed=3)
    each = made(given, [(X, Y), other, (X, Y), other], tmp_path / "each")
    indexed = made(given, [task, other, (X + 2, Y)], tmp_path / "indexed", index=[1, 0, 0, 1])
    assert [graph.task for graph in each] == [0, 1, 0, 1]
    assert len(each.tasks) == len(indexed.tasks) == 2
    assert [graph.task for graph in indexed] == [0, 1, 1, 0]
    assert torch.equal(indexed.tasks[0].x, X + 1)
    assert (indexed.tasks[1].family, indexed.tasks[1].seed) == ("mine", 3)
    assert indexed.table["family"].tolist() == ["given", "mine", "mine", "given"]
    numbers = made(modules(2), [(pd.DataFrame(X.numpy()), np.arange(40))] * 2, tmp_path / "frame")
    assert torch.equal(numbers.tasks[0].x, X)


def test_networks_without_data_are_measured_on_standard_normal_rows(tmp_path):
    given = [*modules(2), *modules(2, inputs=5)]
    measured = from_module(given[0])
    measured.sensitivity = torch.arange(float(measured.num_nodes))
    zoo = made([measured, *given], None, tmp_path / "zoo")
    assert zoo.tasks[0].rows == 0
    assert zoo.meta_features.isnan().all()
    assert all(graph.sensitivity.isfinite().all() for graph in zoo)
    assert torch.equal(zoo[0].sensitivity, canonicalize(measured).sensitivity)
    assert zoo.table["validation_r2"].isna().all()
    assert "none was measured" in describe_zoo(zoo)
    assert "1: without data 1" in describe_zoo(zoo)


def test_the_split_is_the_caller_s_or_drawn_by_tasks_or_networks(tmp_path):
    given = modules(6)
    of_networks = ["train", "val", "test", "train", "train", "test"]
    zoo = made(given, (X, Y), tmp_path / "networks", split=of_networks)
    assert zoo.table["split"].tolist() == of_networks
    assert (zoo.split("val"), zoo.split("test")) == ([1], [2, 5])
    assert zoo[2:].split("test") == [0, 3]
    tasks = [(X + i, Y) for i in range(3)]
    by_task = made(given, tasks, tmp_path / "tasks", split=["test", "train", "val"], index=[0, 0, 1, 1, 2, 2])
    assert by_task.table["split"].tolist() == ["test"] * 2 + ["train"] * 2 + ["val"] * 2
    drawn = made(given, tasks, tmp_path / "drawn", index=[0, 0, 1, 1, 2, 2], seed=1)
    assert set(drawn.table.groupby("task")["split"].nunique()) == {1}
    assert set(drawn.table["split"]) == {"train", "val", "test"}
    alone = made(given, (X, Y), tmp_path / "alone")
    assert [len(alone.split(part)) for part in ("train", "val", "test")] == [4, 1, 1]
    assert made(given, None, tmp_path / "all", split="test").split("test") == list(range(6))


def test_general_networks_come_back_bit_for_bit_beside_feed_forward_ones(tmp_path):
    given = [*convolutional(3), *modules(2)]
    y = torch.tensor([0, 1, 2] * 4)
    zoo = made(given, [(IMAGES, y), (X, Y)], tmp_path / "zoo", index=[0, 0, 0, 1, 1], split="train")
    for module, graph in zip(given[:3], zoo, strict=False):
        assert graph.program is not None
        rebuilt = to_module(graph)
        assert torch.equal(rebuilt(IMAGES), module(IMAGES))
        assert {name: value.tolist() for name, value in rebuilt.state_dict().items()} == {
            name: value.tolist() for name, value in module.state_dict().items()
        }
        assert torch.equal(graph.sensitivity, sensitivity(graph, IMAGES))
    assert [graph.program is None for graph in zoo.stream([4, 1])] == [False, True]
    assert zoo.sizes.general == 3
    assert zoo.table["n_parameters"].tolist()[:3] == [sum(v.numel() for v in given[0].state_dict().values()) - 1] * 3
    assert verify_zoo(zoo, progress=False) == 5
    read = [graph for batch in zoo.token_batches(2) for graph in detokenize(batch)]
    assert [len(graph.state) for graph in read] == [len(graph.state) for graph in zoo]
    assert all(torch.equal(a.state, b.state) for a, b in zip(read, zoo, strict=True))
    assert "3 of them are not feed-forward" in describe_zoo(zoo)
    records = json.loads((tmp_path / "zoo" / "shards" / "00000.json").read_text())
    assert len(records["programs"]) == 1
    assert made(convolutional(2), [(IMAGES, Y[:12])] * 2, tmp_path / "two")[0].r2 != 0
    made(list(zoo)[:2], None, tmp_path / "none")


def test_classes_are_one_hot_and_have_their_own_figures(tmp_path):
    given, y = modules(3, outputs=3), torch.tensor([0, 1, 2, 1] * 10)
    zoo = made(given, (X, y), tmp_path / "zoo")
    assert zoo.tasks[0].loss == "cross_entropy"
    assert torch.equal(zoo.tasks[0].y.argmax(dim=1), y)
    entropy = -sum(share * math.log(share) for share in (0.25, 0.5, 0.25))
    table = zoo.table
    for i, (module, graph) in enumerate(zip(given, zoo, strict=True)):
        output = module(X).detach()
        loss = float(nn.functional.cross_entropy(output, y))
        assert table["validation_accuracy"][i] == pytest.approx(float((output.argmax(dim=1) == y).float().mean()))
        assert table["validation_loss"][i] == pytest.approx(loss, rel=1e-4)
        assert graph.r2 == pytest.approx(1 - loss / entropy, rel=1e-3, abs=1e-4)


def test_several_outputs_are_regressed(tmp_path):
    zoo = made(modules(2, outputs=2), (X, torch.stack([Y, -Y], dim=1)), tmp_path / "zoo")
    assert zoo.tasks[0].y.shape == (40, 2)
    assert zoo[0].architecture.n_outputs == 2


@pytest.mark.parametrize(
    ("networks", "tasks", "message"),
    [
        (nn.Linear(3, 1), None, "networks: expected a list of modules or graphs, got Linear; put it in a list"),
        ([], None, "no networks"),
        ([*modules(2), 3], None, "network 2: expected one NetGraph, got int"),
        ([*modules(2), nn.Linear(4, 1)], (X, Y), "network 2: "),
        ([*modules(2), from_module(nn.Linear(4, 1))], (X, Y), "network 2: reads 4 inputs; its X has 3 columns"),
        ([*modules(2), nn.Linear(3, 2)], (X, Y), "network 2: has 2 outputs; its y has 1 columns"),
        (convolutional(1), None, "network 0: .*give example_input"),
        (modules(2), [(X, Y)], "1 tasks for 2 networks; index has"),
        (modules(2), [(X, Y), 3], r"task 1: expected \(X, y\) or a Task, got int"),
        (modules(2), 3, "tasks: expected"),
        (modules(2), (X, Y[:3]), r"task 0: X \(40, 3\) and y \(3, 1\)"),
        (modules(2), (X / 0, Y), "task 0: column 0 of X contains"),
        (modules(2), (IMAGES / 0, Y[:12]), "task 0: X holds NaN or infinity"),
        (modules(2), (X, ["a"] * 40), "task 0: y holds <U1; expected numbers"),
        (modules(2, outputs=2), (X, [7] * 40), "network 0: y holds class 7 of 2 outputs"),
    ],
)
def test_whatever_is_wrong_is_named_in_one_line(networks, tasks, message, tmp_path):
    with pytest.raises(NetGraphError, match=message) as caught:
        made(networks, tasks, tmp_path / "zoo")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "zoo").exists()


def test_broken_weights_index_and_split_are_named(tmp_path):
    broken = modules(3)
    with torch.no_grad():
        broken[1][0].weight[0, 0] = torch.nan
    for networks, keywords, message in (
        (broken, {}, "network 1: 0.weight holds NaN"),
        (modules(2), {"index": [0, 1]}, "network 1: its task is 1; there are 1 tasks"),
        (modules(2), {"index": [0]}, "index has 1 numbers for 2 networks"),
        (modules(2), {"split": ["train", "dev"]}, "split, item 1: 'dev'; known: train, val, test"),
        (modules(3), {"split": ["train", "test"]}, "split has 2 parts; there are 3 networks of 1 tasks"),
    ):
        with pytest.raises(NetGraphError, match=message):
            made(networks, (X, Y), tmp_path / "zoo", **keywords)


def test_an_interrupted_writing_is_resumed_and_nothing_is_overwritten(tmp_path, monkeypatch):
    monkeypatch.setattr("netgraph.zoo.from_networks.MOST_NETWORKS", 2)
    given, root = modules(5), tmp_path / "zoo"
    whole = made(given, (X, Y), tmp_path / "whole", {"epoch": range(5)})
    assert (whole.n_shards, len(whole.tasks)) == (3, 1)
    with monkeypatch.context() as patch:
        patch.setattr("netgraph.zoo.from_networks.write_manifest", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made(given, (X, Y), root, {"epoch": range(5)})
    (root / "shards" / "00002.json").unlink()
    with pytest.raises(StoreError, match="not complete"):
        Zoo(root)
    kept = (root / "shards" / "00001.json").stat().st_mtime_ns
    assert made(given, (X, Y), root, {"epoch": range(5)}).digest == whole.digest
    assert (root / "shards" / "00001.json").stat().st_mtime_ns == kept
    assert made(given, (X, Y), root, {"epoch": range(5)}).digest == whole.digest
    for networks, table, keywords, message in (
        (modules(6)[:5], {"epoch": range(5)}, {}, "00000.json: made of other networks"),
        (given, {"epoch": range(1, 6)}, {}, "00000.json: made of other networks"),
        (given[:2], {"epoch": range(2)}, {}, "00000.json: made of other networks"),
        (given, {"epoch": range(5)}, {"split": "test"}, "manifest.json: of a zoo with another split"),
    ):
        with pytest.raises(StoreError, match=message):
            made(networks, (X, Y), root, table, **keywords)
    assert Zoo(root).digest == whole.digest


def test_a_folder_of_anything_else_is_left_alone(small_zoo, tmp_path):
    with pytest.raises(StoreError, match="holds a zoo that was built"):
        made(modules(1), None, small_zoo.folder)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="not empty"):
        made(modules(1), None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_given_zoos_are_merged_with_each_other_and_with_built_ones(small_zoo, tmp_path):
    given = modules(4)
    one = made(given[:2], (X, Y), tmp_path / "one", {"epoch": [1, 2]}, split=["train", "test"])
    two = made(given[2:], (X, Y), tmp_path / "two", split="train")
    three = made(given, [(X + 1, Y)] * 4, tmp_path / "three", split="test")
    none = made(given[:1], None, tmp_path / "none")
    both = merge_zoos([one.folder, small_zoo.folder, two.folder, three.folder, none.folder], tmp_path / "both")
    assert len(both) == 2 + len(small_zoo) + 2 + 4 + 1
    assert [both[i].task for i in (0, 2, -1)] == [0, 1, 1 + 6 + 1 + 1]
    assert len(both.tasks) == both.meta_features.shape[0] == 1 + 6 + 1 + 1 + 1
    assert torch.equal(both.tasks[both[-2].task].x, X + 1)
    assert len(both.split("test")) == 1 + len(small_zoo.split("test")) + 4
    assert both.table["epoch"].tolist()[:2] == [1, 2]
    assert verify_zoo(both, progress=False) == len(both)
    assert set(both.sizes.types) <= set(LAYER_TYPES)
    held_out = made(given, [(X, Y)] * 4, tmp_path / "held-out", split="test")
    with pytest.raises(NetGraphError, match="trains on the data set"):
        merge_zoos([one.folder, held_out.folder], tmp_path / "leak")


def test_the_commands_describe_and_verify_such_a_zoo(tmp_path, capsys):
    zoo = made([*modules(2), *convolutional(1)], [(X, Y), (IMAGES, Y[:12])], tmp_path / "zoo", index=[0, 0, 1])
    for command in ("info", "verify"):
        assert main(["zoo", command, str(zoo.folder)]) == 0
    said = capsys.readouterr().out
    assert "3 networks, all sound" in said
    assert "given 2" in said


def test_sizes_of_the_manifest_are_those_of_the_networks(small_zoo):
    known = small_zoo.sizes
    graphs = list(small_zoo)
    assert known.nodes == max(graph.num_nodes for graph in graphs)
    assert known.state == max(len(graph.state) for graph in graphs)
    assert sum(known.depths) == len(graphs)
    assert known.general == 0
