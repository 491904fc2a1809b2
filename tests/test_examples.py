"""The examples train, rebuild and sample what they say."""

import runpy
from pathlib import Path

import pytest
import torch

from netgraph import NetGraph, NetVAE, Zoo, metrics
from netgraph.stack import first_outputs

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def trained(tiny_zoo: Zoo) -> tuple[NetVAE, list[float], list[float]]:
    """The model of the training loop, its losses, and those of the prior."""
    loop = runpy.run_path(str(EXAMPLES / "01_training_loop.py"))
    with torch.random.fork_rng():
        return loop["train"](tiny_zoo)


def r2(vae: NetVAE, networks: list[NetGraph]) -> float:
    rows = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    rebuilt = vae.decode(vae.encode(networks)[:, vae.function], architecture=networks)
    return metrics.output_r2_median(networks, rebuilt, rows)


def deviations(networks: list[NetGraph]) -> torch.Tensor:
    rows = torch.randn(64, 5, generator=torch.Generator().manual_seed(1)).expand(len(networks), -1, -1)
    return first_outputs([g.architecture for g in networks], [g.state for g in networks], rows).std(dim=1)


def test_what_is_rebuilt_computes_what_the_networks_do(trained, tiny_zoo):
    vae, losses, _ = trained
    assert sum(losses[-8:]) < sum(losses[:8])
    assert r2(vae, [tiny_zoo[i] for i in tiny_zoo.split("train")]) > 0.8
    held_out = [g for i in tiny_zoo.split("test") if vae.coverage.covers((g := tiny_zoo[i]).architecture)]
    assert len(held_out) > 10
    assert r2(vae, held_out) > 0.7


def test_what_is_sampled_has_outputs_as_trained_networks_have(trained, tiny_zoo):
    vae, _, losses = trained
    assert sum(losses[-8:]) < 0.95 * sum(losses[:8])
    sampled, true = (
        deviations(networks).log().median() for networks in (vae.sample(64, seed=0), list(tiny_zoo.stream()))
    )
    assert abs(float(sampled - true)) < 0.3
