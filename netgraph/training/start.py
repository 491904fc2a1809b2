"""A model that is trained further: its checkpoint, its sizes, and the layer types that it covers."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.model.config import VAEConfig
from netgraph.model.vae import NetVAE


def start_of(start: NetVAE | str | Path, config: VAEConfig | None = None) -> NetVAE:
    """Return a model to be trained further, on the CPU; a model that is given is copied.

    Args:
        start: A model, the file of a checkpoint, or ``shipped``.
        config: Sizes that it must have; any when None.

    Raises:
        NetGraphError: When a size is another; it names the first one.
        StoreError: When the file is none of a checkpoint.
    """
    vae = deepcopy(start).cpu() if isinstance(start, NetVAE) else NetVAE.from_pretrained(start)
    asked = {} if config is None else asdict(config)
    for name, value in asked.items():
        if value != asdict(vae.config)[name]:
            there = f"{name} is {asdict(vae.config)[name]} in the model that is trained further"
            raise NetGraphError(f"{there}, and {value} here; its sizes cannot change")
    return vae


def check_vocabulary(graphs: Iterable[NetGraph], vae: NetVAE) -> None:
    """Raise if a network has a layer type or a number of inputs that the model does not cover.

    Raises:
        NetGraphError: It names the network, and the layer type or number.
    """
    for i, graph in enumerate(graphs):
        unknown = {layer.type for layer in graph.architecture.layers} - vae.coverage.types
        if unknown:
            known = ", ".join(sorted(vae.coverage.types))
            raise NetGraphError(f"network {i}: layers of type {min(unknown)}; the model covers {known}")
        vae.coverage.check_counts(graph.architecture.n_inputs, graph.architecture.n_outputs, f"network {i}")
