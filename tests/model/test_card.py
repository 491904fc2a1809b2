"""A model at a prompt and in a notebook."""

import copy

import pytest
import torch
from torch import nn

from netgraph import NetVAE
from netgraph.figures import MODEL
from netgraph.model import Coverage
from tests.shown import cells, parsed


@pytest.fixture(scope="module")
def shipped():
    return NetVAE.from_pretrained()


def captions(html):
    return [caption.text for caption in parsed(html).iter("caption")]


def test_one_line_tells_latent_coverage_and_training(shipped):
    config = shipped.config
    line = repr(shipped)
    assert line.startswith(f"NetVAE(z = {config.function_size} f + {config.architecture_size} a + ")
    assert f"{config.weight_size:,} w, 1 to 16 inputs, " in line
    assert f"trained on {shipped.card['networks']:,} networks" in line
    assert f"{sum(p.numel() for p in shipped.parameters()):,} parameters)" in line
    assert "\n" not in line
    assert len(line) < 200


def test_print_shows_the_modules_as_of_any_module(shipped):
    assert str(shipped) == nn.Module.__repr__(shipped)
    assert str(shipped).startswith("NetVAE(\n  (encoder): Encoder(")
    assert f"(0): {shipped!r}" in repr(nn.Sequential(shipped))


def test_the_card_tells_latent_coverage_figures_and_provenance(shipped):
    html = shipped._repr_html_()
    assert captions(html) == ["Latent", "Figures on held-out tasks", "Coverage", "Provenance"]
    rows = {row[0]: row[1:] for row in cells(html)}
    assert rows["f"][:3] == ["64", "z[:, vae.function]", "0 to 63"]
    assert rows["w"][2] == f"{shipped.weights.start} to {shipped.weights.stop - 1}"
    assert rows["inputs"] == ["1 to 16"]
    assert rows["commit"] == [shipped.card["commit"]]
    assert {metric.label for metric in MODEL.values()} - {""} <= rows.keys()
    assert all(rows[name][1:] == [MODEL[name].meaning] for name in shipped.card["figures"])
    assert {"recipe.tasks.n_features", "training.batch_size", "loss.kl", "width"} <= rows.keys()
    assert [one.find("summary").text for one in parsed(html).iter("details")] == [
        "All figures", "Recipe and training", "Sizes of the model"
    ]  # fmt: skip
    assert len(html) < 40_000


def test_an_untrained_model_has_a_card():
    vae = NetVAE.from_config()
    assert "untrained" in repr(vae)
    assert captions(vae._repr_html_()) == ["Latent"]


@pytest.mark.parametrize(
    "card",
    [
        {"networks": "many", "figures": 3, "commit": None, "recipe": "<b>quick</b>", "odd": [], "empty": {}},
        {"figures": {"<script>": float("nan"), "output_r2_median": "high"}, "networks": True, "steps": {"a": [1, {}]}},
    ],
)
def test_odd_cards_are_shown_and_escaped(shipped, card):
    vae = copy.copy(shipped)
    vae.card = card
    assert "\n" not in repr(vae)
    html = vae._repr_html_()
    parsed(html)
    assert "<script" not in html
    assert "quick" not in html or "&lt;b&gt;quick" in html


def test_coverage_is_one_line_and_a_table(shipped):
    assert repr(shipped.coverage).startswith("Coverage(1 to 16 inputs, ")
    assert len(repr(shipped.coverage)) < 120
    rows = dict(cells(shipped.coverage._repr_html_()))
    assert rows == shipped.coverage.words()
    assert repr(Coverage()) == "Coverage(none)"
    assert dict(cells(Coverage()._repr_html_()))["inputs"] == "none"


def test_a_row_encoding_is_one_line(shipped):
    x = torch.linspace(-1, 1, 60).reshape(20, 3)
    posterior = shipped.encode_rows(x, x[:, 0])
    assert repr(posterior).startswith("FunctionPosterior(64 numbers, deviation ")
    assert repr(posterior._replace(mean=posterior.mean[:0], deviation=posterior.deviation[:0])) == (
        "FunctionPosterior(0 numbers)"
    )
