"""The executor: run, differentiate and train thousands of different networks at once."""

from netgraph.stack.chunking import chunks, first_outputs, outputs, probe, stacked
from netgraph.stack.kernel import fit_kernel, learned_metric
from netgraph.stack.output_layer import OutputLayer, RidgeFit, fit_ridge, solve_output_layers
from netgraph.stack.plain import PlainGradient, can_run
from netgraph.stack.sensitivity import sensitivities, sensitivity, with_sensitivity
from netgraph.stack.stack import Stack

__all__ = [
    "OutputLayer",
    "PlainGradient",
    "RidgeFit",
    "Stack",
    "can_run",
    "chunks",
    "first_outputs",
    "fit_kernel",
    "fit_ridge",
    "learned_metric",
    "outputs",
    "probe",
    "sensitivities",
    "sensitivity",
    "solve_output_layers",
    "stacked",
    "with_sensitivity",
]
