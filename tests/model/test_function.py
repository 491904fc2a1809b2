from dataclasses import dataclass
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.model.function import UNSEEN, FunctionCode, interleave, principal_output, separate


@dataclass(frozen=True)
class Sizes:
    function_size: int = 24
    n_rows: int = 48
    max_inputs: int = 4
    max_outputs: int = 1
    width: int = 16


def functions(code: FunctionCode, counts: Tensor, seed: int = 0) -> Tensor:
    """Sines along random directions plus a smaller product, on the common rows, [n, rows, most outputs]."""
    generator = Generator().manual_seed(seed)
    found = torch.zeros(len(counts), len(code.common), int(counts[:, 1].max()))
    for outputs, (n_inputs, n_outputs) in zip(found, counts.tolist(), strict=True):
        x = code.rows(n_inputs)
        for i in range(n_outputs):
            along, other = torch.randn(2, n_inputs, generator=generator) / n_inputs**0.5
            outputs[:, i] = (x @ along).sin() + 0.3 * (x @ other) * x[:, 0] + 0.1
    return found


def drawn_counts(n: int, most_outputs: int = 1, seed: int = 1) -> Tensor:
    generator = Generator().manual_seed(seed)
    return torch.stack([torch.randint(1, most + 1, (n,), generator=generator) for most in (4, most_outputs)], dim=1)


def of_one_output(n_inputs: Tensor) -> Tensor:
    return torch.stack([n_inputs, torch.ones_like(n_inputs)], dim=1)


def fit(code: FunctionCode, outputs: Tensor, counts: Tensor) -> FunctionCode:
    network, output = (torch.arange(outputs.shape[2]) < counts[:, 1:]).nonzero(as_tuple=True)
    code.fit(outputs[network, :, output], network, counts)
    return code


@pytest.fixture(scope="module", params=[1, 3])
def code(request) -> FunctionCode:
    found, counts = FunctionCode(Sizes(max_outputs=request.param)), drawn_counts(1200, request.param)
    return fit(found, functions(found, counts), counts)


def r2(predicted: Tensor, target: Tensor) -> Tensor:
    variance = target.var(dim=1, correction=0).sum(dim=1)
    return 1 - (predicted - target).square().mean(dim=1).sum(dim=1) / variance


def test_a_row_does_not_depend_on_how_many_columns_there_are(code):
    assert torch.equal(code.rows(2), code.rows(4)[:, :2])
    assert torch.equal(code.rows(4), FunctionCode(Sizes(max_inputs=6)).rows(6)[:, :4])
    for number in (0, 5):
        with pytest.raises(NetGraphError, match=rf"a function of {number} inputs; this model knows 1 to 4"):
            code.rows(number)


def test_codes_of_unseen_functions_decode(code):
    counts = drawn_counts(200, code.max_outputs, seed=2)
    outputs = functions(code, counts, seed=3)
    f = code.encode(outputs, counts)
    assert f.shape == (200, 24)
    assert f.dtype == torch.float32
    rebuilt = [r2(code.decode(f[:, :k], counts), outputs) for k in (1, 4, 12, 24)]
    assert rebuilt[0].max() <= 1e-6
    assert rebuilt[3].median() > 0.97
    errors = torch.stack([1 - each for each in rebuilt]).mean(dim=1)
    assert (errors.diff() < 0).all()


def test_a_prefix_is_a_code_whose_other_numbers_are_their_mean(code):
    counts = drawn_counts(20, code.max_outputs)
    f = code.encode(functions(code, counts), counts)
    padded = torch.nn.functional.pad(f[:, :7], (0, 17))
    torch.testing.assert_close(code.decode(f[:, :7], counts), code.decode(padded, counts))


def test_encoding_what_was_decoded_gives_the_code_back(code):
    counts = drawn_counts(50, code.max_outputs)
    f = torch.randn(50, 24, generator=Generator().manual_seed(4))
    again = code.encode(code.decode(f, counts), counts)
    torch.testing.assert_close(again[:, 1:], f[:, 1:], atol=1e-3, rtol=1e-3)


def test_numbers_of_training_networks_are_white():
    code, counts = FunctionCode(Sizes()), torch.tensor([[3, 1]]).expand(4000, -1)
    outputs = functions(code, counts)
    outputs = outputs / outputs.square().mean(dim=1, keepdim=True).sqrt()  # as every network counts
    mean_square = fit(code, outputs, counts).encode(outputs, counts)[:, 1:].square().mean(dim=0)
    torch.testing.assert_close(mean_square[:6], torch.ones(6), atol=0.05, rtol=0)
    assert (mean_square < 1.05).all()


def test_a_scale_of_outputs_is_a_scale_of_the_code_and_every_network_counts_alike(code):
    counts = drawn_counts(600, code.max_outputs)
    outputs = functions(code, counts)
    larger = code.encode(3 * outputs, counts)[:, 1:]
    torch.testing.assert_close(larger, 3 * code.encode(outputs, counts)[:, 1:], atol=1e-4, rtol=1e-4)
    scales = 0.1 + 3 * torch.rand(600, 1, 1, generator=Generator().manual_seed(5))
    rebuilt = []
    for each in (outputs, outputs * scales):
        fitted = fit(FunctionCode(Sizes(max_outputs=code.max_outputs)), each, counts)
        rebuilt.append(fitted.decode(fitted.encode(outputs, counts)[:, :6], counts))
    torch.testing.assert_close(*rebuilt, atol=1e-3, rtol=1e-3)


@given(
    numbers=st.lists(st.integers(0, 50), min_size=1, max_size=6).flatmap(
        lambda first: st.lists(
            st.lists(st.integers(0, 50), min_size=len(first), max_size=len(first)), min_size=1, max_size=3
        )
    )
)
@settings(max_examples=40, deadline=None)
def test_the_first_number_tells_inputs_and_outputs_as_often_as_they_are_seen(numbers):
    seen = torch.tensor(numbers).T  # [inputs, outputs]
    code = FunctionCode(Sizes(function_size=4, n_rows=8, max_inputs=len(seen), max_outputs=seen.shape[1]))
    every = torch.cartesian_prod(*(torch.arange(1, most + 1) for most in seen.shape)).view(-1, 2)
    counts = every.repeat_interleave(seen.flatten(), dim=0)
    noise = Generator().manual_seed(0)
    fit(code, torch.randn(len(counts), 8, seen.shape[1], generator=noise), counts)
    f = code.encode(torch.randn(len(every), 8, seen.shape[1], generator=noise), every)
    assert torch.equal(code.counts(f), every)
    grid = torch.special.ndtri((torch.arange(4000) + 0.5) / 4000)
    shared = max(UNSEEN * seen.sum(), 1e-9) / seen.numel()  # so that networks alike are samples alike
    expected = (seen + shared) / (seen + shared).sum()
    drawn = code.counts(grid[:, None]) - 1
    share = torch.bincount(drawn[:, 0] * seen.shape[1] + drawn[:, 1], minlength=seen.numel()).view_as(seen) / 4000
    torch.testing.assert_close(share, expected, atol=2e-3, rtol=0)
    for number in range(1, len(seen) + 1):  # as often, once the number of inputs is known
        restricted = code.counts(code.restrict(grid, number, None)[:, None])
        assert (restricted[:, 0] == number).all()
        share = torch.bincount(restricted[:, 1] - 1, minlength=seen.shape[1]) / 4000
        torch.testing.assert_close(share, expected[number - 1] / expected[number - 1].sum(), atol=2e-3, rtol=0)
    given_both = code.counts(code.restrict(grid, None, seen.shape[1])[:, None])
    assert (given_both[:, 1] == seen.shape[1]).all()
    assert torch.equal(code.counts(torch.tensor([[-9.0], [9.0]])), every[[0, -1]])


def test_a_number_of_inputs_that_is_seldom_or_never_seen_decodes(code):
    counts = of_one_output(torch.tensor([2, 2, 3]))
    seldom = FunctionCode(Sizes(max_outputs=code.max_outputs))
    fit(seldom, functions(seldom, counts), counts)
    others = of_one_output(torch.full((50,), 4))
    outputs = functions(seldom, others, seed=6)
    rebuilt = r2(seldom.decode(seldom.encode(outputs, others), others), outputs)
    assert rebuilt.median() > 0.7
    assert all(values.isfinite().all() for values in seldom.state_dict().values())


def test_every_position_in_a_cell_tells_its_numbers_of_inputs_and_outputs(code):
    position = torch.cat([torch.linspace(0, 1, 999), torch.tensor([1e-9, 1 - 1e-7])])
    for pair in product(range(1, 5), range(1, code.max_outputs + 1)):
        counts = torch.tensor(pair).expand(len(position), -1)
        f = code.first_number(counts, position)[:, None]
        assert f.isfinite().all()
        assert torch.equal(code.counts(f), counts)
        torch.testing.assert_close(code.position(f), position, atol=2e-3, rtol=0)
    far = code.position(torch.tensor([[-30.0], [30.0]]))
    assert 0 < far[0] < 0.01
    assert 0.99 < far[1] < 1


@given(n_outputs=st.lists(st.integers(1, 5), min_size=1, max_size=4), size=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_components_of_outputs_take_turns(n_outputs, size):
    counts = torch.tensor(n_outputs)
    numbers = torch.arange(1.0, len(counts) * size + 1).view(len(counts), size)
    components = separate(numbers, counts)
    assert torch.equal(interleave(components, counts), numbers)
    for row, k, own in zip(components, n_outputs, numbers, strict=True):
        for i in range(k):
            assert torch.equal(row[i, : len(own[i::k])], own[i::k])
    assert components.count_nonzero() == numbers.numel()


def test_the_principal_output_is_the_combination_of_largest_variance():
    generator = Generator().manual_seed(0)
    outputs = torch.randn(5, 40, 3, generator=generator) * torch.tensor([0.5, 3.0, 1.0])
    found = principal_output(outputs)
    assert (found.var(dim=1) >= outputs.var(dim=1).amax(dim=1)).all()
    for direction in torch.nn.functional.normalize(torch.randn(20, 3, generator=generator), dim=1):
        assert (found.var(dim=1) >= (outputs @ direction).var(dim=1) - 1e-4).all()
    padded = torch.nn.functional.pad(outputs[..., :1], (0, 2))
    torch.testing.assert_close(principal_output(padded), outputs[..., 0])


def test_constant_functions_and_damaged_ones(code):
    constant = fit(FunctionCode(Sizes()), torch.zeros(5, 48, 1), of_one_output(torch.full((5,), 2)))
    assert constant.encode(torch.zeros(2, 48, 1), of_one_output(torch.tensor([2, 3]))).isfinite().all()
    with pytest.raises(NetGraphError, match="outputs of training networks on the common rows are not finite"):
        fit(constant, torch.full((1, 48, 1), torch.nan), of_one_output(torch.tensor([1])))


@pytest.mark.parametrize("size", [1, 50])
def test_a_code_has_at_most_one_number_more_than_rows(size):
    with pytest.raises(NetGraphError, match=f"function_size {size}; at least 2 and at most n_rows"):
        FunctionCode(Sizes(function_size=size))


def test_the_state_holds_everything(code):
    other = FunctionCode(Sizes(max_outputs=code.max_outputs))
    other.load_state_dict(code.state_dict())
    counts = drawn_counts(10, code.max_outputs)
    outputs = functions(code, counts)
    assert torch.equal(other.encode(outputs, counts), code.encode(outputs, counts))


def data_set(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    X = torch.randn(rows, columns, generator=Generator().manual_seed(7))
    y = X[:, 0].sin() + 0.5 * X[:, 1]
    return X, ((y - y.mean()) / y.std())[:, None]


def test_a_data_set_is_encoded_as_the_function_behind_it(code):
    X, y = data_set(150, 3)
    mean, deviation = code.of_rows(X, y)
    assert mean.shape == deviation.shape == (24,)
    assert deviation[0] == 0  # the number of inputs is known
    assert (deviation[1:] > 0).all()
    assert code.counts(mean[None]).tolist() == [[3, 1]]
    rows = code.rows(3)
    wanted = (rows[:, 0].sin() + 0.5 * rows[:, 1])[None]
    decoded = code.decode(mean[None], torch.tensor([[3, 1]]))[..., 0]
    assert torch.corrcoef(torch.cat([decoded, wanted]))[0, 1] > 0.97


def test_each_target_of_a_data_set_is_encoded(code):
    X, y = data_set(100, 3)
    y = torch.cat([y, X[:, 2:]], dim=1)[:, : code.max_outputs]
    mean, deviation = code.of_rows(X, y)
    assert code.counts(mean[None]).tolist() == [[3, y.shape[1]]]
    for i in range(y.shape[1]):
        alone = code.of_rows(X, y[:, i : i + 1])
        torch.testing.assert_close(mean[1 + i :: y.shape[1]], alone.mean[1 : 1 + len(mean[1 + i :: y.shape[1]])])
        torch.testing.assert_close(
            deviation[1 + i :: y.shape[1]], alone.deviation[1:][: len(deviation[1 + i :: y.shape[1]])]
        )


def test_fewer_rows_leave_more_doubt(code):
    X, y = data_set(200, 3)
    deviations = [code.of_rows(X[:n], y[:n])[1][1:].square().mean() for n in (10, 50, 200)]
    assert deviations[0] > deviations[1] > deviations[2]


def test_of_many_rows_some_are_drawn_by_the_seed(code):
    X, y = data_set(600, 2)
    one, again, other = (code.of_rows(X, y, seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    torch.testing.assert_close(one[1:4], other[1:4], atol=0.2, rtol=0.2)


def test_a_data_set_with_too_many_features_is_refused(code):
    with pytest.raises(NetGraphError, match="a function of 9 inputs; this model knows 1 to 4"):
        code.of_rows(torch.zeros(5, 9), torch.zeros(5, 1))


def test_the_scale_of_a_network_does_not_change_the_statistics():
    generator = Generator().manual_seed(1)
    counts, outputs = of_one_output(torch.tensor([2] * 6 + [3] * 6)), torch.randn(12, 48, 1, generator=generator)
    scale = torch.tensor([0.1, 1.0, 30.0] * 4)[:, None, None]
    one, other = (FunctionCode(Sizes(n_rows=48)) for _ in range(2))
    fit(one, outputs, counts)
    fit(other, outputs * scale, counts)
    torch.testing.assert_close(one.deviation, other.deviation, rtol=1e-4, atol=1e-5)
    f = one.encode(outputs, counts)
    torch.testing.assert_close(
        other.encode(outputs * scale, counts)[:, 1:], scale[:, 0] * f[:, 1:], rtol=1e-3, atol=1e-3
    )
