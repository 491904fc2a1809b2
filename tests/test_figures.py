"""The figures' labels and meanings, which cards, reports, TensorBoard and the terminal read."""

import pytest

from netgraph.evaluation.shapes import LEAST
from netgraph.figures import LOSSES, MODEL, TABLE, meaning_of
from netgraph.model.loss import Losses
from netgraph.presets import TARGETS
from netgraph.run import KEYS


def test_every_figure_of_a_run_and_of_its_targets_has_a_meaning():
    assert {*KEYS, *TARGETS} <= MODEL.keys()
    assert all(MODEL[name].label for name in TARGETS)
    assert f"fewer than {LEAST}," in MODEL["n_shape"].meaning


@pytest.mark.parametrize("figures", [MODEL, TABLE])
def test_a_meaning_is_one_line_and_a_label_names_one_figure(figures):
    for name, (meaning, label) in figures.items():
        assert 0 < len(meaning) <= 90, name
        assert "\n" not in meaning + label
    labels = [label for _, label in figures.values() if label]
    assert len(set(labels)) == len(labels)


def test_every_term_of_the_loss_has_a_meaning():
    assert LOSSES["VAE"].keys() == {"total", *Losses.__dataclass_fields__}


def test_a_figure_of_another_method_is_named_after_that_of_the_network():
    assert meaning_of("r2_of_the_mean", TABLE) == "R² on held-out rows of the mean, fitted to the same rows"
    assert meaning_of("accuracy_of_boosting", TABLE).startswith("Accuracy on held-out rows of boosting")
    assert [meaning_of(name, TABLE) for name in ("r2_of_", "size_of_ridge", "unknown", "")] == [""] * 4
