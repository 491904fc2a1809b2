"""One call while it is wired: its operands, its arguments, and the state elements of its parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules.edges import Builder, Weights
from netgraph.graph.modules.encoding import Encoded
from netgraph.graph.modules.labels import Value, dotted, values_in


@dataclass(frozen=True)
class Call:
    """One call while it is wired.

    Attributes:
        b: The builder.
        shape: The recorded shape of its result.
        name: Name of its nodes: the module's, or the call's.
        kind: Their type.
        target: The operation, or ``module.`` and the type of the module, whose arguments are ``kwargs``.
        args: The operands.
        kwargs: The arguments by name.
        function: Makes the call.
    """

    b: Builder
    shape: Encoded
    name: str
    kind: str
    target: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    function: Callable[..., Any] = lambda *args: None

    @property
    def base(self) -> str:
        """The operation without its namespace."""
        return self.target.split(".")[1]

    @property
    def of_module(self) -> bool:
        """Whether a module is called, which holds the weights."""
        return self.target.startswith("module.")

    @property
    def operand(self) -> Any:
        """The value that is read first."""
        return self.args[0] if self.args else self.kwargs["input"]

    @property
    def live(self) -> list[Value]:
        """The operands that depend on an input."""
        return [value for value in values_in(self.args, self.kwargs) if value.labels is not None]

    def argument(self, name: str, position: int) -> Any:
        """Return an argument, None where it is not given."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name)

    def dim(self, position: int = 1, default: Any = None) -> Any:
        """Return the axis or the axes."""
        named = [self.kwargs[key] for key in ("dim", "axis", "dims") if key in self.kwargs]
        dims = named[0] if named else self.argument("dim", position)
        return default if dims is None else dims

    def slots(self, name: str, position: int) -> Tensor | None:
        """Return the state elements plus 1 of a parameter: the module's, or an argument."""
        if self.of_module:
            return self.b.slots(dotted(self.name, name))
        value = self.argument(name, position)
        return None if value is None else value.slots

    def weights(self, change: Callable[[Tensor], Tensor] = lambda slots: slots, position: int = 1) -> Weights:
        """Return the weights, brought into the shape of a dense layer's by ``change``.

        Raises:
            UnsupportedLayerError: When they are no parameter.
        """
        if self.of_module:
            return self.b.weights(dotted(self.name, "weight"), change)
        slots = self.slots("weight", position)
        if slots is None:
            raise UnsupportedLayerError("weights that are computed; they would have to be a parameter")
        weight = change(slots)
        return Weights(tuple(weight.shape), lambda: weight)
