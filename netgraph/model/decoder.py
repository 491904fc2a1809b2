"""The decoder p(network | z): architectures from their codes, and networks of them that compute functions.

The hypernet writes the weights in one pass, and a few steps of variable projection fit them to the function.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.model.architecture_decoder import ArchitectureDecoder
from netgraph.model.arguments import check_whole
from netgraph.model.batch import ArchitectureBatch, architecture_batch, by_size
from netgraph.model.config import VAEConfig
from netgraph.model.encoder import Encoder
from netgraph.model.fitting import fit_functions
from netgraph.model.function import FunctionCode, principal_output
from netgraph.model.hypernet import Hypernet, column_moments
from netgraph.model.standardization import Condition
from netgraph.stack import Stack, solve_output_layers

#: Networks whose architectures are decoded at once (chosen: a step costs about the same for few and for many).
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
            given: Mask of the elements that stay, [sum P].
            function: Decodes function codes.

        Returns:
            Standardized states, [sum P], and the functions' outputs on the common rows, [B, R, most outputs].
        """
        target, rows = function.decode(f, batch.counts), function.rows(self.config.max_inputs)
        principal = principal_output(target)
        if target.shape[2] > 1:  # the hypernet reads the components of one output
            read = torch.cat([f[:, :1], function.components(principal, batch.n_inputs)], dim=1)
            f = torch.where(batch.counts[:, 1:] == 1, f, read)
        return self.hypernet(f, column_moments(rows, principal, batch.n_inputs), batch, initial, given), target

    def decode_architectures(self, a: Tensor, counts: Tensor, meta_features: Tensor) -> list[Architecture]:
        """Return the architectures of codes, [n, architecture_size], with numbers of inputs and outputs, [n, 2]."""
        condition, found = self.condition(meta_features), []  # type: Tensor, list[Architecture]
        for start in range(0, len(a), CHUNK):
            part = slice(start, start + CHUNK)
            found += self.architecture.generate(a[part], condition[part], counts[part].tolist())
        return found

    def write(
        self,
        encoder: Encoder,
        f: Tensor,
        outputs: Tensor,
        w: Tensor,
        architectures: Sequence[Architecture],
        steps: int | None,
        noise: Tensor,
    ) -> list[NetGraph]:
        """Write networks that compute functions; n graphs, on the CPU.

        Args:
            encoder: Has the standardization of weights, and the basis of the function codes.
            f: Function codes, [n, function_size].
            outputs: Outputs on the common rows to which networks are fitted, [n, R, most outputs].
            w: The first k numbers of weight codes, [n, k]; k may be 0.
            architectures: n architectures with as many inputs and outputs as the functions.
            steps: Steps of variable projection after the hypernet; those of the configuration when None.
            noise: Initial weights from N(0, I) beyond the weight codes, [n, elements], repeated for larger networks.

        Raises:
            NetGraphError: When ``steps`` is no whole number from 0 on.
        """
        steps = self.config.fit_steps if steps is None else steps
        check_whole(steps, "steps")
        states: dict[int, Tensor] = {}
        for part in by_size(architectures):
            stack = Stack([architectures[i] for i in part], f.device)
            batch = architecture_batch(stack.architectures, self.config).to(f.device)
            network, position = batch.element_network, batch.element_position
            given = position < w.shape[1]
            initial = noise[part].to(w)[network, position % noise.shape[1]]
            initial[given] = w[part][network[given], position[given]]
            restore = partial(encoder.scales.restore, batch=batch)
            state = restore(initial)
            if not given.all():
                written, _ = self(f[part], batch, initial, given, encoder.function)
                rows = encoder.function.rows(stack.max_inputs)
                fitted = fit_functions(
                    stack, restore, written, given, rows, outputs[part, :, : stack.max_outputs], steps
                )
                state = torch.where(batch.in_networks_with(~given), fitted, state)
            states |= zip(part, state.cpu().split(batch.state_ptr.diff().tolist()), strict=True)
        return [NetGraph(architecture, states[i].clone()) for i, architecture in enumerate(architectures)]


def solve_on_rows(graphs: Sequence[NetGraph], x: Tensor, y: Tensor) -> list[NetGraph]:
    """Return networks with output layers fitted to a data set, x [rows, features] and y [rows, outputs]."""
    states: dict[int, Tensor] = {}
    for part in by_size([graph.architecture for graph in graphs]):
        stack = Stack([graphs[i].architecture for i in part])
        solved = solve_output_layers(stack, stack.flatten([graphs[i].state for i in part]), x, y).state
        states |= zip(part, stack.split(solved), strict=True)
    return [NetGraph(graph.architecture, states[i].clone()) for i, graph in enumerate(graphs)]
