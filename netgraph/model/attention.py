"""A pre-norm transformer block with an optional key-value cache."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each with a residual (Vaswani et al. 2017; pre-norm, Xiong et al. 2020).

    Args:
        width: Width of the tokens.
        heads: Attention heads.
    """

    #: Whether products are computed in bfloat16 while training, where the device is fast at it; the residual stream and
    #: the attention are not.
    mixed = False

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, x: Tensor, mask: Tensor | None, cache: "Cache | None" = None) -> Tensor:
        """Return the tokens after attention and feed-forward layer, [B, T, width].

        Args:
            x: Tokens, [B, T, width].
            mask: True where a key may be attended to, broadcastable to [B, heads, T, keys]; all when None.
            cache: Keys and values of earlier tokens; those of ``x`` are appended.
        """
        mixed = self.mixed and self.training and fast_bfloat16(x.device.type)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=mixed):
            return self._forward(x, mask, cache).to(x.dtype)

    def _forward(self, x: Tensor, mask: Tensor | None, cache: "Cache | None") -> Tensor:
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1))  # [B, T, 3, heads, d]
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each [B, heads, T, d]
        if cache is not None:
            key, value = cache.append(key, value)
        with torch.autocast(x.device.type, enabled=False):  # the gradient of attention in bfloat16 is slow on a CPU
            attended = F.scaled_dot_product_attention(query.to(x), key.to(x), value.to(x), attn_mask=mask)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        return cast(Tensor, x + self.feed_forward(self.norm2(x)))


@lru_cache
def fast_bfloat16(device_type: str) -> bool:
    """Return whether a kind of device has instructions for bfloat16."""
    if device_type == "cpu":
        found: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.11 cannot tell
        return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("bf16"))
    return device_type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


class Cache:
    """Keys and values of one block, [B, heads, T, d] each, from left to right; None before the first token."""

    key: Tensor | None = None
    value: Tensor | None = None

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add tokens, [B, heads, T, d], and return all so far."""
        if self.key is not None and self.value is not None:
            key, value = torch.cat([self.key, key], dim=2), torch.cat([self.value, value], dim=2)
        self.key, self.value = key, value
        return key, value

    def keep(self, rows: Tensor) -> None:
        """Keep some rows, [n]."""
        if self.key is not None and self.value is not None:
            self.key, self.value = self.key[rows], self.value[rows]


class FeatureEmbedding(nn.Module):
    """Sum of learned embeddings, one for each integer feature.

    Args:
        sizes: Vocabulary of each feature; a feature of -1 (none, or padding) has an entry of its own, and one beyond
            its vocabulary takes the last entry.
        width: Width of the embedding.
    """

    last: Tensor
    first: Tensor

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        bounds = torch.tensor(sizes, device="cpu")  # not stored: there in a model without values, too
        self.register_buffer("last", bounds, persistent=False)
        self.register_buffer("first", torch.cumsum(bounds + 1, 0) - bounds - 1, persistent=False)
        self.table = nn.EmbeddingBag(sum(sizes) + len(sizes), width, mode="sum")
        nn.init.normal_(self.table.weight, std=0.5 / len(sizes) ** 0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Embed integer features, [..., n], as [..., width]."""
        rows = torch.minimum(features + 1, self.last) + self.first
        return cast(Tensor, self.table(rows.flatten(0, -2)).unflatten(0, features.shape[:-1]))
