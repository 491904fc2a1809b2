import pytest
import torch
from hypothesis import given
from sklearn.metrics import r2_score
from torch import nn

from netgraph import NetGraphError, canonicalize, from_module, metrics, to_module
from netgraph.evaluation import evaluate_reconstruction, evaluate_samples, shapes
from netgraph.figures import MODEL
from netgraph.zoo import random_like
from tests.strategies import examples, graphs, randomize


def network(width: int = 4, seed: int = 0):
    return from_module(randomize(nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 1)), seed))


X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))


@examples(20)
@given(graphs())
def test_a_network_is_like_itself(graph):
    x = torch.randn(10, graph.architecture.n_inputs, generator=torch.Generator().manual_seed(0))
    assert metrics.edge_accuracy(graph, graph) == 1
    assert metrics.edge_f1(graph, graph) == 1
    assert metrics.output_r2(graph, graph, x) == pytest.approx(1)
    assert metrics.cosine_similarity(graph, graph, x) == pytest.approx(1, abs=1e-5)
    assert metrics.parameter_cosine_similarity(graph, graph) == pytest.approx(1, abs=1e-5)
    assert metrics.validity([graph]) == 1


def test_edges_by_hand():
    # 3-4-4-1: 12 + 4 + 4 edges; 3-2-2-1: 6 + 2 + 2. Shared by index: inputs 0-2 to vertices 3 and 4.
    wide, narrow = network(4), network(2)
    assert metrics.edge_accuracy(wide, narrow) == pytest.approx(metrics.edge_accuracy(narrow, wide))
    shared = len(set(map(tuple, wide.edge_index.T.tolist())) & set(map(tuple, narrow.edge_index.T.tolist())))
    assert metrics.edge_accuracy(wide, narrow) == pytest.approx(shared / (20 + 10 - shared))
    assert metrics.edge_f1(wide, narrow) == pytest.approx(2 * shared / 30)


def test_output_r2_and_cosine_by_hand():
    graph = network()
    y = metrics.behavior([graph])  # any vector of outputs
    assert y.shape == (1, 64)
    constant = graph.replace(state=torch.zeros_like(graph.state))
    assert metrics.output_r2(graph, constant, X) <= 0
    assert metrics.cosine_similarity(graph, constant, X) == 0
    assert metrics.cosine_similarity(constant, constant, X) == 1
    assert metrics.output_r2(constant, constant, X) == 1
    assert metrics.output_r2(constant, graph, X) == 0


def test_output_r2_of_several_outputs_is_that_of_scikit_learn():
    one, two = other(3, 3, seed=0), other(3, 3, seed=1)
    y, prediction = (to_module(graph)(X).detach().numpy() for graph in (one, two))
    expected = r2_score(y, prediction, multioutput="variance_weighted")
    assert metrics.output_r2(one, two, X) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("n_outputs", [1, 2, 5])
def test_agreement_is_the_share_of_rows_of_the_same_class(n_outputs):
    one, two = other(3, n_outputs, seed=0), other(3, n_outputs, seed=3)
    a, b = (to_module(graph)(X).detach() for graph in (one, two))
    classes = [z.argmax(dim=1) if n_outputs > 1 else z[:, 0] > 0 for z in (a, b)]
    expected = float((classes[0] == classes[1]).float().mean())
    assert metrics.agreement(one, two, X) == pytest.approx(expected)
    assert 0 < expected < 1
    assert metrics.agreement(one, one, X) == 1
    assert metrics.agreement_per_pair([one, one], [one, two], [X, X]).tolist() == pytest.approx([1, expected])


def test_agreement_is_a_figure_of_networks_that_classify():
    true, rebuilt = [other(3, 3), network(), other(3, 2)], [other(3, 3), network(), other(3, 3)]
    figures = evaluate_reconstruction(true, rebuilt, [X] * 3, [True, False, True]).metrics
    assert figures["agreement"] == 0.5  # the last one was rebuilt with another number of outputs
    assert "agreement" not in evaluate_reconstruction(true, rebuilt, [X] * 3).metrics


def test_rows_that_are_not_finite_do_not_agree():
    one = other(3, 2)
    broken = one.replace(state=torch.full_like(one.state, torch.nan))
    assert metrics.agreement(one, broken, X) == 0
    assert metrics.agreement(broken, broken, X) == 0


def test_sets_of_networks():
    one, two = network(seed=1), network(seed=2)
    permuted = canonicalize(one)
    assert metrics.uniqueness([one, two]) == 1
    assert metrics.uniqueness([one, permuted]) == 0.5
    assert metrics.uniqueness([one, two], level="architecture") == 0.5
    assert metrics.novelty([one, two], [permuted]) == 0.5
    assert metrics.novelty([one, two], [network(5)], level="architecture") == 1
    broken = one.replace(state=torch.full_like(one.state, float("nan")))
    assert metrics.validity([one, broken]) == 0.5


def test_energy_distance_against_all_pairs():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(7, 3, generator=generator), torch.randn(5, 3, generator=generator) + 1

    def mean(x, y):
        return sum(float((p - q).norm()) for p in x for q in y) / (len(x) * len(y))

    assert metrics.energy_distance(a, b) == pytest.approx(2 * mean(a, b) - mean(a, a) - mean(b, b), abs=1e-5)
    assert metrics.energy_distance(a, a) == 0
    within = mean(a, a) * 7 / 6 + mean(b, b) * 5 / 4
    assert metrics.energy_distance(a, b, unbiased=True) == pytest.approx(2 * mean(a, b) - within, abs=1e-5)
    assert metrics.sample_quality(2.0, 0.5, 0.5) == 1
    assert metrics.sample_quality(2.0, 2.0, 0.5) == 0


def test_the_unbiased_energy_distance_of_equal_populations_is_0_on_average():
    generator = torch.Generator().manual_seed(0)
    pairs = [torch.randn(2, 10, 4, generator=generator) for _ in range(200)]
    unbiased = torch.tensor([metrics.energy_distance(a, b, unbiased=True) for a, b in pairs])
    assert abs(float(unbiased.mean())) < 3 * float(unbiased.std()) / 200**0.5
    assert min(metrics.energy_distance(a, b) for a, b in pairs) > 0.1


def test_samples_that_are_not_finite_lower_validity_and_nothing_else():
    trained = [network(width, seed) for width in (3, 5) for seed in range(10)]
    samples = [network(4, seed + 100) for seed in range(10)]
    broken = samples[0].replace(state=torch.full_like(samples[0].state, float("nan")))
    alone, beside = (
        evaluate_samples(found, trained[::2], trained[1::2], torch.Generator().manual_seed(0))
        for found in (samples, [*samples, broken, broken])
    )
    assert beside["validity"] == beside["sample_working"] == pytest.approx(10 / 12)
    assert alone["validity"] == alone["sample_working"] == 1
    assert all(beside[key] == alone[key] for key in alone if key not in ("validity", "sample_working"))
    with pytest.raises(NetGraphError, match="1 of 2 samples have finite outputs"):
        evaluate_samples([samples[0], broken], trained, trained, torch.Generator())


def test_trained_networks_are_of_quality_1_and_untrained_ones_of_quality_0(monkeypatch):
    monkeypatch.setattr(shapes, "SIDE", 1)
    generator = torch.Generator().manual_seed(0)
    like_trained = [network(4, seed) for seed in range(300)]
    figures = evaluate_samples(like_trained[:100], like_trained[100:200], like_trained[200:], generator)
    assert figures["sample_quality"] == pytest.approx(1, abs=0.1)
    assert figures["function_spread"] == pytest.approx(1, abs=0.1)
    assert figures["n_shape"] == 100
    aucs = [figures[f"{name}_auc"] for name in ("random", "sample", "floor")]
    assert figures["shape_quality"] == metrics.sample_quality(*aucs)
    assert set(figures) <= set(MODEL)
    figures = evaluate_samples(random_like(like_trained[:100], generator), like_trained, like_trained, generator)
    assert figures["sample_quality"] == pytest.approx(0, abs=0.2)


def test_samples_that_are_more_alike_than_trained_networks_have_less_spread():
    trained = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    assert metrics.function_spread(trained, trained) == pytest.approx(1)
    assert metrics.function_spread(trained / 4 + 3, trained) == pytest.approx(0.25)
    with pytest.raises(NetGraphError, match="function spread: all networks of the reference compute the same"):
        metrics.function_spread(trained, trained[:1])


def test_shapes_of_few_networks_are_not_compared():
    networks = [network(seed=seed) for seed in range(24)]
    figures = evaluate_samples(networks, networks, networks, torch.Generator().manual_seed(0))
    assert figures["n_shape"] == 24
    assert not {"shape_quality", "sample_auc", "random_auc", "floor_auc"} & set(figures)


def test_rate_distortion_by_hand():
    true = [network(4, seed) for seed in range(3)]  # 3-4-1: 21 parameters
    rebuilt = [true[0], true[1], random_like(true[2:], torch.Generator().manual_seed(0))[0]]
    curve = metrics.rate_distortion(true, {42: true, 7: rebuilt}, X)
    assert list(curve) == [7, 42]
    assert curve[42] == pytest.approx({"output_r2_median": 1, "output_r2_p10": 1, "parameters_per_number": 0.5})
    assert curve[7]["output_r2_median"] == pytest.approx(1)
    assert curve[7]["output_r2_p10"] == pytest.approx(metrics.output_r2(true[2], rebuilt[2], X))
    assert curve[7]["parameters_per_number"] == 3
    with pytest.raises(NetGraphError, match="latent size 0"):
        metrics.rate_distortion(true, {0: true}, X)


def test_the_nearest_training_network():
    one, two = network(seed=1), network(seed=2)
    assert metrics.nearest_distance([one], [two, canonicalize(one)])[0] < 1e-5
    assert metrics.nearest_distance([one], [two])[0] > 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.edge_f1([network()], []), "no graphs"),
        (lambda: metrics.edge_f1([network()] * 2, [network()]), "2 true and 1 generated"),
        (lambda: metrics.output_r2(network(), network(), torch.full((4, 3), float("nan"))), "NaN"),
        (lambda: metrics.output_r2(network(), network(), X[:, :2]), "2 columns"),
        (lambda: metrics.uniqueness([network()], level="vertex"), "level 'vertex'"),
        (lambda: metrics.sample_quality(1.0, 1.0, 1.0), "nothing|same distance"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(NetGraphError, match=message):
        call()


def test_figures_of_rebuilt_networks_and_samples():
    generator = torch.Generator().manual_seed(0)
    true = [network(seed=i) for i in range(6)]
    rebuilt = random_like(true, generator)
    result = evaluate_reconstruction(true, rebuilt, [X] * 6)
    assert result.metrics["edge_f1"] == 1
    assert len(result.output_r2) == 6
    assert result.metrics["output_r2_p10"] <= result.metrics["output_r2_median"]
    figures = result.metrics | evaluate_samples(rebuilt, true, true, generator)
    assert figures["floor_behaviour_distance"] < figures["sample_behaviour_distance"]
    assert figures["validity"] == 1


def other(n_inputs: int, n_outputs: int, seed: int = 0):
    module = nn.Sequential(nn.Linear(n_inputs, 4), nn.Tanh(), nn.Linear(4, n_outputs))
    return from_module(randomize(module, seed))


PAIRED = {
    "agreement": lambda a, b: metrics.agreement(a, b, X),
    "output_r2": lambda a, b: metrics.output_r2(a, b, X),
    "output_r2_median": lambda a, b: metrics.output_r2_median(a, b, X),
    "output_r2_per_pair": lambda a, b: metrics.output_r2_per_pair([a], [b], [X]),
    "cosine_similarity": lambda a, b: metrics.cosine_similarity(a, b, X),
    "edge_accuracy": metrics.edge_accuracy,
    "edge_f1": metrics.edge_f1,
    "weight_within_tolerance": metrics.weight_within_tolerance,
    "parameter_cosine_similarity": metrics.parameter_cosine_similarity,
}


@pytest.mark.parametrize("compare", PAIRED.values(), ids=PAIRED)
@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(3, 3), (2, 3), (3, 2)])
def test_networks_with_another_number_of_outputs_are_not_compared(compare, n_inputs, n_outputs):
    strange = other(n_inputs, n_outputs)
    for pair in ((network(), strange), (strange, network())):
        with pytest.raises(NetGraphError, match=f"pair 0: .*{n_outputs}.*; not to be compared") as caught:
            compare(*pair)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("compare", PAIRED.values(), ids=PAIRED)
def test_networks_that_read_fewer_or_more_columns_are_compared(compare):
    for n_inputs in (2, 4):
        assert torch.as_tensor(compare(network(), other(n_inputs, 1))).max() < 1


def test_behavior_is_that_of_all_outputs_and_of_one_number_of_them():
    one, two = other(3, 2, seed=0), other(3, 2, seed=1)
    assert metrics.behavior([one, two], n_rows=8).shape == (2, 16)
    last = one.architecture.tensors[-1]
    moved = one.clone()
    moved.tensor(last)[1] += 1  # the second output
    assert metrics.nearest_distance(one, moved)[0] == pytest.approx(0.5**0.5, abs=1e-5)
    for call in (
        lambda: metrics.behavior([one, network()]),
        lambda: metrics.nearest_distance(one, network()),
    ):
        with pytest.raises(NetGraphError, match=r"graph 0 has 2 outputs, others have 1|others have 2"):
            call()


def test_a_network_that_is_rebuilt_with_another_number_of_outputs_is_as_far_off_as_can_be():
    true = [network(seed=i) for i in range(3)]
    result = evaluate_reconstruction(true, [true[0], other(3, 2), other(2, 3)], [X] * 3)
    assert result.output_r2.tolist() == pytest.approx([1, float("-inf"), float("-inf")])
    assert result.cosine.tolist() == pytest.approx([1, 0, 0])
    assert result.edge_f1.tolist() == [1, 0, 0]
    assert result.metrics["edge_accuracy"] == pytest.approx(1 / 3)
    none = evaluate_reconstruction(true[:1], [other(3, 2)], [X])
    assert none.metrics["edge_f1"] == none.metrics["cosine_similarity"] == 0
    assert evaluate_reconstruction(true, true, X).metrics["output_r2_median"] == pytest.approx(1)
    with pytest.raises(NetGraphError, match="2 true and 1 generated"):
        evaluate_reconstruction(true[:2], true[:1], [X])
    with pytest.raises(NetGraphError, match="1 tensors of rows for 2 pairs"):
        evaluate_reconstruction(true[:2], true[:2], [X])


def test_a_general_network_is_not_called_invalid():
    convolution = from_module(nn.Conv1d(1, 2, 3), torch.zeros(1, 1, 5))
    with pytest.raises(NetGraphError, match="Conv1d is not in the feed-forward vocabulary"):
        metrics.validity([convolution])
