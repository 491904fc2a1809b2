"""The contract of registered layers: each comes back exactly, in every setting that it has."""

import pytest
import torch
from torch import nn

from netgraph import to_module
from netgraph.graph.modules.decompose import DECOMPOSED
from netgraph.graph.modules.functions import OPERATIONS
from netgraph.graph.modules.registry import ENTRIES, build, describe, is_leaf
from netgraph.graph.modules.rules import RULES
from tests.graph.zoo_of_modules.exact import assert_exact, prepared

LINE, PLANE, SPACE, ROWS = (2, 4, 9), (2, 4, 8, 8), (2, 4, 6, 6, 6), (3, 4)
PADDINGS = ("zeros", "reflect", "replicate", "circular")
CASES = [
    *((nn.Conv1d(4, 6, 3, padding=2, dilation=2, groups=2, padding_mode=mode), LINE) for mode in PADDINGS),
    (nn.Conv1d(4, 8, 3, padding="same", groups=4, bias=False), LINE),
    (nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(1, 0)), PLANE),
    (nn.Conv2d(4, 8, 3, groups=4), PLANE),
    (nn.Conv2d(4, 3, 2, padding="valid", dilation=3), PLANE),
    (nn.Conv3d(4, 2, 3, padding=1, padding_mode="circular"), SPACE),
    (nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), LINE),
    (nn.ConvTranspose2d(4, 3, 3, dilation=2, bias=False), PLANE),
    (nn.ConvTranspose3d(4, 8, 2, groups=4), SPACE),
    (nn.BatchNorm1d(4, momentum=None), LINE),
    (nn.BatchNorm2d(4, affine=False), PLANE),
    (nn.BatchNorm2d(4, track_running_stats=False), PLANE),
    (nn.BatchNorm3d(4, eps=1e-3, momentum=0.3), SPACE),
    (nn.InstanceNorm1d(4, affine=True, track_running_stats=True), LINE),
    (nn.InstanceNorm2d(4), PLANE),
    (nn.InstanceNorm3d(4), SPACE),
    (nn.GroupNorm(2, 4), PLANE),
    (nn.GroupNorm(4, 4, affine=False), LINE),
    (nn.LayerNorm(8), PLANE),
    (nn.LayerNorm((4, 8, 8), bias=False), PLANE),
    (nn.LayerNorm(4, elementwise_affine=False), ROWS),
    (nn.RMSNorm(8, eps=1e-3), PLANE),
    (nn.LocalResponseNorm(3), PLANE),
    (nn.MaxPool1d(3, 2, 1), LINE),
    (nn.MaxPool2d(3, 2, 1, ceil_mode=True), PLANE),
    (nn.MaxPool2d(2, return_indices=True), PLANE),
    (nn.MaxPool3d(2), SPACE),
    (nn.AvgPool1d(2), LINE),
    (nn.AvgPool2d(3, 1, 1, count_include_pad=False, divisor_override=2), PLANE),
    (nn.AvgPool3d(2), SPACE),
    (nn.FractionalMaxPool2d(2, output_ratio=0.5), PLANE),
    (nn.FractionalMaxPool3d(2, output_size=3), SPACE),
    (nn.RReLU(0.1, 0.4), PLANE),
    (nn.Softmin(dim=1), ROWS),
    (nn.LPPool1d(2, 2), LINE),
    (nn.LPPool2d(2, 2), PLANE),
    (nn.AdaptiveAvgPool1d(3), LINE),
    (nn.AdaptiveAvgPool2d((None, 3)), PLANE),
    (nn.AdaptiveAvgPool3d(2), SPACE),
    (nn.AdaptiveMaxPool1d(3), LINE),
    (nn.AdaptiveMaxPool2d(3), PLANE),
    (nn.AdaptiveMaxPool3d(2), SPACE),
    (nn.Upsample(scale_factor=2, mode="nearest"), PLANE),
    (nn.UpsamplingBilinear2d(scale_factor=2), PLANE),
    (nn.PixelShuffle(2), PLANE),
    (nn.PixelUnshuffle(2), PLANE),
    (nn.ChannelShuffle(2), PLANE),
    (nn.Flatten(), PLANE),
    (nn.Unflatten(1, (2, 2)), PLANE),
    *((pad(1), PLANE) for pad in (nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d)),
    (nn.ConstantPad1d((1, 2), 0.5), LINE),
    (nn.Dropout(0.3), ROWS),
    (nn.Dropout2d(0.3), PLANE),
    (nn.AlphaDropout(0.3), ROWS),
    (nn.FeatureAlphaDropout(0.3), PLANE),
    *((act(), PLANE) for act in (nn.ReLU6, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.SELU, nn.LogSigmoid)),
    *((act(), PLANE) for act in (nn.Softsign, nn.Tanhshrink, nn.Softmax2d, nn.GLU, nn.Hardtanh, nn.Softplus)),
    *((act(), PLANE) for act in (nn.Hardshrink, nn.Softshrink, nn.CELU)),
    (nn.Softmax(dim=1), ROWS),
    (nn.LogSoftmax(dim=-1), PLANE),
    (nn.GLU(dim=1), PLANE),
    (nn.Threshold(0.1, -1.0), ROWS),
    (nn.PReLU(4, init=0.1), PLANE),
    (nn.Linear(8, 3), PLANE),
    (nn.MultiheadAttention(8, 2), (PLANE[1:],) * 3),
    (nn.MultiheadAttention(8, 2, bias=False, dropout=0.2, batch_first=True), ((2, 5, 8),) * 3),
    (nn.LSTM(9, 5, proj_size=3, num_layers=2), LINE),
    (nn.LSTM(9, 5, bidirectional=True, bias=False, batch_first=True), LINE),
    (nn.GRU(9, 5, 2, dropout=0.2), LINE),
    (nn.RNN(9, 5, nonlinearity="relu"), LINE),
    (nn.Bilinear(4, 5, 3), (ROWS, (3, 5))),
    (nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", norm_first=True, batch_first=True), (2, 5, 8)),
    (nn.TransformerDecoderLayer(8, 2, 16, bias=False), ((5, 2, 8), (4, 2, 8))),
]  # fmt: skip


def drawn(shapes):
    generator = torch.Generator().manual_seed(0)
    every = shapes if isinstance(shapes[0], tuple) else (shapes,)
    return tuple(torch.randn(shape, generator=generator) for shape in every)


class Within(nn.Module):
    """A layer between two activations, so that the network has gradients and is not the layer alone."""

    def __init__(self, layer):
        super().__init__()
        self.scale, self.layer = nn.Parameter(torch.tensor(1.5)), layer

    def forward(self, *inputs):
        raise NotImplementedError


class OneInput(Within):
    def forward(self, x):
        return self.layer(torch.tanh(x) * self.scale)


class TwoInputs(Within):
    def forward(self, x, y):
        return self.layer(x * self.scale, y)


class ThreeInputs(Within):
    def forward(self, x, y, z):
        return self.layer(x * self.scale, y, z)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(
    ("layer", "shapes"), CASES, ids=lambda case: repr(case)[:70] if isinstance(case, nn.Module) else ""
)
def test_every_layer_is_exact(layer, shapes):
    example = drawn(shapes)
    network = (OneInput, TwoInputs, ThreeInputs)[len(example) - 1](layer)
    normalizes = isinstance(layer, nn.GroupNorm | nn.LayerNorm | nn.RMSNorm | nn.LocalResponseNorm)
    assert_exact(prepared(network), example, follow=not normalizes)


def test_tensors_keep_their_order_in_memory():
    module = prepared(
        nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Conv2d(6, 2, 3)).to(memory_format=torch.channels_last)
    )
    module[2].weight = nn.Parameter(torch.randn(3, 3, 6, 2).permute(3, 2, 0, 1))
    (x,) = drawn(PLANE)
    rebuilt = to_module(assert_exact(module, x))
    for name, value in rebuilt.named_parameters():
        assert value.stride() == module.get_parameter(name).stride()


def test_embeddings_are_exact():
    ids = torch.tensor([[1, 2, 0], [3, 4, 1]])
    for layer in (nn.Embedding(5, 4, padding_idx=0), nn.Embedding(5, 4, scale_grad_by_freq=True)):
        assert_exact(prepared(nn.Sequential(layer, nn.Linear(4, 2))), ids)


def test_every_registered_type_has_a_case():
    tried = {type(layer) for layer, _ in CASES} | {
        nn.Embedding,
        nn.TransformerEncoder,
        nn.TransformerDecoder,
        nn.Transformer,
    }
    feed_forward = {nn.ReLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.GELU, nn.ELU, nn.Identity}
    others = {"1d", "2d", "3d"}
    left = {
        kind
        for kind in (entry.type for entry in ENTRIES.values())
        if kind not in tried | feed_forward and kind.__name__[-2:] not in others
    }
    assert not left


def test_building_draws_no_numbers_and_needs_no_memory():
    before = torch.get_rng_state()
    module = build(*describe(nn.Linear(7, 5)))
    assert torch.equal(before, torch.get_rng_state()) or module.weight.is_meta
    assert module.weight.is_meta
    assert all(is_leaf(part) for part in (module, nn.Softmin(dim=1)))


def test_every_entry_and_operation_has_a_rule():
    roles = {entry.role for entry in ENTRIES.values()} | {operation.role for operation in OPERATIONS.values()}
    assert roles == RULES.keys() | {"decomposed", "scalar", "identity"}
    assert {name for name, entry in ENTRIES.items() if entry.role == "decomposed"} == DECOMPOSED.keys()
