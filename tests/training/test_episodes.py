import torch
from torch import Tensor

from netgraph.tasks import TAIL, Task, compressed, make_task
from netgraph.training import Episodes

ROWS, COLUMNS, TASKS = 40, 3, 64


def tasks() -> list[Task]:
    """Tasks whose targets take one column once and another twice, so that order and signs can be told from slopes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(TASKS, ROWS, COLUMNS, generator=generator).double().numpy()
    return [make_task(one, one[:, 0] + 2 * one[:, 1], family="told") for one in x]


def drawn(meta_features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Draw columns, targets and meta-features of an episode for as many networks as there are tasks, each alone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        episode = Episodes(tasks(), meta_features, shared=1).draw(torch.full((TASKS,), COLUMNS))
    return episode.rows.x, episode.rows.y, episode.meta_features


def slopes(x: Tensor, y: Tensor) -> Tensor:
    """Least squares of each task, [tasks, columns]."""
    return torch.linalg.lstsq(x, y[..., None]).solution[..., 0]


def test_columns_come_in_any_order_and_signs_are_turned_where_meta_features_say_nothing(monkeypatch):
    monkeypatch.setattr("netgraph.training.episodes.NOISY", 0.0)
    x, y, told = drawn(torch.full((TASKS, 37), torch.nan))
    found = slopes(x, y)
    assert told.isnan().all()
    ranked = found.abs().sort(dim=1)
    torch.testing.assert_close(ranked.values[:, 0], torch.zeros(TASKS), atol=0.05, rtol=0)
    torch.testing.assert_close(ranked.values[:, 2], 2 * ranked.values[:, 1], atol=0.3, rtol=0.3)
    assert len({tuple(order) for order in ranked.indices.tolist()}) == 6
    assert {tuple(signs) for signs in found.gather(1, ranked.indices[:, 1:]).sign().tolist()} == {
        (a, b) for a in (-1.0, 1.0) for b in (-1.0, 1.0)
    }


def test_signs_stay_where_meta_features_are_told(monkeypatch):
    monkeypatch.setattr("netgraph.training.episodes.NOISY", 0.0)
    x, y, told = drawn(torch.zeros(TASKS, 37))
    known = ~told.isnan().any(dim=1)
    assert 0 < known.sum() < TASKS
    largest = slopes(x, y).abs().topk(2, dim=1).indices
    assert (slopes(x, y).gather(1, largest)[known] > 0).all()
    assert (slopes(x, y).gather(1, largest)[~known] < 0).any()


def test_columns_are_read_as_a_fit_reads_them():
    x = torch.zeros(ROWS, 1)
    x[0] = 5 * TAIL
    task = make_task(x.numpy(), torch.arange(ROWS).numpy(), family="far")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        rows = Episodes([task], torch.full((1, 37), torch.nan)).draw(torch.tensor([1])).rows
    torch.testing.assert_close(rows.x.abs().max(), compressed(task.x).max())
    assert rows.x.abs().max() < task.x.max()
