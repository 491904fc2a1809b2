"""What runs on a GPU; each is skipped where there is none."""

import pytest
import torch
from sklearn.datasets import load_diabetes

from netgraph import NetGraph, NetGraphRegressor, NetVAE, canonicalize
from netgraph.graph.architecture import Architecture
from netgraph.model import GeneratorConfig, VAEConfig
from netgraph.tasks import Task, draw_task
from netgraph.training import Episodes, Example, PortfolioConfig, TrainConfig, train
from netgraph.zoo import ZooRecipe
from netgraph.zoo.architectures import draw_architecture, initialize

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


def test_a_gpu_fits_a_table_as_well_as_a_cpu():
    x, y = load_diabetes(return_X_y=True)
    scores = [NetGraphRegressor(device=device, random_state=0).fit(x, y).score(x, y) for device in ("cpu", "cuda")]
    assert abs(scores[0] - scores[1]) < 0.05


def test_a_gpu_trains_encoder_prior_and_generator(tmp_path):
    generator = torch.Generator().manual_seed(0)
    recipe = ZooRecipe.load("tiny").architectures
    tasks = [draw_task("linear", columns, 48, columns) for columns in range(1, 17)]
    examples = [_example(draw_architecture(recipe, task.n_features, generator), task, generator) for task in tasks[:8]]
    config = VAEConfig(slot_size=18, max_fan=32, generator=GeneratorConfig())
    portfolio = PortfolioConfig(size=2, pool=3, tasks=2)
    training = TrainConfig(batch_size=4, max_epochs=3, prior_epochs=3, generator_epochs=3, portfolio=portfolio)
    episodes = Episodes(tasks, torch.full((16, 37), torch.nan))
    trained = train(examples, tmp_path, config, training, episodes=episodes, device="cuda")
    assert trained.card["steps"] == trained.card["generator_steps"] == 6
    assert len(trained.portfolio) == 2 * len(tasks)
    assert all(value.isfinite().all() for value in trained.parameters())


def _example(architecture: Architecture, task: Task, generator: torch.Generator) -> Example:
    graph = canonicalize(NetGraph(architecture, initialize(architecture, generator)))
    return Example(graph.replace(sensitivity=torch.ones(graph.num_nodes)), task.x, torch.full((37,), torch.nan))
