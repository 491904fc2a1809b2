"""Training on a zoo: its training networks alone."""

from dataclasses import replace

import torch

from netgraph.model import NetVAE
from netgraph.presets import PRESETS
from netgraph.training.train import train_on_zoo


def test_a_model_is_trained_on_training_networks_alone(tiny_zoo, tmp_path):
    size = PRESETS["tiny"]
    training = replace(size.training, max_steps=3, prior_steps=3)
    vae = train_on_zoo(tiny_zoo, tmp_path, size.vae, training, card={"recipe": "tiny"})
    assert NetVAE.from_pretrained(tmp_path / "checkpoints" / "vae.safetensors").card == vae.card
    assert vae.card["recipe"] == "tiny"
    assert vae.card["networks"] == len(tiny_zoo.split("train"))
    assert vae.card["prior_steps"] == 3
    known = [tiny_zoo[i] for i in tiny_zoo.split("train")]
    assert len(vae.encode(known)) == len(known)
    other = replace(training, seed=1)  # of which nothing is seen, for it is done
    again = train_on_zoo(tiny_zoo, tmp_path, size.vae, other)
    assert again.card["steps"] == vae.card["steps"]
    for one, other in zip(vae.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)
