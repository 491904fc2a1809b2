"""The examples of the search's docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import netgraph.search

NAMES = [module.name for module in pkgutil.walk_packages(netgraph.search.__path__, "netgraph.search.")]
TESTS = [
    test
    for name in NAMES
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    if test.examples
]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_an_example_runs(test):
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_public_classes_have_examples():
    assert {"Candidates", "NetGraphRegressor"} <= {test.name.rpartition(".")[2] for test in TESTS}
