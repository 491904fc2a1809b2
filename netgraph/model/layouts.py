"""Layouts together with the architectures that they decode to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from netgraph.graph.architecture import Architecture
from netgraph.graph.io import column, table_from_tensors, table_to_tensors
from netgraph.graph.table import LayerTable


@dataclass(frozen=True)
class Layouts:
    """Layouts of n networks.

    Attributes:
        network: Their slots, and one that holds the response, [n, G + 1, slot].
        architectures: What they decode to.
    """

    network: Tensor
    architectures: Sequence[Architecture]

    def part(self, chosen: Sequence[int]) -> Self:
        """Give some of them, which may occur more than once."""
        return type(self)(self.network[list(chosen)], [self.architectures[i] for i in chosen])

    def cut(self, count: int) -> tuple[Self, Self]:
        """Give the first ones, and the others."""
        return self.part(range(count)), self.part(range(count, len(self)))

    def of_inputs(self, n_inputs: int) -> Self:
        """Give those of networks with so many inputs, in their order."""
        return self.part([i for i, one in enumerate(self.architectures) if one.n_inputs == n_inputs])

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Split them into tensors and a record of the names that these refer to by number."""
        tensors, record = table_to_tensors(LayerTable.pack(self.architectures))
        return {"network": self.network.cpu()} | tensors, record

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> Self:
        """Invert :meth:`to_tensors`."""
        table = table_from_tensors(tensors, record)
        return cls(column(tensors, "network", 3, floating=True), [table.architecture(i) for i in range(len(table))])

    @classmethod
    def join(cls, parts: "Sequence[Layouts]") -> Self:
        """Give those of several parts, one after the other."""
        joined = [architecture for part in parts for architecture in part.architectures]
        return cls(torch.cat([part.network for part in parts]), joined)

    def __len__(self) -> int:
        return len(self.architectures)
