"""Conversion of modules of about ten million parameters, and back: seconds and peak memory."""

import resource
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import netgraph
from benchmarks.harness import PROVENANCE, in_own_process
from benchmarks.report import Picture, table

TITLE = "Conversion of modules"
ABOUT = (
    "`from_module` and `to_module` of networks of about ten million parameters, each in a process of its own, on one "
    "thread, after a tiny network. Memory is the peak of the process during the conversion less the peak before it, "
    "plus the module itself, in multiples of the module."
)


class Block(nn.Module):
    """ResNet's basic block (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Add the shortcut to two convolutions."""
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + self.shortcut(x))


def resnet18() -> tuple[nn.Module, Tensor]:
    """Build a network like ResNet-18, 12 million parameters."""
    stages = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    blocks = [block for i, o, stride in stages for block in (Block(i, o, stride), Block(o, o, 1))]
    stem = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)]
    return nn.Sequential(*stem, *blocks, *head), torch.zeros(1, 3, 32, 32)


class Layer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attend, then feed forward."""
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


def gpt() -> tuple[nn.Module, Tensor]:
    """Build a causal transformer of 10.7 million parameters, of nanoGPT's size for characters."""
    layers = [Layer(384, 6) for _ in range(6)]
    ends = nn.LayerNorm(384), nn.Linear(384, 65)
    return nn.Sequential(nn.Embedding(65, 384), *layers, *ends), torch.zeros(1, 256, dtype=torch.long)


class Branching(nn.Sequential):
    """A network that torch.fx cannot trace, so that torch.export does."""

    def forward(self, x: Tensor) -> Tensor:
        """Decide by the shape."""
        return super().forward(x) if x.shape[1] == 3 else x


def perceptron(kind: type[nn.Sequential] = nn.Sequential) -> tuple[nn.Module, Tensor]:
    """Build three linear layers behind a flatten, 10 million parameters."""
    layers = [nn.Linear(3072, 2048), nn.ReLU(), nn.Linear(2048, 1800), nn.ReLU(), nn.Linear(1800, 10)]
    return kind(nn.Flatten(), *layers), torch.zeros(1, 3, 32, 32)


NETWORKS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "ResNet-18": resnet18,
    "GPT": gpt,
    "perceptron": perceptron,
    "perceptron through torch.export": lambda: perceptron(Branching),
}


def grid() -> list[dict[str, Any]]:
    """Return a run for each network."""
    return [{"network": name} for name in NETWORKS]


def measure(network: str) -> dict[str, Any]:
    """Convert one network in a process of its own."""
    return in_own_process(convert, network)


def convert(network: str) -> dict[str, Any]:
    """Convert one network there and back."""
    torch.set_num_threads(1)
    tiny = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softsign())
    netgraph.to_module(netgraph.from_module(tiny, torch.zeros(1, 3, 8, 8)))
    module, example = NETWORKS[network]()
    parameters = sum(parameter.numel() for parameter in module.parameters())
    with torch.no_grad():
        started = time.perf_counter()
        module.eval()(example)
        forward = time.perf_counter() - started
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    graph = netgraph.from_module(module, example)
    to_graph, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    netgraph.to_module(graph)
    return {
        "parameters": parameters,
        "nodes": graph.num_nodes,
        "seconds of a forward pass": forward,
        "seconds to a graph": to_graph,
        "seconds back": time.perf_counter() - started,
        "memory": 1024 * (after - before) / (4 * parameters) + 1,
    }


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Return the table of the networks."""
    rows = runs.sort_values("parameters", ascending=False, kind="stable").set_index("network")
    return [table(rows.drop(columns=list(PROVENANCE)), digits=2)]
