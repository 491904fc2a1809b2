import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from netgraph import NetGraph, NetGraphError, NetVAE, from_module
from netgraph.model.architecture_decoder import ArchitectureDecoder
from netgraph.model.coverage import Coverage
from netgraph.zoo import ZooRecipe
from netgraph.zoo.architectures import ArchitectureRecipe, draw_architecture
from netgraph.zoo.initial import initialize
from tests.model.small import CONFIG, EVERYTHING, perceptron

N = 5


@pytest.fixture(scope="module")
def full() -> NetVAE:
    """A model that knows the architectures of the recipe ``full``."""
    recipe, generator = ZooRecipe.load("full"), torch.Generator().manual_seed(0)
    low, high = recipe.tasks.n_features
    model = NetVAE.from_config(replace(CONFIG, max_inputs=high, max_nodes=420, max_fan=64))
    counts = [low + i % (high + 1 - low) for i in range(1000)]
    model.decoder.architecture.cover([draw_architecture(recipe.architectures, n, generator) for n in counts])
    return model.eval()


class Added(nn.Module):
    """A perceptron with a layer whose output is added up with earlier ones."""

    def __init__(self, around: int, last: nn.Module) -> None:
        super().__init__()
        self.first = nn.Linear(N, N)
        self.blocks = nn.ModuleList(nn.Linear(N, N) for _ in range(around))
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        hidden = start = torch.tanh(self.first(x))
        for block in self.blocks:
            hidden = torch.tanh(block(hidden))
        return self.last(hidden + start)


class Both(nn.Module):
    """A perceptron in which two linear layers, or a layer and the inputs, are added up."""

    def __init__(self, inputs: bool) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(N, N), nn.Linear(N, 1)
        self.second = nn.Identity() if inputs else nn.Linear(N, N)

    def forward(self, x: Tensor) -> Tensor:
        beside = x if isinstance(self.second, nn.Identity) else self.second(x)
        return self.last(self.first(x) + beside)


class Doubled(nn.Module):
    """A perceptron with a layer whose output is added to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(N, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(x))
        return self.last(hidden + hidden)


UNSEEN = {
    "outputs": (perceptron(N, 8, 3), "3 outputs; this model was trained on 1"),
    "many outputs": (perceptron(N, 8, 12), "12 outputs; .* on 1"),
    "inputs": (perceptron(17, 8, 1), "17 inputs; .* on 1 to 16"),
    "many inputs": (perceptron(30, 8, 1), "30 inputs; .* on 1 to 16"),
    "width": (perceptron(N, 33, 1), "33 nodes in a hidden layer; .* on 2 to 32"),
    "a narrow layer": (perceptron(N, 1, 1), "1 nodes in a hidden layer; .* on 2 to 32"),
    "depth": (perceptron(N, *[4] * 7, 1), "8 linear layers in a row; .* on 2 to 5"),
    "no hidden layer": (nn.Linear(N, 1), "1 linear layers in a row; .* on 2 to 5"),
    "a type": (perceptron(N, 8, 1, activation=nn.Dropout), "layers of type Dropout; it was on Add, "),
    "a last activation": (
        nn.Sequential(*perceptron(N, 8, 1), nn.Sigmoid()),
        r"layer 3 \(Sigmoid\): Sigmoid as output; this model was trained on Linear as output",
    ),
    "a last identity": (nn.Sequential(*perceptron(N, 8, 1), nn.Identity()), r"layer 3 \(Identity\)"),
    "a last normalization": (nn.Sequential(*perceptron(N, 8, 1), nn.LayerNorm(1)), r"LayerNorm as output"),
    "a first activation": (nn.Sequential(nn.Tanh(), *perceptron(N, 8, 1)), "activation after Input"),
    "a first normalization": (nn.Sequential(nn.LayerNorm(N), *perceptron(N, 8, 1)), "normalization after Input"),
    "a late normalization": (
        nn.Sequential(nn.Linear(N, 4), nn.ReLU(), nn.LayerNorm(4), nn.Linear(4, 1)),
        "normalization after activation; this model was trained on .*normalization after Linear",
    ),
    "two activations": (nn.Sequential(nn.Linear(N, 4), nn.ReLU(), *perceptron(4, 1)), None),
    "activation on activation": (
        nn.Sequential(nn.Linear(N, 4), nn.ReLU(), nn.Tanh(), nn.Linear(4, 1)),
        "activation after activation",
    ),
    "no bias": (perceptron(N, 8, 1, bias=False), "Linear without bias as output; .* on Linear as output"),
    "a long skip": (Added(2, nn.Linear(N, 1)), "2 linear layers skipped by a join; .* on 0 to 1"),
    "a short skip": (Added(1, nn.Linear(N, 1)), None),
    "a layer added to itself": (Doubled(), "Add twice after activation; .* on Add after Add, .*Add after activation"),
    "a sum of two linear layers": (Both(inputs=False), "Add of Linear and Linear; .* Add of Linear and activation"),
    "a sum with the inputs": (Both(inputs=True), "Add of Input and Linear; .* Add of Input and activation"),
    "a last identity after a sum": (Added(1, nn.Identity()), "Identity as output"),
    "a setting": (
        nn.Sequential(nn.Linear(N, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1)),
        "layer 1: LeakyReLU with negative_slope=0.2; a model decodes 0.01 alone",
    ),
}


@pytest.mark.parametrize(("module", "message"), UNSEEN.values(), ids=UNSEEN)
def test_a_network_of_another_kind_is_named_with_what_was_seen(full, module, message):
    known, graph = from_module(perceptron(N, 8, 1)), from_module(module)
    assert full.coverage.covers(known.architecture)
    if message is None:
        assert full.coverage.covers(graph.architecture)
        return
    with pytest.raises(NetGraphError, match=f"^network 1.*{message}") as error:
        full.encode([known, graph])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("module", [module for module, _ in UNSEEN.values()], ids=UNSEEN)
def test_a_network_of_another_kind_is_written_where_it_is_asked_for(full, module):
    graph = from_module(module)
    n_inputs, n_outputs = graph.architecture.n_inputs, graph.architecture.n_outputs
    z = torch.randn(1, 12, generator=torch.Generator().manual_seed(0))
    z[:, 0] = full.encoder.function.first_number(torch.tensor([[min(n_inputs, 16), 1]]))
    if n_inputs > 16 or n_outputs > 1:
        message = (
            f"^architecture 0 has ({n_inputs} inputs; its function reads 16|{n_outputs} outputs; its function has 1)"
        )
        with pytest.raises(NetGraphError, match=message) as error:
            full.decode(z, None, graph)
        assert "\n" not in str(error.value)
        return
    (found,) = full.decode(z, None, graph)
    assert found.architecture.key == graph.architecture.key
    assert found.validate()
    assert found.state.isfinite().all()


def test_numbers_of_inputs_that_were_not_seen_are_not_decoded(full):
    x = torch.randn(40, 17, generator=torch.Generator().manual_seed(0))
    for call, message in (
        (lambda: full.sample(2, seed=0, n_inputs=20), "n_inputs is 20; it must be a whole number, 1 to 16"),
        (lambda: full.sample(2, seed=0, X=x, y=x[:, 0]), "a data set: 17 inputs; .* 1 to 16"),
        (lambda: full.encode_rows(x, x[:, 0]), "a data set: 17 inputs; .* 1 to 16"),
    ):
        with pytest.raises(NetGraphError, match=message):
            call()


def test_numbers_of_inputs_between_those_that_were_seen_are_not_decoded():
    model = NetVAE.from_config(CONFIG)
    model.decoder.architecture.cover([from_module(perceptron(n, 4, 1)).architecture for n in (2, 4)])
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    for call, message in (
        (lambda: model.sample(2, n_inputs=3), "samples: 3 inputs; this model was trained on 2, 4"),
        (lambda: model.encode_rows(x, x[:, 0]), "a data set: 3 inputs; this model was trained on 2, 4"),
        (lambda: model.encode([perceptron(3, 4, 1)]), "network 0: 3 inputs; this model was trained on 2, 4"),
    ):
        with pytest.raises(NetGraphError, match=message):
            call()


def test_networks_of_the_recipe_are_covered(full):
    recipe, generator = ZooRecipe.load("full"), torch.Generator().manual_seed(7)
    low, high = recipe.tasks.n_features
    for i in range(200):
        architecture = draw_architecture(recipe.architectures, low + i % (high + 1 - low), generator)
        full.coverage.check(architecture, f"drawn {i}")


def test_the_limits_of_what_is_decoded_are_those_of_the_recipe(full):
    limits = full.decoder.architecture.limits
    assert (limits.nodes, limits.units, limits.loose, limits.apart) == (420, 32, 2, 1)
    assert limits.types == {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16}


def drawn(n: int, seed: int, recipe: ArchitectureRecipe | None = None) -> list[NetGraph]:
    generator = torch.Generator().manual_seed(seed)
    found = [draw_architecture(recipe or ArchitectureRecipe(), 2 + i % 4, generator) for i in range(n)]
    return [NetGraph(architecture, initialize(architecture, generator)) for architecture in found]


def test_unseen_networks_of_a_recipe_with_rare_layers_are_covered_by_some_hundred_others():
    coverage = Coverage.of([graph.architecture for graph in drawn(400, 0)])
    outside = [graph for graph in drawn(100, 1) if not coverage.covers(graph.architecture)]
    assert len(outside) <= 1


def test_what_is_seen_later_is_added_in_any_order():
    parts = [[graph.architecture for graph in drawn(5, seed)] for seed in range(3)]
    decoder = ArchitectureDecoder(CONFIG)
    for part in parts:
        decoder.cover(part)
        assert all(decoder.coverage.covers(architecture) for architecture in part)
    together = Coverage.of(architecture for part in parts for architecture in part)
    assert decoder.coverage == together
    assert decoder.coverage == Coverage.of(parts[2]).merge(Coverage.of(parts[0])).merge(Coverage.of(parts[1]))
    wide, narrow = (from_module(perceptron(2, units, 1)).architecture for units in (9, 3))
    decoder.cover([wide])
    decoder.cover([narrow])
    assert decoder.limits.units >= 9


def test_a_coverage_survives_its_record_and_the_state_of_a_model():
    coverage = Coverage.of([graph.architecture for graph in drawn(20, 0)])
    assert Coverage.from_record(json.loads(json.dumps(coverage.to_record()))) == coverage
    first, second = NetVAE.from_config(CONFIG), NetVAE.from_config(CONFIG)
    first.decoder.architecture.coverage = coverage
    second.load_state_dict(first.state_dict())
    assert second.coverage == coverage
    for change in ({"inputs": [1.5]}, {"inputs": [True]}, {"inputs": "3"}, {"types": [3]}, {"more": []}):
        with pytest.raises(NetGraphError, match="coverage: "):
            Coverage.from_record(coverage.to_record() | change)


def test_a_checkpoint_keeps_its_coverage(tmp_path):
    model = NetVAE.from_config(CONFIG)
    model.decoder.architecture.cover([graph.architecture for graph in drawn(20, 0)])
    model.save(tmp_path / "vae.safetensors")
    assert NetVAE.from_pretrained(tmp_path / "vae.safetensors").coverage == model.coverage


def test_a_model_that_saw_nothing_covers_nothing():
    assert not Coverage().covers(from_module(nn.Linear(1, 1)).architecture)
    with pytest.raises(
        NetGraphError, match="network 0, layer input_1: this model was not trained on layers of type Input"
    ):
        NetVAE.from_config(CONFIG).encode([from_module(perceptron(2, 3, 1))])
    assert NetVAE.from_config(CONFIG).sample(1, seed=0, n_inputs=3)[0].architecture.n_inputs == 3


def test_settings_that_no_model_decodes_are_refused_in_training():
    leaky = from_module(nn.Sequential(nn.Linear(2, 3), nn.LeakyReLU(0.3), nn.Linear(3, 1)))
    with pytest.raises(NetGraphError, match=r"network 0, layer 1: LeakyReLU with negative_slope=0\.3"):
        ArchitectureDecoder(CONFIG).cover([leaky.architecture])
    dropout = from_module(nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.2), nn.Linear(3, 1)))
    EVERYTHING.check(dropout.architecture, "a network")


def test_a_coverage_is_described_in_one_line(full):
    assert full.coverage.describe().startswith("1 to 16 inputs; 1 outputs; 2 to 32 nodes in a hidden")
    assert "\n" not in full.coverage.describe()
    assert Coverage(places=frozenset({"Add after Add"})).describe().endswith("; connections Add after Add")
    assert Coverage(inputs=frozenset({1, 2, 3, 7, 9, 10})).describe().startswith("1 to 3, 7, 9 to 10 inputs; none out")
