"""Batched training with the losses of classes, beside PyTorch's and beside each network alone."""

from dataclasses import replace
from itertools import chain

import pytest
import torch
from torch import Generator, nn
from torch.nn import functional as F

from netgraph import NetGraph, NetGraphError, from_module, to_module
from netgraph.stack import PlainGradient, Stack, can_run
from netgraph.tasks.losses import Padding, get_loss
from netgraph.zoo import ArchitectureRecipe, FitConfig, draw_architecture, fit_networks, initialize
from netgraph.zoo.fitting import fit_stack
from tests.strategies import randomize

ROWS, N_FEATURES = 48, 3
PLAIN = {"normalizations": {"none": 1.0}, "skips": {"none": 1.0}}
KINDS = {"plain": PLAIN, "any": {"normalizations": {"LayerNorm": 1.0}, "skips": {"residual": 1.0}}}


def problem(loss: str, sizes: list[int], seed: int = 0, **changes):
    """Architectures with these numbers of outputs, initial states, rows with a class for each row."""
    generator = Generator().manual_seed(seed)
    recipe = ArchitectureRecipe(**changes)
    architectures = [draw_architecture(recipe, N_FEATURES, generator, size) for size in sizes]
    states = [initialize(architecture, generator) for architecture in architectures]
    x = torch.randn(ROWS, N_FEATURES, generator=generator)
    y = torch.zeros(len(sizes), ROWS, max(sizes))
    for own, size in zip(y, sizes, strict=True):
        scores = x @ torch.randn(N_FEATURES, size, generator=generator)
        own[:, :size] = F.one_hot(scores.argmax(1), size) if loss == "cross_entropy" else (scores > 0).float()
    return architectures, states, (x.expand(len(sizes), -1, -1), y)


def config(count: int, **changes) -> FitConfig:
    uniform = FitConfig.uniform(count, steps=100, batch_rows=ROWS, learning_rate=0.02, weight_decay=0.01)
    return replace(uniform, clip=1e9, **changes)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("normalization", [nn.Identity, nn.LayerNorm])
def test_training_is_that_of_torch(loss, normalization):
    module = randomize(nn.Sequential(nn.Linear(3, 5), normalization(5), nn.Tanh(), nn.Linear(5, 3)), 0)
    graph = from_module(module)
    _, _, (x, y) = problem(loss, [3])
    fitted = fit_networks(
        [graph.architecture], [graph.state], (x, y), (x, y), config(1), Generator().manual_seed(0), loss=loss
    )
    biases = [p for n, p in module.named_parameters() if n.endswith("bias")]
    weights = [p for n, p in module.named_parameters() if n.endswith("weight")]
    groups = [{"params": weights, "weight_decay": 0.01}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, 0.02, (0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    criterion = F.cross_entropy if loss == "cross_entropy" else F.binary_cross_entropy_with_logits
    for _ in range(100):
        optimizer.zero_grad()
        criterion(module(x[0]), y[0]).backward()
        optimizer.step()
        schedule.step()
    rebuilt = to_module(NetGraph(graph.architecture, fitted.states[0]))
    assert torch.allclose(rebuilt(x[0]), module(x[0]), atol=2e-3)
    torch.testing.assert_close(fitted.loss[0], criterion(rebuilt(x[0]), y[0]).detach(), rtol=1e-3, atol=1e-5)
    assert float(fitted.accuracy) == float(get_loss(loss).score(rebuilt(x[0]), y[0]))


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_different_numbers_of_outputs_do_not_touch_each_other(loss, kind):
    sizes = [2, 7, 1, 3]
    architectures, states, (x, y) = problem(loss, sizes, **KINDS[kind])
    stack = Stack(architectures)
    rows = x, y
    together = fit_stack(stack, stack.flatten(states), rows, rows, config(4), Generator().manual_seed(0), loss)
    for i, size in enumerate(sizes):
        own = x[i : i + 1], y[i : i + 1, :, :size]
        alone = fit_stack(Stack([architectures[i]]), states[i], own, own, config(1), Generator().manual_seed(0), loss)
        assert torch.allclose(alone.states[0], together.states[i], atol=2e-3)
        torch.testing.assert_close(alone.loss[0], together.loss[i], rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(alone.r2[0], together.r2[i], rtol=1e-2, atol=1e-3)
        torch.testing.assert_close(alone.accuracy[0], together.accuracy[i], equal_nan=True)


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("sizes", [[3, 3, 3], [2, 5, 1, 3]])
def test_the_gradient_of_plain_networks_is_that_of_autograd(loss, sizes):
    architectures, states, (x, y) = problem(loss, sizes, **PLAIN)
    stack, measure = Stack(architectures), get_loss(loss)
    assert can_run(stack)
    leaf = stack.flatten(states).requires_grad_()
    measure.value(stack(leaf, x, training=True), y, Padding.of(stack.n_outputs)).sum().backward()
    plain = PlainGradient(stack, ROWS)
    target, padding = y[plain.order].mT, Padding.of(stack.n_outputs[plain.order], dim=-2)
    gradient = plain.gradient(
        leaf.detach(),
        stack.arrange(x).contiguous(),
        lambda output, out: measure.gradient(output, target, padding, dim=-2, out=out),
    )
    torch.testing.assert_close(gradient, leaf.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_different_losses_do_not_touch_each_other(kind):
    losses, sizes = ["binary_cross_entropy", "cross_entropy", "squared_error", "cross_entropy"], [1, 4, 2, 2]
    drawn = [problem(loss, [sizes[i]], i, **KINDS[kind]) for i, loss in enumerate(losses)]
    architectures, states, rows = (list(chain(*parts)) for parts in zip(*drawn, strict=True))
    x, y = rows[::2], rows[1::2]
    together = torch.cat(x), torch.cat([F.pad(own, (0, 4 - own.shape[2])) for own in y])
    arguments = together, together, config(4), Generator().manual_seed(0)
    fitted = fit_networks(architectures, states, *arguments, loss=losses)
    assert fitted.accuracy.isnan().tolist() == [False, False, True, False]
    for i, loss in enumerate(losses):
        own = x[i], y[i]
        (architecture,), (state,) = architectures[i : i + 1], states[i : i + 1]
        alone = fit_networks([architecture], [state], own, own, config(1), Generator().manual_seed(0), loss=loss)
        assert torch.allclose(alone.states[0], fitted.states[i], atol=2e-3)
        for name in ("loss", "r2", "accuracy"):
            one, other = getattr(alone, name)[0], getattr(fitted, name)[i]
            torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3, equal_nan=True)


def test_figures_of_classes():
    architectures, states, rows = problem("cross_entropy", [3] * 6)
    fitted = fit_networks(
        architectures, states, rows, rows, config(6), Generator().manual_seed(0), loss="cross_entropy"
    )
    assert (fitted.accuracy > 0.9).all()
    assert ((fitted.r2 > 0.5) & (fitted.r2 <= 1)).all()
    assert (fitted.loss < 0.5).all()
    plain = fit_networks(architectures, states, rows, rows, config(6), Generator().manual_seed(0))
    assert plain.accuracy.isnan().all()
    assert (plain.loss < 0.2).all()


def test_a_network_that_stops_early_keeps_its_figures():
    architectures, states, rows = problem("cross_entropy", [2, 3, 4, 5])
    steps = torch.tensor([50, 50, 50, 300])  # the last one trains on in a stack of its own
    fitted = fit_networks(
        architectures, states, rows, rows, config(4, steps=steps), Generator().manual_seed(0), loss="cross_entropy"
    )
    assert torch.equal(fitted.steps, steps)
    loss = get_loss("cross_entropy")
    for i, (architecture, state) in enumerate(zip(architectures, fitted.states, strict=True)):
        y = rows[1][i, :, : i + 2]
        output = Stack([architecture])(state, rows[0][i])[0]
        torch.testing.assert_close(fitted.loss[i], loss.value(output, y))
        assert float(fitted.accuracy[i]) == pytest.approx(float(loss.score(output, y)))


def test_networks_of_different_losses_stop_on_their_own():
    losses = ["cross_entropy", "binary_cross_entropy", "squared_error", "cross_entropy", "binary_cross_entropy"]
    architectures, states, (x, y) = problem("binary_cross_entropy", [3] * 5)
    y = torch.where(torch.arange(3) == y.argmax(dim=2, keepdim=True), 1.0, 0.0)  # one-hot, which suits all of them
    steps = torch.tensor([50, 50, 50, 300, 300])  # the last two train on in a stack of their own
    arguments = (x, y), (x, y), config(5, steps=steps), Generator().manual_seed(0)
    fitted = fit_networks(architectures, states, *arguments, loss=losses)
    assert torch.equal(fitted.steps, steps)
    for i, name in enumerate(losses):
        output = Stack([architectures[i]])(fitted.states[i], x[i])[0]
        torch.testing.assert_close(fitted.loss[i], get_loss(name).value(output, y[i]))


def test_bad_losses_and_targets_are_refused():
    architectures, states, (x, y) = problem("cross_entropy", [3, 4])
    with pytest.raises(NetGraphError, match="unknown loss 'hinge'"):
        fit_networks(architectures, states, (x, y), (x, y), config(2), Generator(), loss="hinge")
    with pytest.raises(NetGraphError, match="3 losses for 2 networks"):
        fit_networks(architectures, states, (x, y), (x, y), config(2), Generator(), loss=["cross_entropy"] * 3)
    narrow = x, y[:, :, :2]
    with pytest.raises(NetGraphError, match=r"y has 2 columns; a network has [34] outputs"):
        fit_networks(architectures, states, narrow, narrow, config(2), Generator(), loss="cross_entropy")
