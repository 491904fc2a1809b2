"""Baselines of rebuilding on the held-out networks of a run; most of them are given the true architecture."""

import argparse
from pathlib import Path

import numpy as np
import torch
from results import write_section
from sklearn.decomposition import PCA
from torch import Generator, Tensor

from netgraph import NetGraph, NetVAE, Zoo, metrics
from netgraph.evaluation import random_like
from netgraph.graph import Architecture

Key = tuple[int, str, str, int, int]


def places(architecture: Architecture) -> list[Key]:
    """Name every state element by its linear depth, layer type, tensor, row and column."""
    depth = np.cumsum([layer.type == "Linear" for layer in architecture.layers])
    last = len(architecture.layers) - 1
    keys = []
    for tensor in architecture.tensors:
        layer = architecture.layers[tensor.layer]
        level = -1 if tensor.layer == last else int(depth[tensor.layer])
        width = tensor.shape[1] if len(tensor.shape) == 2 else 1
        keys += [(level, layer.type, tensor.slot.name, i // width, i % width) for i in range(tensor.size)]
    return keys


class Grid:
    """A common layout of the training networks' canonical states, zero where a network has nothing."""

    def __init__(self, graphs: list[NetGraph]) -> None:
        self.column: dict[Key, int] = {}
        for graph in graphs:
            for key in places(graph.architecture):
                self.column.setdefault(key, len(self.column))

    def lay(self, graphs: list[NetGraph]) -> np.ndarray:
        """Lay states into rows, [n, columns]."""
        rows = np.zeros((len(graphs), len(self.column)), dtype=np.float32)
        for row, graph in zip(rows, graphs, strict=True):
            for key, value in zip(places(graph.architecture), graph.state.tolist(), strict=True):
                if key in self.column:
                    row[self.column[key]] = value
        return rows

    def read(self, rows: np.ndarray, like: list[NetGraph]) -> list[NetGraph]:
        """Read states back for the architectures of other networks."""
        out = []
        for row, graph in zip(rows, like, strict=True):
            values = [row[self.column[key]] if key in self.column else 0.0 for key in places(graph.architecture)]
            state = torch.tensor(values, dtype=torch.float32)
            kind = torch.from_numpy(graph.architecture.slot_kind)
            out.append(NetGraph(graph.architecture, torch.where(kind == 3, state.clamp(min=1e-3), state)))
        return out


def nearest(vae: NetVAE, train: list[NetGraph], test: list[NetGraph]) -> list[NetGraph]:
    """Give each network's nearest training network in the latent space, among those with as many inputs."""
    ours, theirs = vae.encode(test), vae.encode(train)
    inputs = torch.tensor([graph.architecture.n_inputs for graph in train])
    found = []
    for z, graph in zip(ours, test, strict=True):
        distance = (theirs - z).norm(dim=1).masked_fill(inputs != graph.architecture.n_inputs, float("inf"))
        found.append(train[int(distance.argmin())])
    return found


def with_noise(graph: NetGraph, share: float, generator: Generator) -> NetGraph:
    """Add noise to every weight and bias, relative to the deviation of the network's state."""
    kind = torch.from_numpy(graph.architecture.slot_kind)
    noise = torch.randn(graph.state.shape, generator=generator) * (kind < 2)
    return graph.replace(state=graph.state + share * graph.state.std() * noise)


def row(name: str, test: list[NetGraph], rebuilt: list[NetGraph], xs: list[Tensor]) -> str:
    """Measure one method."""
    r2 = metrics.output_r2_per_pair(test, rebuilt, xs)
    cosine = metrics.cosine_similarity(test, rebuilt, xs)
    f1, mean = metrics.edge_f1(test, rebuilt), float(r2.clamp(min=-1).mean())
    return f"| {name} | {f1:.3f} | {cosine:.3f} | {float(r2.quantile(0.5)):.3f} | {mean:.3f} |"


def main() -> None:
    """Measure every baseline and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of a finished run")
    folder = parser.parse_args().folder
    zoo, vae = Zoo(folder / "zoo"), NetVAE.from_pretrained(folder / "checkpoints" / "vae.safetensors")
    train, test = ([zoo[i] for i in zoo.split(name)] for name in ("train", "test"))
    xs = [zoo.tasks[graph.task].x for graph in test]
    grid = Grid(train)
    laid = grid.lay(train)
    pca = PCA(vae.config.latent_size, random_state=0).fit(laid)
    generator = Generator().manual_seed(0)
    noisy = [with_noise(graph, 0.3, generator) for graph in test]
    compressed = pca.inverse_transform(pca.transform(grid.lay(test)))
    mean = np.repeat(laid.mean(axis=0, keepdims=True), len(test), axis=0)
    lines = [
        f"{len(test)} held-out networks; latent size {vae.config.latent_size} for the VAE and for PCA.",
        "",
        "| method | edge F1 | cosine | output R², median | output R², mean (each ≥ −1) |",
        "|---|---|---|---|---|",
        row("netgraph, free-running (architecture decoded)", test, vae.decode(vae.encode(test)), xs),
        row("PCA of canonical weights, architecture given", test, grid.read(compressed, test), xs),
        row("nearest training network in the latent space", test, nearest(vae, train, test), xs),
        row("the network plus noise of 0.3 deviations", test, noisy, xs),
        row("mean network, architecture given", test, grid.read(mean, test), xs),
        row("random initialization, architecture given", test, random_like(test, generator), xs),
    ]
    write_section("Baselines of rebuilding", "python benchmarks/baselines.py runs/quick", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
