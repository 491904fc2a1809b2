import pytest
import torch
from torch import Generator

from netgraph import NetGraphError
from netgraph.model import GeneratorConfig, Rows
from netgraph.model.generator import RowEncoder, _cells

SIZES = GeneratorConfig(row_width=8, row_heads=2, inducing_points=4)


@pytest.fixture(scope="module")
def encoder() -> RowEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return RowEncoder(SIZES, width=6, max_columns=5).eval()


def drawn(rows: int, columns: int, seed: int = 0) -> Rows:
    generator = Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=generator)
    return Rows.of(x, x[:, 0] + torch.randn(rows, generator=generator))


def test_tokens_do_not_depend_on_the_order_of_rows(encoder):
    rows, order = drawn(20, 3), torch.randperm(20, generator=Generator().manual_seed(1))
    tokens = encoder(rows)
    assert tokens.shape == (1, 3, SIZES.column_tokens, 6)
    torch.testing.assert_close(encoder(Rows(rows.x[:, order], rows.y[:, order], rows.n_features)), tokens)


def test_tokens_depend_on_rows_and_on_targets(encoder):
    rows = drawn(20, 3)
    assert not torch.allclose(encoder(rows.first(10)), encoder(rows), atol=1e-4)
    assert not torch.allclose(encoder(Rows(rows.x, -rows.y, rows.n_features)), encoder(rows), atol=1e-4)


def test_columns_that_change_places_take_their_tokens_with_them_but_for_the_position(encoder):
    rows, order = drawn(20, 3), [2, 0, 1]
    content = encoder(rows) - encoder.position[:3]
    moved = encoder(Rows(rows.x[:, :, order], rows.y, rows.n_features)) - encoder.position[:3]
    torch.testing.assert_close(moved, content[:, order])


def test_a_data_set_does_not_see_its_neighbor_nor_padded_columns(encoder):
    narrow, wide = drawn(12, 2, seed=2), drawn(12, 4, seed=3)
    padded = torch.cat([narrow.x, torch.zeros(1, 12, 2)], dim=2)
    both = Rows(torch.cat([padded, wide.x]), torch.cat([narrow.y, wide.y]), torch.tensor([2, 4]))
    tokens = encoder(both)
    torch.testing.assert_close(tokens[:1, :2], encoder(narrow))
    torch.testing.assert_close(tokens[1:], encoder(wide))
    assert both.real.tolist() == [[True, True, False, False], [True] * 4]


@pytest.mark.parametrize(("rows", "columns"), [(2, 1), (300, 5)])
def test_any_number_of_rows_and_columns_gives_finite_tokens(encoder, rows, columns):
    assert encoder(drawn(rows, columns)).isfinite().all()


def test_constant_columns_and_targets_give_finite_tokens(encoder):
    assert encoder(Rows.of(torch.ones(10, 2), torch.zeros(10))).isfinite().all()


def test_what_is_wrong_with_rows_is_said(encoder):
    with pytest.raises(NetGraphError, match=r"rows x \(4,\) and y \(4,\); expected"):
        Rows.of(torch.zeros(4), torch.zeros(4))
    with pytest.raises(NetGraphError, match=r"rows x \(1, 2\)"):
        Rows.of(torch.zeros(1, 2), torch.zeros(1))
    with pytest.raises(NetGraphError, match="not finite"):
        Rows.of(torch.full((4, 2), float("nan")), torch.zeros(4))
    with pytest.raises(NetGraphError, match="a data set of 6 columns; this model reads at most 5"):
        encoder(drawn(8, 6))


def test_cells_tell_which_products_and_squares_of_columns_explain_the_target():
    x = torch.randn(500, 3, generator=Generator().manual_seed(0))
    cells = _cells(Rows.of(x, x[:, 0] * x[:, 1] + x[:, 2].square()))[0]
    slopes, curvature = cells[..., 1], cells[0, :, 9]
    partner = torch.corrcoef(torch.stack([slopes[:, 0], x[:, 1], x[:, 2]]))[0, 1:]
    assert partner[0] > 0.9 > 0.3 > partner[1].abs()
    assert curvature[2] > 3 * curvature[:2].abs().max()
