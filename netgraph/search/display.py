"""The network that an estimator found, below scikit-learn's own display of the estimator in a notebook."""

from collections.abc import Mapping
from typing import Any

from netgraph.graph.netgraph import NetGraph
from netgraph.html import Html, folded, fragment, number, settings_html, table_html
from netgraph.lines import short

#: Most networks of a front and most columns that are shown; chosen.
MOST_ROWS = 10


def found_html(
    graph: NetGraph, candidates: Any, chosen: int, front: Any, importances: Mapping[str, float], classes: bool
) -> Html:
    """Return the network, its out-of-fold error, and, folded, its picture, the Pareto front, and importances.

    Args:
        graph: The network.
        candidates: Source and objectives of the best candidates, a DataFrame.
        chosen: The row that became the network.
        front: The rows on the Pareto front, a DataFrame.
        importances: Importance of each raw column, by its name.
        classes: Whether the error is a log loss, and not a share of the target's variance.
    """
    row = candidates.loc[chosen]
    error = float(row["error"])
    score = "log loss" if classes else f"of the target's variance, R² {number(1 - error)}"
    parameters = f"{graph.state.numel():,}"
    facts = {
        "network": repr(graph.architecture),
        "parameters": parameters,
        "out-of-fold error": f"{number(error)} {score}",
        "source": row["source"],
    }
    largest = sorted(importances.items(), key=lambda item: -item[1])[:MOST_ROWS]
    rows = [[*values, "chosen" if index == chosen else ""] for index, values in front.head(MOST_ROWS).iterrows()]
    parts = [
        settings_html(facts, "Found"),
        folded("Network", str(graph._repr_html_())),
        folded(f"Pareto front of {len(front):,}", table_html([*front.columns, ""], rows)),
        folded("Importances", table_html(["column", "share"], [[short(name), share] for name, share in largest])),
    ]
    return fragment(*parts)
