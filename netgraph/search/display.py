"""The network that an estimator found, below scikit-learn's own display of the estimator in a notebook."""

from typing import Any

from netgraph.graph.display import network_html
from netgraph.html import Html, folded, fragment, number, settings_html, table_html
from netgraph.lines import short

#: Most networks of a front and most columns that are shown; chosen.
MOST_ROWS = 10


def found_html(model: Any) -> Html:
    """Return the network of a fitted estimator, its out-of-fold error and the reason for it, as HTML.

    Its picture, the Pareto front and the importances of columns are folded.

    Args:
        model: The estimator; its attributes are those of :class:`~netgraph.search.NetGraphRegressor`.
    """
    graph, chosen, classes = model.graph_, model.candidates_.loc[model.chosen_], getattr(model, "classes_", None)
    error = float(chosen["error"])
    score = f"of the target's variance, R² {number(1 - error)}" if classes is None else "log loss"
    facts = {
        "network": repr(graph.architecture),
        "parameters": f"{graph.state.numel():,}",
        "out-of-fold error": f"{number(error)} {score}",
        "source": chosen["source"],
        "reason": model.reason_,
    }
    names = getattr(model, "feature_names_in_", [f"x{i}" for i in range(model.n_features_in_)])
    columns = [[short(name), share] for name, share in zip(names, model.feature_importances_.tolist(), strict=True)]
    front = model.pareto_.head(MOST_ROWS)
    rows = [[*values, "chosen" if index == model.chosen_ else ""] for index, values in front.iterrows()]
    inputs, outputs = (
        model.encoder_.get_feature_names_out().tolist(),
        () if classes is None else list(map(str, classes)),
    )
    network = network_html(graph.architecture, graph.state, graph.tensor, {}, inputs, outputs)
    return fragment(
        settings_html(facts, "Found"),
        folded("Network", network),
        folded(f"Pareto front of {len(model.pareto_):,}", table_html([*front.columns, ""], rows)),
        folded("Importances", table_html(["column", "share"], sorted(columns, key=lambda row: -row[1])[:MOST_ROWS])),
    )
