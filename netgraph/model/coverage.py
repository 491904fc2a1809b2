"""Coverage: the architectures that a model was trained on, summed up; of any other it decodes a different network."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from typing import Any, Self

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture, Layer
from netgraph.graph.layers import LAYER_TYPES
from netgraph.graph.modules.program import Program
from netgraph.html import fragment, settings_html
from netgraph.lines import counted
from netgraph.tokens.grammar import Limits, longest_apart, loose_after

#: Label of each number. A number of inputs or outputs is covered where it was seen itself, as each has a logit of its
#: own; any other number is covered from the least to the most that was seen.
COUNTED = {
    "inputs": "inputs",
    "outputs": "outputs",
    "widths": "nodes in a hidden layer",
    "depths": "linear layers in a row",
    "layers": "layers",
    "operands": "operands of a join",
    "skipped": "linear layers skipped by a join",
    "loose": "branches at a time",
    "apart": "layers in a row beside another branch",
}
EXACT = ("inputs", "outputs")
#: Place of an output layer.
OUTPUT = "as output"
#: Settings that may differ from their defaults: the decoder knows biases, and dropout does nothing in evaluation mode.
SETTINGS = {("Linear", "bias"), ("Dropout", "p")}


@dataclass(frozen=True, repr=False)
class Coverage:
    """The architectures that a model was trained on, summed up: sets of all that was seen.

    All activations count as one kind in ``places``, and so do all normalizations: unseen networks of the same recipe
    are covered.

    The attributes that are not listed are numbers of :data:`COUNTED`.

    Attributes:
        types: Layer types.
        places: The kind of each layer with that of a layer that it reads, and of an Add with those of all its operands,
            and types of output layers.
        widths: Sizes of linear layers without the output layers.
        loose: Largest numbers of layers that nothing reads yet.
        apart: Largest numbers of layers in a row after which more than one is loose.
    """

    types: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    inputs: frozenset[int] = frozenset()
    outputs: frozenset[int] = frozenset()
    widths: frozenset[int] = frozenset()
    depths: frozenset[int] = frozenset()
    layers: frozenset[int] = frozenset()
    operands: frozenset[int] = frozenset()
    skipped: frozenset[int] = frozenset()
    loose: frozenset[int] = frozenset()
    apart: frozenset[int] = frozenset()

    @classmethod
    def of(cls, architectures: Iterable[Architecture]) -> Self:
        """Sum up architectures."""
        each = [_coverage(key) for key in {architecture.key for architecture in architectures}]
        return cls(*(frozenset().union(*(getattr(one, field.name) for one in each)) for field in fields(cls)))

    def merge(self, other: "Coverage") -> "Coverage":
        """Return the coverage of the architectures of both."""
        return Coverage(*(getattr(self, field.name) | getattr(other, field.name) for field in fields(self)))

    def covers(self, architecture: Architecture | Program) -> bool:
        """Return whether :meth:`check` passes; False for a network that is not feed-forward."""
        return isinstance(architecture, Architecture) and next(self._problems(architecture), None) is None

    def check(self, architecture: Architecture, name: str) -> None:
        """Raise if an architecture has anything that was not seen.

        Raises:
            NetGraphError: It has the name of the network, the layer or number that is not covered, and those seen.
        """
        for problem in self._problems(architecture):
            raise NetGraphError(f"{name}{problem}")

    def check_counts(self, n_inputs: int | None, n_outputs: int | None, name: str) -> None:
        """Raise if a number of inputs or of outputs, unless None, was not seen; an untrained model has seen none.

        Raises:
            NetGraphError: It names the network, the number, and those seen.
        """
        numbers = {"inputs": n_inputs, "outputs": n_outputs} if self.types else {}
        for problem in self._uncounted({kind: [number] for kind, number in numbers.items() if number is not None}):
            raise NetGraphError(f"{name}{problem}")

    def limits(self, nodes: int) -> Limits:
        """Return the limits of decoded networks, with a budget of nodes."""
        types = frozenset(LAYER_TYPES[name].code for name in self.types)
        most = (max(numbers, default=None) for numbers in (self.layers, self.widths, self.loose, self.apart))
        layers, units, loose, apart = most
        return Limits(nodes, types, layers, 1 if units is None and self.types else units, loose, apart)

    def describe(self) -> str:
        """Return one line on the architectures that were seen."""
        words = self.words()
        numbers = (f"{words[label]} {label}" for label in COUNTED.values())
        return "; ".join([*numbers, f"types {words['types']}", f"connections {words['connections']}"])

    def words(self) -> dict[str, str]:
        """Return all that was seen in words, by labels."""
        numbers = {label: _spans(getattr(self, name)) for name, label in COUNTED.items()}
        return numbers | {"types": _names(self.types), "connections": _names(self.places)}

    def counts(self) -> str:
        """Return the numbers of inputs and outputs that were seen in words."""
        words = self.words()
        return ", ".join(f"{words[kind]} {kind if words[kind] != '1' else kind[:-1]}" for kind in EXACT)

    def __repr__(self) -> str:
        layers = f"{_spans(self.layers)} layers of {counted(len(self.types), 'type')}"
        return f"Coverage({self.counts()}, {layers})" if self.types else "Coverage(none)"

    def _repr_html_(self) -> str:
        return fragment(settings_html(self.words()))

    def to_record(self) -> dict[str, list[str] | list[int]]:
        """Return the sets as sorted lists, for JSON."""
        return {field.name: sorted(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Invert :meth:`to_record`.

        Raises:
            NetGraphError: When it is not a record of a coverage.
        """
        if not isinstance(record, Mapping) or record.keys() != {field.name for field in fields(cls)}:
            raise NetGraphError("coverage: not the record of a coverage")
        for name, values in record.items():
            kind = int if name in COUNTED else str
            if not isinstance(values, list) or any(type(value) is not kind for value in values):
                raise NetGraphError(f"coverage: {name} is not a list of {kind.__name__}")
        return cls(**{name: frozenset(values) for name, values in record.items()})

    def _problems(self, architecture: Architecture) -> Iterator[str]:
        """Yield everything that is not covered, as it follows the name of a network."""
        own, layers = _coverage(architecture.key), architecture.layers
        for layer in layers:
            if layer.type not in self.types:
                seen = f"this model was not trained on layers of type {layer.type}"
                yield f", layer {layer.name or layer.type}: {seen}; it was on {_names(self.types)}"
        yield from unknown_settings(architecture)
        for i, kind, where in _places(architecture):
            if f"{kind} {where}" not in self.places:
                alike = [place for place in self.places if place.endswith(where) or place.startswith(f"{kind} ")]
                named = f"layer {layers[i].name or layers[i].type} ({layers[i].type})"
                yield f", {named}: {kind} {where}; this model was trained on {_names(alike)}"
        yield from self._uncounted({name: getattr(own, name) for name in COUNTED})

    def _uncounted(self, numbers: Mapping[str, Iterable[int]]) -> Iterator[str]:
        for name, values in numbers.items():
            seen = getattr(self, name)
            least, most = min(seen, default=0), max(seen, default=-1)
            for value in sorted(values):
                if value not in seen and (name in EXACT or not least <= value <= most):
                    yield f": {value} {COUNTED[name]}; this model was trained on {_spans(seen)}"


def unknown_settings(architecture: Architecture) -> Iterator[str]:
    """Yield the settings that no model decodes, as they follow the name of a network: only biases may differ."""
    for layer in architecture.layers:
        for name, value in layer.hyper:
            if (layer.type, name) not in SETTINGS:
                given = f"layer {layer.name or layer.type}: {layer.type} with {name}={value!r}"
                yield f", {given}; a model decodes {layer.kind.defaults()[name]!r} alone"


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _spans(numbers: Iterable[int]) -> str:
    """Write numbers as spans, "1 to 4, 7"."""
    ordered = sorted(numbers)
    ends = [(a, b) for a, b in pairwise(ordered) if b > a + 1]
    starts = [*ordered[:1], *(b for _, b in ends)]
    stops = [*(a for a, _ in ends), *ordered[-1:]]
    spans = [f"{a} to {b}" if a < b else str(a) for a, b in zip(starts, stops, strict=True)]
    return ", ".join(spans) or "none"


@lru_cache(maxsize=32768)
def _coverage(key: Architecture) -> Coverage:
    depth: list[int] = []  # linear layers up to each layer
    skipped: set[int] = set()
    for layer in key.layers:
        before = [depth[i] for i in layer.inputs]
        depth.append(max(before, default=0) + (layer.type == "Linear"))
        skipped |= {depth[-1] - min(before)} if layer.kind.kind == "join" else set()
    return Coverage(
        types=frozenset(layer.type for layer in key.layers),
        places=frozenset(f"{kind} {where}" for _, kind, where in _places(key)),
        inputs=frozenset({key.n_inputs}),
        outputs=frozenset({key.n_outputs}),
        widths=frozenset(layer.size for layer in key.layers[:-1] if layer.type == "Linear"),
        depths=frozenset({depth[-1]}),
        layers=frozenset({len(key.layers)}),
        operands=frozenset(len(layer.inputs) for layer in key.layers if layer.kind.kind == "join"),
        skipped=frozenset(skipped),
        loose=frozenset({max(loose_after(key))}),
        apart=frozenset({longest_apart(key)}),
    )


def _places(architecture: Architecture) -> Iterator[tuple[int, str, str]]:
    """Yield the number of each layer, its kind, and its neighborhood: a layer that it reads, or the output."""
    layers, last = architecture.layers, architecture.layers[-1]
    yield len(layers) - 1, _kind(last) if last.type == "Linear" else last.type, OUTPUT
    for i, layer in enumerate(layers[1:], start=1):
        for operand, source in enumerate(layer.inputs):
            beside = operand > 0 and layer.type == "Concat"  # the operands of an Add commute
            where = "twice after" if source in layer.inputs[:operand] else "with" if beside else "after"
            yield i, _kind(layer), f"{where} {_kind(layers[source])}"
        if layer.type == "Add":
            yield i, _kind(layer), f"of {' and '.join(sorted(_kind(layers[source]) for source in layer.inputs))}"


def _kind(layer: Layer) -> str:
    """Return the kind of a layer: all activations are one, and all normalizations."""
    if layer.type == "Linear":
        return "Linear" if layer.hyper_parameters["bias"] else "Linear without bias"
    if layer.kind.kind == "elementwise" and layer.type != "Dropout":
        return "activation"
    return "normalization" if layer.kind.kind == "norm" else layer.type
