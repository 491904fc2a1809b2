"""Where the candidates of a search come from: the prior, or a strategy that learns from their errors."""

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from itertools import cycle, islice
from typing import cast

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation import random_like
from netgraph.graph.netgraph import NetGraph
from netgraph.model.context import encode_rows
from netgraph.model.layouts import Layouts
from netgraph.model.parts import evaluating
from netgraph.model.rows import Rows
from netgraph.model.vae import NetVAE
from netgraph.search.data import Data, choices_of_rows
from netgraph.search.focusing import can_be_focused, focused
from netgraph.search.gradient import Gradient
from netgraph.search.projection import Projection, most_inputs
from netgraph.search.source import BATCH, Source
from netgraph.search.strategies import GENERATION, STRATEGIES, strategy_of
from netgraph.tasks import check_meta_vector, get_meta_features
from netgraph.zoo import ZooRecipe
from netgraph.zoo.architectures import ArchitectureRecipe, draw_architecture, initialize

N_OUTPUTS = 1
#: Most choices of rows that the model is told, each of which takes time to be read.
CHOICES = 2
#: Share of a batch of candidates that is made for the data set, and how many of it at least; the others are random.
MADE, LEAST_MADE = 1 / 8, 4


class Drawn(Source):
    """Networks that a function of a number and a seed gives.

    Args:
        function: It.
        batch: Candidates that are drawn at once.
        made: How many of them, the first ones, count as made for the data set.
        learn: Takes their errors.
    """

    def __init__(
        self,
        function: Callable[[int, int], list[NetGraph]],
        batch: int = BATCH,
        made: int = 0,
        learn: Callable[[Tensor], None] | None = None,
    ) -> None:
        self.function, self.batch, self.made, self._learn = function, batch, made, learn

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Give n networks."""
        return self.function(n, seed)

    def learn(self, errors: Tensor) -> None:
        """Pass the errors on."""
        if self._learn is not None:
            self._learn(errors)


class Focusable(Source):
    """Gives networks with initial weights, half of which are focused once it is told where to look."""

    _matrix: Tensor | None = None

    def focus(self, matrix: Tensor) -> None:
        """Look so from now on."""
        self._matrix = matrix

    def half_focused(self, graphs: Sequence[NetGraph]) -> list[NetGraph]:
        """Focus those of the second half of networks in which one layer alone reads the columns."""
        matrix, half = self._matrix, len(graphs) // 2
        if matrix is None:
            return list(graphs)
        later = [focused(graph, matrix) if can_be_focused(graph) else graph for graph in graphs[half:]]
        return [*graphs[:half], *later]


class Random(Focusable):
    """Networks of random architectures with initial weights.

    Args:
        recipe: What architectures are made of.
        n_inputs: What they read.
    """

    def __init__(self, recipe: ArchitectureRecipe, n_inputs: int) -> None:
        self.recipe, self.n_inputs = recipe, n_inputs

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Give n networks."""
        return self.half_focused(random_networks(self.recipe, self.n_inputs, n, seed))


class Prior(Source):
    """Networks sampled for a data set: for its rows where the model reads rows, else for its meta-features.

    A model that reads rows is told at most :data:`.SEEN` of them at a time, and some such choices where there are more.
    Of more columns than it knows, it is told of a :class:`~netgraph.search.projection.Projection`.

    Args:
        vae: The model.
        data: The rows that networks may be fitted to.
        choices: Most choices of rows. With one, a network depends on its noise alone and not on what it is drawn with.
        projection: What its networks are to read of the columns; found on the rows when None.

    Attributes:
        projection: What they read.
    """

    remakes = True

    def __init__(self, vae: NetVAE, data: Data, choices: int = CHOICES, projection: Projection | None = None) -> None:
        self._most, self._drawn = choices, []  # type: int, list[tuple[Tensor, Layouts | None]]
        self.n_columns = data.x.shape[1]
        self.projection = projection or Projection(data, most_inputs(vae, self.n_columns))
        data = self.projection.data(data)
        self.n_inputs = data.x.shape[1]
        self.vae, self._rows, self.meta_features = vae, None, None  # type: NetVAE, Rows | None, Tensor | None
        if vae.generator is None:
            self.meta_features = check_meta_vector(get_meta_features(data.x.numpy(), data.y.numpy()))[0]
        else:
            self._rows = choices_of_rows(data, choices)
        self._portfolio, self._used = Layouts(torch.empty(0), ()), 0
        if self._rows is not None and vae.portfolio is not None:
            self._portfolio = vae.portfolio.of_inputs(self.n_inputs)

    @cached_property
    def rows(self) -> Rows | None:
        """Rows that the model is told, encoded once, when the first networks are drawn; None where it reads none."""
        if self._rows is None:
            return None
        with torch.no_grad(), evaluating(self.vae):
            return encode_rows(self.vae, self._rows)

    def carry(self, noise: Tensor, layouts: Layouts | None = None) -> tuple[list[NetGraph], Tensor]:
        """Give the networks of noise, [n, latent], and of layouts, if they are given; and latents, [n, latent].

        They read the inputs that the model is told of. Last layers of networks for rows are left as they are: a search
        fits them.
        """
        counts, noise = [(self.n_inputs, N_OUTPUTS)] * len(noise), noise.to(self.vae.device)
        return self.vae.carry(
            noise, self.meta_features, rows=self.rows, counts=counts, layouts=layouts, finished=self.rows is None
        )

    def networks(self, noise: Tensor, layouts: Layouts | None = None) -> list[NetGraph]:
        """Give the same networks, as they read the data set's columns."""
        return self.projection.networks(self.carry(noise, layouts)[0])

    def condition(self, n: int) -> Tensor:
        """Give what the decoder is told of the data set, for n networks, [n, width]."""
        return cast(Tensor, self.vae.condition(self.vae.condition.rows(self.meta_features, n)))

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Sample n networks, the first ones with the layouts of the portfolio that no errors were told of."""
        noise = torch.randn(n, self.vae.config.latent_size, generator=Generator().manual_seed(seed))
        first, _ = self._portfolio.cut(min(n, len(self._portfolio)))
        known = self._used = len(first)
        return self._networks([(noise[:known], first), (noise[known:], None)])

    def learn(self, errors: Tensor) -> None:
        """Leave out the layouts of the portfolio that were drawn last."""
        self._portfolio, self._used = self._portfolio.cut(self._used)[1], 0

    def _networks(self, drawn: Sequence[tuple[Tensor, Layouts | None]]) -> list[NetGraph]:
        """Give the networks of noise and of layouts, and remember them."""
        self._drawn = [(noise, layouts) for noise, layouts in drawn if len(noise)]
        return [graph for pair in self._drawn for graph in self.networks(*pair)]

    def of(self, data: Data) -> "Prior":
        """Give the same for other rows, whose networks read the same of the columns."""
        return Prior(self.vae, data, self._most, self.projection)

    def again(self, parts: Sequence[Data]) -> list[list[NetGraph]]:
        """Make the networks drawn last for other rows, of the same noise and layouts."""
        return [self.of(part)._networks(self._drawn) for part in parts]


class Mixed(Focusable):
    """Networks made for the data set, and others with initial weights, which cost next to nothing and differ more.

    The others have the architectures of the networks that are made, which are well chosen where the model has a
    portfolio; once errors were told, they have random architectures. Once it is known where the target changes, half of
    them look there.

    Args:
        prior: Makes networks.
    """

    remakes = True

    def __init__(self, prior: Prior) -> None:
        self.prior, self._begun = prior, False

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Give n networks, those that are made first."""
        made = self.prior.draw(min(n, max(LEAST_MADE, round(MADE * n))), seed)
        self.made, more = len(made), n - len(made)
        if not more:
            return made
        if self._begun:
            others = random_networks(_recipe(), self.prior.n_columns, more, seed)
        else:
            others = random_like(list(islice(cycle(made), more)), Generator().manual_seed(seed))
        return made + self.half_focused(others)

    def again(self, parts: Sequence[Data]) -> list[list[NetGraph]]:
        """Make those for other rows that were made for the data set."""
        return self.prior.again(parts)

    def learn(self, errors: Tensor) -> None:
        """Go on to random architectures."""
        self._begun = True
        self.prior.learn(errors[: self.made])


@cache
def _recipe() -> ArchitectureRecipe:
    return ZooRecipe.load("full").architectures


def random_networks(recipe: ArchitectureRecipe, n_inputs: int, n: int, seed: int) -> list[NetGraph]:
    """Draw n architectures and initial weights as those of a zoo are drawn."""
    generator = Generator().manual_seed(seed)
    return [random_network(recipe, n_inputs, generator) for _ in range(n)]


def random_network(recipe: ArchitectureRecipe, n_inputs: int, generator: Generator) -> NetGraph:
    """Draw one."""
    architecture = draw_architecture(recipe, n_inputs, generator)
    return NetGraph(architecture, initialize(architecture, generator))


class Searched(Prior):
    """Networks of the noise that a strategy asks for, which is told their errors.

    Args:
        vae: The model.
        data: The rows.
        strategy: One of :data:`STRATEGIES`.
        seed: Of the strategy.
    """

    batch = GENERATION

    def __init__(self, vae: NetVAE, data: Data, strategy: str, seed: int) -> None:
        super().__init__(vae, data, choices=1)
        self.strategy = strategy_of(strategy, vae.config, seed)
        self.points = torch.empty(0, vae.config.latent_size)

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Ask for n points and decode them; all chance is the strategy's."""
        self.points = self.strategy.ask(n)
        return self._networks([(self.points, None)])

    def learn(self, errors: Tensor) -> None:
        """Tell the strategy."""
        self.strategy.tell(self.points, errors)


#: All names of sources.
NAMES = ("prior", *STRATEGIES, "gradient")


def source_of(strategy: str, vae: NetVAE, data: Data, seed: int) -> Source:
    """Give the source of a name: ``prior``, ``genetic``, ``cma`` or ``gradient``.

    Args:
        strategy: The name.
        vae: The model.
        data: The rows.
        seed: Of the strategy.

    Raises:
        NetGraphError: When the name is unknown.

    Warns:
        UserWarning: At the caller's caller, when networks read projections of the columns.
    """
    if not isinstance(strategy, str) or strategy not in NAMES:
        raise NetGraphError(f"unknown strategy {strategy!r}; known: {', '.join(NAMES)}")
    prior = Searched(vae, data, strategy, seed) if strategy in STRATEGIES else Prior(vae, data)
    prior.projection.warn(stacklevel=3)
    if strategy == "gradient":
        return Gradient(prior, data)
    return Mixed(prior) if strategy == "prior" else prior
