"""A training loop of one's own, in plain PyTorch, trains a model that rebuilds and samples networks."""

import pytest
import torch

from netgraph import NetGraph, NetVAE, Zoo, metrics
from netgraph.model import VAEConfig
from netgraph.model.loss import compute_losses, prior_losses
from netgraph.stack import first_outputs
from netgraph.training import Batches, Example, TrainConfig, config_for
from netgraph.training.module import total_loss


@pytest.fixture(scope="module")
def trained(tiny_zoo: Zoo) -> tuple[NetVAE, list[float]]:
    """The model after 30 epochs for encoder and decoder and 10 for the prior, and the prior's losses."""
    networks, prior = [tiny_zoo[i] for i in tiny_zoo.split("train")], []
    examples = [Example(one, tiny_zoo.tasks[one.task].x, tiny_zoo.meta_features[one.task]) for one in networks]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = NetVAE(config_for(tiny_zoo, VAEConfig(width=32)))
        batches = Batches(examples, vae.config, TrainConfig(batch_size=16))
        optimizer = torch.optim.AdamW(vae.parameters(), 4e-3)
        for epoch in range(40):
            if epoch in (0, 30):
                vae.fit_statistics(batches.networks)
            for batch, behavior in batches:
                if epoch < 30:
                    loss = total_loss(compute_losses(vae, batch, behavior), vae.config.loss)
                else:
                    loss = sum(prior_losses(vae, batch))
                    prior.append(loss.item())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return vae, prior


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
