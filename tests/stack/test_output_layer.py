import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from torch import Generator, nn

from netgraph import NetGraph, from_module
from netgraph.graph.edit import output_layer, with_outputs
from netgraph.stack import Stack
from netgraph.stack.output_layer import PENALTIES, fit_ridge, solve_output_layers
from netgraph.zoo.initial import initialize


def networks() -> list[NetGraph]:
    """Networks that end in a linear vertex, of different sizes, and one that ends in an activation."""
    modules = [
        nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)),
        nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 5), nn.SiLU(), nn.Linear(5, 1)),
        nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1), nn.Tanh()),
        nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1, bias=False)),
    ]
    generator = Generator().manual_seed(0)
    graphs = [from_module(module) for module in modules]
    return [NetGraph(g.architecture, initialize(g.architecture, generator)) for g in graphs]


def task(rows: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = Generator().manual_seed(1)
    x = torch.randn(rows, 3, generator=generator)
    return x, (torch.sin(x[:, 0]) + x[:, 1] + 0.1 * torch.randn(rows, generator=generator))[:, None]


def test_last_layers_are_ridge_regressions_with_the_penalty_of_least_error_when_rows_are_left_out():
    graphs, (x, y) = networks(), task()
    stack = Stack([g.architecture for g in graphs])
    state = stack.flatten([g.state for g in graphs])
    solved = solve_output_layers(stack, state, x, y)
    predicted = stack(solved.state, x)[:, :, 0]
    _, hidden = stack(state, x, return_hidden=True)
    for i in (0, 1):
        features, target = hidden[i, :, : int(stack.hidden_size[i])].double().numpy(), y[:, 0].double().numpy()
        guesses, errors, fitted = [], [], []
        for penalty in PENALTIES:
            ridge = Ridge(penalty * features.var(axis=0).sum() * len(x))
            guesses.append(cross_val_predict(ridge, features, target, cv=LeaveOneOut()))
            errors.append(np.square(guesses[-1] - target).mean())
            fitted.append(ridge.fit(features, target).predict(features))
        best = int(np.argmin(errors))
        assert np.allclose(solved.prediction[i, :, 0].numpy(), guesses[best], atol=1e-6)
        assert np.allclose(predicted[i].numpy(), fitted[best], atol=1e-3)


def test_errors_are_those_of_left_out_rows_where_a_network_is_wider_than_there_are_rows():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        graph = from_module(nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1)))
    x, y = task(12)
    stack = Stack([graph.architecture])
    solved = solve_output_layers(stack, graph.state, x, y)
    _, hidden = stack(graph.state, x, return_hidden=True)
    features, target = hidden[0].double().numpy(), y[:, 0].double().numpy()
    left_out = []
    for penalty in PENALTIES:
        ridge = Ridge(penalty * features.var(axis=0).sum() * len(x))
        guess = cross_val_predict(ridge, features, target, cv=LeaveOneOut())
        left_out.append(np.square(guess - target).mean())
    assert np.isclose(float((solved.prediction[0] - y).square().mean()), min(left_out), rtol=0.02)


@given(st.integers(4, 30), st.integers(2, 60), st.integers(0, 2**20))
def test_a_regression_on_more_features_than_rows_is_that_on_the_features_alone(rows, more, seed):
    hidden = torch.randn(2, rows, max(1, rows // 2), generator=Generator().manual_seed(seed), dtype=torch.float64)
    y = torch.randn(2, rows, 2, generator=Generator().manual_seed(seed + 1), dtype=torch.float64)
    padded = torch.cat([hidden, hidden.new_zeros(2, rows, rows + more)], dim=2)
    fit, wide = vars(fit_ridge(hidden, y)), vars(fit_ridge(padded, y))
    for name, values in fit.items():
        torch.testing.assert_close(wide[name][:, : values.shape[1]], values, rtol=1e-4, atol=1e-6)
    assert wide["weights"][:, hidden.shape[2] :].abs().max() < 1e-6


def test_other_networks_stay_as_they_are_and_so_does_what_they_give():
    graphs, (x, y) = networks(), task()
    stack = Stack([g.architecture for g in graphs])
    state = stack.flatten([g.state for g in graphs])
    solved = solve_output_layers(stack, state, x, y)
    output = stack(state, x)
    for i in (2, 3):
        assert torch.equal(solved.prediction[i], output[i].double())
        assert torch.equal(stack.split(solved.state)[i], graphs[i].state)


def test_networks_are_solved_alike_alone_and_among_others_each_on_its_own_rows():
    graphs, (x, y) = networks(), task()
    stack = Stack([g.architecture for g in graphs])
    state = stack.flatten([g.state for g in graphs])
    many = solve_output_layers(stack, state, x.expand(len(graphs), -1, -1), y.expand(len(graphs), -1, -1))
    for i, graph in enumerate(graphs[:2]):
        alone = solve_output_layers(Stack([graph.architecture]), graph.state, x, y)
        assert torch.allclose(alone.state, stack.split(many.state)[i], atol=1e-4)


def test_what_is_not_finite_or_constant_survives():
    graphs, (x, y) = networks(), task()
    broken = graphs[0].replace(state=torch.full_like(graphs[0].state, float("nan")))
    dead = graphs[1].replace(state=torch.zeros_like(graphs[1].state))
    stack = Stack([g.architecture for g in (broken, dead)])
    solved = solve_output_layers(stack, stack.flatten([broken.state, dead.state]), x, y)
    assert not solved.prediction[0].isfinite().any()
    assert torch.isclose(stack(solved.state, x)[1, :, 0], y.mean(), atol=1e-5).all()


def test_an_output_layer_is_linear_with_a_bias_behind_all_other_weights():
    graphs = [*networks(), from_module(nn.Linear(3, 2))]
    assert [output_layer(graph.architecture) is not None for graph in graphs] == [True, True, False, False, True]
    for graph in (*graphs[:2], graphs[4]):
        weight, bias = output_layer(graph.architecture)
        assert weight.shape == (graph.architecture.n_outputs, graph.architecture.layers[-2].size)
        assert (weight.offset + weight.size, bias.offset + bias.size) == (bias.offset, graph.architecture.state_size)


def test_several_outputs_are_solved_as_each_alone_would_be():
    x, y = task()
    targets = torch.cat([y, y.square(), torch.randn(len(y), 1, generator=Generator().manual_seed(3))], dim=1)
    graphs = [with_outputs(graph, 3) for graph in networks()[:2]]
    weight = torch.rand(len(y), generator=Generator().manual_seed(4)) + 0.1
    stack = Stack([graph.architecture for graph in graphs])
    many = solve_output_layers(stack, stack.flatten([graph.state for graph in graphs]), x, targets, weight)
    for i, graph in enumerate(networks()[:2]):
        for k in range(3):
            alone = solve_output_layers(Stack([graph.architecture]), graph.state, x, targets[:, [k]], weight)
            assert torch.allclose(many.prediction[i, :, k], alone.prediction[0, :, 0])
            output = Stack([graph.architecture])(alone.state, x)[0, :, 0]
            assert torch.allclose(stack(many.state, x)[i, :, k], output, atol=1e-3)
