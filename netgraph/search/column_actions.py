"""Encoded columns in words: their names, and the treatment of the raw columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pandas import Series

from netgraph.tasks.kinds import ColumnKind

#: Parts of dates in words.
_PARTS = {"day": "days since 1970", "hour": "hour", "day_of_week": "day of the week", "month": "month"}


def suffix(entry: Mapping[str, Any]) -> str:
    """Return the suffix of an encoded column's name to that of its raw column, from its record."""
    if "level" in entry:
        return f"={entry['level']}" if entry["level"] else " missing"
    return " missing" if "missing" in entry else "=other" if "other" in entry else f" {entry.get('part', '')}".rstrip()


def actions(
    kind: ColumnKind, column: Series, parts: Mapping[str, Any], own: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield how a raw column is encoded; nothing where it passes unchanged.

    Args:
        kind: Its kind.
        column: Its cells.
        parts: The values of its parts, [rows] each.
        own: Records of its encoded columns; none where it is left out.
    """
    if not own:
        rare = kind.kind == "level" and len(set(parts[""])) > 1
        why = "no value" if kind.kind == "empty" else "no level often enough" if rare else "one value alone"
        yield f"left out, it holds {why}"
        return
    if kind.kind == "level":
        frequent = [entry["level"] for entry in own if "level" in entry]
        count = len(set(parts[""]))
        yield f"{count} levels as {len(own)} column{'s' * (len(own) > 1)} of 0 and 1"
        if any("other" in entry for entry in own) and count > len(frequent) + 1:
            yield f"{count - len(frequent)} rare ones together"
        return
    if kind.kind == "date":
        yield f"dates, {kind.form}, as {', '.join(_PARTS[entry['part']] for entry in own if 'part' in entry)}"
    if kind.decimal == ",":
        yield "numbers with a decimal comma"
    elif kind.signs:
        yield "numbers with signs of thousands, currency or percent"
    if kind.words:
        yield f"{', '.join(map(repr, kind.words))} as missing"
    if kind.truth:
        yield "true and false as 1 and 0"
    missing = int(np.isnan(next(iter(parts.values()))).sum())
    if missing:
        marked = any("missing" in entry for entry in own)
        fill = next(entry["fill"] for entry in own if "fill" in entry)
        yield f"{missing} missing value{'s' * (missing > 1)} as the median, {fill:g}{', and marked' * marked}"
