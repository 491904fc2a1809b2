"""How long a step of tuning lasts, so that a round is as long as there is time for."""

#: Seconds that a step is taken to last on a small table, and the columns with which it takes twice as long.
STEP, STEP_COLUMNS = 3e-3, 100
#: Seconds that a step takes at least, should the clock not have moved.
LEAST_TIME = 1e-9


class Pace:
    """How long a step of tuning lasts.

    Args:
        columns: Of the table.

    Attributes:
        step: Seconds of a step of the next round: those of the last one, for a new group what a step is taken to last,
            or what it lasted in the slowest first round so far where that is more.
    """

    def __init__(self, columns: int) -> None:
        self.step = self._least = STEP * (1 + columns / STEP_COLUMNS)
        self._slowest = 0.0

    def begin(self, looking: float) -> None:
        """Begin with a group; to look at all rows takes so many seconds."""
        self.step = max(self._slowest, self._least + looking)

    def measure(self, step: float, first: bool) -> None:
        """Take the seconds of a step of the last round, and whether it was the first of its group."""
        self.step = max(step, LEAST_TIME)
        if first:
            self._slowest = max(self._slowest, self.step)
