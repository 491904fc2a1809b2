"""Hypothesis strategies: random modules of the grammar, and random graphs."""

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor, nn

from netgraph.graph import NetGraph, from_module
from netgraph.graph.architecture import Architecture
from netgraph.graph.layers import LAYER_TYPES
from netgraph.tokens import END, STAY, Grammar, Limits


def examples(n: int) -> settings:
    """Return settings that try at most n examples, and no more than the profile does."""
    return settings(max_examples=min(n, settings.default.max_examples))


ACTIVATIONS = st.sampled_from(
    [
        nn.ReLU,
        nn.Tanh,
        nn.Sigmoid,
        lambda: nn.LeakyReLU(0.3),
        lambda: nn.GELU("tanh"),
        nn.GELU,
        nn.SiLU,
        lambda: nn.ELU(0.7),
        nn.Identity,
        lambda: nn.Dropout(0.2),
    ]
)


class Residual(nn.Module):
    """x + block(x)."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class Joined(nn.Module):
    """block(x) beside x."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.block(x), x], dim=-1)


@st.composite
def norms(draw: st.DrawFn, size: int) -> nn.Module:
    kind = draw(st.sampled_from(["layer", "layer plain", "batch", "batch plain"]))
    if kind.startswith("layer"):
        return nn.LayerNorm(size, eps=1e-4, elementwise_affine=kind == "layer")
    return nn.BatchNorm1d(size, affine=kind == "batch")


@st.composite
def modules(draw: st.DrawFn, max_layers: int = 5) -> nn.Module:
    """Draw a module with random weights and buffers, in evaluation mode."""
    n_inputs = size = draw(st.integers(1, 6))
    parts: list[nn.Module] = []
    for _ in range(draw(st.integers(0, max_layers))):
        kind = draw(st.sampled_from(["linear", "activation", "norm", "add", "concat", "nested"]))
        if kind == "linear":
            width = draw(st.integers(1, 6))
            parts.append(nn.Linear(size, width, bias=draw(st.booleans())))
            size = width
        elif kind == "activation":
            parts.append(draw(ACTIVATIONS)())
        elif kind == "norm":
            parts.append(draw(norms(size)))
        elif kind == "nested":
            parts.append(nn.Sequential(nn.Linear(size, size), draw(ACTIVATIONS)()))
        else:
            block = nn.Sequential(nn.Linear(size, size), draw(ACTIVATIONS)())
            parts.append(Residual(block) if kind == "add" else Joined(block))
            size = 2 * size if kind == "concat" else size
    parts.append(nn.Linear(size, draw(st.integers(1, 3))))
    module = nn.Sequential(nn.Linear(n_inputs, n_inputs), *parts).eval()
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    return randomize(module.to(dtype), draw(st.integers(0, 2**20)))


def randomize(module: nn.Module, seed: int) -> nn.Module:
    """Fill parameters and buffers with random numbers; variances stay positive."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                drawn = torch.randn(value.shape, generator=generator, dtype=value.dtype) * 0.5
                value.copy_(drawn.abs() + 0.5 if name.endswith("running_var") else drawn)
            else:
                value.fill_(7)
    return module


def rows(module: nn.Module, n: int = 5) -> Tensor:
    """Draw inputs for a module of :func:`modules`."""
    first = next(part for part in module.modules() if isinstance(part, nn.Linear))
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, first.in_features, generator=generator, dtype=first.weight.dtype)


@st.composite
def graphs(draw: st.DrawFn) -> NetGraph:
    """Draw a graph: that of a random module, or a random string of the grammar with random weights."""
    if draw(st.booleans()):
        return from_module(draw(modules())).replace()
    n_inputs, n_outputs = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    grammar = Grammar(n_inputs, n_outputs, Limits(n_inputs + n_outputs + draw(st.integers(0, 25))))
    return random_graph(built(draw, grammar), draw(st.integers(0, 2**20)))


def built(draw: st.DrawFn, grammar: Grammar) -> Architecture:
    """Draw layers of a grammar until the network ends."""
    grammar.choose(LAYER_TYPES["Input"].code)
    while not grammar.ended:
        readable = {choice: grammar.readable(choice) for choice in (*grammar.types, STAY, END)}
        choices = {choice: layers for choice, layers in readable.items() if layers}
        choice = draw(st.sampled_from(sorted(choices)))
        grammar.choose(choice, draw(st.sampled_from(choices[choice])))
        if choice == LAYER_TYPES["Linear"].code:
            grammar.extend(draw(st.integers(1, 50)))
    return grammar.architecture()


def random_graph(architecture, seed: int = 0) -> NetGraph:
    """Give an architecture random weights and positive variances."""
    state = torch.randn(architecture.state_size, generator=torch.Generator().manual_seed(seed)) * 0.5
    kind = torch.from_numpy(architecture.element_kind)
    state = torch.where(kind == 3, state.abs() + 0.5, torch.where(kind == 4, torch.ones_like(state), state))
    return NetGraph(architecture, state)
