"""The decoder: architectures from their codes, and networks of them that compute functions.

The hypernet writes the weights in one pass, and a few steps of variable projection fit them to the function.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.model.batch import ArchitectureBatch, architecture_batch
from netgraph.model.condition import Condition
from netgraph.model.config import VAEConfig
from netgraph.model.decoder import ArchitectureDecoder
from netgraph.model.fitting import fit_functions
from netgraph.model.function import FunctionCode
from netgraph.model.hypernet import Hypernet, column_moments
from netgraph.model.parts import by_size
from netgraph.model.scales import Scales
from netgraph.stack import Stack, solve_output_layers

#: Networks whose architectures are decoded at once: a step costs about the same for few and for many.
CHUNK = 256


class Decoder(nn.Module):
    """p(network | z, meta-features).

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.condition = Condition(config.n_meta_features, config.width, config.condition_dropout)
        self.architecture = ArchitectureDecoder(config)
        self.hypernet = Hypernet(config)

    def forward(
        self, f: Tensor, batch: ArchitectureBatch, initial: Tensor, given: Tensor, function: FunctionCode
    ) -> tuple[Tensor, Tensor]:
        """Write standardized weights.

        Args:
            f: Function codes, [B, function_size].
            batch: B architectures.
            initial: Standardized states, noise where they are not given, [sum P].
            given: Elements that stay, [sum P].
            function: What function codes mean.

        Returns:
            Standardized states, [sum P], and the functions' outputs on the common rows, [B, R].
        """
        target = function.decode(f, batch.n_inputs)
        rows = function.rows(self.config.max_inputs)
        return self.hypernet(f, column_moments(rows, target, batch.n_inputs), batch, initial, given), target

    def decode_architectures(self, a: Tensor, n_inputs: Tensor, meta_features: Tensor) -> list[Architecture]:
        """Return the architectures of codes, [n, architecture_size], that read numbers of inputs, [n]."""
        condition, found = self.condition(meta_features), []  # type: Tensor, list[Architecture]
        counts = [(count, 1) for count in n_inputs.tolist()]
        for start in range(0, len(a), CHUNK):
            part = slice(start, start + CHUNK)
            found += self.architecture.generate(a[part], condition[part], counts[part])
        return found


def write_networks(
    decoder: Decoder,
    function: FunctionCode,
    scales: Scales,
    f: Tensor,
    outputs: Tensor,
    w: Tensor,
    architectures: Sequence[Architecture],
    steps: int,
    noise: Tensor,
) -> list[NetGraph]:
    """Write networks that compute functions.

    Args:
        decoder: Its hypernet writes the weights.
        function: What function codes mean.
        scales: Standardization of weights.
        f: Function codes, [n, function_size].
        outputs: Outputs on the common rows that networks are fitted to, [n, R].
        w: The first k numbers of weight codes, [n, k]; k may be 0.
        architectures: n architectures with as many inputs as the functions read.
        steps: Steps of variable projection after the hypernet.
        noise: Initial weights from N(0, I) where weight codes do not reach, [n, most elements of a state].

    Returns:
        n graphs, on the CPU.
    """
    order, parts = by_size(architectures)
    states: list[Tensor] = []
    for part in parts:
        stack = Stack([architectures[i] for i in part], f.device)
        batch = architecture_batch(stack.architectures, decoder.config).to(f.device)
        initial, given = initial_weights(batch, w[part], noise[part])
        state = scales.restore(initial, batch)
        if not given.all():
            written, _ = decoder(f[part], batch, initial, given, function)
            restore, rows = partial(scales.restore, batch=batch), function.rows(stack.max_inputs)
            fitted = fit_functions(stack, restore, written, given, rows, outputs[part], steps)
            state = torch.where(batch.in_networks_with(~given), fitted, state)
        states += torch.tensor_split(state.cpu(), batch.state_ptr[1:-1].tolist())
    return [NetGraph(architecture, states[i].clone()) for architecture, i in zip(architectures, order, strict=True)]


def initial_weights(batch: ArchitectureBatch, w: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return standardized states, and which of their elements weight codes give, each [sum P].

    Args:
        batch: B architectures.
        w: The first k numbers of their weight codes, [B, k].
        noise: What stands where these do not reach, [B, elements], repeated for larger networks.
    """
    network, place = batch.element_network, batch.element_place
    initial, given = noise.to(w)[network, place % noise.shape[1]], place < w.shape[1]
    initial[given] = w[network[given], place[given]]
    return initial, given


def solve_on_rows(graphs: Sequence[NetGraph], x: Tensor, y: Tensor) -> list[NetGraph]:
    """Return networks whose output layers are fitted to the rows of a data set, x [rows, features] and y [rows]."""
    order, parts = by_size([graph.architecture for graph in graphs])
    states: list[Tensor] = []
    for part in parts:
        stack = Stack([graphs[i].architecture for i in part])
        states += stack.split(solve_output_layers(stack, stack.flatten([graphs[i].state for i in part]), x, y).state)
    return [NetGraph(graph.architecture, states[i].clone()) for graph, i in zip(graphs, order, strict=True)]
