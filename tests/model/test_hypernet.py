import torch
from torch import Tensor

from netgraph import canonicalize
from netgraph.model.batch import ArchitectureBatch, architecture_batch
from netgraph.model.hypernet import DEGREES, Hypernet, column_moments
from netgraph.stack import probe
from tests.model.small import CONFIG, networks

ARCHITECTURES = [canonicalize(graph).architecture for graph in networks(6)]
ROWS = probe(CONFIG.max_inputs, 4000, seed=3)


def hypernet() -> Hypernet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Hypernet(CONFIG).eval()
        torch.nn.init.normal_(model.node.weight, std=0.1)
        torch.nn.init.normal_(model.target.weight, std=0.3)
    return model


def arguments(batch: ArchitectureBatch, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Function codes, moments and initial states of a batch."""
    generator, n = torch.Generator().manual_seed(seed), len(batch)
    moments = torch.randn(n, CONFIG.max_inputs, DEGREES + CONFIG.max_inputs, generator=generator)
    f = torch.randn(n, CONFIG.function_size, generator=generator)
    return f, moments, torch.randn(len(batch.element_network), generator=generator)


@torch.no_grad()
def test_given_elements_stay_and_reach_the_others():
    batch, model = architecture_batch(ARCHITECTURES, CONFIG), hypernet()
    f, moments, initial = arguments(batch)
    given = torch.rand(len(initial), generator=torch.Generator().manual_seed(1)) < 0.3
    written = model(f, moments, batch, initial, given)
    assert torch.equal(written[given], initial[given])
    assert not torch.isclose(written[~given], initial[~given]).any()
    other = model(f, moments, batch, torch.where(given, initial + 1, initial), given)
    assert not torch.allclose(written[~given], other[~given], atol=1e-4)
    known = model(f, moments, batch, initial, torch.zeros_like(given))
    assert not torch.allclose(written[~given], known[~given], atol=1e-4)  # as a hypernet is told what is given


@torch.no_grad()
def test_a_network_is_written_alike_alone_in_another_order_and_among_larger_ones():
    model, nothing = hypernet(), torch.zeros
    whole = architecture_batch(ARCHITECTURES, CONFIG)
    f, moments, initial = arguments(whole)
    written = model(f, moments, whole, initial, nothing(len(initial), dtype=torch.bool))
    parts, states = (torch.tensor_split(values, whole.state_ptr[1:-1].tolist()) for values in (written, initial))
    for order in ([4, 1, 5, 0, 2, 3], [0], [1, 3]):
        batch = architecture_batch([ARCHITECTURES[i] for i in order], CONFIG)
        first = torch.cat([states[i] for i in order])
        found = model(f[order], moments[order], batch, first, nothing(len(first), dtype=torch.bool))
        torch.testing.assert_close(found, torch.cat([parts[i] for i in order]), rtol=1e-4, atol=1e-5)


def test_function_moments_and_initial_weights_have_gradients_and_so_has_every_parameter():
    batch, model = architecture_batch(ARCHITECTURES, CONFIG), hypernet()
    inputs = [values.requires_grad_() for values in arguments(batch)]
    written = model(*inputs[:2], batch, inputs[2], torch.zeros(len(inputs[2]), dtype=torch.bool))
    written.square().sum().backward()
    for value in [*inputs, *model.parameters()]:
        assert value.grad is not None
        assert value.grad.isfinite().all()
        assert value.grad.abs().sum() > 0


def test_moments_are_those_of_hermite_polynomials_and_products():
    x = ROWS
    targets = torch.stack([3 * x[:, 1] + 7, x[:, 0] * x[:, 2], (x[:, 0] ** 2 - 1) / 2**0.5])
    moments = column_moments(x, targets, torch.tensor([3, 3, 1]))
    assert moments.shape == (3, CONFIG.max_inputs, DEGREES + CONFIG.max_inputs)
    expected = torch.zeros_like(moments)
    expected[0, 1, 0] = 1  # of degree 1 in the second column
    expected[1, 0, DEGREES + 2] = expected[1, 2, DEGREES] = 1  # of the product of two columns
    expected[2, 0, 1] = 1  # of degree 2
    torch.testing.assert_close(moments, expected, atol=0.15, rtol=0)
    assert (moments[:2, 3:] == 0).all()
    assert (moments[2, 1:] == 0).all()
    assert (moments[2, 0, DEGREES:] == 0).all()
    shifted = column_moments(x, 5 * targets - 2, torch.tensor([3, 3, 1]))
    torch.testing.assert_close(shifted, moments, atol=1e-4, rtol=1e-4)
    assert column_moments(x, torch.ones(1, len(x)), torch.tensor([2])).abs().max() < 1e-3


def test_columns_that_change_places_take_their_moments_with_them():
    order = [2, 0, 1, 3, 4, 5]
    target = torch.tanh(ROWS[:, 0]) + ROWS[:, 1] * ROWS[:, 2]
    three = torch.tensor([3])
    before, after = column_moments(ROWS, target[None], three), column_moments(ROWS[:, order], target[None], three)
    columns = [*range(DEGREES), *(DEGREES + i for i in order)]
    torch.testing.assert_close(after, before[:, order][:, :, columns])
