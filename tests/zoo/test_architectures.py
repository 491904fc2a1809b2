from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from netgraph.graph import Architecture, NetGraph, to_module
from netgraph.graph.architecture import make_layer
from netgraph.graph.check import check_architecture
from netgraph.zoo.architectures import (
    ACTIVATIONS,
    ArchitectureRecipe,
    draw_architecture,
    draw_architectures,
)
from netgraph.zoo.initial import initialize
from tests.strategies import examples

VARIED = ArchitectureRecipe(
    depths={str(depth): 1.0 for depth in range(1, 9)},
    widths=(2, 256),
    width_scale="log",
    shapes={"free": 1.0, "constant": 1.0, "funnel": 1.0, "bottleneck": 1.0},
    activations=dict.fromkeys(ACTIVATIONS, 1.0),
    mixed=0.5,
    normalizations={"none": 1.0, "LayerNorm": 1.0, "BatchNorm1d": 1.0},
    skips={"none": 1.0, "Add": 1.0, "Concat": 1.0, "residual": 1.0, "dense": 1.0},
    dropout=0.5,
    bias=0.5,
)


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def hidden(architecture: Architecture) -> list[int]:
    """Widths of the hidden linear layers."""
    return [layer.size for layer in architecture.layers[:-1] if layer.type == "Linear"]


@examples(60)
@given(st.integers(1, 16), st.integers(0, 10_000))
def test_every_drawn_architecture_is_a_network_that_runs(n_inputs, seed):
    architecture = draw_architecture(VARIED, n_inputs, generator(seed))
    check_architecture(architecture)
    assert (architecture.n_inputs, architecture.n_outputs) == (n_inputs, 1)
    assert all(2 <= width <= 256 for width in hidden(architecture))
    module = to_module(NetGraph(architecture, initialize(architecture, generator(seed))))
    assert torch.isfinite(module(torch.zeros(2, n_inputs))).all()


def test_everything_a_recipe_names_is_drawn():
    drawn = [draw_architecture(VARIED, 3, generator(seed)) for seed in range(300)]
    types = {layer.type for architecture in drawn for layer in architecture.layers}
    assert types == {*ACTIVATIONS, "Input", "Linear", "Dropout", "LayerNorm", "BatchNorm1d", "Add", "Concat"}
    plain = replace(VARIED, skips={"none": 1.0})
    depths = [len(hidden(draw_architecture(plain, 3, generator(seed)))) for seed in range(300)]
    assert set(depths) == set(range(1, 9))


def test_logarithmic_widths_are_as_often_small_as_large():
    recipe = ArchitectureRecipe(depths={"8": 1.0}, widths=(2, 256), width_scale="log")
    widths = torch.tensor([hidden(draw_architecture(recipe, 3, generator(seed))) for seed in range(300)]).double()
    assert widths.min() == 2
    assert widths.max() >= 250
    share = (widths < 22.6).double().mean()  # the middle of the logarithm
    assert 0.45 < share < 0.55


@pytest.mark.parametrize("shape", ["constant", "funnel", "bottleneck"])
def test_shapes_order_the_widths(shape):
    recipe = ArchitectureRecipe(depths={"5": 1.0}, widths=(2, 256), shapes={shape: 1.0})
    for seed in range(20):
        widths = hidden(draw_architecture(recipe, 3, generator(seed)))
        narrowest = widths.index(min(widths))
        falling, rising = widths[: narrowest + 1], widths[narrowest:]
        assert falling == sorted(falling, reverse=True)
        assert rising == sorted(rising)
        if shape == "constant":
            assert len(set(widths)) == 1
        if shape == "funnel":
            assert widths == sorted(widths, reverse=True)


def test_one_activation_for_all_layers_where_they_are_not_mixed():
    recipe = ArchitectureRecipe(depths={"4": 1.0}, mixed=0.0)
    for seed in range(20):
        layers = draw_architecture(recipe, 3, generator(seed)).layers
        assert len({layer.type for layer in layers} & set(ACTIVATIONS)) == 1


def test_a_residual_adds_what_entered_the_layer():
    recipe = ArchitectureRecipe(depths={"2": 1.0}, widths=(4, 8), skips={"residual": 1.0}, normalizations={"none": 1.0})
    layers = draw_architecture(recipe, 3, generator(0)).layers
    adds = [layer for layer in layers if layer.type == "Add"]
    assert len(adds) == 2
    projection = layers[adds[0].inputs[1]]
    assert (projection.type, projection.inputs, projection.hyper_parameters["bias"]) == ("Linear", (0,), False)


def test_dense_layers_read_everything_before_them():
    recipe = ArchitectureRecipe(depths={"3": 1.0}, widths=(4, 4), skips={"dense": 1.0}, normalizations={"none": 1.0})
    architecture = draw_architecture(recipe, 3, generator(0))
    assert [layer.size for layer in architecture.layers if layer.type == "Concat"] == [7, 11, 15]


def test_architectures_of_a_task_differ_and_copies_are_marked():
    recipe = ArchitectureRecipe()
    drawn = list(draw_architectures(recipe, 4, 60, 3, generator(1)))
    assert len(drawn) == 60
    assert [copy for _, copy in drawn] == [0, 1, 2] * 20
    assert len({architecture.digest for architecture, _ in drawn}) == 20
    short = list(draw_architectures(recipe, 4, 7, 3, generator(1)))
    assert short == drawn[:7]


def test_a_recipe_with_few_architectures_gives_marked_copies():
    recipe = ArchitectureRecipe(
        depths={"1": 1.0}, widths=(4, 5), activations={"ReLU": 1.0}, normalizations={"none": 1.0}, skips={"none": 1.0}
    )
    drawn = list(draw_architectures(recipe, 2, 9, 1, generator(0)))
    pairs = [(architecture.digest, copy) for architecture, copy in drawn]
    assert len(set(pairs)) == 9
    assert len({digest for digest, _ in pairs}) == 2


def two_branches(first: int, second: int, swapped: bool, name: str = "") -> Architecture:
    rows = [
        make_layer("Input", (), 3),
        make_layer("Linear", (0,), first, name),
        make_layer("Linear", (0,), second, name),
        make_layer("Concat", (2, 1) if swapped else (1, 2), first + second),
        make_layer("Linear", (3,), 1),
    ]
    return Architecture(tuple(rows))


def test_the_canonical_hash_knows_what_is_the_same():
    digest = two_branches(4, 5, False).digest
    assert two_branches(4, 5, False, "other").digest == digest
    assert two_branches(5, 4, False).digest == digest
    assert two_branches(4, 5, True).digest == digest
    assert two_branches(4, 6, False).digest != digest
    assert two_branches(5, 5, False).digest != digest


def test_the_canonical_hash_tells_one_layer_read_twice_from_two_alike():
    head = [make_layer("Input", (), 3), make_layer("Linear", (0,), 4)]
    tail = [make_layer("Linear", (0,), 4), make_layer("Add", (1, 2), 4), make_layer("Linear", (3,), 1)]
    twice = [make_layer("Add", (1, 1), 4), make_layer("Linear", (2,), 1)]
    assert Architecture((*head, *tail)).digest != Architecture((*head, *twice)).digest


@examples(40)
@given(st.integers(0, 10_000))
def test_other_hyper_parameters_are_other_architectures(seed):
    architecture = draw_architecture(VARIED, 3, generator(seed))
    row = architecture.layers[-1]
    changed = replace(row, hyper=(("bias", False),))
    other = Architecture((*architecture.layers[:-1], changed))
    assert other.digest != architecture.digest
    assert Architecture(tuple(replace(layer, name="n") for layer in architecture.layers)).digest == architecture.digest
