"""Whether a rebuilt network is the module: the same outputs, gradients, buffers, modes and draws, bit for bit.

Tracing sees the calls of ``forward`` and nothing else: neither the grad mode nor autocast under which they are made,
nor chance that decides in Python, nor the backward of a ``torch.autograd.Function``, nor an overridden ``train``. So
both networks run with equal seeds, in evaluation and in training, with gradients and without. A draw that the rebuilt
network does not make shows in the states of the random numbers, however rare its effect.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules.locate import Draws, find_lines, train_line
from netgraph.graph.modules.preserve import draws, preserved, seed
from netgraph.graph.modules.trace import NotTraceableError, first_line
from netgraph.graph.modules.values import same

#: Calls a network on its inputs.
Call = Callable[[nn.Module, Sequence[Any]], Any]
#: Everything observed in a pass, by kind and name: ("gradient", "0.weight").
Seen = dict[tuple[str, str], Any]


class InexactError(UnsupportedLayerError):
    """The rebuilt network is another than the module."""


class OtherOutputError(InexactError, NotTraceableError):
    """It computes another output or gradient, for a reason that ``torch.export`` may see."""


@dataclass(frozen=True)
class Pass:
    """One run of a network.

    Attributes:
        training: Its mode.
        gradients: ``none``: under ``no_grad``; ``reached``: which tensors have one; ``values``: a backward pass.
        seed: Seed of all random numbers. The first pass runs on the example itself, the others on inputs around it.
    """

    training: bool
    gradients: str
    seed: int


PASSES = (Pass(False, "none", 0), Pass(False, "reached", 1), Pass(True, "values", 2), Pass(True, "none", 3))


@dataclass(frozen=True)
class Observer:
    """Runs networks on inputs around an example.

    Attributes:
        call: How the networks are called.
        inputs: The example.
        resizable: Whether a batch may be doubled where a network fails in training, as batch norm does on one row.
    """

    call: Call
    inputs: Sequence[Any]
    resizable: bool = True

    def observe(self, network: nn.Module, like: Sequence[Seen] | None = None) -> list[Seen]:
        """Run all passes one after the other; the network keeps its buffers from one to the next.

        Args:
            network: The network.
            like: Passes of another network, whose inputs are used: the first on which it did not fail.
        """
        return [self.run(network, each, None if like is None else like[i]) for i, each in enumerate(PASSES)]

    def run(self, network: nn.Module, each: Pass, like: Seen | None = None) -> Seen:
        """Run one pass, on other inputs while the network fails, whose buffers are then put back."""
        seen: Seen = {}
        for attempt, inputs in enumerate(self._choices(each)):
            if like is not None and like.get(("attempt", "")) != attempt:
                continue
            before = [(value, value.detach().clone()) for value in network.buffers()]
            seen = _run(network, self.call, inputs, each)
            if ("failure", "") not in seen:
                return seen | {("attempt", ""): attempt}
            for value, content in before:
                value.detach().copy_(content)
        return seen

    def _choices(self, each: Pass) -> Iterator[list[Any]]:
        for size in (1, 2) if each.training and self.resizable else (1,):
            for noise in (True, False) if each.seed else (False,):
                generator = torch.Generator().manual_seed(each.seed)
                copies = []  # the batch repeated, with standard normal noise
                for value in self.inputs:
                    if isinstance(value, Tensor):
                        value = torch.cat([value.detach()] * size) if value.ndim else value.detach().clone()
                        if noise and value.is_floating_point():
                            value += torch.randn(value.shape, generator=generator).to(value)
                    copies.append(value)
                yield copies


def _run(network: nn.Module, call: Call, inputs: list[Any], each: Pass) -> Seen:
    with_gradients = each.gradients != "none"
    floats = [(i, x) for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.is_floating_point()]
    leaves = {f"input {i}": value.requires_grad_() for i, value in floats} if with_gradients else {}
    seed(each.seed)
    with torch.set_grad_enabled(with_gradients):
        try:
            network.train(each.training)
            output = call(network, [value.clone() if isinstance(value, Tensor) else value for value in inputs])
        except Exception as error:  # whatever forward raises: the other network must fail too
            return _modes(network) | {("failure", ""): error}
    seen = _modes(network)
    seen |= {("draws", source): state for source, state in draws().items()}
    seen["output", ""] = tree_map(lambda value: value.detach().clone() if isinstance(value, Tensor) else value, output)
    if with_gradients:
        leaves |= dict(network.named_parameters())
        roots = [value for value in tree_leaves(output) if isinstance(value, Tensor) and value.requires_grad]
        gradients = _backward(roots, leaves, each.seed) if each.gradients == "values" else {}
        if each.gradients == "reached":
            tape, complete = _tape(roots)
            identities = set(map(id, tape))
            gradients = {name: id(leaf) in identities for name, leaf in leaves.items()} if complete else {}
        seen |= {("gradient", name): gradients[name] for name in gradients}
    return seen | {("buffer", name): _digest(value) for name, value in network.named_buffers()}


def _modes(network: nn.Module) -> Seen:
    return {("mode", name): part.training for name, part in network.named_modules()}


def _tape(roots: list[Tensor]) -> tuple[list[Tensor], bool]:
    """Return the tensors to which a backward pass comes, and whether that is all: a checkpoint hides others."""
    waiting = [root.grad_fn for root in roots]
    leaves, passed = [root for root in roots if root.grad_fn is None], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in passed:
            passed.add(node)
            leaf: Any = node if node.name() == "torch::autograd::AccumulateGrad" else None
            leaves += [leaf.variable] if leaf is not None else []
            waiting += [before for before, _ in node.next_functions]
    return leaves, not any(node.name().startswith("CheckpointFunction") for node in passed)


def _backward(roots: list[Tensor], leaves: dict[str, Tensor], number: int) -> dict[str, Any]:
    """Compute the gradients of a random projection of the outputs; each is let go of as soon as it is hashed."""
    generator = torch.Generator().manual_seed(number)
    weights = [torch.randn(root.shape, generator=generator).to(root) for root in roots]
    digests: dict[str, Any] = dict.fromkeys(leaves)
    known = set(map(id, leaves.values()))
    others = [(leaf, leaf.grad) for leaf in _tape(roots)[0] if id(leaf) not in known]

    def hashing(name: str) -> Callable[[Tensor], None]:
        def take(leaf: Tensor) -> None:
            gradient, leaf.grad = leaf.grad, None
            if gradient is not None:
                digests[name] = (digests[name], _digest(gradient.to_dense().add_(0.0)))  # -0.0 is 0.0

        return take

    for leaf in leaves.values():
        leaf.grad = None
    trained = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    handles = [leaf.register_post_accumulate_grad_hook(hashing(name)) for name, leaf in trained.items()]
    try:
        torch.autograd.backward(roots, weights)
    except RuntimeError:  # a network that cannot be trained, for instance one that alters in place what backward reads
        return {}
    finally:
        for handle, leaf in zip(handles, trained.values(), strict=True):
            handle.remove()
            leaf._post_accumulate_grad_hooks = None  # type: ignore[assignment]  # an empty dictionary is left
        for leaf, gradient in others:
            leaf.grad = gradient
    return digests


def _digest(value: Tensor | None) -> Any:
    if value is None:
        return None
    dense = value.detach().to_dense() if value.layout != torch.strided else value.detach()
    octets: Any = dense.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return tuple(value.shape), str(value.dtype), zlib.crc32(octets)


def find_difference(expected: list[Seen], found: list[Seen]) -> tuple[int, str, str] | None:
    """Find the first thing that differs: the pass, its kind and its name."""
    for number, (first, second) in enumerate(zip(expected, found, strict=True)):
        for kind, name in first:
            value = second.get((kind, name), _MISSING)
            unused = kind == "mode" and value is _MISSING  # a feed-forward graph leaves out containers and what is idle
            if kind != "failure" and not unused and not same(first[kind, name], value):
                failed = value is _MISSING and ("failure", "") in second
                return (number, "failure", "") if failed else (number, kind, name)
    return None


_MISSING = "missing"


def observe(module: nn.Module, observer: Observer, inputs: str = "example_input") -> list[Seen]:
    """Run a user's module, and leave it as it is; ``inputs`` is the name of its inputs in errors.

    Raises:
        UnsupportedLayerError: When it fails on the example.
    """
    with preserved(module):
        seen = observer.observe(module)
    error = seen[0].get(("failure", ""))
    if error is not None:
        raise fails_on(module, error, inputs) from error
    return seen


def fails_on(module: nn.Module, error: Exception, inputs: str = "example_input") -> UnsupportedLayerError:
    """Build the error of a module that fails on the inputs it was given."""
    return UnsupportedLayerError(f"{type(module).__name__} fails on {inputs}: {first_line(error)}")


def check_same(
    module: nn.Module, rebuilt: nn.Module, observer: Observer, expected: list[Seen], found: list[Seen]
) -> None:
    """Compare a module's passes with those of the network that was rebuilt from its graph.

    Raises:
        InexactError: With the line of ``forward``, or the tensor, that a graph cannot hold.
    """
    difference = find_difference(expected, found)
    if difference is not None:
        number, kind, name = difference
        lines = {"mode": train_line(module)} | _lines(module, rebuilt, observer, PASSES[number], expected[number])
        source = {"draws": name, "output": "autocast"}.get(kind, kind)
        if kind == "gradient":
            source = "backward" if "backward" in lines else "gradients"
        line = lines.get(source, "")
        reason = _REASONS.get(source, _REASONS["torch"]) if line and kind != "mode" else _OTHERS[kind]
        subject = line if line and kind != "mode" else ": ".join(filter(None, (line, name)))
        if kind == "failure":
            reason += f": {first_line(found[number]['failure', ''])}"
        error = OtherOutputError if kind in ("output", "gradient") and not line else InexactError
        raise error(f"{subject or type(module).__name__}: {reason}")


_REASONS = {
    "Python": "draws from Python's random numbers, which a graph cannot hold",
    "NumPy": "draws from NumPy's random numbers, which a graph cannot hold",
    "torch": "draws what tracing does not see, so that it differs from run to run; draw it from the shape of an input",
    "backward": "has a backward of its own, which a graph cannot hold",
    "gradients": "switches gradients, which a graph cannot hold; detach the result instead",
    "autocast": "switches autocast, which a graph cannot hold",
}
_OTHERS = {
    "failure": "fails when its calls are replayed",
    "mode": "keeps its mode in train() or eval(), which a graph cannot hold",
    "draws": "forward draws other random numbers than its calls, replayed",
    "gradient": "forward alters this gradient where tracing does not see it",
    "buffer": "forward alters this buffer where tracing does not see it",
    "output": "its calls, replayed, give another output than the module; forward keeps a state of its own, works in "
    "place on a value with two names, or decides by values that tracing does not see",
}


def _lines(module: nn.Module, rebuilt: nn.Module, observer: Observer, each: Pass, like: Seen) -> dict[str, str]:
    """Run a pass of both networks again, and find the lines of the module's that alter states."""
    reached: set[tuple[str, int]] = set()
    lines: dict[str, str] = {}

    def watch(network: nn.Module, inputs: Sequence[Any]) -> Any:
        with Draws() as drawn:
            result = observer.call(network, inputs)
        reached.update(drawn.states)
        return result

    def search(network: nn.Module, inputs: Sequence[Any]) -> Any:
        result = []
        lines.update(find_lines(lambda: result.append(observer.call(network, inputs)), reached))
        return result[0]

    with preserved(module):
        replace(observer, call=watch).run(rebuilt, each, like)
        replace(observer, call=search).run(module, each, like)
    return lines
