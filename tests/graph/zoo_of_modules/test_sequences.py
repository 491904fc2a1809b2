import pytest
import torch
from torch import nn
from torch.nn import functional as F

from netgraph import NetGraphError, to_module
from tests.graph.zoo_of_modules.exact import assert_exact, prepared


class TextCNN(nn.Module):
    """Kim 2014."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.convs = nn.ModuleList(nn.Conv1d(8, 6, k) for k in (2, 3, 4))
        self.fc = nn.Linear(18, 2)

    def forward(self, ids):
        x = self.embedding(ids).transpose(1, 2)
        pooled = [F.relu(conv(x)).max(dim=2)[0] for conv in self.convs]
        return self.fc(F.dropout(torch.cat(pooled, 1), 0.5, self.training))


class Tagger(nn.Module):
    """A bidirectional LSTM tagger (Graves & Schmidhuber 2005)."""

    def __init__(self):
        super().__init__()
        self.embedding, self.lstm = (
            nn.Embedding(30, 8),
            nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True, dropout=0.2),
        )
        self.out = nn.Linear(12, 4)

    def forward(self, ids):
        hidden, (last, _) = self.lstm(self.embedding(ids))
        return self.out(hidden), last


class Translator(nn.Module):
    """A GRU encoder and decoder (Cho et al. 2014) of two inputs."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder, self.out = nn.GRU(4, 8), nn.GRU(4, 8), nn.Linear(8, 4)

    def forward(self, source, target):
        _, state = self.encoder(source)
        hidden, _ = self.decoder(target, state)
        return F.log_softmax(self.out(hidden), dim=-1)


class WaveNet(nn.Module):
    """van den Oord et al. 2016: gated, causal, dilated."""

    def __init__(self, channels=8):
        super().__init__()
        self.dilated = nn.ModuleList(nn.Conv1d(channels, 2 * channels, 2, dilation=d) for d in (1, 2, 4))
        self.mix = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(3))
        self.start, self.out = nn.Conv1d(1, channels, 1), nn.Conv1d(channels, 4, 1)

    def forward(self, x):
        x, skip = self.start(x), 0
        for conv, mix in zip(self.dilated, self.mix, strict=True):
            value, gate = conv(F.pad(x, (conv.dilation[0], 0))).chunk(2, dim=1)
            h = mix(torch.tanh(value) * torch.sigmoid(gate))
            x, skip = x + h, skip + h
        return self.out(F.relu(skip))


class Temporal(nn.Module):
    """A temporal convolutional network (Bai et al. 2018)."""

    def __init__(self, channels=6):
        super().__init__()
        self.conv1 = nn.Conv1d(channels, channels, 3, padding=4, dilation=2)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=4, dilation=2)

    def forward(self, x):
        h = F.relu(self.conv1(x)[:, :, :-4])
        return F.relu(x + self.conv2(h)[..., :-4])


class WideAndDeep(nn.Module):
    """Cheng et al. 2016: categories and numbers."""

    def __init__(self):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n, 4) for n in (5, 7))
        self.deep, self.wide = nn.Sequential(nn.Linear(11, 8), nn.ReLU(), nn.Linear(8, 1)), nn.Linear(3, 1)

    def forward(self, categories, numbers):
        parts = [embedding(categories[:, i]) for i, embedding in enumerate(self.embeddings)]
        return (self.deep(torch.cat([*parts, numbers], dim=-1)) + self.wide(numbers)).squeeze(-1)


class Siamese(nn.Module):
    """Bromley et al. 1993: one tower, used twice."""

    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, a, b):
        return torch.abs(self.tower(a) - self.tower(b)).sum(dim=1)


class Tied(nn.Module):
    """An autoencoder whose decoder is the encoder's transpose, and a layer used under two names."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 4)
        self.again = nn.ModuleDict({"first": nn.Linear(4, 4)})
        self.again["second"] = self.again["first"]
        self.bias = nn.Parameter(torch.zeros(6))

    def forward(self, x):
        h = self.again["second"](torch.tanh(self.again["first"](self.encoder(x))))
        return F.linear(h, self.encoder.weight.t(), self.bias)


class Highway(nn.Module):
    """Srivastava et al. 2015."""

    def __init__(self, width=6):
        super().__init__()
        self.plain, self.gate = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.relu(self.plain(x)) + (1 - gate) * x


class NeuralProcess(nn.Module):
    """A conditional neural process (Garnelo et al. 2018): a mean over a set, in double precision."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8)), nn.Linear(9, 2)

    def forward(self, context, target):
        r = self.encoder(context).mean(dim=1, keepdim=True).expand(-1, target.shape[1], -1)
        mean, raw = self.decoder(torch.cat([r, target], dim=-1)).chunk(2, dim=-1)
        return mean, 0.1 + 0.9 * F.softplus(raw)


class Unrolled(nn.Module):
    """An RNN unrolled by a Python loop over the input's length, with an assertion: for torch.export."""

    def __init__(self):
        super().__init__()
        self.cell, self.recurrent, self.out = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        assert x.shape[-1] == 3
        h = torch.zeros(x.shape[0], 5)
        for t in range(x.shape[1]):
            h = torch.tanh(self.cell(x[:, t]) + self.recurrent(h))
        return self.out(F.dropout(h, 0.2, self.training))


def numbers(*shapes):
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


def ids(high, *shape):
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(0))


NETWORKS = {
    "TextCNN": (TextCNN, (ids(30, 2, 9),)),
    "LSTM tagger": (Tagger, (ids(30, 2, 7),)),
    "GRU translator": (Translator, numbers((5, 2, 4), (3, 2, 4))),
    "WaveNet": (WaveNet, numbers((2, 1, 16))),
    "TCN": (Temporal, numbers((2, 6, 12))),
    "Wide & Deep": (WideAndDeep, (ids(5, 3, 2), *numbers((3, 3)))),
    "Siamese": (Siamese, numbers((3, 6), (3, 6))),
    "tied autoencoder": (Tied, numbers((3, 6))),
    "Highway": (Highway, numbers((3, 6))),
    "neural process": (lambda: NeuralProcess().double(), tuple(x.double() for x in numbers((2, 5, 2), (2, 4, 1)))),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_sequences_and_sets_are_exact(name):
    build, example = NETWORKS[name]
    assert_exact(prepared(build()), example)


def test_a_loop_over_time_is_exact_and_holds_for_its_length_only():
    (x,) = numbers((4, 6, 3))
    graph = assert_exact(prepared(Unrolled()), x)
    module = to_module(graph)
    assert module(x[:2]).shape == (2, 2)
    with pytest.raises(NetGraphError, match=r"x has shape \(4, 5, 3\); the network was traced for \[any, 6, 3\]"):
        module(x[:, :5])
