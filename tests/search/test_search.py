import numpy as np
import pytest
import torch

from netgraph import NetGraphError, NetVAE
from netgraph.model import PriorConfig, VAEConfig
from netgraph.search import NetGraphRegressor, SearchConfig, try_real
from netgraph.search.fit import Data, propose, tune

PRIOR = PriorConfig(width=16, heads=2, place_layers=1, layout_layers=1, steps=2)
CONFIG = VAEConfig(width=16, heads=2, place_positions=4, slot_size=4, max_nodes=40, max_fan=24, prior=PRIOR)


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = NetVAE(CONFIG)
    model.structure.known_types[torch.tensor([3, 4, 6])] = True
    return model.eval()


def test_a_real_data_set_is_tried_beside_its_baselines(vae):
    result = try_real(vae, "diabetes", SearchConfig(n_samples=16, n_tuned=4, steps=30), n_splits=2)
    assert set(result.scores) == set(result.spread)
    assert result.scores["ridge regression"] > 0.3
    assert all(np.isfinite(list(result.scores.values())))
    assert result.graph.architecture.n_inputs == 10


def test_tuning_helps(vae):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(80, 4, generator=generator)
    data = Data(x, x[:, 0] - x[:, 1])
    config = SearchConfig(n_samples=16, n_tuned=4, steps=150, learning_rate=2e-2)
    found = tune(propose(vae, data, config), data, data, config)
    from netgraph.search.fit import predict

    assert (predict(found, x) - data.y).square().mean() < 0.5 * data.y.var()


def test_too_many_columns_are_named(vae):
    data = Data(torch.randn(30, 60), torch.randn(30))
    with pytest.raises(NetGraphError, match="60 columns"):
        propose(vae, data, SearchConfig())


def test_the_estimator_is_seeded_and_keeps_units(vae, tmp_path):
    path = tmp_path / "vae.safetensors"
    vae.save(path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3)) * [1, 100, 0.01]
    y = 1000 + 50 * x[:, 0]
    make = {"checkpoint": str(path), "n_samples": 16, "n_tuned": 4, "steps": 200}
    estimator = NetGraphRegressor(**make).fit(x, y)
    assert estimator.score(x, y) > 0.3
    assert np.array_equal(estimator.predict(x), NetGraphRegressor(**make).fit(x, y).predict(x))
    assert np.allclose(estimator.predict(x)[::-1], estimator.predict(x[::-1]), atol=1e-9)
    assert estimator.module_(torch.zeros(2, 3)).shape == (2, 1)
    with pytest.raises(ValueError, match="NaN"):
        NetGraphRegressor(**make).fit(np.full((10, 3), np.nan), np.zeros(10))
