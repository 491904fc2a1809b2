"""The figures of a model: networks rebuilt free-running, samples beside others, and samples as starts of a training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation import metrics
from netgraph.evaluation.behavior import low_decile, median, standardize
from netgraph.evaluation.health import health
from netgraph.evaluation.pairs import as_list, as_rows, check_lengths
from netgraph.evaluation.shapes import LEAST, match_sets
from netgraph.evaluation.start_arms import comparable_tasks, start_of_samples
from netgraph.graph.netgraph import NetGraph
from netgraph.lines import Compact
from netgraph.model.vae import NetVAE
from netgraph.stack import probe
from netgraph.zoo import Zoo, random_like

#: Networks of each set whose behavior is compared, where there are so many.
N_NETWORKS = 1000
#: Networks that are sampled for each task on which starts of a training are compared.
STARTS = 4


@dataclass(frozen=True, repr=False)
class Reconstruction(Compact):
    """Figures of rebuilt networks.

    Attributes:
        metrics: Means and medians by name.
        output_r2: Of every pair, [pairs].
        cosine: Of every pair, [pairs].
        edge_f1: Of every pair, [pairs].
    """

    metrics: dict[str, float]
    output_r2: Tensor
    cosine: Tensor
    edge_f1: Tensor


def evaluate_reconstruction(
    true: Sequence[NetGraph], rebuilt: Sequence[NetGraph], xs: Sequence[Tensor], classes: Sequence[bool] = ()
) -> Reconstruction:
    """Compare networks with the networks rebuilt from their latents, on rows of their tasks, [rows, inputs] each.

    A network that was rebuilt with another number of outputs is as far off as can be: R² -inf, all else 0. ``classes``
    tells of each network whether it predicts classes; where some do, ``agreement`` is a figure.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> evaluate_reconstruction([graph], [graph], [torch.randn(5, 2)]).metrics["edge_f1"]
        1.0
    """
    true, rebuilt = as_list(true, "true"), as_list(rebuilt, "rebuilt")
    check_lengths(true, rebuilt)
    outputs = zip((g.architecture.n_outputs for g in true), (g.architecture.n_outputs for g in rebuilt), strict=True)
    kept = [i for i, (expected, actual) in enumerate(outputs) if expected == actual]
    sides = [true[i] for i in kept], [rebuilt[i] for i in kept]

    def measured(metric: Callable[..., Tensor], worst: float, *rows: Sequence[Tensor]) -> Tensor:
        values = torch.full((len(true),), worst, dtype=torch.float64)
        if kept:
            values[kept] = metric(*sides, *rows)
        return values

    every = as_rows(true, xs)
    rows = [every[i] for i in kept]
    r2 = measured(metrics.output_r2_per_pair, float("-inf"), rows)
    cosine, f1 = measured(metrics.cosine_similarity_per_pair, 0.0, rows), measured(metrics.edge_f1_per_pair, 0.0)
    same = [a.architecture.key == b.architecture.key for a, b in zip(true, rebuilt, strict=True)]
    figures = {
        "edge_accuracy": float(measured(metrics.edge_accuracy_per_pair, 0.0).mean()),
        "edge_f1": float(f1.mean()),
        "weight_within_tolerance": float(measured(metrics.weight_within_tolerance_per_pair, 0.0).mean()),
        "architecture_accuracy": sum(same) / len(same),
        "cosine_similarity": float(cosine.mean()),
        "parameter_cosine_similarity": float(measured(metrics.parameter_cosine_similarity_per_pair, 0.0).mean()),
        "output_r2_median": median(r2),
        "output_r2_p10": low_decile(r2),
        "output_r2_mean_clamped": float(r2.clamp(min=-1).mean()),
    }
    if any(classes):
        figures["agreement"] = float(measured(metrics.agreement_per_pair, 0.0, rows)[torch.tensor(classes)].mean())
    return Reconstruction(figures, r2, cosine, f1)


def evaluate_samples(
    samples: Sequence[NetGraph],
    test: Sequence[NetGraph],
    train: Sequence[NetGraph],
    generator: Generator,
    n: int = N_NETWORKS,
) -> dict[str, float]:
    """Measure samples against held-out trained networks, beside random and other trained ones.

    Behavior is the output on 64 standard normal rows, common to all networks, each row standardized with the mean and
    the deviation of the held-out networks on it. Distances are unbiased energy distances in it to the held-out
    networks: of the samples, of networks with the samples' architectures and initial weights, and of training networks
    (the floor). Samples whose outputs are not finite lower ``validity`` and ``sample_working``; they have no behavior,
    so distances, uniqueness and novelty are those of the others. Since a sample may have other numbers of outputs than
    the held-out networks, behavior is that of the first one. :func:`~netgraph.evaluation.shapes.shape_quality` and its
    AUCs, of one network a task, are left out where ``n_shape``, the number of networks a side, is less than 25.

    Args:
        samples: Generated networks.
        test: Networks of held-out tasks.
        train: Networks of the training zoo.
        generator: Draws the random weights and the networks to compare with.
        n: Most networks of a set: the first samples, and test and training networks drawn at random.

    Returns:
        The figures by name; ``validity``, ``uniqueness`` and ``novelty`` are those of all samples.

    Raises:
        NetGraphError: When fewer than two samples are finite, or there are fewer than two networks in another set.

    Example:
        >>> networks = [netgraph.from_module(torch.nn.Linear(2, 1)) for _ in range(9)]
        >>> evaluate_samples(networks[:3], networks[3:6], networks[6:], Generator())["validity"]
        1.0
    """
    samples, test, train = as_list(samples, "samples"), as_list(test, "test"), as_list(train, "train")
    finite = [graph for graph in samples if metrics.is_valid(graph)]
    if len(finite) < 2:
        raise NetGraphError(f"{len(finite)} of {len(samples)} samples have finite outputs; a distance takes at least 2")
    held_out, others = (
        [graphs[i] for i in torch.randperm(len(graphs), generator=generator)[:n].tolist()] for graphs in (test, train)
    )
    sampled = finite[:n]
    random = random_like(sampled, generator)
    reference = metrics.behavior(held_out, first=True)
    target, *vectors = (
        standardize(metrics.behavior(graphs, first=True), reference) for graphs in (held_out, sampled, random, others)
    )
    of_samples, of_random, floor = (metrics.energy_distance(own, target, unbiased=True) for own in vectors)
    figures = {
        "sample_quality": metrics.sample_quality(of_random, of_samples, floor),
        **_compare_shapes(finite, test, train, generator),
        "function_spread": metrics.function_spread(vectors[0], target),
        "sample_behaviour_distance": of_samples,
        "random_behaviour_distance": of_random,
        "floor_behaviour_distance": floor,
        "validity": len(finite) / len(samples),
        "uniqueness": metrics.uniqueness(finite),
        "novelty": metrics.novelty(finite, train),
        "architecture_uniqueness": metrics.uniqueness(finite, "architecture"),
        "architecture_novelty": metrics.novelty(finite, train, "architecture"),
    }
    for name, graphs in {"sample": samples[:n], "trained": held_out, "random": random}.items():
        measured = health(graphs)
        figures |= {f"{name}_{key}": getattr(measured, key) for key in ("working", "dead", "saturated")}
    return figures


def _compare_shapes(
    samples: Sequence[NetGraph], test: Sequence[NetGraph], train: Sequence[NetGraph], generator: Generator
) -> dict[str, float]:
    """Return shape quality and its AUCs where there are enough networks, and the number of networks a side."""
    matched, *_ = match_sets(samples, test, train, generator)
    count = {"n_shape": float(len(matched))}
    if len(matched) < LEAST:
        return count
    aucs = metrics.shape_aucs(samples, test, train, generator)
    quality = metrics.sample_quality(aucs["random_auc"], aucs["sample_auc"], aucs["floor_auc"])
    return {"shape_quality": quality, **aucs, **count}


@dataclass(frozen=True)
class Evaluated:
    """Evaluation of a model on a zoo's held-out tasks, free-running.

    Attributes:
        figures: By name.
        reconstruction: Of every held-out network.
        pairs: Three held-out networks, from bad to good, and their rebuilt networks, with cosine and output R^2.
        latents: Function codes of the held-out networks, [n, function size].
        families: Their task families.
        samples: Networks sampled from N(0, I).
    """

    figures: dict[str, float]
    reconstruction: Reconstruction
    pairs: Sequence[tuple[NetGraph, NetGraph, float, float]]
    latents: Tensor
    families: Sequence[str]
    samples: Sequence[NetGraph]


def evaluate_model(vae: NetVAE, zoo: Zoo, n_samples: int, n_start_tasks: int, seed: int = 0) -> Evaluated:
    """Rebuild a zoo's held-out networks, sample, and fine-tune samples.

    Held-out networks that the model does not cover, as those with a number of inputs that no training network has, are
    left out; the figure ``n_outside`` counts them.

    Args:
        vae: The model.
        zoo: The zoo; novelty is measured against its training networks.
        n_samples: Networks to sample.
        n_start_tasks: Held-out tasks that networks are sampled for and fine-tuned on.
        seed: Of all that is drawn.

    Raises:
        NetGraphError: When the zoo has no held-out networks, or the model covers fewer than two of them.
    """
    true, every = (list(zoo.stream(zoo.split(name))) for name in ("test", "train"))
    known = [graph for graph in every if graph.program is None]
    if not true:
        raise NetGraphError(f"{zoo.folder}: no held-out networks; a recipe with n_test_tasks has some")
    covered = [graph for graph in true if vae.coverage.covers(graph.architecture)]
    if len(covered) == 1:
        raise NetGraphError(f"{zoo.folder}: 1 covered held-out network; figures of samples take at least 2")
    n_outside, true = len(true) - len(covered), covered or true[:1]  # the error of one that is not covered tells why
    z = vae.encode(true)
    rebuilt = vae.decode(z)
    classes = [zoo.tasks[graph.task].has_classes for graph in true]
    result = evaluate_reconstruction(true, rebuilt, [_rows(zoo, graph) for graph in true], classes)
    ranked = result.output_r2.argsort().tolist()
    shown = [ranked[len(ranked) * k // 4] for k in (1, 2, 3)]
    samples, generator = vae.sample(n_samples, seed=seed), Generator().manual_seed(seed)
    figures = result.metrics | evaluate_samples(samples, true, known, generator)
    if all(comparable_tasks(vae, zoo, networks) for networks in (true, known)):
        figures |= start_of_samples(vae, zoo, n_start_tasks, STARTS, generator)
    return Evaluated(
        figures | {"n_train": float(len(known)), "n_test": float(len(true)), "n_outside": float(n_outside)},
        result,
        [(true[i], rebuilt[i], float(result.cosine[i]), float(result.output_r2[i])) for i in shown],
        z[:, vae.function].cpu(),
        [zoo.tasks[graph.task].family for graph in true],
        samples,
    )


def _rows(zoo: Zoo, graph: NetGraph) -> Tensor:
    """Return the rows of a network's task, or standard normal ones where its data are unknown."""
    task = zoo.tasks[graph.task]
    return task.x if task.rows else probe(graph.architecture.n_inputs)
