"""Hooks and exchanged methods of a user's module, which are no part of a graph."""

from torch import nn

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules.parts import is_leaf


def refuse_hooks(module: nn.Module) -> None:
    """Refuse hooks and exchanged methods, which alter outputs or gradients and are no part of a graph.

    Raises:
        UnsupportedLayerError: With the module or the parameter that has one.
    """
    for name, part in module.named_modules():
        if is_leaf(part) and "forward" in vars(part):
            raise UnsupportedLayerError(f"{name or 'the module'}: {type(part).__name__}.forward was replaced")
        if part._forward_hooks or part._forward_pre_hooks or part._backward_hooks or part._backward_pre_hooks:
            kind = "backward" if part._backward_hooks or part._backward_pre_hooks else "forward"
            raise UnsupportedLayerError(
                f"{name or type(part).__name__}: {type(part).__name__} has {kind} hooks, which a graph cannot hold"
            )
    for name, value in module.named_parameters():
        if value._backward_hooks or value._post_accumulate_grad_hooks:
            raise UnsupportedLayerError(f"{name}: has hooks on its gradient, which a graph cannot hold")
