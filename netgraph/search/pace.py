"""How long a step of tuning lasts, so that a round is as long as there is time for."""

#: Seconds that a step is taken to last on a small table, and the columns with which it takes about twice as long.
STEP, STEP_COLUMNS = 3e-3, 100
#: Seconds that a step takes at least, should the clock not have moved.
LEAST_TIME = 1e-9


class Pace:
    """How long a step of tuning lasts.

    Args:
        columns: Of the table.

    Attributes:
        step: Seconds of a step of the next round: those of the last one, for a new group those of the slowest first
            round so far, and for the first group a guess.
    """

    def __init__(self, columns: int) -> None:
        self.step = self._guess = STEP * (1 + columns / STEP_COLUMNS)
        self._slowest = 0.0

    def begin(self, solving: float) -> None:
        """Begin with a group.

        Args:
            solving: Seconds that it takes to solve the last layer of a network. By them the guess grows with the rows:
                steps look at all of them now and then.
        """
        self.step = self._slowest or self._guess + solving

    def measure(self, step: float, first: bool) -> None:
        """Take the seconds of a step of the last round, and whether it was the first of its group."""
        self.step = max(step, LEAST_TIME)
        if first:
            self._slowest = max(self._slowest, self.step)
