"""The event files of a training, read as TensorBoard reads them: runs, charts, pictures, and the run of the end."""

import io
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from lightning import Callback
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG, parse_session_start_info_plugin_data
from tensorboard.util.tensor_util import make_ndarray
from torch.utils.tensorboard import SummaryWriter

from netgraph import NetGraphError, NetVAE, Zoo
from netgraph.evaluation.rebuilding import MOST_DRAWN, N_PICTURES, Rebuilding
from netgraph.figures import LOSSES, MODEL
from netgraph.training import TrainConfig, train
from netgraph.training.charts import REBUILT, SCHEDULE
from netgraph.training.final import write_final, zoo_labels
from netgraph.training.history import forget_later_points, loss_curves
from netgraph.training.train import train_on_zoo
from netgraph.zoo import ZooRecipe
from tests.training.small import CONFIG, Interrupt, examples_of
from tests.zoo.given import IMAGES, X, Y, convolutional, modules

TRAINING = TrainConfig(batch_size=8, max_epochs=6, prior_epochs=2, log_every=1, checkpoint_seconds=1e6)


def events_of(folder: Path) -> EventAccumulator:
    """All events of a run; charts of one point a step."""
    events = EventAccumulator(str(folder), size_guidance=dict.fromkeys(("scalars", "images", "tensors"), 0))
    events.Reload()
    for tag in events.Tags()["scalars"]:
        steps = [point.step for point in events.Scalars(tag)]
        assert steps == sorted(set(steps)), tag
    return events


def scalars(events: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in events.Scalars(tag)]


def described_scalars(events: EventAccumulator) -> dict[str, list[tuple[int, float]]]:
    """Points of the charts that have a description, which are stored as tensors."""
    tags = [tag for tag in events.Tags()["tensors"] if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"]
    assert all(events.SummaryMetadata(tag).summary_description for tag in tags)
    return {
        tag: [(point.step, float(make_ndarray(point.tensor_proto))) for point in events.Tensors(tag)] for tag in tags
    }


def text(events: EventAccumulator, tag: str) -> str:
    (event,) = events.Tensors(f"{tag}/text_summary")
    return event.tensor_proto.string_val[0].decode()


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Zoo:
    """Twenty networks on one data set, two of which are held out for testing and two more in the part val."""
    return Zoo.from_networks(modules(20), (X, Y), tmp_path_factory.mktemp("given") / "zoo", progress=False)


@pytest.fixture(scope="module")
def trained(zoo, tmp_path_factory) -> Path:
    """Folder of a model that was trained on them while some were rebuilt."""
    folder = tmp_path_factory.mktemp("trained")
    train_on_zoo(zoo, folder, CONFIG, TRAINING, callbacks=[Rebuilding()])
    return folder


@pytest.fixture(scope="module")
def vae(trained) -> NetVAE:
    return NetVAE.from_pretrained(trained / "checkpoints" / "vae.safetensors")


def test_each_part_of_the_training_is_a_run_with_its_charts(trained):
    runs = trained / "tensorboard"
    assert sorted(path.name for path in runs.iterdir()) == ["prior", "vae"]
    assert all(path.name.startswith("events.out.tfevents.") for path in runs.glob("*/*"))
    rebuilt = {f"rebuilt/{name}" for name in REBUILT}
    for part, run, more in (("VAE", "vae", rebuilt), ("prior", "prior", set())):
        events = events_of(runs / run)
        tags = {f"{kind}/{name}" for kind in ("loss", "held_out") for name in LOSSES[part]} | {*SCHEDULE} | more
        assert {*events.Tags()["scalars"]} == tags
        assert all(f"| {tag} |" in text(events, "charts") for tag in tags if not tag.startswith("held_out/"))
        layout = events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
        assert all(f"^held_out/{name}$".encode() in layout for name in LOSSES[part])
    epochs = scalars(events_of(runs / "vae"), "schedule/epoch")
    assert epochs == [(step, step / 2) for step in range(12)]


def test_networks_are_rebuilt_after_every_epoch_and_drawn_a_few_times(trained):
    events = events_of(trained / "tensorboard" / "vae")
    for name in REBUILT:
        points = scalars(events, f"rebuilt/{name}")
        assert [step for step, _ in points] == [2, 4, 6, 8, 10, 12]
        assert all(-1 <= value <= 1 for _, value in points)
    tags = events.Tags()["images"]
    assert tags == [f"rebuilt_networks/network_{i}" for i in range(1, 1 + min(N_PICTURES, 2))]  # two are held out
    for tag in tags:
        pictures = events.Images(tag)
        assert [picture.step for picture in pictures] == [2, 4, 8, 12]
        assert len(pictures) <= MOST_DRAWN + 1
        for picture in pictures:
            size = Image.open(io.BytesIO(picture.encoded_image_string)).size
            assert size == (picture.width, picture.height) == (480, 500)
            assert len(picture.encoded_image_string) < 150_000


def test_a_training_is_the_same_bit_for_bit_with_and_without_it(zoo, trained, tmp_path):
    train_on_zoo(zoo, tmp_path, CONFIG, TRAINING)
    for name in ("training", "prior", "vae"):
        paths = [folder / "checkpoints" / f"{name}.safetensors" for folder in (trained, tmp_path)]
        assert paths[0].read_bytes() == paths[1].read_bytes(), name
    assert events_of(tmp_path / "tensorboard" / "vae").Tags()["images"] == []


class Killed(Callback):
    """An error in the middle of the fourth step, after which nothing is written."""

    def on_before_optimizer_step(self, trainer, pl_module, *args) -> None:
        if pl_module.steps_done == 3:
            raise RuntimeError("killed")


def test_a_resumed_training_has_every_point_once(zoo, trained, tmp_path):
    with pytest.raises(RuntimeError, match="killed"):  # before anything is written from which it is resumed
        train_on_zoo(zoo, tmp_path, CONFIG, TRAINING, callbacks=[Rebuilding(), Killed()])
    for steps in (3, 4):
        with pytest.raises(KeyboardInterrupt):
            train_on_zoo(zoo, tmp_path, CONFIG, TRAINING, callbacks=[Rebuilding(), Interrupt(steps)])
    train_on_zoo(zoo, tmp_path, CONFIG, TRAINING, callbacks=[Rebuilding()])
    whole, resumed = (events_of(folder / "tensorboard" / "vae") for folder in (trained, tmp_path))
    assert text(resumed, "charts") == text(whole, "charts")
    for tag in whole.Tags()["scalars"]:
        if tag.startswith(("held_out/", "rebuilt/")):
            assert scalars(resumed, tag) == scalars(whole, tag), tag
    for tag in whole.Tags()["images"]:
        same = [[(i.step, i.encoded_image_string) for i in events.Images(tag)] for events in (whole, resumed)]
        assert same[0] == same[1]


def test_points_that_a_killed_training_writes_again_are_forgotten(tmp_path):
    for first, last in ((0, 7), (5, 9)):
        with SummaryWriter(str(tmp_path)) as writer:
            if first:
                forget_later_points(writer, first - 1)
            for step in range(first, last):
                writer.add_scalar("loss/total", first + step, step)
        if not first:  # files are read by the second in their names, which is the same here
            next(tmp_path.iterdir()).rename(tmp_path / "events.out.tfevents.0")
    steps = [step for step, _ in scalars(events_of(tmp_path), "loss/total")]
    assert steps == list(range(9))


def test_curves_of_earlier_versions_and_of_both_parts_are_read_together(trained, tmp_path):
    curves = loss_curves(trained / "tensorboard")
    assert {*curves} == {*LOSSES["VAE"], *LOSSES["prior"]}
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss/total", 1.0, 3)
    assert loss_curves(tmp_path) == {"total": [(3, 1.0)]}
    assert loss_curves(tmp_path / "nothing") == {}


def test_networks_that_are_given_are_rebuilt_and_none_where_none_is_held_out(tmp_path):
    examples = examples_of(nets_per_task=5, steps=5)
    short = replace(TRAINING, max_epochs=1, prior_epochs=1)
    train(examples, tmp_path / "a", CONFIG, short, callbacks=[Rebuilding()])
    assert "rebuilt/edge_f1" not in events_of(tmp_path / "a" / "tensorboard" / "vae").Tags()["scalars"]
    train(examples, tmp_path / "b", CONFIG, short, callbacks=[Rebuilding([examples[0].graph])])
    assert len(scalars(events_of(tmp_path / "b" / "tensorboard" / "vae"), "rebuilt/edge_f1")) == 1
    with pytest.raises(NetGraphError, match="networks"):
        Rebuilding([convolutional(1)[0]])


FIGURES = {"edge_f1": 0.5, "validity": 1.0, "shape_quality": 0.25, "total_seconds": 12.0}


@pytest.fixture(scope="module")
def final(zoo, vae, tmp_path_factory) -> Path:
    """Folder of the run of the end, written twice."""
    folder = tmp_path_factory.mktemp("tensorboard") / "final"
    vae.card |= {"recipe": asdict(ZooRecipe.load("tiny")), "preset": "tiny", "seed": 0}
    for _ in range(2):
        write_final(folder, vae, zoo, "netgraph run --preset tiny", FIGURES, vae.sample(4, seed=0))
    return folder


def test_final_figures_stand_beside_the_hyperparameters(final, vae):
    events = events_of(final)
    plugin = events.SummaryMetadata(SESSION_START_INFO_TAG).plugin_data
    values = parse_session_start_info_plugin_data(plugin.content).hparams
    assert values["learning_rate"].number_value == vae.card["training"]["learning_rate"]
    assert values["preset"].string_value == "tiny"
    assert values["model.width"].number_value == CONFIG.width
    assert "max_steps" not in values  # it is None
    assert described_scalars(events) == {
        "held_out/total": [(12, pytest.approx(vae.card["held_out_loss"]))],
        "held_out/architecture_flow": [(vae.card["prior_steps"], pytest.approx(vae.card["prior_held_out_loss"]))],
        "rebuilt/edge_f1": [(12, 0.5)],
        "samples_at_the_end/validity": [(12, 1.0)],
        "samples_at_the_end/shape_quality": [(12, 0.25)],
    }
    described = events.SummaryMetadata("samples_at_the_end/shape_quality").summary_description
    assert described == MODEL["shape_quality"].meaning
    assert "one point each, for the tab HParams" in text(events, "charts")
    assert [path.name for path in final.parent.iterdir()] == ["final"]


def test_the_card_has_command_versions_recipe_and_every_figure(final):
    events = events_of(final)
    assert text(events, "card").startswith("    netgraph run --preset tiny\n")
    assert f"| torch | {torch.__version__} |" in text(events, "card")
    assert "| networks | 16 |" in text(events, "training")
    assert "    n_tasks: " in text(events, "recipe")
    rows = [f"| {name} | {value:.4g} | {MODEL[name].meaning} |" for name, value in FIGURES.items()]
    assert all(row in text(events, "figures") for row in rows)


def test_weights_of_trained_and_sampled_networks_have_the_same_bars(final):
    events = events_of(final)
    assert events.Tags()["histograms"] == [
        f"weights/{kind}{name}" for kind in ("", "biases_") for name in ("trained", "sampled")
    ]
    (trained,), (sampled,) = (events.Histograms(f"weights/{name}") for name in ("trained", "sampled"))
    values = trained.histogram_value, sampled.histogram_value
    assert all(value.num == sum(value.bucket) > 0 for value in values)
    assert all(max(abs(value.min), abs(value.max)) <= values[0].bucket_limit[-1] for value in values)


def test_the_projector_has_function_codes_with_family_depth_parameters_and_validation_r2(final, zoo, vae):
    numbers = zoo.split("test")
    labels = pd.read_csv(final / "labels.tsv", sep="\t")
    assert list(labels)[:4] == ["family", "depth", "parameters", "validation R²"]
    assert labels["parameters"].tolist() == zoo.table["n_parameters"].iloc[numbers].tolist()
    assert labels["validation R²"].tolist() == pytest.approx(zoo.table["validation_r2"].iloc[numbers].tolist(), 1e-4)
    points = pd.read_csv(final / "function_code.tsv", sep="\t", header=None).to_numpy()
    codes = vae.encode([zoo[i] for i in numbers])[:, vae.function]
    assert torch.allclose(torch.from_numpy(points).float(), codes, rtol=1e-4, atol=1e-5)


def test_labels_keep_the_columns_of_a_zoo_of_one_s_own(vae, tmp_path):
    networks = modules(3)
    zoo = Zoo.from_networks(networks, (X, Y), tmp_path / "zoo", {"epoch": [5, 6, 7]}, "train", progress=False)
    labels = zoo_labels(zoo, [0, 2], [zoo[0], zoo[2]])
    assert labels["epoch"].tolist() == [5, 7]


def test_a_zoo_of_other_networks_leaves_card_and_figures(vae, tmp_path):
    zoo = Zoo.from_networks(
        convolutional(2), (IMAGES, torch.zeros(12, 3)), tmp_path / "zoo", None, "test", progress=False
    )
    write_final(tmp_path / "final", vae, zoo, "netgraph run", {"edge_f1": 0.5}, [])
    assert not (tmp_path / "final" / "labels.tsv").exists()
    assert described_scalars(events_of(tmp_path / "final"))["rebuilt/edge_f1"]
