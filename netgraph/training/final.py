"""The run ``final`` of a finished training in TensorBoard: card, hyperparameters, figures, weights, function codes."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml
from torch import Tensor

from netgraph.figures import MODEL, meaning_of
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize
from netgraph.model.projector import architecture_labels
from netgraph.model.vae import NetVAE
from netgraph.training.charts import REBUILT, markdown_table
from netgraph.training.history import remove_events
from netgraph.zoo import Zoo

if TYPE_CHECKING:
    import pandas as pd
    from torch.utils.tensorboard import SummaryWriter

#: Chart of each final figure that stands beside the hyperparameters. TensorBoard reads these from charts alone: losses
#: and figures of rebuilt networks end the charts of the training, those of samples have charts of one point.
CHARTS = {
    "held_out_loss": "held_out/total",
    "prior_held_out_loss": "held_out/architecture_flow",
    **{name: f"rebuilt/{name}" for name in REBUILT},
    **{
        name: f"samples_at_the_end/{name}"
        for name in ("validity", "uniqueness", "novelty", "sample_quality", "shape_quality")
    },
}
#: Meaning of the charts of the run.
MEANINGS = {
    "held_out/…, rebuilt/…": "figures of the finished model, at the end of the charts of its training",
    "samples_at_the_end/…": "figures of networks sampled from the finished model; one point each, for the tab HParams",
    "weights/trained, weights/biases_trained": "weights and biases of trained networks, in canonical form",
    "weights/sampled, weights/biases_sampled": "of sampled ones, on the same bars; all beyond them counts in the ends",
    "function code (Projector)": "function codes of held-out networks, labeled by the columns of their zoo",
}
#: Most networks whose function codes are shown, and of each set whose weights are (chosen: seconds).
MOST_CODES, MOST_WEIGHTS = 1000, 256
#: Bars of a histogram, and the quantile of the held-out networks' weights beyond which weights count in its ends.
BARS, QUANTILE = 80, 0.995
LIBRARIES = ("netgraph", "torch", "torch_geometric", "lightning", "tensorboard")


def write_final(
    folder: Path, vae: NetVAE, zoo: Zoo, command: str, figures: Mapping[str, float], samples: Sequence[NetGraph]
) -> None:
    """Write the run of a finished training; an earlier one of the same folder is replaced.

    Args:
        folder: Folder of the run.
        vae: The trained model.
        zoo: The zoo that it was trained on; the networks shown are those of its parts ``test``, ``val`` or ``train``,
            whichever is the first to have some that the model covers.
        command: The command of the training.
        figures: Figures by name, as of ``metrics.json``.
        samples: Networks that the model sampled.

    Raises:
        StoreError: When the folder cannot be written to.
    """
    from torch.utils.tensorboard import SummaryWriter

    remove_events(folder)
    figures = {name: float(vae.card[name]) for name in CHARTS if name in vae.card} | dict(figures)
    numbers, networks = _shown(vae, zoo)
    with SummaryWriter(str(folder)) as writer:
        write_card(writer, vae.card, command, figures)
        writer.add_text("charts", markdown_table(("chart", "meaning"), MEANINGS.items()), 0)
        write_hyperparameters(writer, hyperparameters(vae), figures, vae.card)
        if networks:
            write_weights(writer, {"trained": networks[:MOST_WEIGHTS], "sampled": samples[:MOST_WEIGHTS]})
    if networks:
        vae.to_tensorboard(networks, folder, zoo_labels(zoo, numbers, networks))


def _shown(vae: NetVAE, zoo: Zoo) -> tuple[list[int], list[NetGraph]]:
    """Return numbers of networks that the model covers, in the zoo, and the networks themselves."""
    for part in ("test", "val", "train"):
        numbers = zoo.split(part)
        numbers = numbers[:: max(1, -(-len(numbers) // MOST_CODES))]
        pairs = zip(numbers, zoo.stream(numbers), strict=True)
        covered = [
            (i, graph) for i, graph in pairs if graph.program is None and vae.coverage.covers(graph.architecture)
        ]
        if covered:
            return [i for i, _ in covered], [graph for _, graph in covered]
    return [], []


def write_card(writer: "SummaryWriter", card: Mapping[str, Any], command: str, figures: Mapping[str, float]) -> None:
    """Write command, versions, machine and figures as texts, and the recipe of the zoo."""
    versions = {name: import_module(name).__version__ for name in LIBRARIES} | {"Python": platform.python_version()}
    of_training = {name: card[name] for name in ("commit", "date", "machine") if name in card}
    counts = {name: card[name] for name in card if name.endswith(("networks", "held_out", "left_out", "steps"))}
    seconds = {name: f"{card[name]:.0f}" for name in card if name.endswith("seconds")}
    writer.add_text("card", f"    {command}\n\n" + markdown_table(("library", "version"), versions.items()), 0)
    values = {name: f"{figures[name]:.4g}" for name in figures}
    for title, shown in {"training": of_training | counts | seconds, "figures": values}.items():
        rows = [(name, value, meaning_of(name, MODEL)) for name, value in shown.items()]
        writer.add_text(title, markdown_table((title, "value", "meaning"), rows), 0)
    recipes = card.get("recipe", [])
    if recipes:
        recipes = recipes if isinstance(recipes, list) else [recipes]
        text = "\n".join(yaml.safe_dump(_plain(recipe), sort_keys=False, allow_unicode=True) for recipe in recipes)
        writer.add_text("recipe", "".join(f"    {line}\n" for line in text.splitlines()), 0)


def _plain(value: Any) -> Any:
    """Return a value with its tuples as lists, as YAML has no others."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def hyperparameters(vae: NetVAE) -> dict[str, int | float | str | bool]:
    """Return preset, seed, number of networks, and the settings of model and training, those of None left out."""
    loss = asdict(vae.config)["loss"]
    settings: dict[str, Any] = {name: vae.card[name] for name in ("preset", "seed", "networks") if name in vae.card}
    settings |= vae.card["training"]
    settings |= {f"model.{name}": value for name, value in asdict(vae.config).items() if name != "loss"}
    settings |= {f"model.loss.{name}": value for name, value in loss.items()}
    return {name: value for name, value in settings.items() if value is not None}


def write_hyperparameters(
    writer: "SummaryWriter", settings: Mapping[str, Any], figures: Mapping[str, float], card: Mapping[str, Any]
) -> None:
    """Write a session of the tab HParams; its metrics are the run's scalars, each described by its meaning.

    There is no list of columns, since TensorBoard takes the first that it finds for all runs: without it, the tab has
    the columns of every training below one folder, whatever their settings and figures.
    """
    from torch.utils.tensorboard.summary import hparams, scalar

    _, start, end = hparams(dict(settings), {})
    file = writer._get_file_writer()
    for summary in (start, end):
        file.add_summary(summary)
    for name, chart in CHARTS.items():
        if name in figures:
            summary = scalar(chart, figures[name], new_style=True)  # the old style has no place for a description
            summary.value[0].metadata.summary_description = MODEL[name].meaning
            file.add_summary(summary, card["prior_steps" if name.startswith("prior") else "steps"])


def write_weights(writer: "SummaryWriter", sets: Mapping[str, Sequence[NetGraph]]) -> None:
    """Write histograms of weights and biases of sets of networks in canonical form, on the bars of the first set."""
    for kind, prefix in (("edge", ""), ("bias", "biases_")):
        values = {name: _elements(graphs, kind) for name, graphs in sets.items() if graphs}
        first = next(iter(values.values()))
        if not len(first):
            continue
        bound = float(np.quantile(first.abs().numpy(), QUANTILE)) or 1.0
        for name, elements in values.items():
            bars = np.linspace(-bound, bound, BARS + 1)
            writer.add_histogram(f"weights/{prefix}{name}", elements.clamp(-bound, bound), 0, bins=bars)


def _elements(graphs: Sequence[NetGraph], kind: str) -> Tensor:
    """Return the finite elements of a kind of all networks, [n]."""
    canonical = [canonicalize(graph) for graph in graphs]
    tensors = [graph.tensor(spec) for graph in canonical for spec in graph.architecture.tensors if spec.kind == kind]
    elements = torch.cat([torch.zeros(0), *(tensor.detach().flatten().cpu() for tensor in tensors)])
    return elements[elements.isfinite()]


def zoo_labels(zoo: Zoo, numbers: Sequence[int], networks: Sequence[NetGraph]) -> "pd.DataFrame":
    """Return labels of networks of a zoo: family, depth, parameters and validation R², then all else in its table."""
    table = zoo[list(numbers)].table.drop(columns=["architecture", "split"])
    table.insert(0, "depth", architecture_labels(networks)["depth"])
    table = table.rename(columns={"n_parameters": "parameters", "n_inputs": "inputs", "validation_r2": "validation R²"})
    first = ["family", "depth", "parameters", "validation R²"]
    return table[[*first, *(column for column in table.columns if column not in first)]]
