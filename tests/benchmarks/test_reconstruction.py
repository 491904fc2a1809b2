"""The comparison's lines, its files, and its refusals."""

import json

import pytest
import reconstruction
from peers.pca import PrincipalComponents
from peers.repair import fill
from reconstruction import Line, Split, compare, kept, main, measure, measure_apart, measure_peer, section

from netgraph.errors import NetGraphError, StoreError

from .conftest import BOUNDS

SETTINGS = {"seconds": 1.0, "latent": 30, "zoo": "abc"}


@pytest.fixture(scope="module")
def split(examples):
    return Split(examples[:30], examples[30:])


def test_a_perfect_side_is_perfect_in_every_column(split):
    figures = measure("true", split, fill(split.true, split.true), latent_size=7).figures
    perfect = {"edge_f1", "architecture_accuracy", "cosine_similarity", "output_r2_median", "output_r2_p10"}
    assert {key: figures[key] for key in perfect} == pytest.approx(dict.fromkeys(perfect, 1.0))
    assert (figures["unusable"], figures["latent_size"]) == (0, 7)


def test_networks_that_are_missing_are_counted_and_cost_their_figures(split):
    line = measure_apart("none", split, [None] * len(split.true))
    assert line.apart
    assert line.figures["unusable"] == 1
    assert line.figures["architecture_accuracy"] == 0
    assert line.figures["edge_f1"] < 0.5
    assert line.figures["output_r2_median"] <= 0


def test_a_peer_is_measured_beside_itself_with_the_architecture_given(split):
    free, given = measure_peer(PrincipalComponents(30, bounds=BOUNDS), split, 1.0)
    assert (free.apart, given.apart) == (False, True)
    assert free.figures["latent_size"] == 30
    assert free.figures["fit_seconds"] > 0
    assert given.figures["architecture_accuracy"] == 1
    assert given.figures["edge_f1"] >= free.figures["edge_f1"]


def test_a_side_that_is_done_is_not_done_again(split, tmp_path):
    made = []
    line = Line("one", False, {"edge_f1": 0.5})

    def make():
        made.append(1)
        return [line]

    path = tmp_path / "one.json"
    assert kept(path, SETTINGS, make) == kept(path, SETTINGS, make) == [line]
    assert made == [1]
    with pytest.raises(NetGraphError, match=r"one.json: made with .*'seconds': 1.0.* not .*'seconds': 2.0"):
        kept(path, SETTINGS | {"seconds": 2.0}, make)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lines": []}))
    with pytest.raises(StoreError, match=r"one.json"):
        kept(path, SETTINGS, make)


def test_an_interrupted_comparison_goes_on_with_the_next_side(split, tmp_path, monkeypatch):
    monkeypatch.setattr(reconstruction, "measure_simple", lambda split: [Line("simple", True, {})])
    fitted = []

    class Counted(PrincipalComponents):
        def fit(self, train, seconds):
            fitted.append(self.seed)
            if self.seed == 2 and fitted.count(2) == 1:
                raise KeyboardInterrupt
            super().fit(train, seconds)

    sides = {str(seed): Counted(8, seed, BOUNDS) for seed in (1, 2)}
    with pytest.raises(KeyboardInterrupt):
        compare(sides, split, tmp_path, SETTINGS)
    lines = compare(sides, split, tmp_path, SETTINGS)
    assert fitted == [1, 2, 2]
    assert [line.apart for line in lines] == [False, False, True, True, True]


def test_the_section_keeps_what_stands_apart_apart(split):
    text = "\n".join(section([Line("here", False, {"edge_f1": 0.25}), Line("there", True, {})], split, 5.0))
    assert text.index("| here | 0.2500 |") < text.index("Apart") < text.index("| there |  |")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--latent", "100"], "latent size 100 is not a multiple of"), (["--seconds", "0"], "--seconds is 0")],
)
def test_bad_sizes_are_refused_before_anything_is_built(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--zoo", str(tmp_path / "zoo"), "--out", str(tmp_path / "out")])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())
