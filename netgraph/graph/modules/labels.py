"""Labels: which node every element of a value belongs to.

Labels are a tensor of as many dimensions as the value, of size 1 along those on which the node does not depend; 0
stands for no node and ``v + 1`` for node ``v``, so that padding with zeros pads with nothing.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules.encoding import Encoded, dtype_named


@dataclass(frozen=True)
class Value:
    """A tensor without its numbers.

    Attributes:
        shape: Its shape for the example.
        dtype: Its type.
        labels: Its labels; None where nothing in it depends on an input.
        slots: The state element that each element is plus 1, [shape], where it is a parameter, however reshaped.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    labels: Tensor | None = None
    slots: Tensor | None = None

    @property
    def known(self) -> Tensor:
        """The labels of a value that has them."""
        if self.labels is None:
            raise UnsupportedLayerError("a value that depends on no input where one was expected that does")
        return self.labels

    def spread(self) -> Tensor:
        """Return the labels in the full shape; 0 where there are none."""
        labels = torch.zeros((), dtype=torch.long) if self.labels is None else self.labels
        return labels.expand(self.shape).contiguous()

    @property
    def nodes(self) -> Tensor:
        """The nodes in it, each once."""
        return distinct(self.labels) if self.labels is not None else torch.zeros(0, dtype=torch.long)


def value_of(shape: Encoded, labels: Tensor | None = None, slots: Tensor | None = None) -> Value:
    """Return the value of a recorded shape."""
    return Value(tuple(shape[2:]), dtype_named(str(shape[1])), labels, slots)


def compress(labels: Tensor) -> Tensor:
    """Shrink every dimension on which the labels do not depend to size 1; no node agrees with any."""
    for axis in range(labels.ndim):
        if labels.shape[axis] > 1:
            largest = labels.amax(axis, keepdim=True)
            if bool(((labels == largest) | (labels == 0)).all()):
                labels = largest
    return labels.contiguous()


def distinct(labels: Tensor) -> Tensor:
    """Return the nodes that occur, sorted."""
    nodes: Tensor = torch.unique(labels)
    return nodes[nodes > 0] - 1


def along(axis: int, ndim: int, values: Tensor) -> Tensor:
    """Reshape labels to lie along one axis of ``ndim``."""
    return values.view([-1 if i == axis % ndim else 1 for i in range(ndim)])


def together(*labels: Tensor) -> list[Tensor]:
    """Return the tuples of labels that meet at the same position, each once, those without a node left out.

    Args:
        labels: Tensors of shapes that broadcast.

    Returns:
        One column of numbers for each argument, shifted down by 1 (nodes, or state elements).
    """
    columns = torch.stack([part.reshape(-1).long() for part in torch.broadcast_tensors(*labels)], 1)
    columns = columns[(columns > 0).all(1)]
    return [column - 1 for column in torch.unique(columns, dim=0).unbind(1)]


def values_in(*trees: Any) -> list[Value]:
    """Return the values among arguments."""
    return [leaf for leaf in pytree.tree_leaves(trees) if isinstance(leaf, Value)]


def dotted(name: str, inner: str) -> str:
    """Return the qualified name of a part of a module."""
    return f"{name}.{inner}" if name and inner else name or inner
