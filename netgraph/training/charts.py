"""Charts of a training in TensorBoard: meaning and unit of each, and a layout of related ones."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from netgraph.figures import LOSSES, MODEL

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

#: Figures of the held-out networks that are rebuilt while the model is trained.
REBUILT = ("edge_f1", "cosine_similarity", "output_r2_median", "hypernet_r2_median")
#: Meaning of the charts of the schedule.
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
        meanings |= {
            "rebuilt/…": "figures of some held-out networks, rebuilt after an epoch; those below −1 are drawn at −1"
        }
        meanings |= {f"rebuilt/{name}": MODEL[name].meaning for name in REBUILT}
        layout["Rebuilt held-out networks"] = {"rebuilt": ["Multiline", ["^rebuilt/.*"]]}
    writer.add_text("charts", markdown_table(("chart", "meaning; unit"), (meanings | SCHEDULE).items()), 0)
    writer.add_custom_scalars(layout)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in (header, ["---"] * len(header), *rows)]
    return "\n".join(lines)
