"""One thread, the same examples in every run, and tests shared out to processes by groups.

``pytest -n 0`` runs in one process, as one named file does; ``--hypothesis-profile=thorough`` tries more examples.
"""

from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=20)
settings.register_profile("thorough", derandomize=True, deadline=None, max_examples=200)
settings.load_profile("quick")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run one named file in this process: two that have to import torch first take longer."""
    named = config.option.file_or_dir
    return 0 if len(named) == 1 and Path(named[0].partition("::")[0]).is_file() else 2


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests: those of a module share its fixtures, those with Ray its cluster; the longest groups come first."""
    for item in items:
        if item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group("ray"))
        elif not item.get_closest_marker("docs") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: not (item.get_closest_marker("docs") or item.get_closest_marker("ray")))
