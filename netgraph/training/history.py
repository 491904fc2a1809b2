"""TensorBoard's files of a training: its runs, the curves that are read from them, and points written twice."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

#: Runs of the parts of a training, in their order; trainings of earlier versions have one run, the folder itself.
RUNS = (".", "vae", "prior")


def loss_curves(folder: Path, part: str = "loss") -> dict[str, list[tuple[int, float]]]:
    """Read the points (step, value) of every term of the loss; of a step that was logged twice the later.

    Args:
        folder: Folder of the runs; there are no points where there is none.
        part: ``loss``, in training, or ``held_out``, on held-out networks after each epoch.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    for run in RUNS:
        if (folder / run).is_dir():
            curves |= _curves(folder / run, f"{part}/")
    return curves


def _curves(run: Path, prefix: str) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    names = [tag for tag in events.Tags()["scalars"] if tag.startswith(prefix)]
    curves = {name.removeprefix(prefix): {p.step: p.value for p in events.Scalars(name)} for name in names}
    return {name: sorted(points.items()) for name, points in curves.items()}


def remove_events(run: Path) -> None:
    """Remove the events of a run that is begun anew."""
    for path in run.glob("events.out.tfevents.*"):
        path.unlink()


def forget_later_points(writer: "SummaryWriter", step: int) -> None:
    """Have TensorBoard forget a run's points beyond a step, which a training that was killed writes once more."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    writer._get_file_writer().add_event(Event(step=step + 1, session_log=SessionLog(status=SessionLog.START)))
