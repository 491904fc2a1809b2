import numpy as np
import pytest
import torch

from netgraph import NetGraphError
from netgraph.search.explorers import NAMES, explorer_of
from tests.search.small import CONFIG


def worth(noise: torch.Tensor) -> torch.Tensor:
    """Two objectives of noise, of which every seventh fails."""
    values = torch.stack([(noise - 1).square().mean(dim=1), (noise + 1).square().mean(dim=1)], dim=1).double()
    values[::7] = torch.inf
    return values


def search(explorer, sizes) -> tuple[list, list[torch.Tensor]]:
    """Ask and tell in batches; give the trials and the noise of each batch."""
    trials, asked = [], []
    for n in sizes:
        asked.append(explorer.ask(n))
        trials += explorer.tell(worth(asked[-1]))
    return trials, asked


@pytest.mark.parametrize("name", NAMES)
def test_an_explorer_goes_on_from_its_trials_as_if_it_had_not_stopped(name):
    trials, asked = search(explorer_of(name, CONFIG, 2, 3), [32, 32, 8, 32, 1])
    first, _ = search(explorer_of(name, CONFIG, 2, 3), [32, 32, 8])
    later = explorer_of(name, CONFIG, 2, 3)
    later.recall(first)
    rest, again = search(later, [32, 1])
    assert all(torch.equal(a, b) for a, b in zip(asked[3:], again, strict=True))
    assert [t.values for t in trials] == [t.values for t in first + rest]
    assert [t.user_attrs for t in trials] == [t.user_attrs for t in first + rest]


@pytest.mark.parametrize("name", NAMES)
def test_the_noise_of_trials_is_found_again_where_a_batch_was_recorded_in_part(name):
    explorer = explorer_of(name, CONFIG, 2, 0)
    trials, asked = search(explorer, [32, 32])
    points = torch.cat(asked)
    assert points.shape == (64, CONFIG.latent_size)
    assert torch.equal(explorer.noise(trials, [5, 40, 63]), points[[5, 40, 63]])
    part = trials[:50]
    later = explorer_of(name, CONFIG, 2, 0)
    later.recall(part)
    more, asked = search(later, [32, 32])
    assert torch.equal(
        later.noise(part + more, [49, 50, 81, 113]), torch.cat([points[49:50], asked[0][[0, 31]], asked[1][31:]])
    )


@pytest.mark.parametrize("name", NAMES)
def test_seeds_differ(name):
    assert not torch.equal(explorer_of(name, CONFIG, 2, 0).ask(4), explorer_of(name, CONFIG, 2, 1).ask(4))


def test_nsga2_finds_a_better_front_than_chance():
    def hidden(noise: torch.Tensor) -> torch.Tensor:
        half = CONFIG.latent_size // 2
        return torch.stack([noise[:, :half].mean(dim=1), noise[:, half:].mean(dim=1)], dim=1).double()

    sums = {}
    for name in ("nsga2", "prior"):
        explorer, values = explorer_of(name, CONFIG, 2, 0), []
        for _ in range(16):
            values.append(hidden(explorer.ask(32)))
            explorer.tell(values[-1])
        sums[name] = float(torch.cat(values).sum(dim=1).min())
    assert sums["nsga2"] < sums["prior"]


def test_batches_of_one_process_do_not_repeat_each_other():
    _, asked = search(explorer_of("nsga2", CONFIG, 2, 0), [16, 16, 16])
    assert len(np.unique(torch.cat(asked).numpy(), axis=0)) == 48


def test_an_unknown_name_is_told():
    with pytest.raises(NetGraphError, match="unknown strategy 'luck'; known: nsga2, prior, genetic, cma"):
        explorer_of("luck", CONFIG, 2, 0)
