"""Wall time that a search may take."""

import time
from collections.abc import Callable
from numbers import Real

from netgraph.errors import NetGraphError


class Deadline:
    """Says when the time is over.

    Args:
        seconds: How long from now on; None for no end.
        clock: Gives seconds.

    Raises:
        NetGraphError: When ``seconds`` is no number, negative or NaN.
    """

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.started = clock, clock()
        number = isinstance(seconds, Real) and not isinstance(seconds, bool)
        if seconds is not None and not (number and seconds >= 0):
            raise NetGraphError(f"max_seconds is {seconds!r}; a number of at least 0, or None")
        self.seconds = float("inf") if seconds is None else float(seconds)

    @property
    def passed(self) -> float:
        """Seconds so far."""
        return self.clock() - self.started

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self.passed >= self.seconds
