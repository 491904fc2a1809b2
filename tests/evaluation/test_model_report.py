"""The report on a model: headline figures beside targets, pictures, and every figure with its meaning."""

import re

import pytest
import torch
from torch import nn

from netgraph import from_module
from netgraph.evaluation import evaluate_reconstruction, evaluate_samples
from netgraph.evaluation.evaluate import Evaluated
from netgraph.evaluation.model_report import ModelReport
from netgraph.figures import LOSSES, MODEL
from netgraph.zoo import random_like
from tests.evaluation.pages import Page
from tests.strategies import randomize

TARGETS = {"edge_f1": 0.97, "output_r2_median": 0.7}


def network(seed: int):
    return from_module(randomize(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), seed))


@pytest.fixture(scope="module")
def evaluated() -> Evaluated:
    generator = torch.Generator().manual_seed(0)
    true = [network(seed) for seed in range(6)]
    rebuilt = random_like(true, generator)
    result = evaluate_reconstruction(true, rebuilt, [torch.randn(20, 3, generator=generator)] * 6)
    figures = result.metrics | evaluate_samples(rebuilt, true, true, generator)
    latents, families = torch.randn(6, 4, generator=generator), ["linear", "fourier"] * 3
    return Evaluated(figures, result, [(true[0], rebuilt[0], 0.5, 0.25)], latents, families, rebuilt)


def written(path, *arguments, **further) -> Page:
    ModelReport(*arguments, **further).write(path / "report.html")
    page = Page(path / "report.html")
    page.check()
    return page


def test_a_run_has_figures_beside_targets_pictures_curves_and_a_real_data_set(tmp_path, evaluated):
    curves = {"total": [(1, 2.0), (2, 1.0)], "<kl>": [(1, 0.5)]}
    real = {"netgraph, sampled": (0.45, 0.01), "netgraph, fine-tuned": (0.5, 0.02), "ridge regression": (0.48, 0.03)}
    page = written(
        tmp_path,
        "<script>alert(1)</script>",
        evaluated,
        evaluated.figures | {"n_train": 33562.0},
        TARGETS,
        curves,
        {"total": [(2, 3.0)]},
        real,
        files="Samples are in samples/.",
        commands={"netgraph sample": "Samples."},
        command="netgraph run --preset tiny",
        details={"torch": "2"},
    )
    assert [text for _, text in page.headings] == [
        *("<script>alert(1)</script>", "How well networks are rebuilt", "Networks and what was rebuilt of them"),
        *("The latent space", "Training", "A real data set: diabetes", "All figures", "How to use it", "To repeat it"),
    ]
    total = f"total: {LOSSES['VAE']['total']}"
    assert page.names[-2:] == [total, "<kl>"]
    drawn = dict(re.findall(r"<svg[^>]*><title>(.*?)</title>(.*?)</svg>", page.text, re.DOTALL))
    assert "stroke-dasharray" in drawn[total]  # held-out networks
    assert "stroke-dasharray" not in drawn["&lt;kl&gt;"]
    assert len(page.names) == 7  # two histograms, a pair, the latent space, two curves
    cards = {card[0]: card[1:] for card in page.cards}
    assert cards["Rebuilt edges, F1"][:2] == ["1 reached", "target 0.97"]
    assert cards["Rebuilt outputs, R²"][0].endswith(" missed")
    assert cards["Sample quality"][1:3] == ["trained networks 1", "random weights 0"]
    assert cards["Shape quality"][0] == "–"
    assert cards["Shape quality"][1].startswith("not measured: 6 networks a side, one a task, ")
    assert cards["Diabetes, test R²"][:2] == ["0.5", "ridge regression 0.48"]
    assert cards["Diabetes, test R²"][2].endswith("netgraph, fine-tuned")
    assert ["ridge regression", "0.48", "0.03"] in page.tables[0]
    values = page.figures()
    assert values.keys() == evaluated.figures.keys() | {"n_train"}
    assert values["n_train"] == "33,562"
    assert all(MODEL[name].meaning for name in values)


def test_without_training_and_real_data_there_are_no_such_parts(tmp_path, evaluated):
    page = written(tmp_path, "An evaluation", evaluated, evaluated.figures, TARGETS)
    for part in ("Loss terms", "diabetes", "Diabetes", "How to use it", "To repeat it"):
        assert part not in page.text
    assert len(page.names) == 5


def test_without_targets_no_figure_is_missed(tmp_path, evaluated):
    aucs = {"random_auc": 0.75, "sample_auc": 0.6875, "floor_auc": 0.5}
    figures = evaluated.figures | {"shape_quality": 0.25} | aucs
    page = written(tmp_path, "A smoke test", evaluated, figures, {}, note="Its figures mean nothing.")
    assert not {"reached", "missed", "target"} & {word for card in page.cards for text in card for word in text.split()}
    assert "<p>Its figures mean nothing. 6 networks of held-out tasks" in page.text
    (shape,) = (card for card in page.cards if card[0] == "Shape quality")
    assert shape[1:4] == ["0.25", "trained networks 1", "random weights 0"]


def test_a_quality_between_random_weights_that_are_nearer_than_trained_networks_tells_nothing(tmp_path, evaluated):
    figures = evaluated.figures | {"random_behaviour_distance": 1.5, "floor_behaviour_distance": 3.0}
    page = written(tmp_path, "Few tasks", evaluated, figures, TARGETS)
    (card,) = (card for card in page.cards if card[0] == "Sample quality")
    assert card[2].startswith("tells nothing here: random weights are as near")
