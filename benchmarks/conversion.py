"""Converts networks of about ten million parameters and back: seconds, and peak memory beside the module's own."""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable

import torch
from results import write_section
from torch import Tensor, nn
from torch.nn import functional as F

MEGABYTE = 2**20


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
    """ResNet-18's plan, 11 million parameters."""
    plan = [
        (64, 64, 1),
        (64, 64, 1),
        (64, 128, 2),
        (128, 128, 1),
        (128, 256, 2),
        (256, 256, 1),
        (256, 512, 2),
        (512, 512, 1),
    ]
    blocks = [Block(*entry) for entry in plan]
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
    """A causal transformer of 10.6 million parameters, as nanoGPT's for characters."""
    layers = [Layer(384, 6) for _ in range(6)]
    return nn.Sequential(nn.Embedding(65, 384), *layers, nn.LayerNorm(384), nn.Linear(384, 65)), torch.zeros(
        1, 256
    ).long()


def perceptron() -> tuple[nn.Module, Tensor]:
    """Three layers behind a flatten, 10 million parameters."""
    layers = [nn.Linear(3072, 2048), nn.ReLU(), nn.Linear(2048, 1800), nn.ReLU(), nn.Linear(1800, 10)]
    return nn.Sequential(nn.Flatten(), *layers), torch.zeros(1, 3, 32, 32)


class Asserting(nn.Sequential):
    """A network that torch.fx cannot follow."""

    def forward(self, x: Tensor) -> Tensor:
        """Decide by the shape."""
        return super().forward(x) if x.shape[1] == 3 else x


def exported() -> tuple[nn.Module, Tensor]:
    """The same, through torch.export."""
    module, example = perceptron()
    return Asserting(*module.children()), example  # type: ignore[arg-type]


NETWORKS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "ResNet-18": resnet18,
    "GPT": gpt,
    "perceptron": perceptron,
    "perceptron through torch.export": exported,
}


def peak() -> int:
    """Give this process's largest memory so far, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(name: str, queue: "multiprocessing.Queue[list[float]]") -> None:
    """Convert one network in a process of its own, warmed up on a tiny one."""
    import netgraph

    torch.set_num_threads(1)
    netgraph.to_module(netgraph.from_module(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softsign()), torch.zeros(1, 3, 8, 8)))
    module, example = NETWORKS[name]()
    parameters = sum(parameter.numel() for parameter in module.parameters())
    own = 4 * parameters
    with torch.no_grad():
        started = time.perf_counter()
        module.eval()(example)
        run = time.perf_counter() - started
    before, started = peak(), time.perf_counter()
    graph = netgraph.from_module(module, example)
    there, held = time.perf_counter() - started, peak()
    started = time.perf_counter()
    netgraph.to_module(graph)
    back = time.perf_counter() - started
    queue.put([parameters, graph.num_nodes, run, there, back, (held - before + own) / own])


def main() -> None:
    """Measure all networks and write the section."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    context = multiprocessing.get_context("spawn")
    lines = [
        "Each in a process of its own, one thread. Memory is the process's peak during the conversion less what it was "
        "before, plus the module itself, in multiples of the module.",
        "",
        "| network | parameters | vertices | seconds of one forward | seconds to a graph | seconds back | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in NETWORKS:
        queue = context.Queue()
        process = context.Process(target=measure, args=(name, queue))
        process.start()
        parameters, vertices, *rest = queue.get()
        process.join()
        figures = " | ".join(f"{figure:.2f}" for figure in rest)
        lines.append(f"| {name} | {parameters:,.0f} | {vertices:,.0f} | {figures} |")
    write_section("Conversion of modules", "python benchmarks/conversion.py", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
