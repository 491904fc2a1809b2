"""The function code f: numbers of inputs and outputs, and principal components of the outputs on common rows."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.model.arguments import check_whole
from netgraph.model.completion import FEATURES, complete
from netgraph.model.config import VAEConfig
from netgraph.stack import fit_kernel, learned_metric, probe

#: Seed of the common rows.
SEED = 20_011
#: Weight, in networks, of the kernel that a number of inputs has for a covariance before any network is seen. Chosen on
#: held-out tasks: with 180 networks of each number of inputs, 64 numbers bring a median R^2 of 0.953 instead of 0.931.
PSEUDO_NETWORKS = 40
#: Least deviation of a component, as a share of the outputs' root mean square: below it a number is not whitened.
LEAST_DEVIATION = 0.01
#: Least root mean square of outputs; those of a smaller one count as constant.
LEAST_OUTPUT = 1e-3
#: Factor of the deviation of q(f | X, y). Measured: networks trained on 200 data sets are a median of 1.0 posterior
#: deviations from the mean instead of 0.67.
SPREAD = 1.5
#: Share of N(0, 1) that the cells of all numbers of inputs and outputs have in common, whether seen or not (chosen).
UNSEEN = 0.01
#: Positions in a cell of numbers of inputs and outputs keep this distance from its edges, so that rounding leads to no
#: other.
MARGIN = 1e-3
#: Rows of a data set that are read at most, and rounds of its recursive feature machine.
MOST_ROWS, ROUNDS = 512, 2


class FunctionPosterior(NamedTuple):
    """q(f | X, y): mean and deviation of each number of the function code, [function_size] each."""

    mean: Tensor
    deviation: Tensor

    def __repr__(self) -> str:
        ends = [float(end) for end in self.deviation.aminmax()] if len(self.deviation) else []
        span = ", deviation {:.2g} to {:.2g}".format(*ends) if ends else ""
        return f"FunctionPosterior({len(self.mean)} numbers{span})"


class FunctionCode(nn.Module):
    """Principal component analysis of networks' outputs on common rows, for each number of inputs.

    The first number of a code tells the numbers of inputs and outputs: N(0, 1) is cut in cells that are as probable as
    networks with these numbers are frequent, and the code has the median of its cell. The others are whitened
    components in falling order of their share of the outputs, so that every prefix of a code decodes; those of several
    outputs take turns. Before networks are seen the covariance of outputs is a kernel's: Gaussian, half of it additive
    over the inputs. Encoding is linear, and so is :meth:`decode`; :meth:`complete` predicts the missing components as
    well.

    Args:
        config: Sizes.
    """

    common: Tensor
    basis: Tensor
    deviation: Tensor
    edges: Tensor

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        size, rows, inputs = config.function_size, config.n_rows, config.max_inputs
        if not 2 <= size <= rows + 1:
            raise NetGraphError(f"function_size {size}; at least 2 and at most n_rows + 1, {rows + 1}")
        self.max_outputs = config.max_outputs
        self.register_buffer("common", probe(inputs, rows, SEED))
        self.register_buffer("basis", torch.zeros(inputs, size - 1, rows))
        self.register_buffer("deviation", torch.ones(inputs, size - 1))
        self.register_buffer("edges", torch.zeros(inputs * config.max_outputs + 1))
        if not self.common.is_meta:  # a model that is loaded has statistics of its own
            none = torch.zeros(0, dtype=torch.long)
            self.fit(torch.zeros(0, rows), none, torch.zeros(0, 2, dtype=torch.long))

    def rows(self, n_inputs: int) -> Tensor:
        """Return the common rows, [rows, n_inputs].

        Raises:
            NetGraphError: When no function code has as many inputs.
        """
        most = self.common.shape[1]
        if not 1 <= n_inputs <= most:
            raise NetGraphError(f"a function of {n_inputs} inputs; this model knows 1 to {most}")
        return self.common[:, :n_inputs]

    def check_counts(self, n_inputs: int | None, n_outputs: int | None) -> None:
        """Raise if a number of inputs or outputs, unless None, is none of a function code.

        Raises:
            NetGraphError: It names the number.
        """
        most = {"n_inputs": len(self.basis), "n_outputs": self.max_outputs}
        for name, number in (("n_inputs", n_inputs), ("n_outputs", n_outputs)):
            if number is not None:
                check_whole(number, name, 1, most[name])

    @torch.no_grad()
    def fit(self, outputs: Tensor, network: Tensor, counts: Tensor) -> None:
        """Compute the statistics of the code, in which every network counts alike, whatever its scale.

        Args:
            outputs: Outputs of training networks on the common rows, one output a row, [F, rows].
            network: Network of each of them, [F].
            counts: Numbers of inputs and outputs of the networks, [n, 2].

        Raises:
            NetGraphError: When an output is not finite.
        """
        if not outputs.isfinite().all():
            raise NetGraphError("outputs of training networks on the common rows are not finite")
        seen = torch.bincount(self._cell(counts), minlength=len(self.edges) - 1).double()
        seen += max(UNSEEN * len(counts), 1e-9) / len(seen)
        self.edges[1:] = seen.cumsum(0) / seen.sum()
        n_inputs, share = counts[network, 0], 1 / counts[network, 1:].double()
        for number in range(1, len(self.basis) + 1):
            members, weight = outputs[n_inputs == number].double(), share[n_inputs == number]
            root = members.square().mean(dim=1, keepdim=True).sqrt().clamp(min=LEAST_OUTPUT)
            unit, total = members * weight.sqrt() / root, float(weight.sum()) + PSEUDO_NETWORKS
            kernel = PSEUDO_NETWORKS * _kernel(self.rows(number).double())
            vectors = torch.linalg.eigh((unit.mT @ unit + kernel) / total)[1].flip(1)[:, : self.basis.shape[1]]
            vectors = vectors * vectors.gather(0, vectors.abs().argmax(dim=0)[None]).sign()
            of_kernel = (kernel @ vectors * vectors).sum(dim=0)
            variance = ((unit @ vectors).square().sum(dim=0) + of_kernel) / total
            self.basis[number - 1] = vectors.mT
            self.deviation[number - 1] = variance.clamp(min=LEAST_DEVIATION**2 * outputs.shape[1]).sqrt()

    def encode(self, outputs: Tensor, counts: Tensor) -> Tensor:
        """Return codes, [B, function_size], of outputs on the common rows, [B, rows, most outputs].

        Args:
            outputs: Outputs, zero padded.
            counts: Numbers of inputs and outputs, [B, 2].
        """
        components = torch.stack([self.components(output, counts[:, 0]) for output in outputs.unbind(dim=2)], dim=1)
        return torch.cat([self.first_number(counts)[:, None], interleave(components, counts[:, 1])], dim=1)

    def components(self, outputs: Tensor, n_inputs: Tensor) -> Tensor:
        """Return the whitened components, [B, function_size - 1], of one output each, [B, rows]."""
        components = outputs.new_zeros(len(outputs), self.basis.shape[1])
        for number in n_inputs.unique().tolist():
            components[n_inputs == number] = outputs[n_inputs == number] @ self.basis[number - 1].mT
        return components / self.deviation[n_inputs - 1]

    def _cell(self, counts: Tensor) -> Tensor:
        """Return the cell of numbers of inputs and outputs, [B, 2] -> [B]."""
        return (counts[:, 0] - 1) * self.max_outputs + counts[:, 1] - 1

    def first_number(self, counts: Tensor, position: Tensor | float = 0.5) -> Tensor:
        """Return the first number of codes, [B], for counts, [B, 2], at positions 0 to 1 in their cells."""
        cell, inside = self._cell(counts), torch.as_tensor(position).clamp(MARGIN, 1 - MARGIN)
        low, high = self.edges[cell], self.edges[cell + 1]
        code: Tensor = torch.special.ndtri(low + (high - low) * inside)
        return code

    def counts(self, f: Tensor) -> Tensor:
        """Return the numbers of inputs and outputs that codes, [B, k], begin with, [B, 2]."""
        cell = torch.bucketize(torch.special.ndtr(f[:, 0].contiguous()), self.edges[1:-1].contiguous())
        return torch.stack([cell // self.max_outputs, cell % self.max_outputs], dim=1) + 1

    def position(self, f: Tensor) -> Tensor:
        """Return the position in its cell of the first number of codes, [B, k]: 0 to 1, [B]."""
        cell = self._cell(self.counts(f))
        low, high = self.edges[cell], self.edges[cell + 1]
        position: Tensor = (torch.special.ndtr(f[:, 0]) - low) / (high - low)
        return position.clamp(MARGIN, 1 - MARGIN)

    def restrict(self, first: Tensor, n_inputs: int | None, n_outputs: int | None) -> Tensor:
        """Carry first numbers, N(0, 1), to the same quantiles of the cells with given numbers, [B]."""
        cells = torch.cartesian_prod(*(torch.arange(1, most + 1) for most in (len(self.basis), self.max_outputs)))
        cells = cells.view(-1, 2).to(first.device)
        width = self.edges.diff()
        for column, number in enumerate((n_inputs, n_outputs)):
            if number is not None:
                width = width * (cells[:, column] == number)
        reached = width.cumsum(dim=0)
        quantile = torch.special.ndtr(first) * reached[-1]
        cell = torch.searchsorted(reached, quantile, right=True).clamp(max=int(width.nonzero().max()))
        low = reached[cell] - width[cell]
        return self.first_number(cells[cell], (quantile - low) / width[cell])

    def decode(self, f: Tensor, counts: Tensor) -> Tensor:
        """Return the outputs of codes on the common rows, [B, rows, most outputs], zero padded.

        Args:
            f: Codes or prefixes of codes, [B, k], 1 <= k <= function_size; numbers that are missing are their mean, 0.
            counts: Numbers of inputs and outputs, [B, 2].
        """
        n_inputs, n_outputs = counts.unbind(dim=1)
        components = separate(f[:, 1:], n_outputs)  # [B, most outputs, kept]
        kept, outputs = components.shape[2], f.new_zeros(len(f), self.basis.shape[2], components.shape[1])
        components = components * self.deviation[n_inputs - 1, None, :kept]
        for number in n_inputs.unique().tolist():
            own = n_inputs == number
            outputs[own] = (components[own] @ self.basis[number - 1, :kept]).mT
        return outputs

    def complete(self, f: Tensor, counts: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return outputs as :meth:`decode` does, with predicted components beyond the codes: see :func:`.complete`.

        Args:
            f: Codes or prefixes of codes, [B, k], 1 <= k <= function_size.
            counts: Numbers of inputs and outputs, [B, 2].
            noise: Noise from N(0, I) for a draw, [B, FEATURES + k - 1]; the mean of the missing components when None.
        """
        components, outputs = separate(f[:, 1:], counts[:, 1]), self.decode(f, counts)
        kept = separate(torch.ones_like(f[:, 1:]), counts[:, 1]).sum(dim=2).long()  # components of each output
        features = torch.arange(FEATURES, device=f.device)
        for n_inputs in counts[:, 0].unique().tolist():
            network, output = ((counts[:, :1] == n_inputs) & (kept > 0)).nonzero(as_tuple=True)
            x, metric = self.rows(n_inputs), learned_metric(self.rows(n_inputs), outputs[network, :, output])
            for size in kept[network, output].unique().tolist():
                alike = kept[network, output] == size
                of, i, drawn = network[alike], output[alike], None
                if noise is not None:
                    rest = separate(noise[of, FEATURES:], counts[of, 1])[range(len(of)), i, :size]
                    drawn = torch.cat([noise[of[:, None], (features - i[:, None]) % FEATURES], rest], dim=1)
                deviation, basis = self.deviation[n_inputs - 1, :size], self.basis[n_inputs - 1, :size]
                given = components[of, i, :size] * deviation, metric[alike]
                outputs[of, :, i] = complete(x, basis, deviation.square(), *given, drawn)
        return outputs

    @torch.no_grad()
    def of_rows(self, X: Tensor, y: Tensor, seed: int = 0) -> FunctionPosterior:
        """Encode a data set: project the posterior of a recursive feature machine on the common rows to a code.

        Args:
            X: Standardized features, [rows, features].
            y: Standardized targets, [rows, outputs].
            seed: Seed of the draw of rows, where there are more than :data:`MOST_ROWS`.

        Raises:
            NetGraphError: When no function code has as many inputs.
        """
        common, n_outputs = self.rows(X.shape[1]), y.shape[1]
        if len(X) > MOST_ROWS:
            generator = torch.Generator().manual_seed(seed)
            chosen = torch.randperm(len(X), generator=generator)[:MOST_ROWS].to(X.device)
            X, y = X[chosen], y[chosen]
        fit = fit_kernel(X.double().expand(n_outputs, -1, -1), y.double().mT, ROUNDS)
        outputs, covariance = fit.posterior(common.double().expand(n_outputs, -1, -1))
        counts = torch.tensor([[X.shape[1], n_outputs]], device=X.device)
        basis, scale = self.basis[X.shape[1] - 1].double(), self.deviation[X.shape[1] - 1]
        variance = ((basis @ covariance) * basis).sum(dim=2).clamp(min=0).to(scale)  # [outputs, components]
        spread = interleave((SPREAD * variance.sqrt() / scale)[None], counts[:, 1])
        mean = self.encode(outputs.mT[None].to(scale), counts)
        return FunctionPosterior(mean[0], nn.functional.pad(spread[0], (1, 0)))


def interleave(components: Tensor, n_outputs: Tensor) -> Tensor:
    """Return the first numbers of outputs' components, [B, outputs, n], that take turns, [B, n].

    Example:
        >>> interleave(torch.arange(6.0).view(1, 2, 3), torch.tensor([2]))
        tensor([[0., 3., 1.]])
    """
    number = torch.arange(components.shape[2], device=components.device)
    index = number % n_outputs[:, None] * len(number) + number // n_outputs[:, None]
    return components.flatten(1).gather(1, index)


def separate(numbers: Tensor, n_outputs: Tensor) -> Tensor:
    """Invert :func:`interleave`, [B, n] -> [B, most outputs, n]; components that are cut off are 0."""
    size, most = numbers.shape[1], int(n_outputs.max())
    number = torch.arange(size, device=numbers.device)
    index = number % n_outputs[:, None] * size + number // n_outputs[:, None]
    return numbers.new_zeros(len(numbers), most * size).scatter(1, index, numbers).view(len(numbers), most, size)


def principal_output(outputs: Tensor) -> Tensor:
    """Return the combination of a network's outputs, [B, rows, outputs], with the largest variance, [B, rows]."""
    if outputs.shape[2] == 1:
        return outputs[..., 0]
    centered = outputs - outputs.mean(dim=1, keepdim=True)
    direction = torch.linalg.eigh(centered.mT @ centered)[1][..., -1:]
    sign = direction.gather(1, direction.abs().argmax(dim=1, keepdim=True)).sign()
    combined: Tensor = outputs @ (direction * sign)
    return combined[..., 0]


def _kernel(x: Tensor) -> Tensor:
    """Compute the covariance of outputs before networks are seen, [rows, rows]; the rows are standard normal."""
    difference = (x[:, None] - x[None]).square()  # [rows, rows, inputs]
    return ((-difference.mean(dim=2) / 2).exp() + (-difference / 2).exp().mean(dim=2)) / 2


def transformed(rows: Tensor, n_inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Permute the columns of rows, [R, columns], and change their signs, anew for each network, [B, R, columns].

    Functions of standardized columns are as likely with their inputs permuted or of changed sign. Columns beyond a
    network's own, [B], come last.
    """
    size, columns = len(n_inputs), rows.shape[1]
    rank = torch.rand(size, columns, generator=generator) + (torch.arange(columns) >= n_inputs[:, None])
    sign = torch.randint(0, 2, (size, columns), generator=generator) * 2.0 - 1
    return rows.T[rank.argsort(dim=1)].mT * sign[:, None]
