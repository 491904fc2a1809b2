import sys

import train_generator
from train_generator import main

from netgraph import NetVAE
from netgraph.training import PortfolioConfig

SMALL = "--width 16 --layers 1 --row-width 8 --row-rounds 1 --tasks 320 --told 16 --rows 48 --networks 32 --batch 16"


def test_a_smaller_generator_is_trained_on_what_the_checkpoint_that_ships_samples(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train_generator, "TASKS", 16)
    monkeypatch.setattr(train_generator, "NETWORKS", 32)
    monkeypatch.setattr(train_generator, "side_by_side", lambda f, calls: [one for call in calls for one in f(*call)])
    monkeypatch.setattr(train_generator, "PortfolioConfig", lambda: PortfolioConfig(size=2, pool=3, tasks=2))
    monkeypatch.setattr(sys, "argv", ["train_generator.py", str(tmp_path), "--seconds", "0.5", *SMALL.split()])
    main()
    trained, shipped = NetVAE.from_pretrained(tmp_path / "checkpoints" / "vae.safetensors"), NetVAE.from_pretrained()
    assert trained.config.generator.width == 16
    assert trained.card["generator_steps"] > 0
    assert capsys.readouterr().out.startswith(f"{trained.card['generator_steps']} steps in all, ")
    assert trained.card["generator_tasks"]["rows"] == 48
    assert len(trained.portfolio.of_inputs(3)) == 2
    assert (trained.weights.norm.weight == shipped.weights.norm.weight).all()
