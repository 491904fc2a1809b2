"""The function codes of networks in TensorBoard's tab Projector: tables of points and labels, and a run around them."""

import pandas as pd
import pytest
import torch
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from torch import nn

from netgraph import NetGraphError
from tests.model.small import networks, perceptron, untrained

GRAPHS = networks(5)


def config_of(folder):
    return text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())


def table(path):
    return [line.split("\t") for line in path.read_text().rstrip("\n").split("\n")]


def test_points_are_the_function_codes_and_labels_the_sizes_of_the_architectures(tmp_path):
    vae = untrained()
    vae.to_tensorboard([*GRAPHS, perceptron(4, 5, 1)], tmp_path / "latents")
    (embedding,) = config_of(tmp_path / "latents").embeddings
    points = torch.tensor(
        [[float(value) for value in row] for row in table(tmp_path / "latents" / embedding.tensor_path)]
    )
    codes = vae.encode([*GRAPHS, perceptron(4, 5, 1)])[:, vae.function]
    assert torch.allclose(points, codes, rtol=1e-4, atol=1e-6)
    header, *labels = table(tmp_path / "latents" / embedding.metadata_path)
    assert header == ["depth", "parameters", "inputs", "outputs"]
    assert len(labels) == len(codes)
    assert labels[-1] == ["2", "31", "4", "1"]
    runs = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    assert list(runs.Reload().Runs()) == ["latents"]


def test_labels_are_those_given_each_on_a_line_of_its_own(tmp_path):
    labels = pd.DataFrame({"name": ["a\tb", "c\nd", "é", "", "e"], "epoch": range(5), "R²": [0.1234567891, *[1.0] * 4]})
    untrained().to_tensorboard(GRAPHS, tmp_path, labels)
    header, *rows = table(tmp_path / "labels.tsv")
    assert header == ["name", "epoch", "R²"]
    assert rows[:3] == [["a b", "0", "0.123457"], ["c d", "1", "1"], ["é", "2", "1"]]
    untrained().to_tensorboard(GRAPHS[:2], tmp_path, labels[["epoch"]][:2])  # in place of the earlier ones
    assert table(tmp_path / "labels.tsv") == [["0"], ["1"]]
    assert len(table(tmp_path / "function_code.tsv")) == 2


@pytest.mark.parametrize(
    ("given", "labels", "message"),
    [
        (GRAPHS, pd.DataFrame({"name": ["a"]}), "^labels: 1 rows for 5 networks$"),
        (GRAPHS, pd.DataFrame(index=range(5)), "^labels: a table without columns$"),
        (GRAPHS, ["a"] * 5, "^labels: expected a DataFrame with one row a network, got list$"),
        ([*GRAPHS, nn.Linear(50, 1)], None, "^network 5: "),
        ([], None, "^no networks to encode$"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(given, labels, message, tmp_path):
    with pytest.raises(NetGraphError, match=message):
        untrained().to_tensorboard(given, tmp_path / "latents", labels)
    assert not (tmp_path / "latents").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "latents").write_text("mine")
    with pytest.raises(NetGraphError, match="latents: is a file; TensorBoard reads the folder of a run"):
        untrained().to_tensorboard(GRAPHS, tmp_path / "latents")
    with pytest.raises(NetGraphError, match="latents/sub: Not a directory"):
        untrained().to_tensorboard(GRAPHS, tmp_path / "latents" / "sub")
    assert (tmp_path / "latents").read_text() == "mine"
