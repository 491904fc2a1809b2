"""What each family is for: its own promises, one by one."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import kv

from netgraph.tasks import TaskFamily, draw_task
from netgraph.tasks.families import (
    BayesianNetwork,
    Friedman1,
    Friedman2,
    Friedman3,
    GaussianProcess,
    Linear,
    MLPTeacher,
    ObliviousTrees,
    Piecewise,
    Polynomial,
    Products,
    StructuralCausalModel,
)
from netgraph.tasks.families.composed import related
from netgraph.tasks.inputs import columns, normal
from tests.strategies import examples
from tests.tasks.helpers import PLAIN, generator, informative, linear_r2, raw_x, raw_y


def singular_shares(effective_rank, tail_strength):
    family = Linear((effective_rank, effective_rank), (tail_strength, tail_strength))
    values = torch.linalg.svdvals(family.inputs(8, 400, generator(0)).z)
    return values.square() / values.square().sum()


def test_linear_columns_of_effective_rank_one_have_one_dominant_direction():
    assert singular_shares(0.5, 0.0)[0] > 0.95
    assert singular_shares(50.0, 0.0).max() < 0.2
    assert singular_shares(0.5, 0.9)[0] < singular_shares(0.5, 0.1)[0]


def test_a_linear_target_is_linear_in_the_informative_columns():
    task = draw_task("linear", 5, 64, 0, PLAIN)
    assert linear_r2(raw_x(task), raw_y(task)) == pytest.approx(1, abs=1e-6)


def test_friedman_formulas():
    pi, z = math.pi, normal(200, 5, generator=generator(0))
    x, y, _ = Friedman1((0, 0)).draw(z, generator(1))
    assert x.min() >= 0
    assert x.max() <= 1
    expected = 10 * torch.sin(pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    torch.testing.assert_close(y, expected)
    x, y, _ = Friedman2((0, 0)).draw(z[:, :4], generator(1))
    reactance = x[:, 1] * x[:, 2] - 1 / (x[:, 1] * x[:, 3])
    torch.testing.assert_close(y, (x[:, 0] ** 2 + reactance**2).sqrt())
    x, y, _ = Friedman3((0, 0)).draw(z[:, :4], generator(1))
    reactance = x[:, 1] * x[:, 2] - 1 / (x[:, 1] * x[:, 3])
    torch.testing.assert_close(y, torch.atan(reactance / x[:, 0]))


def test_friedman1_leaves_all_but_five_columns_to_distractors():
    task = draw_task("friedman1", 9, 64, 0)
    assert task.description["n_distractors"] == 4
    assert len(informative(task)) == 5


def test_a_teacher_with_small_weights_is_nearly_linear_and_one_with_large_ones_is_not():
    z = columns(3, 400, generator(0))
    small, large = (MLPTeacher(weight_scale=(s, s), activations=("tanh",)) for s in (0.05, 8.0))
    fits = [[linear_r2(z, family.draw(z, generator(i)).target) for i in range(10)] for family in (small, large)]
    assert min(fits[0]) > 0.99
    assert sorted(fits[1])[5] < 0.7


def test_an_input_of_little_relevance_moves_a_bayesian_network_little():
    z = columns(2, 400, generator(0))
    faint, strong = (BayesianNetwork(depth=(1, 1), relevance=(r, r)).draw(z, generator(1)) for r in (0.01, 1.0))
    assert faint.target.std() < 0.05 * strong.target.std()
    drawn = BayesianNetwork().draw(z, generator(1)).drawn
    assert len(set(drawn["relevance"].split(","))) == 2


def test_a_polynomial_has_its_degree():
    z = columns(2, 400, generator(0))
    line, quadratic = (Polynomial(degree=(d, d)).draw(z, generator(3)).target for d in (1, 2))
    assert linear_r2(z, line) == pytest.approx(1)
    products = torch.stack([z[:, 0] ** 2, z[:, 1] ** 2, z[:, 0] * z[:, 1]], dim=1)
    assert linear_r2(torch.cat([z, products], dim=1), quadratic) == pytest.approx(1)
    assert linear_r2(z, quadratic) < 0.99


def covariance(family, points, draws=4000):
    """Correlation of the first two points' values over many draws."""
    values = torch.stack([family.draw(points, generator(i)).target for i in range(draws)])
    return float((values[:, 0] * values[:, 1]).mean() / values[:, 0].square().mean())


def matern(distance, degrees):
    scaled = math.sqrt(degrees) * distance
    return 2 ** (1 - degrees / 2) / math.gamma(degrees / 2) * scaled ** (degrees / 2) * kv(degrees / 2, scaled)


@pytest.mark.parametrize("degrees", [1, 3])
def test_a_gaussian_process_has_the_matern_kernel(degrees):
    def process(product):
        return GaussianProcess((1.0, 1.0), (degrees, degrees), product)

    line = torch.tensor([[0.0], [1.0]]).double()
    assert covariance(process(0.0), line) == pytest.approx(matern(1.0, degrees), abs=0.06)
    plane = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).double()
    side = matern(1 / math.sqrt(2), degrees)  # the length scale counts in roots of the number of columns
    assert covariance(process(1.0), plane) == pytest.approx(side**2, abs=0.06)
    assert covariance(process(0.0), plane) == pytest.approx(matern(1.0, degrees), abs=0.06)


def test_a_longer_length_scale_is_smoother():
    line = torch.linspace(-2, 2, 200).double()[:, None]

    def roughness(scale, decay):
        targets = [GaussianProcess((scale, scale), (decay, decay)).draw(line, generator(i)).target for i in range(20)]
        return sum(float(y.diff().abs().sum() / y.std()) for y in targets)

    assert roughness(0.3, 30) > 1.5 * roughness(1.0, 30) > 1.5 * roughness(3.0, 30)
    assert roughness(1.0, 1) > 1.5 * roughness(1.0, 30)


def test_oblivious_trees_are_constant_in_pieces_with_every_leaf_count_right():
    z = columns(3, 500, generator(0))
    target = ObliviousTrees((1, 1), (3, 3)).draw(z, generator(1)).target
    assert len(target.unique()) == 8
    stump = ObliviousTrees((1, 1), (1, 1)).draw(z[:, :1], generator(1)).target
    low = z[stump == stump[z[:, 0].argmin()], 0]
    high = z[stump != stump[z[:, 0].argmin()], 0]
    assert low.max() < high.min()
    assert 0.09 < len(low) / 500 < 0.91


def test_there_are_enough_trees_to_ask_about_every_column():
    assert ObliviousTrees((1, 1), (2, 2)).draw(columns(7, 50, generator(0)), generator(1)).drawn["n_trees"] == 4


def test_pieces_are_constant_at_slope_zero_and_planes_above():
    z = columns(2, 400, generator(0))
    flat = Piecewise((5, 5), (0, 0)).draw(z, generator(1)).target
    steep = Piecewise((5, 5), (1, 1)).draw(z, generator(1)).target
    assert 2 <= len(flat.unique()) <= 5
    assert len(steep.unique()) == 400
    for value in flat.unique():
        rows = flat == value
        if rows.sum() > 5:
            assert linear_r2(z[rows], steep[rows]) == pytest.approx(1)


@examples(40)
@given(roots=st.integers(1, 6), nodes=st.integers(2, 20), seed=st.integers(0, 2**20))
def test_a_causal_graph_leads_from_its_first_root_to_every_effect(roots, nodes, seed):
    parents = StructuralCausalModel().graph(roots, roots + nodes, generator(seed))
    for node, causes in enumerate(parents):
        assert bool(causes) == (node >= roots)
        assert len(set(causes)) == len(causes)
        assert all(cause < node for cause in causes)
    for target in range(roots, roots + nodes):
        others = related(parents, target)
        assert target not in others
        assert {0, *range(roots, roots + nodes)} - {target} <= set(others)


def test_a_collider_relates_nothing():
    parents = [[], [], [0, 1], [1]]
    assert related(parents, 0) == [2]
    assert related(parents, 3) == [1, 2]


def test_columns_of_a_causal_model_depend_on_each_other_and_on_the_target():
    strongest = {"causal": [], "independent": [], "target": []}
    for seed in range(40):
        z = normal(400, 4, generator=generator(seed))
        x, y, _ = StructuralCausalModel().draw(z, generator(seed))
        for key, values in (("causal", x), ("independent", z)):
            strongest[key].append(float((torch.corrcoef(values.T) - torch.eye(4)).abs().max()))
        strongest["target"].append(float(torch.corrcoef(torch.cat([x, y[:, None]], dim=1).T)[-1, :-1].abs().max()))
    median = {key: sorted(values)[20] for key, values in strongest.items()}
    assert median["causal"] > 0.5
    assert median["target"] > 0.4
    assert median["independent"] < 0.2


def test_noise_of_the_nodes_hides_the_target_from_the_columns():
    z = normal(400, 2, generator=generator(0))

    def fit(noise):
        family = StructuralCausalModel(node_noise=(noise, noise), mechanisms=("identity",))
        fits = []
        for seed in range(20):
            x, y, _ = family.draw(z, generator(seed))
            fits.append(linear_r2(x, y))
        return sorted(fits)[10]

    assert fit(0.0) > fit(3.0) + 0.2


def column_family(key, index, keeps):
    class OneColumn(TaskFamily):
        name = key
        keeps_columns = keeps

        def draw(self, z, generator):
            return (z if keeps else z.flip(1)), z[:, index], {"index": index}

    return OneColumn()


def test_a_product_multiplies_two_families_on_the_same_columns(monkeypatch):
    known = {"linear": column_family("linear", 0, True), "polynomial": column_family("polynomial", 1, True)}
    monkeypatch.setattr("netgraph.tasks.families.base._REGISTRY", known)
    z = normal(100, 2, generator=generator(0))
    x, target, drawn = Products(("linear", "polynomial"), (0.5, 0.5)).draw(z, generator(1))
    a, b = ((z - z.mean(0)) / z.std(0, correction=0)).unbind(1)
    torch.testing.assert_close(target, (0.5 + a) * (0.5 + b))
    assert torch.equal(x, z)
    assert {drawn["first"], drawn["second"]} == {"linear", "polynomial"}
    assert {drawn["first.index"], drawn["second.index"]} == {0, 1}


def test_the_factor_that_makes_columns_goes_first():
    family = Products(("linear", "structural_causal_model"))
    for seed in range(10):
        drawn = family.draw(columns(3, 50, generator(seed)), generator(seed)).drawn
        assert (drawn["first"], drawn["second"]) == ("structural_causal_model", "linear")
        assert "first.node_noise" in drawn
