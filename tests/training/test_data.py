"""Batches for training: what cannot be trained on is refused before the first step, with the network's number."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from netgraph import NetGraphError, NetVAE, canonicalize, from_module, sensitivity, to_module
from netgraph.model.function import transformed
from netgraph.stack import Stack, probe
from netgraph.training import Batches, Example, TrainConfig
from netgraph.training.data import Codes, Epochs
from tests.training.small import CONFIG, examples_of

TRAINING = TrainConfig(batch_size=4)
EXAMPLES = examples_of(nets_per_task=5, steps=5)


def of_module(module: nn.Module) -> Example:
    graph = canonicalize(from_module(module))
    return Example(graph.replace(sensitivity=torch.ones(graph.num_nodes)), EXAMPLES[0].meta_features)


def broken(example: Example, what: str) -> Example:
    graph = example.graph
    state = graph.state.clone()
    state[0] = torch.nan
    return {
        "sensitivity": lambda: replace(example, graph=graph.replace(sensitivity=graph.sensitivity * torch.nan)),
        "weight": lambda: replace(example, graph=graph.replace(state=state)),
        "vector": lambda: replace(example, meta_features=example.meta_features[:5]),
        "outputs": lambda: of_module(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))),
        "inputs": lambda: of_module(nn.Sequential(nn.Linear(9, 4), nn.Tanh(), nn.Linear(4, 1))),
        "none": lambda: graph,
    }[what]()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("sensitivity", "its sensitivity is NaN"),
        ("weight", "a weight is not finite"),
        ("vector", "5 meta-features; this model takes 37"),
        ("outputs", "2 outputs; this model reads at most 1"),
        ("inputs", r"9 inputs; this model reads at most 6 \(max_inputs\)"),
        ("none", "expected an Example, got NetGraph"),
    ],
)
def test_an_example_that_cannot_be_trained_on_is_named(what, message):
    with pytest.raises(NetGraphError, match=f"^network 2: {message}"):
        Batches([*EXAMPLES[:2], broken(EXAMPLES[2], what)], CONFIG, TRAINING)


def test_networks_without_a_sensitivity_are_trained_on_where_the_loss_does_not_ask_for_it():
    config = replace(CONFIG, loss=replace(CONFIG.loss, sensitivity=False))
    batch, stack = Batches([broken(EXAMPLES[0], "sensitivity")], config, TRAINING)[0]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        losses = NetVAE.from_config(config).loss(batch, stack)
    assert all(value.isfinite() for _, value in losses.items())


def test_examples_take_arrays_and_name_what_is_none():
    one = EXAMPLES[0]
    vector = one.meta_features.numpy()
    for given in (vector, vector.tolist(), one.meta_features):
        assert torch.equal(Example(one.graph, given).meta_features, one.meta_features)
    for arguments, message in (
        ((3, vector), "an example: expected one NetGraph, got int"),
        ((one.graph, "rows"), "meta-features"),
        ((one.graph, [vector, vector]), "meta-features of 2 data sets for one network"),
    ):
        with pytest.raises(NetGraphError, match=message):
            Example(*arguments)


def test_an_example_may_be_a_module_and_its_data_unknown():
    one = EXAMPLES[0]
    example = Example(to_module(one.graph), None)
    assert example.meta_features.isnan().all()
    assert example.graph.architecture.key == one.graph.architecture.key
    assert torch.equal(example.graph.sensitivity, sensitivity(example.graph, probe(one.graph.architecture.n_inputs)))
    batches = Batches([one, example], CONFIG, TRAINING)
    assert len(batches) == 1
    assert repr(batches) == "Batches(2 networks in 1)"
    assert repr(one).startswith("Example(graph=NetGraph(Input(")
    with pytest.raises(
        NetGraphError, match="an example: Conv1d is not supported; the model reads feed-forward networks"
    ):
        Example(nn.Conv1d(1, 1, 3), None)


def test_networks_of_similar_size_share_a_batch_and_every_network_is_in_one():
    batches = Batches(EXAMPLES, CONFIG, TRAINING)
    keys = [key for nets in batches.networks for key in nets.structure.architectures]
    assert len(keys) == len(EXAMPLES)
    assert {a.key for a in keys} == {example.graph.architecture.key for example in EXAMPLES}
    for nets, stack in batches:
        assert nets.structure.steps.dtype == torch.int64
        assert [a.key for a in stack.architectures] == [a.key for a in nets.structure.architectures]


def test_the_order_of_an_epoch_depends_on_seed_and_step_alone():
    batches = Batches(EXAMPLES, CONFIG, replace(TRAINING, batch_size=1))
    count = len(batches)
    number = {id(stack): i for i, (_, stack) in enumerate(batches.batches)}

    def order(seed: int, step: int) -> list[int]:
        return [number[id(stack)] for _, stack in Epochs(batches, seed, lambda: step)]

    first, second = order(0, 0), order(0, count)
    assert sorted(first) == sorted(second) == list(range(count))
    assert len({tuple(first), tuple(second), tuple(order(1, 0))}) == 3
    assert order(0, 3) == first[3:]
    assert order(0, count + 3) == second[3:]
    assert len(Epochs(batches, 0, lambda: 3)) == count


def test_transformed_rows_are_permuted_columns_of_either_sign():
    rows, counts = torch.randn(30, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([4, 2] * 100)
    found = transformed(rows, counts, torch.Generator().manual_seed(1))
    seen = set()
    for own, count in zip(found, counts.tolist(), strict=True):
        products = own[:, :count].T @ rows[:, :count] / rows[:, :count].square().sum(dim=0)
        agreement = products.round(decimals=4)
        exact = agreement.abs() == 1
        assert (exact.sum(dim=0) == 1).all()
        assert (exact.sum(dim=1) == 1).all()
        seen.add((count, *exact.int().argmax(dim=1).tolist(), *agreement[exact].tolist()))
    assert {one[0] for one in seen} == {2, 4}
    assert len([one for one in seen if one[0] == 2]) == 2 * 2**2  # every order with every sign
    again = transformed(rows, counts, torch.Generator().manual_seed(1))
    assert torch.equal(found, again)


def test_the_prior_learns_from_networks_and_from_their_transformations():
    training = replace(TRAINING, transformations=2, batch_size=7)
    batches = Batches(EXAMPLES, CONFIG, TRAINING)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = NetVAE.from_config(CONFIG)
    vae.fit_statistics(batches.networks)
    codes, again = Codes(vae, batches, training), Codes(vae, batches, training)
    assert vae.training
    assert all(torch.equal(a, b) for a, b in zip(codes.tensors, again.tensors, strict=True))
    f, mean, log_variance, counts, meta_features = codes.tensors
    count = 3 * len(EXAMPLES)
    assert [values.shape for values in (f, mean, log_variance, counts, meta_features)] == [
        (count, CONFIG.function_size),
        (count, CONFIG.architecture_size),
        (count, CONFIG.architecture_size),
        (count, 2),
        (count, 37),
    ]
    true = torch.cat([vae.eval().encoder(nets.unpacked()).f for nets in batches.networks])
    known = (f[:, None] - true[None]).abs().amax(dim=2) < 1e-4
    assert known.any(dim=0).all()  # every network as it is
    assert (~known.any(dim=1)).sum() > len(EXAMPLES)  # and others
    assert torch.equal(vae.encoder.function.counts(f), counts)
    deviation = (codes.statistics()[1] - mean) / (0.5 * log_variance).exp()  # that of what the prior learns from
    assert deviation.mean().abs() < 0.1
    assert (deviation.std() - 1).abs() < 0.1
    drawn = [codes[i] for i in range(len(codes))]
    assert sum(len(batch[0]) for batch in drawn) == count
    assert torch.equal(torch.cat([batch[0] for batch in drawn]).sum(), f[torch.cat(list(codes.batches))].sum())


def test_a_transformed_network_computes_the_same_on_other_columns():
    (nets, stack), *_ = Batches(EXAMPLES[:3], CONFIG, TRAINING)
    rows = torch.randn(20, stack.max_inputs, generator=torch.Generator().manual_seed(0))
    moved = transformed(rows, nets.structure.n_inputs, torch.Generator().manual_seed(3))
    outputs = stack(nets.state, moved)[..., 0]
    states = torch.tensor_split(nets.state, nets.structure.state_ptr[1:-1].tolist())
    for i, (architecture, state) in enumerate(zip(stack.architectures, states, strict=True)):
        alone = Stack([architecture])(state, moved[i, :, : architecture.n_inputs])[0, :, 0]
        torch.testing.assert_close(outputs[i], alone, rtol=1e-4, atol=1e-5)
