"""Draw ``overview.png``, the picture of the README: a network as a graph, its tokens, and new networks that run."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from drawings import network
from matplotlib.axes import Axes

import netgraph
from netgraph.graph.layers import BY_CODE
from netgraph.tokens import END, START

PICTURE = Path(__file__).with_name("overview.png")
N_TOKENS = 8


def write_tokens(graph: netgraph.NetGraph, axis: Axes) -> None:
    """Write the first tokens of the stream as a table."""
    tokens = netgraph.tokenize([graph])
    names = {START: "start", END: "end"} | {code: layer_type.name for code, layer_type in BY_CODE.items()}
    rows = [("type", "index", "parent", "incoming weights", "bias")]
    chosen = [0, 1, 3, 4, 9, 10, 15, 16][:N_TOKENS]
    for place in chosen:
        code, index, parent = (int(getattr(tokens, key)[0, place]) for key in ("layer_type", "index", "parent"))
        weights = [value for value in tokens.weight[0, place].tolist() if value]
        bias = float(tokens.bias[0, place])
        shown = "  ".join(f"{value:+.2f}" for value in weights[:3]) + (" …" if len(weights) > 3 else "")
        rows.append((names[code], str(index), str(parent), shown, f"{bias:+.2f}" if bias else ""))
    for line, row in enumerate(rows):
        for column, text in zip((0.0, 0.19, 0.31, 0.46, 0.9), row, strict=True):
            weight, color = ("bold", "#222222") if line == 0 else ("normal", "#444444")
            axis.text(column, 0.95 - line * 0.105, text, fontsize=8.5, family="monospace", weight=weight, color=color)
    axis.set_axis_off()


def draw_samples(axis: Axes) -> None:
    """Draw what a dozen sampled networks compute along their first input."""
    x = torch.linspace(-3, 3, 200)
    for graph in netgraph.NetVAE.from_pretrained().sample(12, seed=4, n_inputs=2, n_outputs=1):
        rows = torch.stack([x, torch.zeros(200)], dim=1)
        axis.plot(x, netgraph.to_module(graph)(rows)[:, 0].detach(), lw=1.2)
    axis.set(xlabel="first input", ylabel="output", ylim=(-4, 4))
    axis.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Write the picture."""
    graph = netgraph.from_module(network())
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.4), width_ratios=(1.1, 1.25, 1), layout="constrained")
    netgraph.plot.draw(graph, axes[0])
    write_tokens(graph, axes[1])
    draw_samples(axes[2])
    titles = ("a trained network as a graph", "the graph as tokens, lossless", "new networks, sampled and run")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=11)
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
