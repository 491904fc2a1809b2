from pathlib import Path

import pytest
import torch
from torch import Generator

from netgraph import NetGraphError
from netgraph.search.data import Data
from netgraph.search.deadline import Deadline
from netgraph.search.explorers import NAMES, explorer_of
from netgraph.search.pareto import non_dominated
from netgraph.search.running import outputs, solve
from netgraph.search.several import Problem, explore
from netgraph.search.sources import Prior
from netgraph.search.study import open_study, values_of
from tests.search.small import CONFIG, READING, untrained

OBJECTIVES = ("error", "parameters")


@pytest.fixture(scope="module")
def problem() -> Problem:
    x = torch.randn(60, 3, generator=Generator().manual_seed(0))
    data = Data(x, torch.tanh(2 * x[:, 0]) - x[:, 1])
    return Problem(Prior(untrained(), data), data, OBJECTIVES)


def run(path: Path, problem: Problem, n_trials: int, strategy: str = "nsga2", **options) -> list:
    with open_study(path, 2, {"seed": 0}) as study:
        return explore(explorer_of(strategy, problem.prior.vae.config, 2, 0), study, problem, n_trials, **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_search_in_two_halves_has_all_trials_and_is_the_one_in_one_piece(tmp_path, problem, name):
    half = values_of(run(tmp_path / "a.db", problem, 32, name), 2)
    whole = values_of(run(tmp_path / "a.db", problem, 64, name), 2)
    at_once = values_of(run(tmp_path / "b.db", problem, 64, name), 2)
    assert (len(half), len(whole)) == (32, 64)
    assert torch.equal(whole[:32], half)
    assert torch.equal(whole, at_once)
    assert values_of(run(tmp_path / "a.db", problem, 40, name), 2).equal(whole)


def test_trials_are_rebuilt_from_the_storage_alone(tmp_path, problem):
    trials = run(tmp_path / "study.db", problem, 40)
    values = values_of(trials, 2)
    front = non_dominated(values).nonzero()[:, 0].tolist()
    with open_study(tmp_path / "study.db", 2, {"seed": 0}) as study:
        stored = study.get_trials()
    again = problem.values(explorer_of("nsga2", CONFIG, 2, 0).noise(stored, front))
    assert torch.equal(again[:, 1], values[front, 1])
    assert torch.allclose(again[:, 0], values[front, 0], rtol=1e-3)
    assert non_dominated(again).all()


def test_noise_alone_says_which_network_where_the_model_reads_rows(tmp_path):
    vae = untrained(READING)
    x = torch.randn(600, 3, generator=Generator().manual_seed(0))
    data = Data(x, torch.tanh(2 * x[:, 0]))
    reading = Problem(Prior(vae, data, choices=1), data, OBJECTIVES)
    noise = torch.randn(12, vae.config.latent_size, generator=Generator().manual_seed(0))
    together, alone = reading.values(noise), reading.values(noise[8:])
    torch.testing.assert_close(together[8:], alone, rtol=1e-3, atol=1e-6)
    assert len(run(tmp_path / "study.db", reading, 8)) == 8


def test_of_few_rows_a_column_noise_is_judged_by_what_it_gives_without_each_fold():
    x = torch.randn(20, 6, generator=Generator().manual_seed(0))
    data, vae = Data(x, x[:, 0].abs()), untrained(READING)
    reading = Problem(Prior(vae, data, choices=1), data, OBJECTIVES)
    noise = torch.randn(3, vae.config.latent_size, generator=Generator().manual_seed(0))
    graphs, errors = reading.networks(noise)
    said = torch.zeros(3, 20, dtype=torch.float64)
    for k, part in enumerate(reading.folds.parts):
        of = reading.folds.fold == k
        made = solve(Prior(vae, part, 1, reading.prior.projection).networks(noise), part)
        said[:, of] = outputs([one.graph for one in made], x[of])
    torch.testing.assert_close(errors, (said - data.y).square().mean(dim=1), rtol=1e-4, atol=1e-5)
    whole = solve(reading.prior.networks(noise), data)
    assert all(torch.equal(a.state, b.graph.state) for a, b in zip(graphs, whole, strict=True))


def test_the_clock_ends_it_after_a_batch_and_every_batch_is_shown(tmp_path, problem):
    times, notes = iter([0.0, *[1.0] * 3, *[9.0] * 100]), []
    deadline = Deadline(5.0, lambda: next(times))
    trials = run(tmp_path / "study.db", problem, 320, deadline=deadline, show=notes.append)
    assert 0 < len(trials) < 320
    assert [note["networks"] for note in notes] == list(range(32, len(trials) + 1, 32))
    assert len(run(tmp_path / "least.db", problem, 64, deadline=Deadline(0.0))) == 32
    assert notes[-1]["error"] == float(values_of(trials, 2)[:, 0].min())


def test_networks_that_fail_are_recorded_and_never_on_the_front(tmp_path, problem):
    broken = Problem(problem.prior, Data(problem.data.x * torch.inf, problem.data.y), OBJECTIVES)
    values = values_of(run(tmp_path / "study.db", broken, 40), 2)
    assert values.shape == (40, 2)
    assert values.isinf().all()
    mended = values_of(run(tmp_path / "study.db", problem, 80), 2)
    assert mended[40:, 0].isfinite().any()


def test_all_told_is_kept_when_it_is_interrupted_between(tmp_path, problem):
    def interrupt(note):
        if note["networks"] == 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a.db", problem, 96, show=interrupt)
    assert len(run(tmp_path / "a.db", problem, 1)) == 64
    whole, at_once = (values_of(run(tmp_path / name, problem, 96), 2) for name in ("a.db", "b.db"))
    assert torch.equal(whole, at_once)


def test_another_data_set_is_refused(tmp_path, problem):
    run(tmp_path / "study.db", problem, 8)
    with (
        pytest.raises(NetGraphError, match="holds a study with seed 0, not 5"),
        open_study(tmp_path / "study.db", 2, {"seed": 5}),
    ):
        pass
