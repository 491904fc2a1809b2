"""A callback that shows how far a training is."""

from typing import Any

import lightning

from netgraph.progress import Progress
from netgraph.training.module import Paced


class Shown(lightning.Callback):
    """Shows the steps of a part of the training, and its loss, as :class:`~netgraph.progress.Progress` does."""

    _progress: Progress | None = None

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count a step; the first one after an interruption begins where that was."""
        if self._progress is None and isinstance(pl_module, Paced):
            done = pl_module.steps_done - 1
            self._progress = Progress(pl_module.part, pl_module.total_steps, done=done).__enter__()
        if self._progress is not None:
            self._progress.update(f"loss {float(outputs['loss']):.4g}")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Close the bar, so that the error has a line of its own."""
        self._close()

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
            self._progress = None
