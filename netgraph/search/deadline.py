"""Wall time that a search may take."""

import time
from collections.abc import Callable

from netgraph.errors import NetGraphError


class Deadline:
    """Says when the time is over.

    Args:
        seconds: How long from now on; None for no end.
        clock: Gives seconds.

    Raises:
        NetGraphError: When ``seconds`` is negative or NaN.
    """

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.started = clock, clock()
        self.seconds = float("inf") if seconds is None else seconds
        if not self.seconds >= 0:
            raise NetGraphError(f"max_seconds is {seconds}; at least 0, or None")

    @property
    def passed(self) -> float:
        """Seconds so far."""
        return self.clock() - self.started

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self.passed >= self.seconds
