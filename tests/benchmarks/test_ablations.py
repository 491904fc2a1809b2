import json
from argparse import Namespace
from dataclasses import replace
from itertools import count

import ablations
import numpy as np
import pytest
import torch
from ablation_report import frontier, report, rows
from forms import FORMS
from priors import gaussian, kernel_density, normal
from variants import BASE, ENTRIES, Variant, check

from netgraph import canonicalize
from netgraph.stack import Stack
from netgraph.zoo import ZooRecipe
from tests.zoo.stores import build_here


def outputs(graphs, xs):
    found = []
    for graph, x in zip(graphs, xs, strict=True):
        stack = Stack([graph.architecture])
        found.append(stack(stack.flatten([graph.state.double()]), x[None].double())[0])
    return found


def test_every_variant_changes_something_and_has_a_name_of_its_own(tmp_path):
    check()
    assert len({ablations.path_of(entry, tmp_path) for entry in ENTRIES}) == len(ENTRIES)


def test_a_table_with_a_variant_that_changes_nothing_is_refused():
    with pytest.raises(ValueError, match="new, name: the same as another variant"):
        check((*ENTRIES, Variant("new", "name")))
    with pytest.raises(ValueError, match="base, seed 0: twice"):
        check((*ENTRIES, Variant("base", "seed 0", replace(BASE, width=48))))


@pytest.mark.parametrize("form", FORMS)
def test_forms_keep_what_networks_compute_and_where_they_come_from(form, examples):
    graphs, xs = [example.graph for example in examples], [example.x for example in examples]
    train, test = FORMS[form](graphs[:30], graphs[30:], 0)
    for before, after in zip(outputs(graphs, xs), outputs(train + test, xs), strict=True):
        assert torch.allclose(before, after, atol=1e-5)
    assert [g.architecture for g in train + test] == [g.architecture for g in graphs]
    if form != "canonical":
        assert any(not torch.equal(a.state, b.state) for a, b in zip(graphs, train + test, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_the_canonical_form_undoes_every_form(form, examples):
    graphs = [example.graph for example in examples]
    train, test = FORMS[form](graphs[:30], graphs[30:], 0)
    for before, after in zip(graphs, train + test, strict=True):
        assert torch.allclose(canonicalize(after).state, canonicalize(before).state, atol=1e-4)


def test_matching_does_not_depend_on_the_order_that_units_come_in(examples):
    graphs = [example.graph for example in examples]
    shuffled, _ = FORMS["order undone"](graphs, [], 1)
    train, mixed = FORMS["matched"](graphs, shuffled, 0)
    for one, other in zip(train, mixed, strict=True):
        assert torch.allclose(one.state, other.state, atol=1e-6)


def test_priors_draw_what_they_say():
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(5, 5, generator=generator)
    z = torch.randn(4000, 5, generator=generator) @ mixing + 3
    z = torch.cat([z, torch.full((len(z), 1), 2.0)], dim=1)
    drawn = gaussian(z, 20_000, generator)
    assert torch.allclose(drawn.mean(0), z.mean(0), atol=0.15)
    assert torch.allclose(torch.cov(drawn.T), torch.cov(z.T), atol=0.4)
    near = kernel_density(z, 50, generator, bandwidth=1e-6)
    assert torch.cdist(near.double(), z.double()).min(dim=1).values.max() < 1e-3
    wide = kernel_density(z, 20_000, generator, bandwidth=1.0)
    assert torch.allclose(wide.var(0)[:5], 2 * z.var(0)[:5], rtol=0.1)
    assert normal(z, 20_000, generator).var(0) == pytest.approx(np.ones(6), abs=0.05)


def test_the_table_gives_the_spread_of_the_base_and_all_other_lines():
    columns = {"edge_f1": "edge F1"}
    found = [(e, {"steps": 7, "figures": {"edge_f1": 0.5 + 0.1 * i}}) for i, e in enumerate(ENTRIES)]
    base = [pair for pair in found if pair[0].group == "base"]
    lines = rows(found, columns)
    assert len(lines) == 2 + len(ENTRIES) + 1
    spread = base[-1][1]["figures"]["edge_f1"] - base[0][1]["figures"]["edge_f1"]
    assert f"| **base** | largest − smallest over seeds |  | {spread:.4f} |" in lines


def test_the_frontier_has_a_point_for_each_beta_and_slot_size(monkeypatch):
    drawn = []
    monkeypatch.setattr("ablation_report.picture", lambda figure, name, caption: drawn.append(figure) or name)
    figures = {"output_r2_median": 0.5, "sample_quality": 0.5}
    frontier([(entry, {"figures": figures}) for entry in ENTRIES])
    for ax in drawn[0].axes:
        assert [len(line.get_xdata()) for line in ax.get_lines()] == [3, 3, 3]


MEASURED = ["base, seed 0", "sampling, flow, 2 solver steps", "refinement, 20 steps, rows given", "form, order undone"]


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablations")
    recipe = ZooRecipe.load("tiny").changed(
        n_tasks=4, n_test_tasks=1, tasks_per_shard=4, training={"steps": (30, 30)}, tasks={"n_features": (3, 3)}
    )
    build_here(recipe, folder / "zoo")
    return Namespace(zoo=folder / "zoo", out=folder, seconds=1.0, prior_seconds=0.5, n=6, only=MEASURED)


@pytest.fixture(scope="module")
def measured(options):
    """Results of some entries, each trained for a few steps of a clock that goes on whenever it is read."""
    ticks = count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablations, "cpu_seconds", lambda: next(ticks) / 10)
        ablations.run(options)
    return {entry: result for entry in ENTRIES if (result := ablations.read(entry, options))}


def test_entries_are_trained_and_measured_and_leave_their_results(measured):
    found = {f"{entry.group}, {entry.name}": result for entry, result in measured.items()}
    assert sorted(found) == sorted(MEASURED)
    base, flow, refined, form = (found[name] for name in MEASURED)
    assert base["steps"] > 1
    assert base["prior_steps"] > 1
    assert 0 <= base["figures"]["edge_f1"] <= 1
    assert base["figures"]["validity"] == flow["figures"]["validity"] == 1
    assert base["figures"]["sample_behaviour_distance"] != flow["figures"]["sample_behaviour_distance"]
    assert "output_r2_median" in refined["figures"]
    assert "sample_quality" not in form["figures"]


def test_a_second_run_measures_nothing_again_and_other_settings_are_refused(options, measured, monkeypatch):
    monkeypatch.setattr(ablations.Bench, "measure", lambda self, entry: pytest.fail(f"{entry} is measured again"))
    ablations.run(options)
    with pytest.raises(SystemExit, match="choose another --out"):
        ablations.run(Namespace(**vars(options) | {"seconds": 2.0}))


def test_both_sections_are_written_from_what_there_is(options, measured, tmp_path, monkeypatch):
    monkeypatch.setattr("results.PATH", tmp_path / "RESULTS.md")
    monkeypatch.setattr("checkpoint.PICTURES", tmp_path / "pictures")
    report(list(measured.items()), ablations.settings(options))
    text = (tmp_path / "RESULTS.md").read_text()
    assert "## Ablations of rebuilding" in text
    assert "## Ablations of sampling" in text
    assert f"4 of {len(ENTRIES)} entries measured" in text
    assert text.count("| base | seed 0 |") == 2
    assert (tmp_path / "pictures" / "frontier.png").stat().st_size > 0
    assert json.loads(ablations.path_of(ENTRIES[0], options.out).read_text())["settings"]["n"] == 6
