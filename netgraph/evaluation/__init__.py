"""Metrics and the report."""

from netgraph.evaluation.evaluate import Reconstruction, evaluate_reconstruction, evaluate_samples
from netgraph.evaluation.health import Health, health
from netgraph.evaluation.probes import predictor_tau, probe_error, probe_family, weight_statistics
from netgraph.evaluation.start_arms import Generated, Random, start_of_samples
from netgraph.evaluation.warm_start import (
    Arm,
    ArmResult,
    Choice,
    StartConfig,
    StartTask,
    compare_arms,
    measure_arm,
    start_tasks,
)

__all__ = [
    "Arm",
    "ArmResult",
    "Choice",
    "Generated",
    "Health",
    "Random",
    "Reconstruction",
    "StartConfig",
    "StartTask",
    "compare_arms",
    "evaluate_reconstruction",
    "evaluate_samples",
    "health",
    "measure_arm",
    "predictor_tau",
    "probe_error",
    "probe_family",
    "start_of_samples",
    "start_tasks",
    "weight_statistics",
]
