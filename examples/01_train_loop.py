"""Train a variational autoencoder over the networks of a small zoo in plain PyTorch, and sample from it.

``netgraph.training.train`` is the same with Lightning: schedules, TensorBoard, checkpoints, resuming.
"""

import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from netgraph import NetVAE, Zoo, build_zoo, metrics
from netgraph.model import Decoder, Encoder, Prior, VAEConfig
from netgraph.training import Batches, Example, TrainConfig, config_for
from netgraph.training.data import Codes

#: Epochs for encoder and decoder, then for the prior (chosen: half a minute on one core).
EPOCHS, PRIOR_EPOCHS = 30, 30


def train(zoo: Zoo) -> tuple[NetVAE, list[float], list[float]]:
    """Train on a zoo's training networks; return the model, its losses, and those of the prior."""
    torch.manual_seed(0)
    networks = [zoo[i] for i in zoo.split("train")]
    examples = [Example(graph, zoo.meta_features[graph.task]) for graph in networks]
    config = config_for(zoo, VAEConfig(width=32, prior_width=64))  # as large as the zoo's networks
    vae = NetVAE(Encoder(config), Decoder(config), Prior(config))
    training = TrainConfig(batch_size=16, prior_batch_size=64)
    batches = Batches(examples, config, training)
    vae.fit_statistics(batches.networks)
    losses = list(steps(vae, [vae.encoder, vae.decoder], autoencoder_losses(vae, batches)))
    codes = Codes(vae, batches, training.of_prior())
    vae.prior.fit(*codes.statistics())
    return vae, losses, list(steps(vae, [vae.prior], prior_losses(vae, codes)))


def autoencoder_losses(vae: NetVAE, batches: Batches) -> Iterator[Tensor]:
    """Compute the loss of batch after batch."""
    for _ in range(EPOCHS):
        for nets, stack in batches:
            yield vae.loss(nets, stack).total(vae.config.loss)


def prior_losses(vae: NetVAE, codes: Codes) -> Iterator[Tensor]:
    """Compute the flow-matching losses of batch after batch of codes, drawn from the posterior."""
    for _ in range(PRIOR_EPOCHS):
        for f, mean, log_variance, counts, meta_features in codes:
            a = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
            yield vae.prior.loss(f, a, counts, meta_features)


def steps(vae: NetVAE, parts: list[torch.nn.Module], losses: Iterator[Tensor]) -> Iterator[float]:
    """Take a step of AdamW for each loss, and return its value."""
    parameters = [value for part in parts for value in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, 3e-3)
    vae.train()
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        yield loss.item()
    vae.eval()


def main(folder: str = "runs/example") -> None:
    """Build a zoo, train, rebuild the networks from their function codes, and sample two new ones."""
    zoo = build_zoo("tiny", folder, workers=1)
    vae, *_ = train(zoo)
    networks = [zoo[i] for i in zoo.split("train")]
    rebuilt = vae.decode(vae.encode(networks)[:, vae.function], architecture=networks)
    print("R² of the rebuilt outputs, median:", metrics.output_r2_median(networks, rebuilt, torch.randn(64, 5)))
    print(*vae.sample(2, seed=0), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
