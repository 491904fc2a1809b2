"""One thread, the same examples in every run, and tests shared out to processes file by file.

``pytest -n 0`` runs in one process, as one named file does; ``--hypothesis-profile=thorough`` tries more examples.
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from netgraph import Zoo

#: No test depends on a clock, that of Hypothesis included.
PATIENT: dict[str, Any] = {"derandomize": True, "deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=20, **PATIENT)
settings.register_profile("thorough", max_examples=200, **PATIENT)
settings.load_profile("quick")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run one named file in this process: two that have to import torch first take longer."""
    named = config.option.file_or_dir
    return 0 if len(named) == 1 and Path(named[0].partition("::")[0]).is_file() else 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first: notebooks, the README, and the engines with their Ray cluster."""
    items.sort(key=lambda item: not (item.get_closest_marker("docs") or item.get_closest_marker("ray")))


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first process to want it makes, and that all only read."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, unfinished = base / name, base / f"{name}.unfinished"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_zoo(tmp_path_factory: pytest.TempPathFactory) -> "Zoo":
    """The zoo of the recipe ``tiny``: 96 networks on 12 tasks, 4 of them test tasks, in 3 shards."""
    from netgraph import Zoo
    from tests.zoo.stores import build_here  # what hands the tests out needs no torch

    return Zoo(shared(tmp_path_factory, "tiny-zoo", lambda folder: build_here("tiny", folder)))
