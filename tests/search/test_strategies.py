from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi

from netgraph import NetGraphError
from netgraph.search.strategies import Genetic, PriorRandom, SeparableCMA, Strategy, clip_to_prior

SIZE = 32
BLOCKS = torch.tensor([7] * 1 + [0] * 11 + [3] * 20)  # labels are names, neither in order nor without gaps
STRATEGIES = [
    pytest.param(partial(kind, blocks=blocks), id=f"{kind.__name__}{name}")
    for kind in (PriorRandom, Genetic, SeparableCMA)
    for blocks, name in ((None, ""), (BLOCKS, " in blocks"))
]
every_strategy = pytest.mark.parametrize("make", STRATEGIES)
learners = pytest.mark.parametrize("make", STRATEGIES[2:])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shifted_sphere(points: torch.Tensor) -> torch.Tensor:
    shift = torch.randn(SIZE, generator=generator(99))
    return (points - shift / shift.norm()).square().sum(dim=1)


def search(strategy: Strategy, evaluations: int = 600, batch: int = 20) -> float:
    """Give the best score found on the shifted sphere."""
    best = torch.inf
    for _ in range(evaluations // batch):
        points = strategy.ask(batch)
        scores = shifted_sphere(points)
        best = min(best, float(scores.min()))
        strategy.tell(points, scores)
    return best


def cluster(n: int, similarity: float = 0.9, size: int = SIZE, seed: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Give a direction and points around it whose norms are those of N(0, I)."""
    center = torch.randn(size, generator=generator(seed))
    noise = torch.randn(n, size, generator=generator(seed + 1))
    return center, similarity * center + (1 - similarity**2) ** 0.5 * noise


def similarity(points: torch.Tensor, direction: torch.Tensor) -> float:
    return float(torch.cosine_similarity(points, direction[None]).mean())


def assert_in_prior(points: torch.Tensor, blocks: torch.Tensor | None) -> None:
    whole = torch.zeros(points.shape[1], dtype=torch.long)
    for labels in (whole, whole if blocks is None else blocks):
        for label in labels.unique():
            part = points[:, labels == label].double()
            low, high = chi.interval(1 - 1e-6, part.shape[1])
            assert (part.norm(dim=1) >= low * (1 - 1e-5)).all()
            assert (part.norm(dim=1) <= high * (1 + 1e-5)).all()


@every_strategy
def test_it_asks_for_as_many_points_as_wanted_before_and_after_it_is_told(make):
    strategy = make(SIZE, generator())
    for n in (1, 5, 70, 3):
        points = strategy.ask(n)
        assert points.shape == (n, SIZE)
        assert points.dtype == torch.float32
        strategy.tell(points, shifted_sphere(points))
    strategy.tell(points[:0], torch.empty(0))
    assert len(strategy.ask(2)) == 2


@every_strategy
def test_one_seed_gives_the_same_points_and_another_gives_others(make):
    def asked(seed: int) -> torch.Tensor:
        strategy = make(SIZE, generator(seed))
        search(strategy, 200)
        return strategy.ask(10)

    assert torch.equal(asked(0), asked(0))
    assert not torch.equal(asked(0), asked(1))


@every_strategy
def test_told_nothing_it_asks_for_other_draws_from_the_prior_each_time(make):
    strategy = make(SIZE, generator())
    points = torch.cat([strategy.ask(100) for _ in range(10)])
    assert len(points.unique(dim=0)) == 1000
    assert abs(points.mean()) < 0.03
    assert points.var() == pytest.approx(1, abs=0.05)


@every_strategy
def test_every_point_lies_in_the_trust_region_whatever_it_is_told(make):
    blocks = make(SIZE, generator()).blocks
    for scale in (0.0, 0.01, 1.0, 100.0):
        strategy = make(SIZE, generator())
        for seed in range(5):
            points = scale * cluster(100, seed=seed)[1]
            strategy.tell(points, shifted_sphere(points))
            assert_in_prior(strategy.ask(50), blocks)
        search(strategy, 400)
        assert_in_prior(strategy.ask(50), blocks)


@every_strategy
def test_failures_leave_it_working(make):
    strategy = make(SIZE, generator())
    for _ in range(20):
        points = strategy.ask(20)
        scores = shifted_sphere(points)
        scores[::3], scores[1::3] = torch.inf, torch.nan
        strategy.tell(points, scores)
    assert strategy.ask(20).isfinite().all()


@every_strategy
@pytest.mark.parametrize("failure", [torch.nan, torch.inf, -torch.inf])
def test_what_failed_attracts_no_search(make, failure):
    center, points = cluster(200)
    strategy = make(SIZE, generator())
    for _ in range(5):
        strategy.tell(points, torch.full((200,), failure))
        assert abs(similarity(strategy.ask(100), center)) < 0.1


@learners
def test_it_finds_better_points_than_random_draws(make):
    seeds = range(5)
    random = torch.tensor([search(PriorRandom(SIZE, generator(seed))) for seed in seeds]).median()
    assert max(search(make(SIZE, generator(seed))) for seed in seeds) < 0.8 * random


@learners
@pytest.mark.parametrize("warm", [False, True])
def test_points_from_elsewhere_move_the_search_there(make, warm):
    center, points = cluster(100)
    strategy = make(SIZE, generator())
    if warm:
        search(strategy, 200)
    before = similarity(strategy.ask(100), center)
    strategy.tell(points, torch.linspace(-2, -1, 100))
    assert before < 0.3
    assert similarity(strategy.ask(100), center) > 0.5


@learners
@pytest.mark.parametrize("worse", [3.0, torch.nan, torch.inf, -torch.inf])
def test_it_follows_the_better_of_two_clusters(make, worse):
    (bad, elsewhere), (good, there) = cluster(100, seed=15), cluster(100, seed=5)
    strategy = make(SIZE, generator())
    scores = torch.cat([torch.full((100,), worse), torch.linspace(1, 2, 100)])
    strategy.tell(torch.cat([elsewhere, there]), scores)
    asked = strategy.ask(100)
    assert similarity(asked, good) > similarity(asked, bad) + 0.3


@pytest.mark.parametrize("blocks", [None, torch.arange(500) // 20])
def test_children_follow_the_prior_when_scores_are_noise(blocks):
    rng = generator(1)
    strategy = Genetic(500, generator(), blocks)
    children = []
    for _ in range(20):
        points = strategy.ask(64)
        strategy.tell(points, torch.rand(64, generator=rng))
        children.append(points)
    late = torch.cat(children[10:])
    assert abs(late.mean()) < 0.1
    assert late.var() == pytest.approx(1, abs=0.15)
    assert (late.norm(dim=1) / 500**0.5).mean() == pytest.approx(1, abs=0.08)


def test_crossover_exchanges_whole_blocks_of_two_parents():
    blocks = torch.arange(60) // 10
    parents = torch.randn(2, 60, generator=generator(3))
    strategy = Genetic(60, generator(), blocks, population=2, tournament=1, step=0.01)
    strategy.tell(parents, torch.tensor([0.0, 1.0]))
    distance = (strategy.ask(200)[:, None] - parents).square().unflatten(-1, (6, 10)).mean(dim=-1)  # [200, 2, 6]
    assert (distance.amin(dim=1) < 0.01).all()
    mixed = (distance.argmin(dim=1).float().mean(dim=1) % 1 > 0).float().mean()
    assert 0.2 < mixed < 0.8


def test_the_mutation_step_falls_when_nothing_enters_and_rises_when_all_does():
    strategy = Genetic(SIZE, generator())
    strategy.tell(strategy.ask(64), torch.zeros(64))
    first = strategy.step
    strategy.tell(strategy.ask(64), torch.ones(64))
    assert strategy.step < first
    for _ in range(50):
        strategy.tell(strategy.ask(64), torch.ones(64))
    assert strategy.step == 0.01
    for i in range(50):
        strategy.tell(strategy.ask(64), torch.full((64,), -float(i + 1)))
    assert strategy.step == 0.5


def test_the_grouping_of_tells_does_not_matter_to_cma():
    def asked(sizes: list[int]) -> torch.Tensor:
        strategy = SeparableCMA(SIZE, generator())
        for _ in range(5):
            points = strategy.ask(30)
            for part in points.split(sizes):
                strategy.tell(part, shifted_sphere(part))
        return strategy.ask(5)

    assert torch.equal(asked([30]), asked([1] * 30))
    assert torch.equal(asked([30]), asked([13, 17]))


def test_cma_collects_a_generation_over_several_asks():
    strategy = SeparableCMA(SIZE, generator(), population_size=10)
    center, points = cluster(10)
    for i in range(9):
        strategy.tell(points[i : i + 1], torch.zeros(1))
        assert abs(similarity(strategy.ask(200), center)) < 0.1
    strategy.tell(points[9:], torch.zeros(1))
    assert similarity(strategy.ask(200), center) > 0.5


def test_it_works_at_the_size_of_a_latent():
    blocks = torch.arange(5000) // 12
    for make in (PriorRandom, Genetic, SeparableCMA):
        strategy = make(5000, generator(), blocks)
        for _ in range(4):
            points = strategy.ask(64)
            strategy.tell(points, points[:, :100].sum(dim=1))
        assert_in_prior(strategy.ask(4), None)


def test_draws_from_the_prior_are_left_bit_for_bit():
    points = torch.randn(500, SIZE, generator=generator())
    assert torch.equal(clip_to_prior(points), points)
    assert torch.equal(clip_to_prior(points, BLOCKS), points)
    assert clip_to_prior(points[:0], BLOCKS).shape == (0, SIZE)


@given(st.integers(0, 1000), st.lists(st.sampled_from([0.0, 1e-9, 0.1, 1.0, 1.2, 3.0, 1e9]), min_size=3, max_size=3))
def test_clipping_scales_each_block_into_the_region(seed, scales):
    scale = torch.tensor(scales)[BLOCKS.unique(return_inverse=True)[1]]
    points = scale * torch.randn(4, SIZE, generator=generator(seed))
    clipped = clip_to_prior(points, BLOCKS)
    assert_in_prior(clipped, BLOCKS)
    torch.testing.assert_close(clip_to_prior(clipped, BLOCKS), clipped, rtol=1e-5, atol=0)
    for label in BLOCKS.unique():
        own = label == BLOCKS
        directed = points[:, own].abs().sum(dim=1) > 0
        ratio = (clipped[:, own].double() / points[:, own].double())[directed]
        torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-5, atol=0)
        assert (ratio > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_clipping_without_blocks_bounds_the_whole_alone(dtype):
    points = torch.zeros(2, SIZE, dtype=dtype)
    points[1, 0] = 6.0  # much for one coordinate, little for all of them
    clipped = clip_to_prior(points)
    assert clipped.dtype == dtype
    assert_in_prior(clipped, None)
    assert torch.equal(clipped[1], points[1])
    assert (clipped[0] == clipped[0, 0]).all()


@every_strategy
def test_wrong_arguments_are_named(make):
    strategy = make(SIZE, generator())
    points = strategy.ask(3)
    with pytest.raises(NetGraphError, match="cannot ask for 0 points"):
        strategy.ask(0)
    with pytest.raises(NetGraphError, match=r"points has shape \(3, 31\); expected \[n, 32\]"):
        strategy.tell(points[:, 1:], torch.zeros(3))
    with pytest.raises(NetGraphError, match=r"scores has shape \(2,\); expected \[3\]"):
        strategy.tell(points, torch.zeros(2))
    points[1, 4] = torch.nan
    with pytest.raises(NetGraphError, match=r"points\[1\] is not finite"):
        strategy.tell(points, torch.zeros(3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(PriorRandom, 0), "size is at least 1, not 0"),
        (partial(Genetic, SIZE, blocks=BLOCKS[1:]), r"blocks is torch.int64 of shape \(31,\); expected torch.int64"),
        (partial(SeparableCMA, SIZE, blocks=BLOCKS.float()), "blocks is torch.float32"),
        (partial(Genetic, SIZE, population=1), "population is at least 2, not 1"),
        (partial(Genetic, SIZE, tournament=0), "tournament is at least 1, not 0"),
        (partial(Genetic, SIZE, step=0.9), r"step is within \[0.01, 0.5\], not 0.9"),
        (partial(SeparableCMA, 1), "size of at least 2, not 1"),
        (partial(SeparableCMA, SIZE, sigma=0.0), "sigma is above 0 and finite, not 0.0"),
        (partial(SeparableCMA, SIZE, population_size=1), "population_size is at least 2, not 1"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(NetGraphError, match=message):
        make(generator=generator())
