"""The card of a model: one line at a prompt, and in a notebook its latent, coverage, figures and provenance."""

from collections.abc import Mapping
from typing import Any

from netgraph.figures import MODEL, meaning_of
from netgraph.html import Html, folded, fragment, paragraph, settings_html, table_html
from netgraph.lines import counted
from netgraph.model.config import VAEConfig
from netgraph.model.coverage import Coverage

#: Parts of the latent: symbol, name of the slice, name of its size, meaning.
LATENT = (
    ("f", "function", "function_size", "function: numbers of inputs and outputs, then outputs on common rows"),
    ("a", "architecture", "architecture_size", "architecture: layers, widths and types"),
    ("w", "weights", "weight_size", "weights: one of the states that compute the function"),
)
#: Keys of a card that tell where and when a model was made, in the order in which they are shown.
PROVENANCE = ("preset", "networks", "held_out", "seed", "steps", "seconds", "commit", "date", "torch", "machine")
#: Keys of a card that other parts of it show.
_ELSEWHERE = ("figures", "coverage", *PROVENANCE)


def model_line(config: VAEConfig, card: Mapping[str, Any], coverage: Coverage) -> str:
    """Return sizes of the latent, covered networks and training of a model in one line."""
    latent = " + ".join(f"{getattr(config, size):,} {symbol}" for symbol, _, size, _ in LATENT)
    covered, networks = coverage.counts() if coverage.types else "untrained", card.get("networks")
    trained = [f"trained on {counted(networks, 'network')}"] if isinstance(networks, int) else []
    return ", ".join([f"z = {latent}", covered, *trained])


def card_html(line: str, config: VAEConfig, card: Mapping[str, Any], coverage: Coverage) -> Html:
    """Return the card of a model.

    Args:
        line: The model in one line.
        config: Its sizes.
        card: Data, seeds, steps, machine, time and figures of its training; empty before it.
        coverage: The architectures that it was trained on.
    """
    ends = [config.function_size, config.function_size + config.architecture_size, config.latent_size]
    latent = [
        [Html(f"<b>{symbol}</b>"), getattr(config, size), f"z[:, vae.{name}]", f"{start} to {end - 1}", meaning]
        for (symbol, name, size, meaning), start, end in zip(LATENT, [0, *ends], ends, strict=False)
    ]
    figures = card.get("figures")
    figures = figures if isinstance(figures, Mapping) else {}
    parts = [
        paragraph(line),
        table_html(["part", "numbers", "slice", "columns", "meaning"], latent, "Latent"),
        *_figures(figures),
    ]
    if coverage.types:
        words = coverage.words()
        parts.append(settings_html({label: words[label] for label in words if label != "connections"}, "Coverage"))
    made = {key: card[key] for key in PROVENANCE if key in card}
    if made:
        parts.append(settings_html(made, "Provenance"))
    rest = {key: value for key, value in card.items() if key not in _ELSEWHERE}
    folds = {"Recipe and training": rest, "Sizes of the model": vars(config) | {"loss": vars(config.loss)}}
    parts += [folded(title, settings_html(values)) for title, values in folds.items() if values]
    return fragment(*parts)


def _figures(figures: Mapping[str, Any]) -> list[Html]:
    """Return the figures with a label as a table, and all of them folded."""
    header, known = ["figure", "value", "meaning"], {name: MODEL[name] for name in figures if name in MODEL}
    shown = [[metric.label, figures[name], metric.meaning] for name, metric in known.items() if metric.label]
    table = [table_html(header, shown, "Figures on held-out tasks")] if shown else []
    rows = [[name, value, meaning_of(name, MODEL)] for name, value in figures.items()]
    return table + ([folded("All figures", table_html(header, rows))] if rows else [])
