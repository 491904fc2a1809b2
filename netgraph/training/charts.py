"""Charts of a training in TensorBoard: meaning and unit of each, and a layout of related ones."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

#: Meaning of each term of the loss, by the part of the model that is trained.
LOSSES = {
    "VAE": {
        "total": "weighted sum of the terms, which the training lowers",
        "index": "cross-entropy of the nodes' index: sizes of layers; nats a network",
        "type": "cross-entropy of layer types; nats a network",
        "parent": "cross-entropy of the parent pointer, the layers that a layer reads; nats a network",
        "weight": "squared error of standardized weights beside given ones, weighted by sensitivity",
        "output": "logarithm of the relative error of the written networks' outputs",
        "kl": "KL divergence of the architecture code from N(0, I); nats a network",
    },
    "prior": {"architecture_flow": "flow-matching error of the velocity of architecture codes, squared"},
}
#: Meaning of the figures of held-out networks that are rebuilt while the model is trained.
REBUILT = {
    "edge_f1": "F1 of the rebuilt edges",
    "cosine_similarity": "cosine between the last hidden activations, original against rebuilt",
    "output_r2_median": "R² of the rebuilt outputs for the original's, median over networks; −1 at worst",
    "hypernet_r2_median": "the same, weights written by the hypernet alone: from function code and architecture",
}
SCHEDULE = {
    "schedule/learning_rate": "learning rate of the step",
    "schedule/seconds": "training time so far; seconds",
    "schedule/epoch": "passes over the training networks",
}


def describe_charts(writer: "SummaryWriter", part: str) -> None:
    """Write the meaning of the charts of a part of the training, and their layout.

    Args:
        writer: Of the run.
        part: ``VAE`` or ``prior``.
    """
    meanings = {f"loss/{name}": meaning for name, meaning in LOSSES[part].items()}
    meanings |= {"held_out/…": "each of them on held-out networks, after every epoch, with the same noise"}
    layout = {
        "Loss: training and held-out": {
            name: ["Multiline", [f"^loss/{name}$", f"^held_out/{name}$"]] for name in LOSSES[part]
        }
    }
    if part == "VAE":
        meanings |= {f"rebuilt/{name}": meaning for name, meaning in REBUILT.items()}
        layout["Rebuilt held-out networks"] = {"rebuilt": ["Multiline", ["^rebuilt/.*"]]}
    writer.add_text("charts", markdown_table({"chart": "meaning; unit"} | meanings | SCHEDULE), 0)
    writer.add_custom_scalars(layout)


def markdown_table(rows: Mapping[str, object]) -> str:
    """Return two columns as a table in Markdown, the first row as its header."""
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join([lines[0], "|---|---|", *lines[1:]])
