"""A Lightning callback that rebuilds held-out networks during a training: figures and pictures in TensorBoard."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import lightning

from netgraph.evaluation.evaluate import evaluate_reconstruction
from netgraph.graph.arguments import as_graphs
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.plot import draw
from netgraph.model.vae import NetVAE
from netgraph.stack import probe

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

#: Networks that are rebuilt, and of how many of them there are pictures (chosen: under 3 % of the time of a training).
N_NETWORKS, N_PICTURES = 16, 3
#: Most epochs of a training after which figures are measured, and after which pictures are drawn (chosen likewise).
MOST_MEASURED, MOST_DRAWN = 20, 3


class Rebuilding(lightning.Callback):
    """Rebuilds a handful of held-out networks after the epochs of a training, free-running.

    Edge F1, cosine similarity and output R² go to TensorBoard's charts ``rebuilt/...``, pairs of original and rebuilt
    networks to its images. The rows are standard normal. A training is the same bit for bit with and without it: no
    random number is taken from the training's generators.

    Args:
        networks: Networks to rebuild, without the ones that the model does not cover; 16 of the training's held-out
            networks, of all sizes, when None.

    Raises:
        NetGraphError: When something is no feed-forward network.

    Example:
        >>> from netgraph.training import train
        >>> callbacks = [Rebuilding()]  # train(examples, "trained", held_out=held_out, callbacks=callbacks)
    """

    def __init__(self, networks: Sequence[NetGraph] | None = None) -> None:
        self.given = None if networks is None else as_graphs(networks, "networks", "the model")
        self.networks: list[NetGraph] = []
        self.measured = -1

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Choose the networks; the prior, which rebuilds nothing, is trained without them."""
        self.networks, self.measured = [], -1
        if pl_module.part == "VAE" and trainer.is_global_zero:
            self.networks = self._choose(pl_module)

    def _choose(self, module: Any) -> list[NetGraph]:
        """Return the networks that are given, or some of the held-out ones, from small to large."""
        networks = module.held_out_networks if self.given is None else self.given
        covered = [graph for graph in networks if module.vae.coverage.covers(graph.architecture)]
        if self.given is not None:
            return covered
        covered.sort(key=lambda graph: graph.architecture.state_size)
        n = min(N_NETWORKS, len(covered))
        return [covered[i * (len(covered) - 1) // max(1, n - 1)] for i in range(n)]

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Note the step with which the training starts, or is resumed."""
        if self.measured < 0:
            self.measured = pl_module.steps_done

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Measure and draw, after the first epoch and then at even distances, unless no step was taken since."""
        before, now, total = self.measured, pl_module.steps_done, pl_module.total_steps
        if not self.networks or now == before:
            return
        self.measured = now
        due = [before == 0 or now * most // total > before * most // total for most in (MOST_MEASURED, MOST_DRAWN)]
        if any(due):
            self._log(pl_module.vae, trainer.logger.experiment, now, drawn=due[1])

    def _log(self, vae: NetVAE, writer: "SummaryWriter", step: int, drawn: bool) -> None:
        """Rebuild the networks, and write figures, and pictures where they are due."""
        z = vae.encode(self.networks)
        rebuilt = vae.decode(z)
        written = vae.decode(z[:, vae.function], architecture=self.networks, steps=0)
        rows = [probe(graph.architecture.n_inputs) for graph in self.networks]
        result, by_hypernet = (evaluate_reconstruction(self.networks, graphs, rows) for graphs in (rebuilt, written))
        figures = {name: result.metrics[name] for name in ("edge_f1", "cosine_similarity", "output_r2_median")}
        figures["hypernet_r2_median"] = by_hypernet.metrics["output_r2_median"]
        for name, value in figures.items():
            writer.add_scalar(f"rebuilt/{name}", max(-1.0, value), step)
        if drawn:
            last = len(self.networks) - 1
            for number, i in enumerate(dict.fromkeys(last * k // (N_PICTURES - 1) for k in range(N_PICTURES))):
                pair = {"original": self.networks[i], "rebuilt": rebuilt[i]}
                scores = {"edge F1": result.edge_f1, "cosine": result.cosine, "output R²": result.output_r2}
                title = ", ".join(f"{name} {float(values[i]):.2f}" for name, values in scores.items())
                writer.add_figure(f"rebuilt_networks/network_{number + 1}", draw_pair(pair, title), step)


def draw_pair(pair: dict[str, NetGraph], title: str) -> "Figure":
    """Draw networks above each other, under their names; the title belongs to the last one."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(4.8, 5.0), dpi=100, layout=ConstrainedLayoutEngine(hspace=0.1))
    for ax, (name, graph) in zip(figure.subplots(len(pair), 1), pair.items(), strict=True):
        draw(graph, ax)
        ax.set_title(name)
    ax.set_title(f"{name}: {title}")
    return figure
