"""Train a variational autoencoder over the networks of a small zoo, in plain PyTorch, and sample from it.

``netgraph.training.train`` is the same with Lightning: schedules, TensorBoard, checkpoints, resuming, a hypernet.
"""

import sys
from collections.abc import Iterator

import torch

from netgraph import NetVAE, build_zoo, metrics
from netgraph.model import PriorConfig, VAEConfig
from netgraph.model.loss import compute_losses, prior_losses
from netgraph.training import Batches, Example, TrainConfig
from netgraph.training.module import total_loss


def optimize(part: torch.nn.Module, losses: Iterator[torch.Tensor]) -> float:
    """Take one step of AdamW on each loss; return the last loss."""
    optimizer = torch.optim.AdamW(part.parameters(), 3e-3)
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(part.parameters(), 1.0)
        optimizer.step()
    return float(loss.detach())


def main(folder: str = "runs/example", epochs: int = 20) -> float:
    """Train; return the R² of the outputs of networks that were rebuilt from the latent alone."""
    torch.manual_seed(0)
    zoo = build_zoo("tiny", folder, workers=1)
    graphs = [zoo[i] for i in range(len(zoo))]
    examples = [Example(graph, zoo.tasks[graph.task].x, zoo.meta_features[graph.task]) for graph in graphs]
    vae = NetVAE(VAEConfig(width=32, max_nodes=96, prior=PriorConfig(width=32)))
    batches = Batches(examples, vae.config, TrainConfig(batch_size=16))

    vae.fit_statistics(batches.networks)  # scales of weights, outputs and meta-features; the supported vocabulary
    weights = vae.config.loss
    pairs = (batches[i] for _ in range(epochs) for i in torch.randperm(len(batches)).tolist())
    print("loss", optimize(vae, (total_loss(compute_losses(vae, *pair), weights) for pair in pairs)))

    vae.fit_statistics(batches.networks)  # the latents are where the trained encoder puts them
    networks = (batches[i][0] for _ in range(epochs) for i in torch.randperm(len(batches)).tolist())
    print("loss of the prior", optimize(vae.prior, (sum(prior_losses(vae, part)) for part in networks)))

    vae.eval().save(f"{folder}/vae.safetensors")
    rebuilt = vae.decode(vae.encode(graphs))
    r2 = metrics.output_r2(graphs, rebuilt, [example.x for example in examples])
    print("R² of the rebuilt outputs", r2, *vae.sample(2, seed=0), sep="\n")
    return r2


if __name__ == "__main__":
    main(*sys.argv[1:])
