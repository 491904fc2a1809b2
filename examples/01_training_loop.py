"""Train a variational autoencoder over the networks of a small zoo in plain PyTorch, and sample from it.

``netgraph.training.train`` is the same with Lightning: schedules, TensorBoard, checkpoints, resuming, a hypernet.
"""

import sys

import torch

from netgraph import NetVAE, Zoo, build_zoo, metrics
from netgraph.model import VAEConfig
from netgraph.model.loss import compute_losses, prior_losses
from netgraph.training import Batches, Example, TrainConfig, config_for
from netgraph.training.module import total_loss

#: Epochs for encoder and decoder, then for the prior (chosen: half a minute on one core).
EPOCHS, PRIOR_EPOCHS = 30, 10


def train(zoo: Zoo) -> tuple[NetVAE, list[float]]:
    """Train on a zoo's training networks; return the model and the losses of all steps."""
    torch.manual_seed(0)
    networks = [zoo[i] for i in zoo.split("train")]
    examples = [Example(graph, zoo.tasks[graph.task].x, zoo.meta_features[graph.task]) for graph in networks]
    vae = NetVAE(config_for(zoo, VAEConfig(width=32)))  # as large as the zoo's networks
    batches = Batches(examples, vae.config, TrainConfig(batch_size=16))
    optimizer = torch.optim.AdamW(vae.parameters(), 4e-3)
    losses = []
    for epoch in range(EPOCHS + PRIOR_EPOCHS):
        if epoch in (0, EPOCHS):
            vae.fit_statistics(batches.networks)  # the prior's are those of the trained encoder's latents
        for batch, behavior in batches:
            if epoch < EPOCHS:
                loss = total_loss(compute_losses(vae, batch, behavior), vae.config.loss)
            else:
                loss = torch.stack(prior_losses(vae, batch)).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return vae, losses


def main(folder: str = "runs/example") -> None:
    """Build a zoo, train, rebuild the networks from their latents, and sample two new ones."""
    zoo = build_zoo("tiny", folder, workers=1)
    vae, _ = train(zoo)
    networks = [zoo[i] for i in zoo.split("train")]
    rebuilt = vae.decode(vae.encode(networks))
    print("R² of the rebuilt outputs, median:", metrics.output_r2_median(networks, rebuilt, torch.randn(64, 5)))
    print(*vae.sample(2, seed=0), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
