"""Training on a zoo: its training networks alone, and tasks that no network of it was held out for."""

from dataclasses import replace

import torch

from netgraph.model import NetVAE
from netgraph.presets import PRESETS
from netgraph.training.on_zoo import train_on_zoo, training_episodes


def test_episodes_are_the_training_tasks_and_more_of_the_same_kind(tiny_zoo):
    known = sorted({tiny_zoo[i].task for i in tiny_zoo.split("train")})
    episodes = training_episodes(tiny_zoo, known, 5)
    assert len(episodes.meta_features) == len(known) + 5
    assert episodes.meta_features[: len(known)].isfinite().all()
    assert episodes.meta_features[len(known) :].isnan().all()
    assert torch.equal(episodes.meta_features[: len(known)], tiny_zoo.meta_features[known])


def test_a_model_is_trained_on_training_networks_alone(tiny_zoo, tmp_path):
    size = PRESETS["tiny"]
    vae = train_on_zoo(tiny_zoo, tmp_path, size.vae, size.training, n_tasks=5, card={"recipe": "tiny"})
    assert NetVAE.from_pretrained(tmp_path / "checkpoints" / "vae.safetensors").card == vae.card
    assert vae.card["recipe"] == "tiny"
    assert vae.card["networks"] == len(tiny_zoo.split("train"))
    assert vae.card["generator_steps"] > 0
    assert vae.portfolio is not None
    other = replace(size.training, seed=1)  # of which nothing is seen, for it is done
    again = train_on_zoo(tiny_zoo, tmp_path, size.vae, other, n_tasks=5)
    assert again.card["steps"] == vae.card["steps"]
    for one, other in zip(vae.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)
