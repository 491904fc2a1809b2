"""Put networks of your own into a zoo, train the shipped model further on them, and let it write others like them."""

import sys
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from netgraph import NetVAE, Zoo, metrics
from netgraph.training import Example, TrainConfig, train


def fit_module(width: int, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    """Train a network of one hidden layer with plain PyTorch."""
    module = nn.Sequential(nn.Linear(x.shape[1], width), nn.Tanh(), nn.Linear(width, 1))
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        (module(x) - y).square().mean().backward()
        optimizer.step()
    return module.eval()


def main(folder: str = "runs/own_networks") -> pd.DataFrame:
    """Train thirty networks on three data sets, and a model on twenty-four of them; return figures of the other six."""
    torch.manual_seed(0)
    x = torch.randn(128, 4)
    tasks = [(x, torch.sin(2 * x[:, :1])), (x, x[:, 1:2] * x[:, 2:3]), (x, x[:, 3:].abs())]
    index, widths = [i % 3 for i in range(30)], [4 + i // 3 for i in range(30)]
    modules = [fit_module(width, *tasks[i]) for i, width in zip(index, widths, strict=True)]
    split = ["train"] * 24 + ["test"] * 6
    zoo = Zoo.from_networks(modules, tasks, Path(folder) / "zoo", {"width": widths}, split, index=index)

    examples = [Example(graph, zoo.meta_features[graph.task]) for graph in zoo.stream(zoo.split("train"))]
    training = TrainConfig(batch_size=8, learning_rate=5e-4, max_epochs=20, prior_epochs=10)
    tuned = train(examples, Path(folder) / "model", training=training, start="shipped")

    held_out = list(zoo.stream(zoo.split("test")))
    table = zoo.table.loc[zoo.split("test"), ["task", "width", "n_parameters", "validation_r2"]]
    for name, vae in {"shipped": NetVAE.from_pretrained(), "trained further": tuned}.items():
        f = vae.encode(held_out)[:, vae.function]  # what each network computes
        rebuilt = vae.decode(f, architecture=held_out, steps=0)  # by the hypernet alone, without steps of fitting
        table[f"R² rebuilt, {name}"] = metrics.output_r2_per_pair(held_out, rebuilt, x).numpy()
    print(table.round(3).to_string())
    print("Samples:", *(graph.architecture for graph in tuned.sample(3, seed=0, n_inputs=4, n_outputs=1)), sep="\n")
    return table


if __name__ == "__main__":
    main(*sys.argv[1:])
