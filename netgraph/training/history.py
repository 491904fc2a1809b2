"""TensorBoard files: the figures of a run go in, the curves of its training come out."""

from collections.abc import Mapping
from pathlib import Path


def write_metrics(folder: Path, figures: Mapping[str, float]) -> None:
    """Add a run's figures as scalars ``metric/...``."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder) as writer:
        for name, value in figures.items():
            writer.add_scalar(f"metric/{name}", value, 0)


def loss_curves(folder: Path, part: str = "loss") -> dict[str, list[tuple[int, float]]]:
    """Read the points (step, value) of every term of the loss; of a step that was logged twice the later.

    Args:
        folder: Folder of TensorBoard files; there are no points where there is none.
        part: ``loss``, in training, or ``held_out``, on held-out networks after each epoch.
    """
    if not folder.exists():
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    names = [tag for tag in events.Tags()["scalars"] if tag.startswith(f"{part}/")]
    curves = {name.removeprefix(f"{part}/"): {p.step: p.value for p in events.Scalars(name)} for name in names}
    return {name: sorted(points.items()) for name, points in curves.items()}
