"""Everything that is measured of a model: held-out networks rebuilt, samples, samples as starts of a training."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.evaluate import Reconstruction, evaluate_reconstruction, evaluate_samples
from netgraph.evaluation.training_start import start_of_samples
from netgraph.graph.netgraph import NetGraph
from netgraph.model.vae import NetVAE
from netgraph.zoo import Zoo

#: Networks that are sampled for each task on which starts of a training are compared.
STARTS = 4


@dataclass(frozen=True)
class Evaluated:
    """What was measured of a model on a zoo's held-out tasks, free-running.

    Attributes:
        figures: By name.
        reconstruction: Of every held-out network.
        pairs: Three held-out networks, from bad to good, and what was rebuilt of them, with cosine and output R^2.
        latents: Of the held-out networks, [n, latent].
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
        zoo: The zoo; its training networks are what novelty is measured against.
        n_samples: Networks to sample.
        n_start_tasks: Held-out tasks that networks are sampled for and fine-tuned on.
        seed: Of all that is drawn.

    Raises:
        NetGraphError: When the zoo has no held-out networks, or the model covers none of them.
    """
    true, known = (list(zoo.stream(zoo.split(name))) for name in ("test", "train"))
    if not true:
        raise NetGraphError(f"{zoo.folder}: no held-out networks; a recipe with n_test_tasks has some")
    covered = [graph for graph in true if vae.coverage.covers(graph.architecture)]
    n_outside, true = len(true) - len(covered), covered or true[:1]  # the error of one that is not covered tells why
    z = vae.encode(true)
    rebuilt = vae.decode(z)
    result = evaluate_reconstruction(true, rebuilt, [zoo.tasks[graph.task].x for graph in true])
    ranked = result.output_r2.argsort().tolist()
    shown = [ranked[len(ranked) * k // 4] for k in (1, 2, 3)]
    samples, generator = vae.sample(n_samples, seed=seed), Generator().manual_seed(seed)
    figures = result.metrics | evaluate_samples(samples, true, known, generator)
    figures |= start_of_samples(vae, zoo, n_start_tasks, STARTS, generator).figures
    return Evaluated(
        figures | {"n_train": float(len(known)), "n_test": float(len(true)), "n_outside": float(n_outside)},
        result,
        [(true[i], rebuilt[i], float(result.cosine[i]), float(result.output_r2[i])) for i in shown],
        z.cpu(),
        [zoo.tasks[graph.task].family for graph in true],
        samples,
    )
