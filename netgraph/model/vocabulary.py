"""Vocabularies of layer types: tensors that are indexed by their codes, brought from other codes to those of here."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import SLOT_KINDS
from netgraph.graph.layers import BY_CODE, FIRST_CODE, LAYER_TYPES, N_CODES
from netgraph.model.config import VAEConfig
from netgraph.model.slots import CODED, carrier_sizes, step_sizes


def recode(state: Mapping[str, Tensor], config: VAEConfig, codes: Mapping[str, int]) -> dict[str, Tensor]:
    """Reorder the tensors of a model that was made with other codes; entries of types that it lacks are 0, scales 1.

    Args:
        state: The tensors by name.
        config: The model's sizes.
        codes: Code of each layer type that it was made with.

    Returns:
        All tensors, those that are indexed by codes as the codes of here ask for.

    Raises:
        NetGraphError: When one does not fit the codes.
    """
    if dict(codes) == {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}:
        return dict(state)
    if min(codes.values(), default=0) < FIRST_CODE or len(set(codes.values())) < len(codes):
        raise NetGraphError("layer_types is no vocabulary of layer types: codes are below 3 or occur twice")
    count = max(codes.values()) + 1
    types = [code if code < FIRST_CODE else _old(code, codes) for code in range(N_CODES)]
    moves = [*types, count, count + 1]
    carriers = _embedding_rows(carrier_sizes(config), dict.fromkeys(CODED, types), count)
    embeddings = {f"{part}.embed.table.weight": carriers for part in ("encoder", "weights", "prior", "generator")}
    embeddings |= {"structure.embed.table.weight": _embedding_rows(step_sizes(config), {0: moves, 1: types}, count)}
    choices = {f"structure.{name}": (moves, count + 2) for name in ("move.weight", "move.bias", "next_move.weight")}
    scales = _scale_rows(types, count), len(SLOT_KINDS) * count**3
    rows = embeddings | choices | {"encoder.messages.embed.weight": (types, count)}
    rows |= {"scales.mean": scales, "scales.scale": scales}
    recoded = dict(state)
    for name in rows.keys() & state.keys():
        old, length = rows[name]
        if len(state[name]) != length:
            raise NetGraphError(f"{name} does not fit its vocabulary of layer types")
        recoded[name] = _take(state[name], old, float(name == "scales.scale"))
    return recoded


def _old(code: int, codes: Mapping[str, int]) -> int:
    """Return the code that a type had, -1 where it was none."""
    return codes.get(BY_CODE[code].name, -1) if code in BY_CODE else -1


def _take(tensor: Tensor, rows: Sequence[int], missing: float) -> Tensor:
    index = torch.tensor(rows)
    taken = tensor[index.clamp(min=0)]
    taken[index < 0] = missing
    return taken


def _embedding_rows(sizes: Sequence[int], recoded: Mapping[int, Sequence[int]], count: int) -> tuple[list[int], int]:
    """Return the old row of each row of a :class:`~netgraph.model.attention.FeatureEmbedding`, -1 for none.

    The number of old rows comes second.

    Args:
        sizes: Vocabulary of each feature here.
        recoded: The old value of each value of those features that are codes or moves.
        count: Old codes.
    """
    rows: list[int] = []
    start = 0
    for feature, size in enumerate(sizes):
        values = recoded.get(feature, range(size))
        rows += [start, *(start + 1 + value if value >= 0 else -1 for value in values)]
        start += 1 + size + (count - N_CODES if feature in recoded else 0)
    return rows, start


def _scale_rows(types: Sequence[int], count: int) -> list[int]:
    """Return the old entry of each entry of the standardization table, -1 for none."""
    old = torch.tensor(types)
    known = (old[:, None, None] >= 0) & (old[:, None] >= 0) & (old >= 0)
    entry = (old[:, None, None] * count + old[:, None]) * count + old
    kinds = torch.arange(len(SLOT_KINDS))[:, None, None, None] * count**3
    return torch.where(known, kinds + entry, -1).flatten().tolist()
