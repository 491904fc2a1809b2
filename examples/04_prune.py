"""Prune a network unit by unit, train what is left a little, and print its error against the units left."""

import torch
from torch import nn

import netgraph


def fit(module: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int) -> float:
    """Train by Adam, and return the mean squared error."""
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (module(x) - y).square().mean()
        loss.backward()
        optimizer.step()
    return (module(x) - y).square().mean().item()


def main() -> list[tuple[int, float, float]]:
    """Return units left, error after pruning, and error after some more training, step by step."""
    torch.manual_seed(0)
    x = torch.randn(256, 3)
    y = torch.sin(2 * x[:, :1]) * x[:, 1:2] + 0.5 * x[:, 2:]
    module = nn.Sequential(nn.Linear(3, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
    error = fit(module, x, y, 1000)
    table, graph = [(48, error, error)], netgraph.from_module(module)
    while table[-1][0] > 8:
        graph = netgraph.prune(netgraph.with_sensitivity(graph, x), 4)  # the four least sensitive units
        module = netgraph.to_module(graph)
        pruned = (module(x) - y).square().mean().item()
        table.append((table[-1][0] - 4, pruned, fit(module, x, y, 200)))
        graph = netgraph.from_module(module)
    print("units  error after pruning  error after more training")
    print("\n".join(f"{units:5}  {pruned:19.4f}  {trained:25.4f}" for units, pruned, trained in table))
    print(graph.architecture)
    return table


if __name__ == "__main__":
    main()
