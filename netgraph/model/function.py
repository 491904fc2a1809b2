"""The function code f: how many inputs a network has, and principal components of its outputs on common rows."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.model.completion import complete
from netgraph.model.config import VAEConfig
from netgraph.stack import fit_kernel, probe

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
#: Positions in the cell of a number of inputs keep this distance from its edges, so that rounding leads to no other.
MARGIN = 1e-3
#: Rows of a data set that are read at most, and rounds of its recursive feature machine.
MOST_ROWS, ROUNDS = 512, 2


class FunctionPosterior(NamedTuple):
    """q(f | X, y): mean and deviation of each number of the function code, [function_size] each."""

    mean: Tensor
    deviation: Tensor


class FunctionCode(nn.Module):
    """Principal component analysis of networks' outputs on common rows, for each number of inputs.

    The first number of a code tells the number of inputs n: N(0, 1) is cut in cells that are as probable as networks
    of n inputs are frequent, and the code has the median of its cell. The others are whitened components in falling
    order of their share of the outputs, so that every prefix of a code decodes. Before networks are seen the covariance
    of outputs is a kernel's: Gaussian, half of it additive over the inputs. Encoding is linear, and so is
    :meth:`decode`; :meth:`complete` predicts the missing components as well.

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
        self.register_buffer("common", probe(inputs, rows, SEED))
        self.register_buffer("basis", torch.zeros(inputs, size - 1, rows))
        self.register_buffer("deviation", torch.ones(inputs, size - 1))
        self.register_buffer("edges", torch.zeros(inputs + 1))
        if not self.common.is_meta:  # a model that is loaded has statistics of its own
            self.fit(torch.zeros(0, rows), torch.zeros(0, dtype=torch.long))

    def rows(self, n_inputs: int) -> Tensor:
        """Return the common rows, [rows, n_inputs].

        Raises:
            NetGraphError: When no function code has as many inputs.
        """
        most = self.common.shape[1]
        if not 1 <= n_inputs <= most:
            raise NetGraphError(f"a function of {n_inputs} inputs; this model knows 1 to {most}")
        return self.common[:, :n_inputs]

    @torch.no_grad()
    def fit(self, outputs: Tensor, n_inputs: Tensor) -> None:
        """Compute the statistics of the code, in which every network counts alike, whatever its scale.

        Args:
            outputs: Outputs of training networks on the common rows, [n, rows].
            n_inputs: Their numbers of inputs, [n].

        Raises:
            NetGraphError: When an output is not finite.
        """
        if not outputs.isfinite().all():
            raise NetGraphError("outputs of training networks on the common rows are not finite")
        counts = torch.bincount(n_inputs, minlength=len(self.edges))[1:].double() + 1  # each is seen once more
        self.edges[1:] = counts.cumsum(0) / counts.sum()
        for number in range(1, len(self.basis) + 1):
            members = outputs[n_inputs == number].double()
            unit = members / members.square().mean(dim=1, keepdim=True).sqrt().clamp(min=LEAST_OUTPUT)
            total, kernel = len(members) + PSEUDO_NETWORKS, PSEUDO_NETWORKS * _kernel(self.rows(number).double())
            vectors = torch.linalg.eigh((unit.mT @ unit + kernel) / total)[1].flip(1)[:, : self.basis.shape[1]]
            vectors = vectors * vectors.gather(0, vectors.abs().argmax(dim=0)[None]).sign()
            of_kernel = (kernel @ vectors * vectors).sum(dim=0)
            variance = ((members @ vectors).square().sum(dim=0) + of_kernel) / total
            self.basis[number - 1] = vectors.mT
            self.deviation[number - 1] = variance.clamp(min=LEAST_DEVIATION**2 * outputs.shape[1]).sqrt()

    def encode(self, outputs: Tensor, n_inputs: Tensor) -> Tensor:
        """Return the codes of functions of numbers of inputs, [B], by outputs on the common rows, [B, rows]."""
        components = outputs.new_zeros(len(outputs), self.basis.shape[1])
        for number in n_inputs.unique().tolist():
            components[n_inputs == number] = outputs[n_inputs == number] @ self.basis[number - 1].mT
        components = components / self.deviation[n_inputs - 1]
        return torch.cat([self.input_code(n_inputs)[:, None], components], dim=1)

    def input_code(self, n_inputs: Tensor, position: Tensor | float = 0.5) -> Tensor:
        """Return the first number of codes for numbers of inputs, at positions 0 to 1 in its cell, [B]."""
        low, high = self.edges[n_inputs - 1], self.edges[n_inputs]
        inside = torch.as_tensor(position).clamp(MARGIN, 1 - MARGIN)
        code: Tensor = torch.special.ndtri(low + (high - low) * inside)
        return code

    def n_inputs(self, f: Tensor) -> Tensor:
        """Return the number of inputs that codes, [B, k], begin with, [B]."""
        return torch.bucketize(torch.special.ndtr(f[:, 0].contiguous()), self.edges[1:-1].contiguous()) + 1

    def position(self, f: Tensor) -> Tensor:
        """Return the position in its cell of the first number of codes, [B, k]: 0 to 1, [B]."""
        n_inputs = self.n_inputs(f)
        low, high = self.edges[n_inputs - 1], self.edges[n_inputs]
        position: Tensor = (torch.special.ndtr(f[:, 0]) - low) / (high - low)
        return position.clamp(MARGIN, 1 - MARGIN)

    def decode(self, f: Tensor, n_inputs: Tensor) -> Tensor:
        """Return the outputs of codes on the common rows, [B, rows]; numbers that are missing are their mean, 0.

        Args:
            f: Codes or prefixes of codes, [B, k], 1 <= k <= function_size.
            n_inputs: Numbers of inputs, [B].
        """
        kept, outputs = f.shape[1] - 1, f.new_zeros(len(f), self.basis.shape[2])
        components = f[:, 1:] * self.deviation[n_inputs - 1, :kept]
        for number in n_inputs.unique().tolist():
            outputs[n_inputs == number] = components[n_inputs == number] @ self.basis[number - 1, :kept]
        return outputs

    def complete(self, f: Tensor, n_inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Return outputs as :meth:`decode` does, with predicted components beyond the codes: see :func:`.complete`.

        Args:
            f: Codes or prefixes of codes, [B, k], 1 <= k <= function_size.
            n_inputs: Numbers of inputs, [B].
            noise: Noise from N(0, I) for a draw, [B, FEATURES + k - 1]; the mean of the missing components when None.
        """
        kept, outputs = f.shape[1] - 1, f.new_zeros(len(f), self.basis.shape[2])
        for number in n_inputs.unique().tolist() if kept else []:
            own, basis = n_inputs == number, self.basis[number - 1, :kept]
            deviation = self.deviation[number - 1, :kept]
            components, drawn = f[own, 1:] * deviation, None if noise is None else noise[own]
            outputs[own] = complete(self.rows(number), basis, deviation.square(), components, drawn)
        return outputs

    @torch.no_grad()
    def of_rows(self, X: Tensor, y: Tensor, seed: int = 0) -> FunctionPosterior:
        """Encode a data set: project the posterior of a recursive feature machine on the common rows to a code.

        Args:
            X: Standardized features, [rows, features].
            y: Standardized target, [rows].
            seed: Seed of the draw of rows, where there are more than :data:`MOST_ROWS`.

        Raises:
            NetGraphError: When no function code has as many inputs.
        """
        common = self.rows(X.shape[1])
        if len(X) > MOST_ROWS:
            generator = torch.Generator().manual_seed(seed)
            chosen = torch.randperm(len(X), generator=generator)[:MOST_ROWS].to(X.device)
            X, y = X[chosen], y[chosen]
        fit = fit_kernel(X.double()[None], y.double()[None], ROUNDS)
        outputs, covariance = fit.posterior(common.double()[None])
        number = torch.tensor([X.shape[1]], device=X.device)
        basis, scale = self.basis[X.shape[1] - 1].double(), self.deviation[X.shape[1] - 1]
        variance = ((basis @ covariance[0]) * basis).sum(dim=1).clamp(min=0).to(scale)
        spread = nn.functional.pad(SPREAD * variance.sqrt() / scale, (1, 0))
        return FunctionPosterior(self.encode(outputs.to(scale), number)[0], spread)


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
