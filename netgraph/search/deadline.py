"""Wall time that a search may take."""

import time
from collections.abc import Callable


class Deadline:
    """Says when the time is over.

    Args:
        seconds: How long from now on; None for no end.
        clock: Gives seconds.
    """

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.started = clock, clock()
        self.seconds = float("inf") if seconds is None else seconds

    @property
    def passed(self) -> float:
        """Seconds so far."""
        return self.clock() - self.started

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self.passed >= self.seconds
