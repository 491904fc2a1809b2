"""Token streams in a notebook: the first tokens of the first network, with readable names."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from netgraph.graph.modules.registry import NAMES
from netgraph.html import Html, fragment, paragraph, table_html
from netgraph.lines import counted
from netgraph.tokens.stream import END, PAD, START

#: Most tokens of a table, and most weights of a token that are written out; chosen.
MOST_TOKENS, MOST_WEIGHTS = 16, 4
#: Columns of a batch that the table is made of.
COLUMNS = ("layer_type", "index", "parent", "opens", "weight", "bias", "sensitivity")
_SPECIAL = {PAD: "PAD", START: "START", END: "END"}


def tokens_html(line: str, columns: Mapping[str, Tensor], names: Sequence[str], length: int, networks: int) -> Html:
    """Return the first tokens of a network as a table.

    Args:
        line: The batch in one line.
        columns: Its first tokens, [tokens] and [tokens, chunk], by the names of :data:`COLUMNS`.
        names: Names of its layers.
        length: Number of its tokens.
        networks: Number of networks of the batch.
    """
    rows, layer = [], -1
    lists = {name: columns[name].detach().cpu().tolist() for name in COLUMNS}
    for position, (code, index, parent, opens, weight, bias, sensitivity) in enumerate(
        zip(*lists.values(), strict=True)
    ):
        layer += opens
        name = (names[layer] if layer < len(names) else f"layer {layer}") if opens else ""
        kind = _SPECIAL.get(code) or NAMES.get(code, f"type {code}")
        node: list[object] = [index, parent if parent >= 0 else "–"]
        if code == START:
            node = [counted(index, "input"), counted(parent, "output")]
        elif code == END:
            node = [counted(index, "node"), f"outputs from {parent:,} on"]
        rows.append([position, kind, name, *node, _weights(weight), bias, sensitivity])
    header = ["position", "type", "layer", "index", "parent", "weights", "bias", "sensitivity"]
    rest = [f"{counted(length - len(rows), 'more token')} of this network"] if length > len(rows) else []
    rest += [counted(networks - 1, "more network")] if networks > 1 else []
    table = table_html(header, rows, "Tokens of the first network")
    return fragment(paragraph(line), table, *([paragraph(f"… {', '.join(rest)}")] if rest else []))


def _weights(values: Sequence[float]) -> str:
    """Write the first of the weights that a token carries; zeros at the end may be padding."""
    count = max((i + 1 for i, value in enumerate(values) if value), default=0)
    shown = ", ".join(f"{value:.2g}" for value in values[: min(count, MOST_WEIGHTS)])
    return f"{shown} … {count} in all" if count > MOST_WEIGHTS else shown
