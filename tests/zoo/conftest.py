"""A zoo of the recipe SMALL, built once."""

import pytest

from netgraph import Zoo
from tests.conftest import shared
from tests.zoo.stores import SMALL, build_here


@pytest.fixture(scope="session")
def small_zoo(tmp_path_factory) -> Zoo:
    return Zoo(shared(tmp_path_factory, "small-zoo", lambda folder: build_here(SMALL, folder)))
