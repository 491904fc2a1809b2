"""Batches for training: what cannot be trained on is refused before the first step, with the network's number."""

from dataclasses import replace

import pytest
import torch

from netgraph import NetGraphError, to_module
from netgraph.training import Batches, Example, TrainConfig
from netgraph.training.data import Epochs
from tests.training.small import CONFIG, examples_of

TRAINING = TrainConfig(batch_size=4, rows=8)
EXAMPLES = examples_of(nets_per_task=5, steps=5)


def broken(example: Example, what: str) -> Example:
    graph, x = example.graph, example.x
    state = graph.state.clone()
    state[0] = torch.nan
    return {
        "sensitivity": replace(example, graph=graph.replace(sensitivity=torch.full_like(graph.sensitivity, torch.nan))),
        "weight": replace(example, graph=graph.replace(state=state)),
        "columns": replace(example, x=x[:, :1]),
        "rows": replace(example, x=x[:0]),
        "finite": replace(example, x=x.masked_fill(x == x[0, 0], torch.inf)),
        "vector": replace(example, meta_features=example.meta_features[:5]),
    }[what]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("sensitivity", "its sensitivity is NaN"),
        ("weight", "a weight is not finite"),
        ("columns", r"x has shape \(64, 1\); expected \[rows, \d\] finite numbers"),
        ("rows", r"x has shape \(0, \d\); expected"),
        ("finite", r"expected \[rows, \d\] finite numbers"),
        ("vector", "meta-features"),
    ],
)
def test_an_example_that_cannot_be_trained_on_is_named(what, message):
    with pytest.raises(NetGraphError, match=message) as caught:
        Batches([*EXAMPLES[:2], broken(EXAMPLES[2], what)], CONFIG, TRAINING)
    assert what == "vector" or str(caught.value).startswith("network 2: ")


def test_examples_take_arrays_and_name_what_is_none():
    one = EXAMPLES[0]
    x, vector = one.x.double().numpy(), one.meta_features.numpy()
    for given in (x, x.tolist(), one.x):
        assert torch.equal(Example(one.graph, given, vector).x, one.x)
    for arguments, message in (
        ((to_module(one.graph), x, vector), "an example: expected one NetGraph, got Sequential"),
        ((one.graph, None, vector), "an example: x is a NoneType"),
        ((one.graph, "rows", vector), "an example: x is a str"),
    ):
        with pytest.raises(NetGraphError, match=message):
            Example(*arguments)
    with pytest.raises(NetGraphError, match="network 1: expected an Example, got NetGraph"):
        Batches([one, one.graph], CONFIG, TRAINING)


def test_the_order_of_an_epoch_depends_on_seed_and_step_alone():
    batches = Batches(EXAMPLES, CONFIG, replace(TRAINING, batch_size=1))
    count = len(batches)
    number = {id(behavior): i for i, (_, behavior) in enumerate(batches.batches)}

    def order(seed: int, step: int) -> list[int]:
        return [number[id(behavior)] for _, behavior in Epochs(batches, seed, lambda: step)]

    first, second = order(0, 0), order(0, count)
    assert sorted(first) == sorted(second) == list(range(count))
    assert len({tuple(first), tuple(second), tuple(order(1, 0))}) == 3
    assert order(0, 3) == first[3:]
    assert order(0, count + 3) == second[3:]
    assert len(Epochs(batches, 0, lambda: 3)) == count
