"""The figures that commands, reports, cards and TensorBoard tell, by their names in ``metrics.json``: label, meaning.

Imports nothing, so that a command can print them at once.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Metric(NamedTuple):
    """Label and meaning of a figure.

    Attributes:
        meaning: One line: the definition, then unit or range; shares are between 0 and 1.
        label: Name on cards and in short tables; empty where the figure has no place there.
    """

    meaning: str
    label: str = ""


#: Figures of a model: rebuilt networks, samples, samples as starts of a training, and the training itself.
MODEL = {
    "edge_accuracy": Metric("edges that original and rebuilt network share, over all edges of both; 0 to 1"),
    "edge_f1": Metric("harmonic mean of precision and recall of the rebuilt edges; 0 to 1", "Rebuilt edges, F1"),
    "weight_within_tolerance": Metric("share of weights rebuilt to within a tenth of their layer's deviation"),
    "architecture_accuracy": Metric(
        "share of rebuilt networks whose architecture is exactly the original's", "Rebuilt architectures"
    ),
    "cosine_similarity": Metric(
        "cosine between the last hidden activations, original against rebuilt; −1 to 1", "Rebuilt activations, cosine"
    ),
    "parameter_cosine_similarity": Metric("cosine between the canonical parameters, last layer left out; −1 to 1"),
    "output_r2_median": Metric(
        "R² of rebuilt for original outputs, median over networks; at most 1", "Rebuilt outputs, R²"
    ),
    "output_r2_p10": Metric(
        "the same, 10th percentile: nine networks in ten are at least so good", "Rebuilt outputs, R², 10th percentile"
    ),
    "output_r2_mean_clamped": Metric("the same, mean over networks, each counted as −1 at worst"),
    "hypernet_r2_median": Metric("R² of outputs, weights written by the hypernet alone, median over networks"),
    "agreement": Metric("share of rows for which a rebuilt classifier predicts the original's class"),
    "sample_quality": Metric("1: samples behave like trained networks, 0: like random weights", "Sample quality"),
    "shape_quality": Metric(
        "1: functions of samples have the shape of trained networks', 0: of random weights'", "Shape quality"
    ),
    "random_auc": Metric("AUC of telling random weights from held-out networks by shape; 0.5: chance, 1: always"),
    "sample_auc": Metric("the same, samples from held-out networks"),
    "floor_auc": Metric("the same, other trained networks from held-out ones"),
    "n_shape": Metric("networks a side of the tests of shape, one a task; with fewer than 25, there are none"),
    "function_spread": Metric("deviation of samples' outputs, over that of held-out networks; 1: as diverse"),
    "sample_behaviour_distance": Metric("energy distance of standardized outputs, samples to held-out networks"),
    "random_behaviour_distance": Metric("the same, random weights in the samples' architectures"),
    "floor_behaviour_distance": Metric("the same, other trained networks; near 0, and below it by chance"),
    "validity": Metric("share of samples that build and have finite outputs", "Samples that run"),
    "uniqueness": Metric("distinct samples, over all samples; 0 to 1", "Distinct samples"),
    "novelty": Metric("share of distinct samples that are not in the training zoo", "New samples"),
    "architecture_uniqueness": Metric("distinct architectures of samples, over all samples; 0 to 1"),
    "architecture_novelty": Metric("share of these architectures that are not in the training zoo"),
    **{
        f"{name}_{key}": Metric(f"{networks}: {meaning}")
        for name, networks in {
            "sample": "samples",
            "trained": "held-out networks",
            "random": "random weights",
        }.items()
        for key, meaning in {
            "working": "share with finite outputs that are not constant",
            "dead": "share of constant hidden neurons, such as a ReLU that is never active",
            "saturated": "share of Tanh and Sigmoid neurons at a bound on 95 % of rows",
        }.items()
    },
    "sampled_steps": Metric("training steps until a sample is as good as its task's median trained network, median"),
    "random_steps": Metric("the same, random weights in the samples' architectures"),
    "sampled_share_reached": Metric("share of samples that become as good within 500 steps"),
    "random_share_reached": Metric("the same, random weights in the samples' architectures"),
    "n_train": Metric("networks trained on"),
    "n_test": Metric("held-out networks, all of held-out tasks"),
    "n_outside": Metric("networks of held-out tasks left out, since the model does not cover them"),
    "zoo_models_per_second": Metric("networks of the zoo trained a second, all processes together"),
    "train_seconds": Metric("training of the model; seconds"),
    "total_seconds": Metric("the whole run; seconds"),
    "networks": Metric("networks trained on"),
    "left_out": Metric("networks left out, since the model cannot be trained on them"),
    "held_out": Metric("networks on which the loss is measured after every epoch"),
    "steps": Metric("steps of the optimizer"),
    "seconds": Metric("time of these steps; seconds"),
    "held_out_loss": Metric("loss on held-out networks, weighted sum of its terms, lowest of all epochs"),
    "prior_steps": Metric("steps of the optimizer, training of the prior"),
    "prior_seconds": Metric("time of these steps; seconds"),
    "prior_held_out_loss": Metric("loss of the prior on held-out networks, lowest of all epochs"),
}
#: Terms of the loss, by the part of the model that is trained.
LOSSES = {
    "VAE": {
        "total": "weighted sum of the terms, which the training lowers",
        "index": "cross-entropy of the nodes' index: sizes of layers; nats a network",
        "type": "cross-entropy of layer types; nats a network",
        "parent": "cross-entropy of the parent pointer, the layers that a layer reads; nats a network",
        "weight": "squared error of standardized weights beside given ones, weighted by sensitivity",
        "output": "logarithm of the relative error of the written networks' outputs",
        "kl": "KL divergence of the architecture code from N(0, I); nats a network",
    },
    "prior": {"architecture_flow": "flow-matching error of the velocity of architecture codes, squared"},
}
#: Percent of rows that intervals are to hold.
LEVELS = (50, 80, 95)
#: Figures of a network for a table.
TABLE = {
    "test_r2": Metric("share of the target's variance explained; 1: exact, 0: as the mean", "R² on held-out rows"),
    "test_rmse": Metric("root of the mean squared error, in the target's unit", "RMSE"),
    "test_mae": Metric("mean absolute error, in the target's unit", "MAE"),
    "test_accuracy": Metric("share of rows whose class is predicted", "Accuracy on held-out rows"),
    "test_log_loss": Metric("minus the mean logarithm of the true class's probability; 0: exact", "Log loss"),
    "n_train": Metric("rows that the search saw"),
    "n_test": Metric("rows held out, on which figures are measured"),
    "parameters": Metric("weights and biases of the network", "Parameters"),
    "seconds": Metric("wall time of the search; seconds", "Time"),
    "trials": Metric("networks scored by cross-validation", "Networks tried"),
    "front": Metric("networks that no other one surpasses in all objectives", "on the Pareto front"),
    "hypervolume": Metric("share of the plane of the first two objectives that the front dominates; 1: all of it"),
    "chosen_error": Metric("error of the chosen network by cross-validation; target's variances, or log loss"),
    "chosen_parameters": Metric("weights and biases of the chosen network"),
    "chosen_latency": Metric("time of the chosen network for one row; microseconds"),
    **{f"coverage_{level}": Metric(f"share of rows in the interval that is to hold {level} %") for level in LEVELS},
}


def meaning_of(name: str, figures: Mapping[str, Metric]) -> str:
    """Return the meaning of a figure, or of one of another method, ``r2_of_ridge``; nothing of an unknown one.

    Args:
        name: Its name in ``metrics.json``.
        figures: :data:`MODEL` or :data:`TABLE`.

    Example:
        >>> from netgraph.figures import TABLE, meaning_of
        >>> meaning_of("trials", TABLE), meaning_of("rmse_of_the_mean", TABLE)
        ('networks scored by cross-validation', 'RMSE of the mean, fitted to the same rows')
    """
    measure, _, method = name.partition("_of_")
    if name in figures:
        return figures[name].meaning
    tested = figures.get(f"test_{measure}") if method else None
    return f"{tested.label} of {method.replace('_', ' ')}, fitted to the same rows" if tested else ""
