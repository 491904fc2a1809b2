"""The examples train, rebuild and sample what they say."""

import runpy
from pathlib import Path

import pytest
import torch

from netgraph import NetGraph, NetVAE, Zoo, metrics
from netgraph.stack import first_outputs

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def trained(tiny_zoo: Zoo) -> tuple[NetVAE, list[float]]:
    """The model of the training loop, and the losses of the prior's steps."""
    loop = runpy.run_path(str(EXAMPLES / "01_training_loop.py"))
    with torch.random.fork_rng():
        vae, losses = loop["train"](tiny_zoo)
    return vae, losses[len(losses) * loop["EPOCHS"] // (loop["EPOCHS"] + loop["PRIOR_EPOCHS"]) :]


def r2(vae: NetVAE, networks: list[NetGraph]) -> float:
    rows = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    counts = [(graph.architecture.n_inputs, graph.architecture.n_outputs) for graph in networks]
    return metrics.output_r2_median(networks, vae.decode(vae.encode(networks), counts=counts), rows)


def deviations(networks: list[NetGraph]) -> torch.Tensor:
    rows = torch.randn(64, 5, generator=torch.Generator().manual_seed(1)).expand(len(networks), -1, -1)
    return first_outputs([g.architecture for g in networks], [g.state for g in networks], rows).std(dim=1)


def test_what_is_rebuilt_beats_the_mean_of_the_outputs(trained, tiny_zoo):
    assert r2(trained[0], [tiny_zoo[i] for i in tiny_zoo.split("train")]) > 0.5
    held_out = [g for i in tiny_zoo.split("test") if trained[0].coverage.covers((g := tiny_zoo[i]).architecture)]
    assert len(held_out) > 10
    assert r2(trained[0], held_out) > 0.3


def test_what_is_sampled_has_outputs_as_trained_networks_have(trained, tiny_zoo):
    vae, losses = trained
    assert sum(losses[-8:]) < 0.95 * sum(losses[:8])
    sampled, true = (
        deviations(networks).log().median() for networks in (vae.sample(64, seed=0), list(tiny_zoo.stream()))
    )
    assert abs(float(sampled - true)) < 0.3
