import pytest
import torch
from torch import Tensor, nn

from netgraph import NetGraph, from_module
from netgraph.model.fitting import fit_functions, project, relative_error
from netgraph.stack import OutputLayer, Stack
from tests.model.small import networks, perceptron

GRAPHS = networks(6)
X = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
TARGET = (torch.sin(2 * X[:, 0]) - X[:, 1] * X[:, 2])[:, None]


def fitted(graphs: list[NetGraph], steps: int, given: Tensor | None = None, target: Tensor = TARGET) -> Tensor:
    stack = Stack([graph.architecture for graph in graphs])
    state = stack.flatten([graph.state for graph in graphs])
    given = torch.zeros(len(state), dtype=torch.bool) if given is None else given
    return fit_functions(stack, lambda values: values, state, given, X, target.expand(len(graphs), -1, -1), steps)


def errors(graphs: list[NetGraph], state: Tensor, target: Tensor = TARGET) -> Tensor:
    output = Stack([graph.architecture for graph in graphs])(state, X)
    return relative_error(output, target.expand(len(graphs), -1, -1))


def test_more_steps_lower_the_error_of_every_network():
    solved, some, many = (errors(GRAPHS, fitted(GRAPHS, steps)) for steps in (0, 10, 60))
    assert (solved <= 1 + 1e-4).all()  # a solved output layer is no worse than the mean
    assert (many < 0.9 * solved).all()
    assert many.mean() < 0.8 * some.mean() < 0.8 * solved.mean()


def test_each_network_is_fitted_as_it_is_alone():
    together = torch.tensor_split(fitted(GRAPHS, 5), Stack([g.architecture for g in GRAPHS]).state_ptr[1:-1].tolist())
    for graph, state in zip(GRAPHS, together, strict=True):
        torch.testing.assert_close(fitted([graph], 5), state, rtol=1e-3, atol=1e-4)


def test_every_network_has_a_target_and_may_have_rows_of_its_own():
    stack = Stack([graph.architecture for graph in GRAPHS[:2]])
    state = stack.flatten([graph.state for graph in GRAPHS[:2]])
    free, targets = torch.zeros(len(state), dtype=torch.bool), torch.stack([TARGET, X[:, :1]])
    one = fit_functions(stack, lambda values: values, state, free, X, targets, 3)
    two = fit_functions(stack, lambda values: values, state, free, X.expand(2, -1, -1), targets, 3)
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(fitted(GRAPHS[1:2], 3, target=X[:, :1]), one[stack.state_ptr[1] :], rtol=1e-3, atol=1e-4)


def test_given_elements_stay_but_for_the_output_layer():
    graph = from_module(perceptron(3, 6, 5, 1))
    hidden = len(graph.state) - 6
    given = torch.arange(len(graph.state)) < hidden
    found = fitted([graph], 8, given)
    assert torch.equal(found[:hidden], graph.state[:hidden])
    torch.testing.assert_close(found, fitted([graph], 0, given))  # all that is left is solved
    some = fitted([graph], 8, torch.arange(len(graph.state)) < 10)
    assert torch.equal(some[:10], graph.state[:10])
    assert not torch.isclose(some[10:hidden], graph.state[10:hidden]).all()


class TwoLast(nn.Module):
    """A perceptron whose output is a sum of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(3, 4), nn.Linear(4, 1), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(x))
        return self.second(hidden) + self.third(torch.relu(hidden))


@pytest.mark.parametrize(
    "module",
    [TwoLast(), nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1, bias=False))],
    ids=["sum", "no bias"],
)
def test_networks_without_an_output_layer_to_solve_are_fitted_by_steps_alone(module):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for value in module.parameters():
            nn.init.normal_(value, std=0.5)
    graphs = [from_module(module), GRAPHS[0]]
    assert OutputLayer(Stack([graph.architecture for graph in graphs])).given.tolist() == [False, True]
    start = fitted(graphs, 0)
    assert torch.equal(start[: len(graphs[0].state)], graphs[0].state)
    assert errors(graphs, fitted(graphs, 40))[0] < 0.9 * errors(graphs, start)[0]


def test_projection_predicts_rows_that_it_did_not_see_and_has_a_gradient():
    stack = Stack([graph.architecture for graph in GRAPHS])
    state = stack.flatten([graph.state for graph in GRAPHS]).requires_grad_()
    target = TARGET.expand(6, -1, -1)
    _, output = project(stack, OutputLayer(stack), state, X, target[:, :50])
    assert output.shape == target.shape
    _, other = project(stack, OutputLayer(stack), state, X[:50], target[:, :50])
    torch.testing.assert_close(output[:, :50], other, rtol=1e-4, atol=1e-5)
    (gradient,) = torch.autograd.grad(relative_error(output[:, 50:], target[:, 50:]).sum(), state)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("factor", [1e30, float("inf"), 0.0])
def test_networks_that_overflow_or_are_constant_break_nothing(factor):
    graphs = [GRAPHS[0].replace(state=GRAPHS[0].state * factor if factor else GRAPHS[0].state * 0), GRAPHS[1]]
    found = fitted(graphs, 3)
    assert found[len(graphs[0].state) :].isfinite().all()
    torch.testing.assert_close(found[len(graphs[0].state) :], fitted(GRAPHS[1:2], 3), rtol=1e-3, atol=1e-4)


def test_a_constant_function_is_fitted():
    constant = torch.full((80, 1), 2.5)
    output = Stack([graph.architecture for graph in GRAPHS])(fitted(GRAPHS, 3, target=constant), X)
    assert output.isfinite().all()
    torch.testing.assert_close(output, torch.full_like(output, 2.5), atol=0.05, rtol=0)


def test_the_relative_error_is_1_for_the_mean_and_0_for_the_target():
    target = torch.stack([TARGET, 3 * TARGET + 1])
    mean = target.mean(dim=1, keepdim=True).expand_as(target)
    torch.testing.assert_close(relative_error(mean, target), torch.ones(2))
    assert torch.equal(relative_error(target, target), torch.zeros(2))


def test_all_outputs_of_a_network_are_fitted_beside_networks_with_fewer():
    graphs = [from_module(perceptron(3, 8, outputs, seed=outputs)) for outputs in (1, 3)]
    stack = Stack([graph.architecture for graph in graphs])
    state, free = (
        stack.flatten([graph.state for graph in graphs]),
        torch.zeros(int(stack.state_ptr[-1]), dtype=torch.bool),
    )
    target = torch.stack([torch.nn.functional.pad(TARGET, (0, 2)), torch.cat([TARGET, X[:, :1], X[:, 1:2].sin()], 1)])
    output = stack(fit_functions(stack, lambda values: values, state, free, X, target, 60), X)
    assert (relative_error(output, target) < 0.2).all()
    assert (output[0, :, 1:] == 0).all()
