"""How soon a network is as good as scikit-learn's, and how long a fit takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from checkpoint import table
from new_dataset_methods import MATCHED, MLP
from new_dataset_results import Results


@dataclass(frozen=True)
class Reach:
    """Ours beside scikit-learn's network with default settings, on one split of a data set.

    Attributes:
        dataset: Its name.
        r2: Test R^2 of scikit-learn's network.
        seconds: The time that it took.
        reached: The time of the quickest of our runs that is as good on the test rows; inf where none is.
        matched_r2: Test R^2 of our run that was given no more time.
        matched_seconds: What that run took.
    """

    dataset: str
    r2: float
    seconds: float
    reached: float
    matched_r2: float
    matched_seconds: float


def reach_of(results: Results, pair: tuple[str, int]) -> Reach | None:
    """Look one split up; None where a run is missing."""
    rival, matched = results.cell(pair, MLP, None), results.cell(pair, MATCHED, None)
    if rival is None or matched is None:
        return None
    times = [run["seconds"] for run in results.ours(pair) if run["r2"] >= rival["r2"]]
    seconds = rival["seconds"], min(times, default=np.inf)
    return Reach(pair[0], rival["r2"], *seconds, matched["r2"], matched["seconds"])


def beats(reaches: list[Reach]) -> bool:
    """Whether the runs that were given no more time are better and no slower, both on the mean over splits."""
    better = np.mean([reach.matched_r2 for reach in reaches]) > np.mean([reach.r2 for reach in reaches])
    faster = np.mean([reach.matched_seconds for reach in reaches]) <= np.mean([reach.seconds for reach in reaches])
    return bool(better and faster)


def reach_lines(results: Results) -> list[str]:
    """Lay out, split by split, when ours is as good, and count the data sets on which it is better in no more time."""
    found = [reach for pair in results.pairs if (reach := reach_of(results, pair))]
    if not found:
        return []
    grouped = {name: [reach for reach in found if reach.dataset == name] for name in {r.dataset: 0 for r in found}}
    won = sum(map(beats, grouped.values()))
    in_time = sum(reach.matched_r2 >= reach.r2 and reach.matched_seconds <= reach.seconds for reach in found)
    head = [
        "data set",
        f"{MLP}: R²",
        "seconds, by split",
        "netgraph's to that R²",
        "netgraph in no more time: R²",
        "seconds, by split",
    ]
    return [
        f"In no more time than {MLP} takes with default settings, netgraph is better on {won} of {len(grouped)} data "
        f"sets ({won / len(grouped):.0%}; R² and seconds on the mean over splits), and as good on {in_time} of "
        f"{len(found)} splits. The time to {MLP}'s R² on the test rows is that of the quickest of netgraph's runs, "
        "each from the start and with a budget of its own, that is as good; a dash where none is. A run cannot end "
        "before its first batch of candidates is drawn.",
        "",
        *table(head, [_row(name, reaches) for name, reaches in grouped.items()]),
        "",
        _medians(found),
    ]


def _row(name: str, reaches: list[Reach]) -> list[str]:
    return [
        name,
        f"{np.mean([reach.r2 for reach in reaches]):.3f}",
        _times([reach.seconds for reach in reaches]),
        _times([reach.reached for reach in reaches]),
        f"{np.mean([reach.matched_r2 for reach in reaches]):.3f}",
        _times([reach.matched_seconds for reach in reaches]),
    ]


def _times(seconds: list[float]) -> str:
    return ", ".join(f"{value:.2f}" if value < np.inf else "–" for value in seconds)


def _medians(found: list[Reach]) -> str:
    own, ours = np.median([reach.seconds for reach in found]), np.median([reach.reached for reach in found])
    told = f"{ours:.2f} s" if ours < np.inf else "longer than its longest run"
    reached = sum(reach.reached < np.inf for reach in found)
    return (
        f"Median over splits: {MLP} takes {own:.2f} s, netgraph to its R² {told}; {reached} of {len(found)} splits are "
        "reached at all."
    )


def fit_time_lines(fit_time: dict[str, Any] | None) -> list[str]:
    """Say how long a fit of 500 × 10 takes."""
    if fit_time is None:
        return ["The fit time of 500 × 10 was not measured (`--fit-time`)."]
    seconds = fit_time["seconds"]
    return [
        f"`NetGraphRegressor().fit` of 500 × 10 (`make_friedman1`) with default settings and all cores takes "
        f"{np.median(seconds):.2f} s ({_times(seconds)} s with seeds 0 to {len(seconds) - 1}), at commit "
        f"{fit_time['commit']} on {fit_time['machine']}."
    ]
