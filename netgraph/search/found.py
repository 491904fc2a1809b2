"""The result of a search: networks with their errors, and the steps that led to them."""

from dataclasses import dataclass

from torch import Tensor

from netgraph.graph.netgraph import NetGraph

#: A step of a search: what was done, to how many networks, the least error among them, and when.
Note = dict[str, float | str]


@dataclass(frozen=True)
class Found:
    """Outcome of a search.

    Attributes:
        graphs: Networks, and committees of them, fitted to all rows, at most
            :data:`~netgraph.search.running.MOST_ROWS`; by rising error.
        errors: Their mean squared errors on rows that they were not fitted to, [n]. Networks were chosen by these rows,
            which flatters them, and the weights of a committee know them. From
            :data:`~netgraph.search.folds.COLUMN_ROWS` rows a column on, so do baselines that are focused and networks
            that are made for the rows, of which all say where to look: on noise each has an error of 0.9 to 1; from
            :data:`~netgraph.search.projection.ROWS_A_COLUMN` on, so does what is focused by relevance. So do networks
            whose latents are moved by gradients, of however many rows.
        chosen: Number of the network that is to be expected to be the best: the largest committee, where there is one.
            The least error of many is flattered more than that of a committee.
        standard_error: That of the least error.
        error_of_the_mean: That of predicting the mean of the other rows. Where no committee is better, ``chosen`` is
            the network that predicts the mean.
        history: What was done: stage, networks, least error and seconds so far of each step.
    """

    graphs: list[NetGraph]
    errors: Tensor
    chosen: int
    standard_error: float
    error_of_the_mean: float
    history: list[Note]

    @property
    def graph(self) -> NetGraph:
        """The chosen network."""
        return self.graphs[self.chosen]

    @property
    def knows_nothing(self) -> bool:
        """Whether no more was found than the mean."""
        return float(self.errors[self.chosen]) >= self.error_of_the_mean > 0
