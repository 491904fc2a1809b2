"""Write the drawings of the site, each for light and for dark pages; all but the arrows is computed by netgraph."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from numpy.typing import NDArray
from torch import Tensor, nn

import netgraph
from netgraph.graph.layers import BY_CODE
from netgraph.stack import Stack
from netgraph.tokens import END, START

FOLDER = Path(__file__).with_name("drawings")
#: Colors of text, lines and boxes on light and on dark pages, and of curves that are seen on both.
MODES = {"light": ("#26282b", "#8a8f98", "#eef0f4"), "dark": ("#e4e6ea", "#8a8f98", "#2b2f38")}
BLUE, RED, GREEN = "#4a86d9", "#d9603f", "#3a9d6a"


@cache
def network() -> nn.Module:
    """Fit two inputs -> one output to a bump, in a few hundred steps."""
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))
    x = torch.randn(256, 2)
    y = torch.sin(2 * x[:, :1]) * torch.exp(-x[:, 1:].square())
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(400):
        optimizer.zero_grad()
        (module(x) - y).square().mean().backward()
        optimizer.step()
    return module.eval()


@cache
def model() -> netgraph.NetVAE:
    """Return the checkpoint that ships."""
    return netgraph.NetVAE.from_pretrained()


def lines(n_inputs: int) -> tuple[Tensor, Tensor]:
    """Return values of the first input, [200], and rows in which all others are 0, [200, n_inputs]."""
    x = torch.linspace(-3, 3, 200)
    return x, torch.cat([x[:, None], torch.zeros(200, n_inputs - 1)], dim=1)


def curve(graph: netgraph.NetGraph) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the first input, and the network's output along it."""
    x, rows = lines(graph.architecture.n_inputs)
    return x.numpy(), netgraph.to_module(graph)(rows)[:, 0].detach().numpy()


def plain(axis: Axes) -> None:
    """Leave out the frame but for its lower and left side."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)


def draw_graph(line: str, box: str) -> Figure:
    """Draw a network as a graph whose nodes are sized by sensitivity."""
    figure, axis = plt.subplots(figsize=(4.8, 2.8), layout="constrained")
    torch.manual_seed(0)
    netgraph.plot.draw(netgraph.with_sensitivity(netgraph.from_module(network()), torch.randn(256, 2)), axis)
    return figure


def draw_tokens(line: str, box: str) -> Figure:
    """Draw some tokens of the stream, one a row."""
    tokens = netgraph.tokenize([netgraph.from_module(network())])
    names = {START: "start", END: "end"} | {code: kind.name for code, kind in BY_CODE.items()}
    figure, axis = plt.subplots(figsize=(4.8, 2.9), layout="constrained")
    columns = (0.13, 0.28, 0.42, 0.69, 0.93)
    for x, title in zip(columns, ("layer type", "index", "parent", "incoming weights", "bias"), strict=True):
        axis.text(x, 8.2, title, fontsize=9, weight="bold", ha="center", va="center")
    for row, position in enumerate((0, 1, 3, 4, 9, 10, 15, 16)):
        code, index, parent = (int(getattr(tokens, key)[0, position]) for key in ("layer_type", "index", "parent"))
        weights = [f"{value:+.2f}" for value in tokens.weight[0, position].tolist() if value]
        bias = float(tokens.bias[0, position])
        cells = (names[code], index, parent, " ".join(weights[:3]) + " …" * (len(weights) > 3), f"{bias:+.2f}")
        y = 7 - row
        axis.add_patch(FancyBboxPatch((0.02, y - 0.3), 0.97, 0.6, "round,pad=0.01", lw=0, fc=box, mutation_aspect=9))
        for x, text in zip(columns, cells if bias else (*cells[:-1], "–"), strict=True):
            axis.text(x, y, str(text), fontsize=9, ha="center", va="center")
    axis.set(xlim=(0, 1), ylim=(-0.6, 8.7))
    axis.set_axis_off()
    return figure


def draw_stack(line: str, box: str) -> Figure:
    """Draw the first-layer weights of three networks, and the tensor that holds them all."""
    torch.manual_seed(0)
    shapes = ((3, 4), (5, 6), (2, 8))
    graphs = [netgraph.from_module(nn.Sequential(nn.Linear(i, n), nn.Tanh(), nn.Linear(n, 1))) for i, n in shapes]
    figure, (above, below) = plt.subplots(2, 1, figsize=(4.8, 4.4), layout="constrained")
    padded = torch.full((len(graphs), 8, 5), float("nan"))
    for number, graph in enumerate(graphs):
        weight = graph.tensor(graph.architecture.tensors[0])
        height, width = weight.shape
        padded[number, :height, :width] = weight
        x = 6 * number + (5 - width) / 2
        for axis, corner, values in ((above, x, weight), (below, 6.0 * number, padded[number])):
            edges = corner + np.arange(values.shape[1] + 1), 8 - len(values) + np.arange(len(values) + 1)
            axis.pcolormesh(*edges, values.flip(0).numpy(), cmap="RdBu", vmin=-0.8, vmax=0.8, edgecolors=line, lw=0.5)
        above.text(x + width / 2, 8.3, f"{width} to {height}", fontsize=9, ha="center")
    rows = torch.randn(7, 5)
    outputs = Stack([graph.architecture for graph in graphs])(torch.cat([graph.state for graph in graphs]), rows)
    text = f"one tensor {list(padded.shape)}; outputs on 7 rows {list(outputs.shape)}"
    below.text(8.5, 8.3, text, fontsize=9, ha="center")
    for axis in (above, below):
        axis.set(xlim=(0, 17), ylim=(0, 9.2), aspect="equal")
        axis.set_axis_off()
    return figure


def draw_latent(line: str, box: str) -> Figure:
    """Draw the latent of a network, and what the network and its prefixes of f compute."""
    graph = netgraph.from_module(network())
    vae = model()
    z = vae.encode([graph])
    figure, axes = plt.subplot_mosaic([["f", "a", "w"], ["curve"] * 3], figsize=(4.8, 3.8), width_ratios=(64, 32, 51),
                                      height_ratios=(1, 3), layout="constrained")  # fmt: skip
    parts = {
        "f": (z[0, vae.function], "f: what it computes"),
        "a": (z[0, vae.architecture], "a: its layers"),
        "w": (z[0, vae.weights][: graph.state.numel()], "w: which weights"),
    }
    for key, (values, title) in parts.items():
        axis = axes[key]
        axis.bar(np.arange(len(values)), values.numpy(), color=BLUE, width=0.8)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(f"{len(values)} numbers", fontsize=8)
        axis.set_xticks([])
        plain(axis)
    axis = axes["curve"]
    axis.plot(*curve(graph), color=line, lw=4, label="the network")
    for count, color in ((4, RED), (16, GREEN), (64, BLUE)):
        (rebuilt,) = vae.decode(z[:, :count], architecture=graph)
        axis.plot(*curve(rebuilt), color=color, lw=1.6, label=f"the first {count} numbers of f")
    axis.set_xlabel("first input; the other is 0", fontsize=9)
    axis.set_ylabel("output", fontsize=9)
    axis.legend(frameon=False, fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    plain(axis)
    return figure


def draw_sampling(line: str, box: str) -> Figure:
    """Draw three sampled networks, and what they compute."""
    samples = model().sample(24, seed=4, n_inputs=2, n_outputs=1)
    chosen = sorted(samples, key=lambda graph: graph.num_nodes)[1:8:3]
    figure, axes = plt.subplots(2, 3, figsize=(4.8, 3.8), height_ratios=(1.5, 1), layout="constrained")
    for number, (graph, color) in enumerate(zip(chosen, (BLUE, RED, GREEN), strict=True)):
        netgraph.plot.draw(graph, axes[0, number])
        axes[0, number].get_legend().remove()
        hidden = [str(layer.type) for layer in graph.architecture.layers if layer.type not in ("Input", "Linear")]
        axes[0, number].set_title(f"{graph.state.numel()} parameters,\n{', '.join(dict.fromkeys(hidden))}", fontsize=9)
        axes[1, number].plot(*curve(graph), color=color)
        axes[1, number].set_xlabel("first input", fontsize=9)
        plain(axes[1, number])
    axes[1, 0].set_ylabel("output", fontsize=9)
    return figure


#: The drawings by the names of their files.
DRAWINGS: dict[str, Callable[[str, str], Figure]] = {
    "graph": draw_graph,
    "tokens": draw_tokens,
    "stack": draw_stack,
    "latent": draw_latent,
    "sampling": draw_sampling,
}


def main(folder: Path = FOLDER) -> None:
    """Write all drawings into a folder."""
    folder.mkdir(exist_ok=True)
    for mode, (text, line, box) in MODES.items():
        colors = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), text)
        fixed = {"svg.fonttype": "none", "svg.hashsalt": "netgraph", "font.family": "sans-serif"}
        for name, draw in DRAWINGS.items():
            with plt.rc_context(colors | fixed):
                figure = draw(line, box)
                figure.savefig(folder / f"{name}-{mode}.svg", transparent=True, metadata={"Date": None})
                plt.close(figure)


if __name__ == "__main__":
    main()
