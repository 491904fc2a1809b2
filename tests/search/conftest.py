"""Searches of the estimator have few steps, which end them before a clock would."""

from collections.abc import Iterator

import pytest

from tests.search.small import SHORT


@pytest.fixture(autouse=True, scope="module")
def short_searches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netgraph.search.estimator.SearchConfig", SHORT)
        yield
