"""Lightning callbacks: progress, and the loss on held-out networks after each epoch."""

import math
from pathlib import Path
from typing import Any

import lightning
import torch

from netgraph.graph.modules.trace import mode
from netgraph.progress import Progress
from netgraph.training.data import Batches, Codes
from netgraph.training.resume import save

#: Seed of the noise on held-out networks, the same in every epoch.
SEED = 0


class Shown(lightning.Callback):
    """Shows the steps of a part of the training, and its loss, as :class:`~netgraph.progress.Progress` does."""

    _progress: Progress | None = None

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count a step; the first one after an interruption begins where that was."""
        if not trainer.is_global_zero:
            return
        if self._progress is None:
            done = pl_module.steps_done - 1
            self._progress = Progress(pl_module.part, pl_module.total_steps, done=done).__enter__()
        held_out = f", held-out {pl_module.held_out:.4g}" if pl_module.held_out < math.inf else ""
        self._progress.update(f"loss {float(outputs['loss']):.4g}{held_out}")

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


class HeldOut(lightning.Callback):
    """Measures the loss on held-out networks after each epoch, and keeps the best weights where patience asks for them.

    The noise is the same each time, and the training's own noise is left as it is.

    Args:
        batches: The held-out networks, or their codes.
        path: The safetensors file of the best state.
    """

    def __init__(self, batches: Batches | Codes, path: Path) -> None:
        self.batches, self.path, self.measured = batches, path, -1

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Note the step with which the training starts, or is resumed."""
        if self.measured < 0:
            self.measured = pl_module.steps_done

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Measure and log every term, unless no step was taken since."""
        if pl_module.steps_done == self.measured:
            return
        self.measured = pl_module.steps_done
        terms = self.measure(pl_module)
        logged = {f"held_out/{name.removeprefix('loss/')}": value for name, value in terms.items()}
        trainer.logger.log_metrics(logged, step=pl_module.steps_done)
        pl_module.held_out = terms[pl_module.total_name]
        if pl_module.held_out < pl_module.lowest:
            pl_module.lowest, pl_module.epochs_waited = pl_module.held_out, 0
            if pl_module.config.patience is not None and trainer.is_global_zero:
                save(self.path, pl_module, trainer.optimizers[0])
        else:
            pl_module.epochs_waited += 1

    @torch.no_grad()
    def measure(self, module: Any) -> dict[str, float]:
        """Return the mean of every term over networks."""
        totals: dict[str, float] = {}
        count = 0
        devices = [module.device] if module.device.type == "cuda" else []
        with mode(module.vae, training=False), torch.random.fork_rng(devices=devices):
            torch.manual_seed(SEED)
            for i in range(len(self.batches)):
                batch = module.transfer_batch_to_device(self.batches[i], module.device, 0)
                size = len(batch[0])
                count += size
                for name, value in module.losses(batch)[1].items():
                    totals[name] = totals.get(name, 0.0) + size * float(value)
        return {name: total / count for name, total in totals.items()}
