"""What goes in and comes out of a network keeps its Python type; values by which forward decides are held."""

import json
from collections import OrderedDict, namedtuple
from dataclasses import asdict, dataclass

import pytest
import torch
from torch import nn

from netgraph import NetGraphError, from_module, to_module, to_source
from netgraph.graph.modules.values import same
from netgraph.graph.records import program_from_record
from tests.graph.modules.test_source import run
from tests.graph.zoo_of_modules.test_sequences import numbers

(X,) = numbers((2, 3))
Pair = namedtuple("Pair", ["mean", "spread"])


@dataclass
class Output:
    mean: torch.Tensor


def build(forward) -> nn.Module:
    """Make a network of one linear layer with a forward of its own."""
    module = type("Net", (nn.Module,), {"forward": forward})()
    module.linear = nn.Linear(3, 3)
    return module.eval()


RESULTS = {
    "tuple": lambda self, x: (self.linear(x), x),
    "list": lambda self, x: [self.linear(x), x],
    "nested": lambda self, x: (self.linear(x), [x, (x, None)], {"a": {"b": x}}, 3, "name"),
    "integer keys": lambda self, x: {0: self.linear(x), 1: x},
    "keys of many types": lambda self, x: {(0, 1): self.linear(x), None: x, True: x, "a": x, 2.5: x},
    "ordered": lambda self, x: OrderedDict(b=self.linear(x), a=x),
    "namedtuple": lambda self, x: Pair(self.linear(x), x),
    "size": lambda self, x: (self.linear(x), self.linear.weight.shape),
    "tuple by default": lambda self, x, sizes=(1, 2): (self.linear(x), sizes),
    "unused names": lambda self, x, *rest, **more: (self.linear(x), x),
    "used rest": lambda self, x, *rest, scale=2.0: [self.linear(x) * scale, *rest],
}


def results_of(graph, *args):
    """Run the rebuilt module, the one from its record, and the class that is written."""
    written = run(to_source(graph)).eval()
    written.load_state_dict(to_module(graph).state_dict())
    again = graph.replace(architecture=program_from_record(json.loads(json.dumps(asdict(graph.program)))))
    return [network(*args) for network in (to_module(graph), to_module(again), written)]


@pytest.mark.parametrize("forward", RESULTS.values(), ids=RESULTS)
def test_results_keep_their_types(forward):
    module = build(forward)
    graph = from_module(module, X)
    assert all(row.op != "call" or not row.target.startswith("aten") for row in graph.program.nodes)
    assert all(same(result, module(X)) for result in results_of(graph, X))


def test_types_are_compared():
    assert not same([X], (X,))
    assert not same({"a": X}, OrderedDict(a=X))
    assert not same({"a": X, "b": X}, {"b": X, "a": X})
    assert not same(Pair(X, X), (X, X))
    assert not same(torch.Size([2]), (2,))


REFUSED = {"Output": lambda self, x: Output(self.linear(x)), "set": lambda self, x: {self.linear(x)}}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_results_are_refused_by_their_type(kind):
    with pytest.raises(NetGraphError, match=rf"^output: .*{kind} cannot be written down") as caught:
        from_module(build(REFUSED[kind]), X)
    assert "\n" not in str(caught.value)


def optional(self, x, y=None):
    return self.linear(x) if y is None else self.linear(x) + y


def optional_first(self, y, x):
    return optional(self, x, y)


def flagged(self, x, twice=False):
    return self.linear(self.linear(x) if twice else x)


def named(self, x, kind="plain"):
    return torch.relu(self.linear(x)) if kind == "relu" else self.linear(x)


@pytest.mark.parametrize(
    ("forward", "args", "other"),
    [
        (optional, (X, None), (X, X)),
        (optional_first, (None, X), (X, X)),
        (flagged, (X, True), (X, False)),
        (named, (X, "relu"), (X, "plain")),
    ],
)
def test_a_value_by_which_forward_decides_is_held(forward, args, other):
    module = build(forward)
    graph = from_module(module, args)
    assert all(same(result, module(*args)) for result in results_of(graph, *args))
    with pytest.raises(NetGraphError, match="the network was traced for"):
        to_module(graph)(*other)
    with pytest.raises(ValueError, match="the network was traced for"):
        run(to_source(graph))(*other)
    if args[0] is X:
        assert same(to_module(graph)(X), module(*args))
        assert same(run(to_source(graph))(X).shape, module(*args).shape)


def test_a_number_stays_free():
    module = build(lambda self, x, scale=1.0: self.linear(x) * scale)
    rebuilt = to_module(from_module(module, (X, 2.0)))
    assert same(rebuilt(X, 3.0), module(X, 3.0))


def test_inputs_without_names_are_refused():
    with pytest.raises(NetGraphError, match=r"forward: inputs without names \(\*rest\)"):
        from_module(build(RESULTS["unused names"]), (X, X))
    with pytest.raises(NetGraphError, match=r"forward: inputs without names \(x\)"):
        from_module(build(lambda self, x, /: (self.linear(x), x)), X)


def test_records_without_held_values_are_read():
    record = asdict(from_module(build(RESULTS["tuple"]), X).program)
    del record["held"]
    assert program_from_record(record).held == ("dict",)


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: self.linear(x) + sum(p.sum() for p in self.parameters()),
        lambda self, x: (self.linear(x), sum((p * p).sum() for p in self.parameters())),
    ],
    ids=["added", "a result of its own"],
)
def test_parameters_that_forward_iterates_over_are_read(forward):
    module = build(forward)
    assert all(same(result, module(X)) for result in results_of(from_module(module, X), X))


def test_a_module_that_fails_on_its_example_is_told_so():
    def forward(self, x):
        if len(x) > 2:
            raise ValueError("two rows at most\nof any size")
        return self.linear(x)

    with pytest.raises(NetGraphError, match=r"^Net fails on example_input: two rows at most$"):
        from_module(build(forward), torch.zeros(3, *X.shape[1:]))
