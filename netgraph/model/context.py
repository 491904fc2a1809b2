"""Context of sampled networks: meta-features, numbers of inputs and outputs, and rows of data sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.model.autoencoder import Autoencoder
from netgraph.model.batch import Movable
from netgraph.model.generator import Rows
from netgraph.model.parts import is_whole

#: Numbers of inputs and outputs of a network.
Counts = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Context(Movable):
    """The context of n networks, embedded.

    Attributes:
        counts: Numbers of inputs and outputs, if they are to be given rather than decoded.
        of_decoder: What the decoder is told, [n, width].
        of_prior: What the prior is told, [n, width of the prior].
        rows: The rows of each network's data set, encoded; None where there are none.
    """

    counts: Counts | None
    of_decoder: Tensor
    of_prior: Tensor
    rows: Rows | None

    @classmethod
    def of(
        cls,
        vae: Autoencoder,
        n: int,
        meta_features: ArrayLike | None = None,
        rows: Rows | None = None,
        counts: Counts | None = None,
        owner: Tensor | None = None,
    ) -> "Context":
        """Embed what n networks are for.

        Args:
            vae: The model.
            n: How many networks.
            meta_features: Of their data sets, [n, features] or [features].
            rows: Of their data sets, encoded already or not.
            counts: Numbers of inputs and outputs; those of the rows, and one output, when None.
            owner: Which of the data sets each network is for, [n]; each is for a share of them in a row when None.

        Raises:
            NetGraphError: When meta-features have another length, there are other counts than networks, networks are to
                read other numbers of columns than the rows have or to have several outputs, the model was made without
                a generator, or it was not trained on networks of as many inputs or outputs.
        """
        counts = None if counts is None else _whole(counts, n)
        meta = vae.condition.rows(meta_features, n)
        if rows is not None:
            rows = encode_rows(vae, rows)
            rows = rows.part(torch.arange(n) * len(rows) // n if owner is None else owner)
            counts = counts or [(columns, 1) for columns in rows.n_features.tolist()]
            for columns, (count, n_outputs) in zip(rows.n_features.tolist(), counts, strict=True):
                if columns != count:
                    raise NetGraphError(f"a network of {count} inputs for rows of {columns} columns")
                if n_outputs != 1:
                    raise NetGraphError(f"a network of {n_outputs} outputs for rows of one target")
        for i, pair in enumerate(counts or ()):
            vae.coverage.check_counts(*pair, f"network {i}")
        n_inputs = torch.tensor([i for i, _ in counts] if counts else [0] * n, device=vae.device)
        return cls(counts, vae.condition(meta), vae.prior.embed_condition(meta, n_inputs), rows)

    def part(self, chosen: list[int]) -> "Context":
        """Return the context of chosen networks."""
        counts = None if self.counts is None else [self.counts[i] for i in chosen]
        return replace(self._map(lambda values: values[chosen]), counts=counts)


def encode_rows(vae: Autoencoder, rows: Rows) -> Rows:
    """Encode rows on the model's device; those that are encoded already are only moved.

    Raises:
        NetGraphError: When the model was made without a generator, there are more columns than it reads, or they are
            something else than rows.
    """
    if not isinstance(rows, Rows):
        raise NetGraphError(f"rows is a {type(rows).__name__}; expected Rows, as Rows.of(x, y) gives them")
    if vae.generator is None:
        raise NetGraphError("this model was made without a generator: it cannot read rows")
    rows = rows.to(vae.device)
    return replace(rows, tokens=vae.generator.rows(rows)) if rows.tokens is None else rows


def _whole(counts: Any, n: int) -> Counts:
    """Return the numbers of inputs and outputs of n networks as pairs of whole numbers."""
    if isinstance(counts, Tensor | np.ndarray):
        counts = counts.tolist()
    if not isinstance(counts, Sequence):
        raise NetGraphError(f"expected numbers of inputs and outputs of {n} networks, not {counts!r}")
    if len(counts) != n:
        raise NetGraphError(f"{len(counts)} numbers of inputs and outputs for {n} networks")
    pairs = [tuple(count) if isinstance(count, Iterable) else (count,) for count in counts]
    for i, pair in enumerate(pairs):
        if len(pair) != 2 or not all(is_whole(number) for number in pair):
            raise NetGraphError(f"network {i}: expected numbers of inputs and outputs, not {pair}")
    return [(int(n_inputs), int(n_outputs)) for n_inputs, n_outputs in pairs]
