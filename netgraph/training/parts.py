"""Training networks and held-out networks of a zoo."""

import numpy as np

from netgraph.errors import NetGraphError
from netgraph.training.config import TrainConfig
from netgraph.zoo import Zoo

#: Most networks on which the loss is measured after each epoch (chosen: little time beside that of an epoch).
MOST_HELD_OUT = 512
#: Share of the training tasks that is held out for early stopping where a zoo has no part ``val`` (chosen).
HELD_OUT = 0.1


def parts_of(zoo: Zoo, left_out: frozenset[int], training: TrainConfig) -> tuple[list[int], list[int]]:
    """Return the numbers of the training networks, and of the held-out networks.

    Args:
        zoo: The zoo.
        left_out: Networks that are in neither.
        training: Its patience and seed.

    Raises:
        NetGraphError: When there is no network to train on.
    """
    known, val, test = ([i for i in zoo.split(part) if i not in left_out] for part in ("train", "val", "test"))
    if not known:
        raise NetGraphError(f"{zoo.folder}: no networks to train on; none of the part train is left")
    apart = val or test
    if training.patience is not None and not val:
        known, apart = _draw(zoo, known, training.seed)
    return known, apart[:: -(-len(apart) // MOST_HELD_OUT)] if apart else []


def _draw(zoo: Zoo, known: list[int], seed: int) -> tuple[list[int], list[int]]:
    """Draw a tenth of the tasks, or of the networks where there is one task."""
    group = zoo.table["task"].to_numpy()[known]
    if len(np.unique(group)) == 1:
        group = np.arange(len(known))
    if len(np.unique(group)) == 1:
        raise NetGraphError(f"{zoo.folder}: one network; early stopping needs another one to be held out")
    groups = np.random.default_rng(seed % 2**63).permutation(np.unique(group))
    held_out = np.isin(group, groups[: max(1, round(HELD_OUT * len(groups)))])
    networks = np.array(known)
    return networks[~held_out].tolist(), networks[held_out].tolist()
