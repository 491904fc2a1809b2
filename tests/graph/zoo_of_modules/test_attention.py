import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graph.zoo_of_modules.exact import assert_exact, prepared


class Attention(nn.Module):
    """Multi-head attention written out (Vaswani et al. 2017), optionally causal."""

    def __init__(self, width, heads, causal=0):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.drop = nn.Dropout(0.1)
        self.register_buffer(
            "mask", torch.tril(torch.ones(causal, causal)).view(1, 1, causal, causal), persistent=False
        )
        self.causal = causal

    def forward(self, x):
        b, t, c = x.size()
        q, k, v = self.qkv(x).split(c, dim=2)
        q, k, v = (part.view(b, t, self.heads, c // self.heads).transpose(1, 2) for part in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        if self.causal:
            scores = scores.masked_fill(self.mask[:, :, :t, :t] == 0, float("-inf"))
        out = self.drop(F.softmax(scores, dim=-1)) @ v
        return self.proj(out.transpose(1, 2).contiguous().view(b, t, c))


class Fused(nn.Module):
    """The same through scaled_dot_product_attention."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=0.1 if self.training else 0.0)
        return self.proj(out.transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self, width, attention):
        super().__init__()
        self.norm1, self.norm2, self.attention = nn.LayerNorm(width), nn.LayerNorm(width), attention
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.Dropout(0.1))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Dosovitskiy et al. 2021."""

    def __init__(self, width=16):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.cls, self.pos = nn.Parameter(torch.zeros(1, 1, width)), nn.Parameter(torch.zeros(1, 17, width))
        self.blocks = nn.Sequential(*(Block(width, Fused(width, 2)) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1) + self.pos
        return self.head(self.norm(self.blocks(x))[:, 0])


class GPT(nn.Module):
    """A small GPT (Radford et al. 2019) with tied embedding and head."""

    def __init__(self, vocabulary=20, width=16, length=8):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, Attention(width, 4, causal=length)) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, ids):
        x = self.tokens(ids) + self.positions(torch.arange(ids.size(1), device=ids.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class RMSBlock(nn.Module):
    """LLaMA's block (Touvron et al. 2023): RMSNorm, SwiGLU, rotary positions."""

    def __init__(self, width=16, heads=2, length=8):
        super().__init__()
        self.norm1, self.norm2, self.heads = nn.RMSNorm(width), nn.RMSNorm(width), heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate, self.up, self.down = nn.Linear(width, 24), nn.Linear(width, 24), nn.Linear(24, width)
        angles = torch.outer(torch.arange(length).float(), 1 / 100 ** torch.linspace(0, 1, width // heads // 2)).repeat(
            1, 2
        )
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def rotate(self, x):
        a, b = x.chunk(2, dim=-1)
        t = x.size(-2)
        return x * self.cos[:t] + torch.cat((-b, a), dim=-1) * self.sin[:t]

    def forward(self, x):
        b, t, _ = x.shape
        h = self.norm1(x)
        q, k, v = (f(h).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        out = F.scaled_dot_product_attention(self.rotate(q), self.rotate(k), v, is_causal=True)
        x = x + self.o(out.transpose(1, 2).flatten(2))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class MixerBlock(nn.Module):
    """MLP-Mixer (Tolstikhin et al. 2021)."""

    def __init__(self, tokens, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.token = nn.Sequential(nn.Linear(tokens, 2 * tokens), nn.GELU(), nn.Linear(2 * tokens, tokens))
        self.channel = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        x = x + self.token(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channel(self.norm2(x))


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch, self.blocks, self.head = (
            nn.Conv2d(3, 12, 4, 4),
            nn.Sequential(MixerBlock(16, 12), MixerBlock(16, 12)),
            nn.Linear(12, 10),
        )

    def forward(self, x):
        return self.head(self.blocks(self.patch(x).flatten(2).transpose(1, 2)).mean(dim=1))


class GatedMLP(nn.Module):
    """gMLP (Liu et al. 2021): spatial gating."""

    def __init__(self, tokens=8, width=16):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 32), nn.Linear(16, width)
        self.gate_norm, self.spatial = nn.LayerNorm(16), nn.Conv1d(tokens, tokens, 1)

    def forward(self, x):
        u, v = F.gelu(self.up(self.norm(x))).chunk(2, dim=-1)
        return x + self.down(u * self.spatial(self.gate_norm(v)))


class ConvNeXtBlock(nn.Module):
    """Liu et al. 2022."""

    def __init__(self, width):
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(width, width, 7, padding=3, groups=width), nn.LayerNorm(width, eps=1e-6)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x):
        h = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        h = self.gamma * self.down(F.gelu(self.up(h)))
        return x + h.permute(0, 3, 1, 2)


class Shifted(nn.Module):
    """Swin's window attention with a cyclic shift (Liu et al. 2021)."""

    def __init__(self, width=16, window=4, shift=2):
        super().__init__()
        self.window, self.shift, self.norm, self.attention = window, shift, nn.LayerNorm(width), Fused(width, 2)

    def forward(self, x):
        b, h, w, c = x.shape
        n = self.window
        y = torch.roll(self.norm(x), (-self.shift, -self.shift), dims=(1, 2))
        y = y.view(b, h // n, n, w // n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, n * n, c)
        y = self.attention(y).view(b, h // n, w // n, n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return x + torch.roll(y, shifts=(self.shift, self.shift), dims=(1, 2))


class Residual(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        return self.block(x) + x


def convmixer(width=8):
    """ConvMixer (Trockman & Kolter 2022)."""
    depthwise = nn.Sequential(
        nn.Conv2d(width, width, 5, groups=width, padding="same"), nn.GELU(), nn.BatchNorm2d(width)
    )
    return nn.Sequential(
        nn.Conv2d(3, width, 4, 4), nn.GELU(), nn.BatchNorm2d(width), Residual(depthwise), nn.Conv2d(width, width, 1),
        nn.GELU(), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(width, 10),
    )  # fmt: skip


class Perceiver(nn.Module):
    """Perceiver's cross attention from latents that are parameters (Jaegle et al. 2021)."""

    def __init__(self, width=16):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(4, width))
        self.cross = nn.MultiheadAttention(width, 2, kdim=6, vdim=6, batch_first=True)
        self.out = nn.Linear(width, 3)

    def forward(self, x):
        latents = self.latents.unsqueeze(0).expand(x.shape[0], -1, -1)
        attended, weights = self.cross(latents, x, x)
        return self.out(attended.mean(1)), weights


class Bert(nn.Module):
    """A BERT-like encoder (Devlin et al. 2019) from torch's layers, with a padding mask."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 16, padding_idx=0)
        layer = nn.TransformerEncoderLayer(16, 2, 32, activation="gelu", batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(16, 2)

    def forward(self, ids, padding):
        return self.head(self.encoder(self.embedding(ids), src_key_padding_mask=padding)[:, 0])


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 2, 32), 2, norm=nn.LayerNorm(16))

    def forward(self, x, memory):
        return self.decoder(x, memory)


IMAGE, TOKENS = (2, 3, 16, 16), (2, 8, 16)
NETWORKS = {
    "ViT": (ViT, [IMAGE]),
    "LLaMA block": (RMSBlock, [TOKENS]),
    "MLP-Mixer": (Mixer, [IMAGE]),
    "gMLP": (GatedMLP, [TOKENS]),
    "ConvNeXt": (lambda: nn.Sequential(nn.Conv2d(3, 8, 4, 4), ConvNeXtBlock(8), ConvNeXtBlock(8)), [IMAGE]),
    "Swin": (Shifted, [(2, 8, 8, 16)]),
    "ConvMixer": (convmixer, [IMAGE]),
    "Perceiver": (Perceiver, [(2, 5, 6)]),
    "Transformer decoder": (Decoder, [(5, 2, 16), (7, 2, 16)]),
    "Transformer": (lambda: nn.Transformer(16, 2, 1, 2, 32, norm_first=True), [(5, 2, 16), (3, 2, 16)]),
    "multi-head attention": (
        lambda: nn.MultiheadAttention(16, 4, add_bias_kv=True, add_zero_attn=True),
        3 * [(5, 2, 16)],
    ),
}


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("name", NETWORKS)
def test_attention_networks_are_exact(name):
    build, shapes = NETWORKS[name]
    generator = torch.Generator().manual_seed(0)
    assert_exact(prepared(build()), tuple(torch.randn(shape, generator=generator) for shape in shapes))


def test_gpt_is_exact_and_its_head_stays_tied():
    ids = torch.randint(0, 20, (2, 6), generator=torch.Generator().manual_seed(0))
    graph = assert_exact(prepared(GPT()), ids)
    assert ("tokens.weight", "head.weight") in [tensor.names for tensor in graph.architecture.tensors]


def test_bert_is_exact():
    ids = torch.randint(1, 20, (2, 6), generator=torch.Generator().manual_seed(0))
    padding = torch.zeros(2, 6, dtype=torch.bool)
    padding[1, 4:] = True
    assert_exact(prepared(Bert()), (ids, padding))
