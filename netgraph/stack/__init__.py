"""The executor: run, differentiate and train thousands of different networks at once."""

from netgraph.stack.sensitivity import sensitivity, stack_sensitivity
from netgraph.stack.stack import Stack

__all__ = ["Stack", "sensitivity", "stack_sensitivity"]
