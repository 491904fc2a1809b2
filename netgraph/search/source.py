"""What gives a search its candidates."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from netgraph.graph.netgraph import NetGraph
from netgraph.search.data import Data

#: Candidates drawn at once by what learns nothing.
BATCH = 128


class Source(ABC):
    """Gives candidates and is told what they were worth.

    Attributes:
        batch: Candidates that are drawn at once.
        made: How many of the networks drawn last, the first ones, were made for the data set while others were not.
        remakes: Whether networks know the rows they were made for, and can be made again for others.
    """

    batch: int = BATCH
    made: int = 0
    remakes: bool = False

    @abstractmethod
    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Draw n networks that read the data set's columns and have one output.

        Until errors are told, the same number and seed give the same networks; a strategy alone goes on by itself.
        """

    def focus(self, matrix: Tensor) -> None:  # noqa: B027
        """Take what networks that know nothing of the rows may read the columns times, [columns, columns].

        Sources whose networks know the rows, or learn from errors, forget it.
        """

    def again(self, parts: Sequence[Data]) -> list[list[NetGraph]]:
        """Make those of the networks drawn last that know the rows, the first ones, for others instead.

        Args:
            parts: Other rows, such as those without each fold.

        Returns:
            The networks for each; as many for all, none where a source does not remake.
        """
        return [[] for _ in parts]

    def learn(self, errors: Tensor) -> None:  # noqa: B027
        """Take the errors of the networks drawn last, [n]; inf for what failed: the next draw goes on from there."""
