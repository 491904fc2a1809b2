"""A network for a data set: samples for its meta-features, scored, the best few fine-tuned."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.model.vae import NetVAE
from netgraph.stack import Stack
from netgraph.tasks import check_meta_vector, get_meta_features
from netgraph.zoo import FitConfig, fit_stack

N_OUTPUTS = 1


@dataclass(frozen=True)
class SearchConfig:
    """How a network is looked for.

    Attributes:
        n_samples: Networks sampled.
        n_tuned: Best ones on the training rows, which are fine-tuned.
        steps: Steps of fine-tuning.
        batch_rows: Rows in a step.
        learning_rate: Of fine-tuning.
        weight_decay: Of fine-tuning.
        seed: Of samples and batches.
    """

    n_samples: int = 512
    n_tuned: int = 16
    steps: int = 200
    batch_rows: int = 64
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    seed: int = 0


@dataclass(frozen=True)
class Data:
    """Standardized rows.

    Attributes:
        x: Features, [rows, features].
        y: Target, [rows].
    """

    x: Tensor
    y: Tensor


def propose(vae: NetVAE, train: Data, config: SearchConfig) -> list[NetGraph]:
    """Sample networks for the training rows' meta-features and keep the best on them.

    Returns:
        ``n_tuned`` networks, the best first.

    Raises:
        NetGraphError: When the data set has more features than the model can decode.
    """
    n_inputs = train.x.shape[1]
    if n_inputs + N_OUTPUTS > vae.config.max_nodes:
        raise NetGraphError(f"X has {n_inputs} columns; this model decodes at most {vae.config.max_nodes} vertices")
    meta_features = check_meta_vector(get_meta_features(train.x.numpy(), train.y.numpy()))[0]
    samples = vae.sample(config.n_samples, meta_features, config.seed, n_inputs=n_inputs, n_outputs=N_OUTPUTS)
    stack = Stack([graph.architecture for graph in samples])
    with torch.no_grad():
        predicted = stack(stack.flatten([graph.state for graph in samples]), train.x)[..., 0]
    error = (predicted - train.y).square().mean(dim=1).nan_to_num(float("inf"))
    return [samples[i] for i in error.argsort()[: config.n_tuned].tolist()]


def tune(graphs: Sequence[NetGraph], train: Data, validation: Data, config: SearchConfig) -> NetGraph:
    """Fine-tune networks side by side and give the best on the validation rows."""
    stack = Stack([graph.architecture for graph in graphs])
    count = len(graphs)
    fit = FitConfig.uniform(
        count,
        steps=config.steps,
        batch_rows=config.batch_rows,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    rows = [(d.x.expand(count, -1, -1), d.y.expand(count, -1)[..., None]) for d in (train, validation)]
    generator = Generator().manual_seed(config.seed)
    fitted = fit_stack(stack, stack.flatten([graph.state for graph in graphs]), rows[0], rows[1], fit, generator)
    best = int(fitted.r2.argmax())
    return NetGraph(graphs[best].architecture, fitted.states[best])


def predict(graph: NetGraph, x: Tensor) -> Tensor:
    """Run a network on standardized rows, [rows, features], and give its first output, [rows]."""
    stack = Stack([graph.architecture])
    with torch.no_grad():
        output: Tensor = stack(graph.state, x)
    return output[0, :, 0]
