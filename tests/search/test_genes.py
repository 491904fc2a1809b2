from math import pi

import numpy as np
import pytest
import torch

from netgraph.search.genes import ANGLES, NUMBERS, Genes
from netgraph.search.strategies import clip_to_prior
from tests.search.small import CONFIG


@pytest.fixture
def genes() -> Genes:
    return Genes(CONFIG)


def drawn(genes: Genes, rng: np.random.Generator) -> dict[str, float]:
    values: dict[str, float] = {}
    for number, angle in genes.names:
        values |= {number: int(rng.integers(NUMBERS)), angle: float(rng.uniform(*ANGLES))}
    return values


def test_random_genes_give_draws_of_the_prior(genes):
    rng = np.random.default_rng(0)
    noise = torch.stack([genes.noise(drawn(genes, rng)) for _ in range(500)])
    slots = torch.arange(CONFIG.latent_size) // CONFIG.slot_size
    assert noise.shape == (500, CONFIG.latent_size)
    assert torch.equal(noise, clip_to_prior(noise, slots))
    assert (noise.mean(dim=0).abs() < 5 / 500**0.5).all()
    assert noise.var() == pytest.approx(1.0, abs=0.02)
    correlation = torch.corrcoef(noise.T) - torch.eye(CONFIG.latent_size)
    assert correlation.abs().max() < 0.25


def test_a_gene_speaks_of_its_part_alone_and_every_part_has_one(genes):
    rng = np.random.default_rng(0)
    values = drawn(genes, rng)
    whole = genes.noise(values)
    changed = torch.zeros(CONFIG.latent_size)
    for number, _ in genes.names:
        changed += genes.noise(values | {number: (values[number] + 1) % NUMBERS}) != whole
    assert (changed == 1).all()


def test_an_angle_is_a_place_on_a_circle(genes):
    values = drawn(genes, np.random.default_rng(0))
    at = [genes.noise(values | {"angle_1": angle}) for angle in (-pi, pi, 0.0, 0.01)]
    assert torch.allclose(at[0], at[1], atol=1e-5)
    assert 0 < (at[3] - at[2]).norm() < 0.02 * at[2].norm()


def test_a_child_has_the_genes_of_its_parents_but_for_mutations(genes):
    rng = np.random.default_rng(0)
    first, second = drawn(genes, rng), drawn(genes, rng)
    children = [genes.child(first, second, rng) for _ in range(400)]
    numbers = [(child[name], first[name], second[name]) for child in children for name, _ in genes.names]
    shares = [np.mean([row[0] == row[k] for row in numbers]) for k in (1, 2)]
    assert shares[0] > 2 * shares[1] > 0.2
    assert 1 - sum(shares) == pytest.approx(1 / genes.count, abs=0.05)
    angles = [child[name] for child in children for _, name in genes.names]
    assert min(angles) >= ANGLES[0]
    assert max(angles) <= ANGLES[1]
