import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from netgraph.graph import from_module
from netgraph.stack import PlainGradient, Stack, can_run, chunks
from netgraph.stack.operations import KERNELS
from netgraph.stack.plain import is_plain
from netgraph.tasks.losses import get_loss
from netgraph.zoo import ArchitectureRecipe, draw_architecture, initialize
from tests.strategies import examples

PLAIN = ArchitectureRecipe(
    depths={"1": 1.0, "2": 1.0, "4": 1.0},
    widths=(1, 9),
    activations=dict.fromkeys(KERNELS, 1.0),
    normalizations={"none": 1.0},
    skips={"none": 1.0},
    bias=0.7,
)
ROWS = 11


def problem(count: int, seed: int, recipe: ArchitectureRecipe = PLAIN):
    generator = Generator().manual_seed(seed)
    sizes = torch.randint(1, 6, (count,), generator=generator).tolist()
    architectures = [draw_architecture(recipe, size, generator) for size in sizes]
    stack = Stack(architectures)
    state = stack.flatten([initialize(architecture, generator) for architecture in architectures])
    x = torch.randn(count, ROWS, stack.max_inputs, generator=generator)
    y = torch.randn(count, ROWS, stack.max_outputs, generator=generator)
    return stack, state, x, y


def recorded(stack: Stack, state: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    leaf = state.clone().requires_grad_()
    (stack(leaf, x, training=True) - y).square().mean(dim=(1, 2)).sum().backward()
    return leaf.grad


def laid_out(plain: PlainGradient, stack: Stack, x: torch.Tensor, y: torch.Tensor):
    target = y[plain.order].mT.contiguous()
    loss = get_loss("squared_error")
    return stack.arrange(x).contiguous(), lambda output, out: loss.gradient(output, target, dim=-2, out=out)


@examples(40)
@given(st.integers(1, 12), st.integers(0, 10_000))
def test_the_gradient_is_that_of_autograd(count, seed):
    stack, state, x, y = problem(count, seed)
    if not can_run(stack):
        return
    plain = PlainGradient(stack, ROWS)
    for step in range(3):  # the places of the step before are used again
        shifted = state + 0.1 * step
        found = plain.gradient(shifted, *laid_out(plain, stack, x, y))
        torch.testing.assert_close(found, recorded(stack, shifted, x, y), rtol=1e-4, atol=1e-6)


def test_most_stacks_of_plain_networks_can_run():
    assert sum(can_run(problem(8, seed)[0]) for seed in range(20)) >= 15


@pytest.mark.parametrize(
    "changes", [{"skips": {"residual": 1.0}}, {"normalizations": {"LayerNorm": 1.0}}, {"dropout": 1.0}]
)
def test_other_networks_are_not_plain(changes):
    recipe = ArchitectureRecipe(**({"skips": {"none": 1.0}, "normalizations": {"none": 1.0}} | changes))
    assert not is_plain(draw_architecture(recipe, 3, Generator().manual_seed(0)))
    assert not is_plain(from_module(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())).architecture)


def test_a_change_to_one_network_leaves_the_gradients_of_the_others_alone():
    stack, state, x, y = problem(6, 3)
    plain = PlainGradient(stack, ROWS)
    before = stack.split(plain.gradient(state, *laid_out(plain, stack, x, y)).clone())
    changed = state.clone()
    changed[: int(stack.state_ptr[1])] += 1
    after = stack.split(plain.gradient(changed, *laid_out(plain, stack, x, y)))
    assert not torch.equal(before[0], after[0])
    assert all(torch.equal(one, other) for one, other in zip(before[1:], after[1:], strict=True))


def test_plain_networks_have_chunks_of_their_own():
    generator = Generator().manual_seed(0)
    recipe = ArchitectureRecipe(skips={"none": 1.0, "residual": 1.0})
    architectures = [draw_architecture(recipe, 3, generator) for _ in range(60)]
    found = chunks(architectures)
    assert sorted(i for members in found for i in members) == list(range(60))
    assert all(len({is_plain(architectures[i]) for i in members}) == 1 for members in found)
