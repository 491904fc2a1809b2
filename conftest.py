"""Examples in docstrings have torch and netgraph imported, and run beside two small zoos, my_zoo and another_zoo."""

from importlib import import_module
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder."""
    from tests.zoo.stores import write_zoo

    folder = tmp_path_factory.mktemp("examples")
    for seed, name in enumerate(("my_zoo", "another_zoo")):
        write_zoo(folder / name, ["linear"] * 6, seed)
    return folder


@pytest.fixture(autouse=True)
def in_example_folder(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, doctest_namespace: dict[str, object]
) -> None:
    """Run the examples there."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(request.getfixturevalue("example_folder"))
        doctest_namespace |= {name: import_module(name) for name in ("netgraph", "torch")}
