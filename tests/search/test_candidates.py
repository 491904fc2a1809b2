"""Sources of candidates: those of the package, one of a researcher's own, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from netgraph import NetGraph, NetGraphError, NetGraphRegressor, from_module
from netgraph.graph import prepend_linear
from netgraph.search import Candidates, Generated, Random
from netgraph.search.candidates import covered_inputs, pls_directions
from netgraph.search.data import TimeBudget
from netgraph.search.network_search import NetworkSearch
from netgraph.search.scoring import CrossValidation
from netgraph.stack import first_outputs
from tests.search.small import Few, random_networks, rows, untrained

NOISE = np.random.default_rng(0).normal(size=(60, 5))


class Memorizing(Candidates):
    """Networks whose last hidden unit is the target of each row that they were sampled for."""

    trainable = False

    def __init__(self, uses_targets: bool) -> None:
        self.uses_targets = uses_targets

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        generator, graphs = Generator().manual_seed(seed), []
        for _ in range(n):
            layers = nn.Sequential(
                nn.Linear(X.shape[1], 300), nn.ReLU(), nn.Linear(300, 1), nn.Identity(), nn.Linear(1, 1)
            )
            with torch.no_grad():
                for value in layers.parameters():
                    value.normal_(generator=generator)
                features = torch.cat([layers[:2](X), torch.ones(len(X), 1)], dim=1).double()
                weights = torch.linalg.lstsq(features, y.double(), driver="gelsd").solution.float()
                layers[2].weight.copy_(weights[:-1].T)
                layers[2].bias.copy_(weights[-1])
            graphs.append(from_module(layers))
        return graphs


@pytest.mark.filterwarnings("ignore:none of .* is better than the mean:UserWarning")
def test_a_source_that_memorizes_the_targets_gets_an_honest_score_where_it_says_that_it_uses_them():
    errors = {}
    for uses_targets in (True, False):
        model = NetGraphRegressor(candidates=[Memorizing(uses_targets)], n_candidates=4, max_seconds=None)
        found = model.fit(NOISE[:, :4], NOISE[:, 4]).candidates_
        errors[uses_targets] = found.loc[found["source"] == "Memorizing", "error"]
    assert len(errors[True]) == len(errors[False]) == 4
    assert errors[True].min() > 0.8
    assert errors[False].max() < 0.01  # a source that does not say so is believed


@pytest.mark.filterwarnings("ignore:none of .* is better than a linear fit:UserWarning")
def test_a_source_of_ones_own_works_in_the_estimator_the_same_for_a_seed():
    X = NOISE[:, :3]
    one, same, other = (
        NetGraphRegressor(candidates=[Few(3)], max_seconds=None, random_state=seed).fit(X, np.sin(2 * X[:, 0]))
        for seed in (0, 0, 1)
    )
    assert {"mean", "linear", "Few", "ensemble"} == set(one.candidates_["source"])
    assert one.history_.set_index("stage").loc["Few", "networks"] == 3  # exhausted after the first round
    assert np.array_equal(one.predict(X), same.predict(X))
    assert not np.array_equal(one.predict(X), other.predict(X))


def sized(n_inputs: int, n_outputs: int) -> NetGraph:
    return from_module(nn.Linear(n_inputs, n_outputs))


BAD = {
    "inputs": (lambda: [sized(3, 1), sized(4, 1)], "network 1 has 4 inputs and 1 output, not 3 inputs and 1 output"),
    "outputs": (lambda: [sized(3, 2)], "network 0 has 3 inputs and 2 outputs"),
    "module": (lambda: [nn.Linear(3, 1)], "network 0 is no feed-forward NetGraph"),
    "program": (
        lambda: [from_module(nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 1, 3)), torch.zeros(1, 3))],
        "network 0 is no feed-forward NetGraph",
    ),
    "nothing": (lambda: None, "returned no list of at most 2 networks"),
    "too many": (lambda: [sized(3, 1)] * 3, "returned no list of at most 2 networks"),
}


class Broken(Candidates):
    """Returns what it is given."""

    def __init__(self, sampled) -> None:
        self.sampled = sampled

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        return self.sampled()


@pytest.mark.parametrize(("sampled", "message"), BAD.values(), ids=BAD)
def test_what_a_source_does_wrong_is_named_with_its_class(sampled, message):
    with pytest.raises(NetGraphError, match=rf"^Broken\.sample: {message}[^\n]*$"):
        NetGraphRegressor(candidates=[Few(1), Broken(sampled)], n_candidates=2).fit(NOISE[:, :3], NOISE[:, 4])


def test_a_source_must_give_as_many_networks_without_a_fold():
    counts = iter([2, 2, 1, 2, 2, 2])
    fewer = Broken(lambda: [sized(3, 1)] * next(counts))
    with pytest.raises(NetGraphError, match=r"^Broken\.sample: fewer networks without a fold than of all rows$"):
        NetGraphRegressor(candidates=[fewer], max_seconds=None).fit(NOISE[:, :3], NOISE[:, 4])


def test_a_source_without_networks_leaves_the_linear_one():
    X = NOISE[:, :3]
    model = NetGraphRegressor(candidates=[Broken(list)], max_seconds=None).fit(X, X[:, 1])
    assert model.candidates_["source"].tolist() == ["linear", "mean"]
    assert model.score(X, X[:, 1]) > 0.99


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ([], "candidates is an empty or no sequence, list"),
        (Random(), "candidates is an empty or no sequence, Random"),
        ([Random(), 3], "candidates holds int, no object with sample"),
        ([Random], "candidates holds Random, no object with sample"),
    ],
    ids=str,
)
def test_what_is_no_source_is_named(candidates, message):
    with pytest.raises(NetGraphError, match=rf"^{message}[^\n]*$"):
        NetGraphRegressor(candidates=candidates).fit(NOISE[:, :3], NOISE[:, 4])


@pytest.mark.parametrize(
    ("make", "uses_targets"),
    [(Random, False), (lambda: Generated(untrained()), True)],
    ids=["random", "generated"],
)
def test_sources_are_seeded_and_see_the_targets_where_they_say_so(make, uses_targets):
    data, source = rows(), make()
    one, same, other = (source.sample(5, data.X, data.y, seed) for seed in (3, 3, 4))
    assert all(g.architecture.n_inputs == 4 and g.architecture.n_outputs == 1 for g in one)
    assert all(torch.equal(a.state, b.state) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a.state, b.state) for a, b in zip(one, other, strict=True))
    moved = source.sample(5, data.X, data.y.flip(0), 3)
    assert source.uses_targets == uses_targets
    assert all(torch.equal(a.state, b.state) for a, b in zip(one, moved, strict=True)) == (not uses_targets)


def test_a_checkpoint_that_has_changed_is_read_again(tmp_path):
    data, path, model = rows(), tmp_path / "vae.safetensors", untrained()
    model.save(path)
    source = Generated(path)
    first = source.sample(2, data.X, data.y, 0)
    assert torch.equal(source.sample(2, data.X, data.y, 0)[0].state, first[0].state)
    with torch.no_grad():
        model.decoder.architecture.move.weight.neg_()
    model.save(path)
    assert not torch.equal(source.sample(2, data.X, data.y, 0)[0].state, first[0].state)
    with pytest.raises(NetGraphError, match=r"absent\.safetensors: no such file"):
        Generated("absent.safetensors").sample(2, data.X, data.y, 0)
    with pytest.raises(NetGraphError, match="checkpoint is of int; the path of a file, or None"):
        Generated(3).sample(2, data.X, data.y, 0)


def test_of_more_columns_than_a_checkpoint_covers_networks_read_projections():
    model = untrained(inputs=3)
    assert [covered_inputs(model, columns) for columns in (2, 3, 10)] == [2, 3, 3]
    data = rows(80, 10)
    graphs = Generated(model).sample(4, data.X, data.y, 0)
    directions = pls_directions(data.X, data.y, 3)
    for graph in graphs:
        first = graph.architecture.layers[1]
        assert (graph.architecture.n_inputs, first.type, first.size) == (10, "Linear", 3)
        assert torch.equal(graph.state[:30].view(3, 10), directions.T.float())
        assert graph.validate()


def test_the_estimator_warns_of_projections_and_its_network_reads_all_columns(tmp_path):
    untrained(inputs=3).save(tmp_path / "vae.safetensors")
    data, columns = rows(80, 10), np.arange(10)
    model = NetGraphRegressor(str(tmp_path / "vae.safetensors"), n_candidates=2, max_seconds=None)
    with pytest.warns(UserWarning, match=r"X has 10 columns; generated networks read 3 projections of them") as caught:
        model.fit(data.X.numpy() * 10.0**columns, data.y[:, 0].numpy())
    assert caught[0].filename == __file__
    assert model.graph_.architecture.n_inputs == 10
    assert "Generated" in set(model.history_["stage"])
    assert model.score(data.X.numpy() * 10.0**columns, data.y[:, 0].numpy()) > 0.8


@given(st.integers(0, 2**20))
def test_a_network_after_a_projection_gives_of_the_columns_what_it_gave_of_the_projections(seed):
    data = rows(50, 10)
    directions = pls_directions(data.X, data.y, 3)
    projected = (data.X.double() @ directions).float()
    assert torch.allclose(projected.std(dim=0, correction=0), torch.ones(3), atol=1e-4)
    graphs = random_networks(2, seed, 3)
    read = [prepend_linear(graph, directions) for graph in graphs]
    before, after = (
        first_outputs([g.architecture for g in some], [g.state for g in some], x)
        for some, x in ((graphs, projected), (read, data.X))
    )
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


def test_projections_go_with_the_target_and_are_zero_where_the_rows_span_fewer():
    data = rows(400, 40)
    assert pls_directions(data.X, data.y, 40) is None
    first = (data.X.double() @ pls_directions(data.X, data.y, 8))[:, 0]
    assert torch.corrcoef(torch.stack([first, data.y[:, 0].double()]))[0, 1].abs() > 0.85
    repeated = pls_directions(data.X[:, torch.arange(40) % 5], data.y, 8)
    assert repeated.isfinite().all()
    assert not repeated[:, 5:].any()
    assert not pls_directions(torch.zeros(20, 40), torch.zeros(20, 1), 8).any()


def test_an_object_with_sample_alone_is_a_source_scored_by_refits():
    class Plain:
        def sample(self, n, X, y, seed):
            return Random().sample(min(n, 4), X, y, seed)

    data = rows(40)
    (one, *_) = CrossValidation(data).sample(Plain(), 4, 0, TimeBudget())
    assert one.trainable
    assert len(one.refits) == 5
    assert NetworkSearch(data).run([Plain()], 4).candidates


@pytest.mark.filterwarnings("ignore:none of .* is better than a linear fit:UserWarning")
def test_the_estimator_takes_such_an_object():
    class Plain:
        def sample(self, n, X, y, seed):
            return Random().sample(min(n, 4), X, y, seed)

    data = rows(40)
    model = NetGraphRegressor(candidates=[Plain()], n_candidates=4, max_seconds=None)
    assert "Plain" in set(model.fit(data.X.numpy(), data.y[:, 0].numpy()).candidates_["source"])
