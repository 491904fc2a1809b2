from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.model.function import FunctionCode


@dataclass(frozen=True)
class Sizes:
    function_size: int = 24
    n_rows: int = 48
    max_inputs: int = 4
    width: int = 16


def functions(code: FunctionCode, n_inputs: Tensor, seed: int = 0) -> Tensor:
    """Sines along random directions plus a smaller product, on the common rows, [n, rows]."""
    generator, found = Generator().manual_seed(seed), []
    for number in n_inputs.tolist():
        x = code.rows(number)
        along, other = torch.randn(2, number, generator=generator) / number**0.5
        found.append((x @ along).sin() + 0.3 * (x @ other) * x[:, 0] + 0.1)
    return torch.stack(found)


def drawn_numbers(n: int, most: int = 4, seed: int = 1) -> Tensor:
    return torch.randint(1, most + 1, (n,), generator=Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def code() -> FunctionCode:
    found = FunctionCode(Sizes())
    n_inputs = drawn_numbers(1200)
    found.fit(functions(found, n_inputs), n_inputs)
    return found


def r2(predicted: Tensor, wanted: Tensor) -> Tensor:
    return 1 - (predicted - wanted).square().mean(dim=1) / wanted.var(dim=1, correction=0)


def test_a_row_does_not_depend_on_how_many_columns_there_are(code):
    assert torch.equal(code.rows(2), code.rows(4)[:, :2])
    assert torch.equal(code.rows(4), FunctionCode(Sizes(max_inputs=6)).rows(6)[:, :4])
    for number in (0, 5):
        with pytest.raises(NetGraphError, match=rf"a function of {number} inputs; this model knows 1 to 4"):
            code.rows(number)


def test_codes_of_unseen_functions_decode(code):
    n_inputs = drawn_numbers(200, seed=2)
    outputs = functions(code, n_inputs, seed=3)
    f = code.encode(outputs, n_inputs)
    assert f.shape == (200, 24)
    assert f.dtype == torch.float32
    rebuilt = [r2(code.decode(f[:, :k], n_inputs), outputs) for k in (1, 4, 12, 24)]
    assert rebuilt[0].max() <= 1e-6
    assert rebuilt[3].median() > 0.97
    errors = torch.stack([1 - each for each in rebuilt]).mean(dim=1)
    assert (errors.diff() < 0).all()


def test_a_prefix_is_a_code_whose_other_numbers_are_their_mean(code):
    n_inputs = drawn_numbers(20)
    f = code.encode(functions(code, n_inputs), n_inputs)
    padded = torch.nn.functional.pad(f[:, :7], (0, 17))
    torch.testing.assert_close(code.decode(f[:, :7], n_inputs), code.decode(padded, n_inputs))


def test_encoding_what_was_decoded_gives_the_code_back(code):
    n_inputs = drawn_numbers(50)
    f = torch.randn(50, 24, generator=Generator().manual_seed(4))
    again = code.encode(code.decode(f, n_inputs), n_inputs)
    torch.testing.assert_close(again[:, 1:], f[:, 1:], atol=1e-3, rtol=1e-3)


def test_numbers_of_training_networks_are_white():
    code, n_inputs = FunctionCode(Sizes()), torch.full((4000,), 3)
    outputs = functions(code, n_inputs)
    code.fit(outputs, n_inputs)
    mean_square = code.encode(outputs, n_inputs)[:, 1:].square().mean(dim=0)
    torch.testing.assert_close(mean_square[:6], torch.ones(6), atol=0.05, rtol=0)
    assert (mean_square < 1.05).all()


def test_a_scale_of_outputs_is_a_scale_of_the_code_and_every_network_counts_alike(code):
    n_inputs = drawn_numbers(600)
    outputs = functions(code, n_inputs)
    larger = code.encode(3 * outputs, n_inputs)[:, 1:]
    torch.testing.assert_close(larger, 3 * code.encode(outputs, n_inputs)[:, 1:], atol=1e-4, rtol=1e-4)
    scales = 0.1 + 3 * torch.rand(600, 1, generator=Generator().manual_seed(5))
    rebuilt = []
    for each in (outputs, outputs * scales):
        fitted = FunctionCode(Sizes())
        fitted.fit(each, n_inputs)
        rebuilt.append(fitted.decode(fitted.encode(outputs, n_inputs)[:, :6], n_inputs))
    torch.testing.assert_close(*rebuilt, atol=1e-3, rtol=1e-3)


@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_the_first_number_tells_the_inputs_as_often_as_they_are_seen(counts):
    code = FunctionCode(Sizes(function_size=4, n_rows=8, max_inputs=len(counts)))
    n_inputs = torch.repeat_interleave(torch.arange(1, len(counts) + 1), torch.tensor(counts))
    code.fit(torch.randn(len(n_inputs), 8, generator=Generator().manual_seed(0)), n_inputs)
    every = torch.arange(1, len(counts) + 1)
    f = code.encode(torch.randn(len(counts), 8, generator=Generator().manual_seed(1)), every)
    assert torch.equal(code.n_inputs(f), every)
    grid = torch.special.ndtri((torch.arange(4000) + 0.5) / 4000)[:, None]
    share = torch.bincount(code.n_inputs(grid), minlength=len(counts) + 1)[1:] / 4000
    expected = (torch.tensor(counts) + 1) / (sum(counts) + len(counts))
    torch.testing.assert_close(share, expected, atol=2e-3, rtol=0)
    assert torch.equal(code.n_inputs(torch.tensor([[-9.0], [9.0]])), torch.tensor([1, len(counts)]))


def test_a_number_of_inputs_that_is_seldom_or_never_seen_decodes(code):
    seldom = FunctionCode(Sizes())
    n_inputs = torch.tensor([2, 2, 3])
    seldom.fit(functions(seldom, n_inputs), n_inputs)
    others = torch.full((50,), 4)
    outputs = functions(seldom, others, seed=6)
    rebuilt = r2(seldom.decode(seldom.encode(outputs, others), others), outputs)
    assert rebuilt.median() > 0.7
    assert all(values.isfinite().all() for values in seldom.state_dict().values())


def test_every_place_in_a_cell_tells_its_number_of_inputs(code):
    place = torch.cat([torch.linspace(0, 1, 999), torch.tensor([1e-9, 1 - 1e-7])])
    for number in range(1, 5):
        f = code.input_code(torch.full((len(place),), number), place)[:, None]
        assert f.isfinite().all()
        assert (code.n_inputs(f) == number).all()
        torch.testing.assert_close(code.position(f), place, atol=2e-3, rtol=0)
    far = code.position(torch.tensor([[-30.0], [30.0]]))
    assert 0 < far[0] < 0.01
    assert 0.99 < far[1] < 1


def test_constant_functions_and_damaged_ones(code):
    constant = FunctionCode(Sizes())
    constant.fit(torch.zeros(5, 48), torch.full((5,), 2))
    assert constant.encode(torch.zeros(2, 48), torch.tensor([2, 3])).isfinite().all()
    with pytest.raises(NetGraphError, match="outputs of training networks on the common rows are not finite"):
        constant.fit(torch.full((1, 48), torch.nan), torch.tensor([1]))


@pytest.mark.parametrize("size", [1, 50])
def test_a_code_has_at_most_one_number_more_than_rows(size):
    with pytest.raises(NetGraphError, match=f"function_size {size}; at least 2 and at most n_rows"):
        FunctionCode(Sizes(function_size=size))


def test_the_state_holds_everything(code):
    other = FunctionCode(Sizes())
    other.load_state_dict(code.state_dict())
    n_inputs = drawn_numbers(10)
    outputs = functions(code, n_inputs)
    assert torch.equal(other.encode(outputs, n_inputs), code.encode(outputs, n_inputs))


def data_set(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    X = torch.randn(rows, columns, generator=Generator().manual_seed(7))
    y = X[:, 0].sin() + 0.5 * X[:, 1]
    return X, (y - y.mean()) / y.std()


def test_a_data_set_is_encoded_as_the_function_behind_it(code):
    X, y = data_set(150, 3)
    mean, deviation = code.of_rows(X, y)
    assert mean.shape == deviation.shape == (24,)
    assert deviation[0] == 0  # the number of inputs is known
    assert (deviation[1:] > 0).all()
    assert code.n_inputs(mean[None]).tolist() == [3]
    rows = code.rows(3)
    wanted = (rows[:, 0].sin() + 0.5 * rows[:, 1])[None]
    decoded = code.decode(mean[None], torch.tensor([3]))
    assert torch.corrcoef(torch.cat([decoded, wanted]))[0, 1] > 0.97


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
        code.of_rows(torch.zeros(5, 9), torch.zeros(5))
