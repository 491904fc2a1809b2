"""The two sections and the picture of the ablations, from as many results as there are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from checkpoint import axes, picture, table
from results import write_section
from variants import BASE, ENTRIES, TRAINING, Entry, Sampler, Variant, is_base

Found = Sequence[tuple[Entry, dict[str, Any]]]
REBUILDING = {
    "edge_f1": "edge F1",
    "architecture_accuracy": "architecture exact",
    "cosine_similarity": "cosine",
    "output_r2_median": "output R², median",
    "output_r2_p10": "10th percentile",
    "output_r2_mean_clamped": "mean (each ≥ −1)",
}
SAMPLING = {
    "sample_quality": "sample quality",
    "sample_behaviour_distance": "distance of samples",
    "floor_behaviour_distance": "floor",
    "random_behaviour_distance": "random",
    "sample_working": "working",
}
BETAS, SLOTS = (5e-4, 5e-3, 5e-2), (4, 8, 12)


def report(found: Found, settings: dict[str, Any]) -> None:
    """Write both sections."""
    command = f"python benchmarks/ablations.py {settings['zoo']} --out OUT"
    about = (
        f"{len(found)} of {len(ENTRIES)} entries measured. Base: {BASE.place_depths} × {BASE.place_positions} places, "
        f"slots of {BASE.slot_size}, width {BASE.width}; every line below it changes one thing. One thread, "
        f"{settings['seconds']:g} s of CPU time each"
    )
    rebuilding = [pair for pair in found if not isinstance(pair[0], Sampler)]
    sampling = [pair for pair in found if "sample_quality" in pair[1]["figures"]]
    if rebuilding:
        lines = [
            f"{about}. {settings['n']} networks of held-out tasks, free-running.",
            "",
            *rows(rebuilding, REBUILDING),
        ]
        write_section("Ablations of rebuilding", command, lines)
    if sampling:
        intro = (
            f"{about}, and {settings['prior_seconds']:g} s for the prior. {settings['n']} samples. The lines of "
            f"“sampling” draw latents for the model of “base, seed 0”, whose flow takes {BASE.prior.steps} steps."
        )
        lines = [intro, "", *rows(sampling, SAMPLING), "", *frontier(sampling)]
        write_section("Ablations of sampling", command, lines)


def rows(found: Found, columns: dict[str, str]) -> list[str]:
    """Lay results out, the base first, and how far apart its seeds are."""
    base = [pair for pair in found if is_base(pair[0])]
    body = [_row(*pair, columns) for pair in base]
    if len(base) > 1:
        body.append(["**base**", "largest − smallest over seeds", "", *(_spread(base, key) for key in columns)])
    body += [_row(*pair, columns) for pair in found if not is_base(pair[0])]
    return table(["", "change", "steps", *columns.values()], body)


def _row(entry: Entry, result: dict[str, Any], columns: dict[str, str]) -> list[Any]:
    return [entry.group, entry.name, result.get("steps", "–"), *(float(result["figures"][key]) for key in columns)]


def _spread(base: Found, key: str) -> float:
    values = [float(result["figures"][key]) for _, result in base]
    return max(values) - min(values)


def frontier(found: Found) -> list[str]:
    """Draw rebuilding and sampling over β, a line for each slot size that was measured."""
    points = {_point(entry): result["figures"] for entry, result in found if _on_frontier(entry)}
    figure, (left, right) = axes(9, 3.2, 2)
    for ax, key in ((left, "output_r2_median"), (right, "sample_quality")):
        for slot in SLOTS:
            xy = [(beta, points[beta, slot][key]) for beta in BETAS if (beta, slot) in points]
            if xy:
                ax.plot(*zip(*xy, strict=True), marker="o", label=f"slots of {slot}")
        ax.set(xscale="log", xlabel="β, nats an element of the state")
    left.set(ylabel="output R² of rebuilt networks, median")
    right.set(ylabel="sample quality")
    left.legend(frameon=False)
    return [picture(figure, "frontier", "Rebuilding and sampling over β and the slots' size")]


def _point(entry: Variant) -> tuple[float, int]:
    return entry.vae.loss.kl, entry.vae.slot_size


def _on_frontier(entry: Entry) -> bool:
    """Whether nothing but β and the slots' size is changed; of the base, the first seed."""
    if not isinstance(entry, Variant) or (entry.training, entry.form) != (TRAINING, "canonical"):
        return False
    beta, slot = _point(entry)
    return entry.vae == replace(BASE, slot_size=slot, loss=replace(BASE.loss, kl=beta))
