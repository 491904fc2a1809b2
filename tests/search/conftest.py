"""Searches train for few steps, which end them before a clock would."""

import pytest


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netgraph.search.tuning.RUNGS", (5, 10))
