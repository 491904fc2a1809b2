"""What runs on a GPU; each is skipped where there is none."""

import pytest
import torch
from sklearn.datasets import load_diabetes

from netgraph import NetGraph, NetGraphRegressor, NetVAE, canonicalize
from netgraph.graph.architecture import Architecture
from netgraph.model import VAEConfig
from netgraph.training import Example, TrainConfig, train
from netgraph.zoo import ZooRecipe
from netgraph.zoo.architectures import draw_architecture
from netgraph.zoo.initial import initialize

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    return NetVAE.from_pretrained().to("cuda")


def test_a_gpu_samples_decodes_and_encodes(vae):
    sampled = vae.sample(8, seed=0)
    z = vae.encode(sampled)
    assert z.is_cuda
    assert len(vae.decode(z)) == 8
    assert all(graph.state.isfinite().all() for graph in sampled)


def test_a_gpu_encodes_the_rows_of_a_data_set_and_samples_for_them(vae):
    X = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    y = torch.tanh(X[:, 0]) - X[:, 1]
    assert vae.encode_rows(X, y).mean.is_cuda
    assert len(vae.sample(4, X=X, y=y, seed=0)) == 4


def test_a_gpu_fits_a_table_as_well_as_a_cpu():
    x, y = load_diabetes(return_X_y=True)
    scores = [NetGraphRegressor(device=device, random_state=0).fit(x, y).score(x, y) for device in ("cpu", "cuda")]
    assert abs(scores[0] - scores[1]) < 0.05


def test_a_gpu_trains_every_part(tmp_path):
    generator = torch.Generator().manual_seed(0)
    recipe = ZooRecipe.load("tiny").architectures
    examples = [_example(draw_architecture(recipe, 1 + i, generator), generator) for i in range(8)]
    training = TrainConfig(batch_size=4, max_epochs=3, prior_epochs=3)
    trained = train(examples, tmp_path, VAEConfig(max_fan=32), training, device="cuda")
    assert (trained.card["steps"], trained.card["prior_steps"]) == (6, 3)
    assert all(value.isfinite().all() for value in trained.parameters())
    assert len(trained.to("cuda").sample(4, seed=0)) == 4


def _example(architecture: Architecture, generator: torch.Generator) -> Example:
    graph = canonicalize(NetGraph(architecture, initialize(architecture, generator)))
    return Example(graph.replace(sensitivity=torch.ones(graph.num_nodes)), torch.full((37,), torch.nan))
