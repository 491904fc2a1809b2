"""Columns that number the rows of a table, which say nothing about a target."""

import re
from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from netgraph.tasks.dataset import Floats

#: Names of columns that pandas, R and others write for the number of a row.
_INDEX = re.compile(
    r"(unnamed: \d+(\.\d+)*|level_\d+|__index_level_\d+__|(row|record|sample|obs)?[ _]?(id|idx|index)|row|#)"
)


def index_columns(names: Sequence[str], x: Floats) -> list[str]:
    """Return the first columns that number the rows: by their name, and different whole numbers in all rows.

    Args:
        names: Of the columns.
        x: Their values, [rows, columns].
    """

    def numbers(column: Floats) -> bool:
        return bool((column == np.floor(column)).all()) and len(np.unique(column)) == len(column)

    pairs = zip(names, x.T, strict=False)
    return [name for name, _ in takewhile(lambda pair: _INDEX.fullmatch(pair[0].lower()) and numbers(pair[1]), pairs)]
