"""The model takes graphs and modules alike, and meta-features in every form; of others it says so in one line."""

import pandas as pd
import pytest
import torch
from torch import nn

from netgraph import NetGraphError, from_module, get_meta_features
from netgraph.evaluation import metrics
from netgraph.training import Example
from tests.model.small import untrained
from tests.zoo.given import IMAGES, X, Y, convolutional

VECTOR = get_meta_features(X, Y)
FORMS = {
    "series": VECTOR,
    "mapping": dict(reversed(VECTOR.to_dict().items())),
    "array": VECTOR.to_numpy(),
    "tensor": torch.tensor(VECTOR.to_numpy()),
    "list": VECTOR.tolist(),
    "frame": VECTOR.to_frame().T,
    "mappings": [VECTOR.to_dict()],
}
MODULE = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).requires_grad_(False)
GENERAL = from_module(convolutional(1)[0], IMAGES)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_meta_features_are_taken_as_they_are_returned(form):
    vae, expected = untrained(), torch.tensor(VECTOR.to_numpy(), dtype=torch.float32)
    z = vae.encode([MODULE], form)
    assert torch.equal(z, vae.encode([MODULE], VECTOR))
    assert torch.equal(vae.decode(z, form, steps=0)[0].state, vae.decode(z, VECTOR, steps=0)[0].state)
    assert torch.equal(vae.sample(1, form, seed=0)[0].state, vae.sample(1, VECTOR, seed=0)[0].state)
    assert torch.equal(Example(from_module(MODULE), form).meta_features, expected)


def test_names_of_meta_features_are_checked():
    with pytest.raises(NetGraphError, match="expected the 37 meta-features of get_meta_features by name; see"):
        untrained().encode([MODULE], VECTOR.rename({"gravity": "weight"}).to_dict())


def test_networks_of_two_meta_features_are_two_rows():
    frame = pd.DataFrame([VECTOR, VECTOR + 1])
    both = untrained().encode([MODULE, MODULE], frame.to_dict("records"))
    assert torch.equal(both, untrained().encode([MODULE, MODULE], frame))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda vae: vae.encode([MODULE, GENERAL]),
            "^network 1: first: Conv2d .*; the model reads feed-forward networks$",
        ),
        (lambda vae: vae.encode([nn.LSTM(3, 2)]), "^network 0: .*; the model reads feed-forward networks$"),
        (lambda vae: vae.encode(MODULE), "got Sequential; put it in a list"),
        (lambda vae: vae.encode([nn.Linear(40, 1)]), "^network 0: 40 inputs; this model was trained on"),
        (lambda vae: vae.sample(1, architecture=GENERAL), "^architecture: first: Conv2d .*; the model reads"),
        (lambda vae: metrics.validity([MODULE, GENERAL]), "^generated, item 1: first: Conv2d .*; the metric reads"),
        (lambda vae: Example(GENERAL, VECTOR), "^an example: first: Conv2d .*; the model reads feed-forward networks$"),
    ],
)
def test_other_networks_are_refused_plainly(call, message):
    with pytest.raises(NetGraphError, match=message) as caught:
        call(untrained())
    assert len(str(caught.value).splitlines()) == 1


def test_an_architecture_may_be_that_of_a_module():
    vae = untrained()
    z = vae.encode([MODULE])
    for decoded in (vae.decode(z, architecture=MODULE), vae.decode(z, architecture=[MODULE])):
        assert decoded[0].architecture.key == from_module(MODULE).architecture.key
