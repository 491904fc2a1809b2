"""Rebuilding held-out networks, architecture and weights, from a latent: netgraph and its peers in one run.

Every side is given the same canonical networks, the same latent size and the same training time on one thread, one side
after the other. A side that is done leaves its figures in a file, so that an interrupted run goes on with the next.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from peers.adjacency import AdjacencyVAE
from peers.apart import mean_networks, nearest_latents, with_noise
from peers.base import Peer
from peers.edge_list import EdgeList
from peers.grid import Grid
from peers.mlp import MLPAutoencoder
from peers.nearest import Nearest
from peers.ours import NetGraphVAE
from peers.pca import PrincipalComponents
from peers.repair import Rebuilt, fill, rebuild
from peers.sane import SANE
from results import write_section
from torch import Generator

from netgraph import NetGraph, Zoo, build_zoo
from netgraph.errors import NetGraphError
from netgraph.evaluation import evaluate_reconstruction, random_like
from netgraph.files import make_folder, read_own_record, write_own_record
from netgraph.threads import threads
from netgraph.training import Example

FORMAT, VERSION = "netgraph.peer", 1
PEERS = {
    "edge_list": EdgeList,
    "sane": SANE,
    "adjacency": AdjacencyVAE,
    "mlp": MLPAutoencoder,
    "pca": PrincipalComponents,
    "nearest": Nearest,
}
COLUMNS = {
    "edge F1": ("edge_f1", ".4f"),
    "architecture exact": ("architecture_accuracy", ".3f"),
    "unusable": ("unusable", ".3f"),
    "cosine": ("cosine_similarity", ".3f"),
    "output R², median": ("output_r2_median", ".3f"),
    "10th percentile": ("output_r2_p10", ".3f"),
    "mean (each ≥ −1)": ("output_r2_mean_clamped", ".3f"),
    "fit, s": ("fit_seconds", ".0f"),
    "latent": ("latent_size", ".0f"),
}


@dataclass(frozen=True)
class Split:
    """Training and held-out networks of a zoo, with rows of their tasks and meta-features."""

    train: list[Example]
    test: list[Example]

    @classmethod
    def of(cls, zoo: Zoo) -> "Split":
        """Read them."""
        return cls(*([_example(zoo, i) for i in zoo.split(name)] for name in ("train", "test")))

    @property
    def seen(self) -> list[NetGraph]:
        """The training networks."""
        return [example.graph for example in self.train]

    @property
    def true(self) -> list[NetGraph]:
        """The held-out networks."""
        return [example.graph for example in self.test]


def _example(zoo: Zoo, i: int) -> Example:
    graph = zoo[i]
    return Example(graph, zoo.tasks[graph.task].x, zoo.meta_features[graph.task])


@dataclass(frozen=True)
class Line:
    """One line of the results.

    Attributes:
        name: What was measured.
        apart: Whether something of the true network was given to it.
        figures: Its figures by name.
    """

    name: str
    apart: bool
    figures: dict[str, float]

    @property
    def row(self) -> str:
        """The line as Markdown."""
        cells = [format(self.figures[k], f) if k in self.figures else "" for k, f in COLUMNS.values()]
        return f"| {self.name} | {' | '.join(cells)} |"


def measure(name: str, split: Split, rebuilt: Rebuilt, **figures: float) -> Line:
    """Compare rebuilt networks with the true ones; it stands apart where no further figures are given."""
    compared = evaluate_reconstruction(split.true, rebuilt.graphs, [example.x for example in split.test])
    return Line(name, not figures, compared.metrics | {"unusable": rebuilt.unusable} | figures)


def measure_apart(name: str, split: Split, found: Sequence[NetGraph | None]) -> Line:
    """Compare networks that something of the true ones was given for."""
    return measure(name, split, fill(found, split.true))


def measure_peer(peer: Peer, split: Split, seconds: float) -> list[Line]:
    """Fit a peer, and rebuild the held-out networks; also what else can be said with the fitted peer."""
    started = time.monotonic()
    peer.fit(split.train, seconds)
    fitted = time.monotonic() - started
    rebuilt = rebuild(peer, split.true)
    lines = [measure(peer.name, split, rebuilt, fit_seconds=fitted, latent_size=peer.latent_size)]
    if isinstance(peer, PrincipalComponents):
        given = peer.decode_as(peer.encode(split.true), split.true)
        lines.append(measure_apart("PCA, architecture given", split, given))
    if isinstance(peer, NetGraphVAE):
        near = nearest_latents(peer, split.seen, split.true)
        lines.append(measure_apart("nearest training network in netgraph's latent space, inputs given", split, near))
    return lines


def measure_simple(split: Split) -> list[Line]:
    """Measure what needs no fitting."""
    generator, true = Generator().manual_seed(0), split.true
    found: dict[str, Sequence[NetGraph | None]] = {
        "mean network, architecture given": mean_networks(split.seen, true, Grid()),
        "the network plus noise of 0.3 deviations": [with_noise(graph, 0.3, generator) for graph in true],
        "random initialization, architecture given": random_like(true, generator),
    }
    return [measure_apart(name, split, graphs) for name, graphs in found.items()]


def kept(path: Path, settings: dict[str, Any], make: Callable[[], list[Line]]) -> list[Line]:
    """Give the lines that a file holds, or make them and write it.

    Raises:
        NetGraphError: When the file holds those of other settings.
    """
    if not path.exists():
        lines = make()
        write_own_record(path, FORMAT, VERSION, {"settings": settings, "lines": [vars(line) for line in lines]}, 1)
    record = read_own_record(path, FORMAT, VERSION, ["settings", "lines"])
    if record["settings"] != settings:
        raise NetGraphError(f"{path}: made with {record['settings']}, not {settings}; choose another folder")
    return [Line(**line) for line in record["lines"]]


def sides_of(latent: int, folder: Path) -> dict[str, Peer]:
    """Make every side.

    Raises:
        NetGraphError: When a side cannot have a latent of that size.
    """
    return {"netgraph": NetGraphVAE(latent, folder / "netgraph")} | {name: kind(latent) for name, kind in PEERS.items()}


def compare(sides: Mapping[str, Peer], split: Split, folder: Path, settings: dict[str, Any]) -> list[Line]:
    """Measure every side, or read what is done."""
    make_folder(folder)
    makers = {name: partial(measure_peer, peer, split, settings["seconds"]) for name, peer in sides.items()}
    lines = []
    for name, make in (makers | {"simple": partial(measure_simple, split)}).items():
        found = kept(folder / f"{name}.json", settings, make)
        print("\n".join(line.row for line in found), flush=True)
        lines += found
    return sorted(lines, key=lambda line: line.apart)


def section(lines: Sequence[Line], split: Split, seconds: float) -> list[str]:
    """Write the lines as Markdown."""
    head = [f"| method | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    return [
        f"{len(split.test)} networks of held-out tasks of datasets/benchmark.yaml, {len(split.train)} to train on; "
        f"{seconds:g} s of training each on one thread, one after the other; canonical form on every side. "
        "Free-running: architecture and weights are decoded from the latent alone. "
        "Preparing tensors comes on top of the training.",
        "",
        *head,
        *(line.row for line in lines if not line.apart),
        "",
        "Apart, as something of the true network is given:",
        "",
        *head,
        *(line.row for line in lines if line.apart),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison and write one section for each latent size; arguments are those of the command when None."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, help="training time of each side")
    parser.add_argument("--latent", type=int, nargs="+", default=[432, 216], help="latent sizes, multiples of 216")
    parser.add_argument("--zoo", type=Path, default=Path("runs/benchmark_zoo"), help="it is built where there is none")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"), help="takes the figures of each side")
    options = parser.parse_args(arguments)
    if options.seconds <= 0:
        parser.error(f"--seconds is {options.seconds:g}; it must be above 0")
    folders = {latent: options.out / str(latent) for latent in options.latent}
    try:
        sides = {latent: sides_of(latent, folder) for latent, folder in folders.items()}
    except NetGraphError as error:
        parser.error(str(error))
    zoo = Zoo(options.zoo) if options.zoo.exists() else build_zoo("benchmark", options.zoo)
    with threads(1):
        split = Split.of(zoo)
        for latent, folder in folders.items():
            settings = {"seconds": options.seconds, "latent": latent, "zoo": zoo.recipe.digest}
            lines = compare(sides.pop(latent), split, folder, settings)
            command = f"python benchmarks/reconstruction.py --seconds {options.seconds:g} --latent {latent}"
            write_section(f"Peers, latent size {latent}", command, section(lines, split, options.seconds))


if __name__ == "__main__":
    main()
