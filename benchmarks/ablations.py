"""One change at a time: how well held-out networks are rebuilt, and how good samples are, each after equal CPU time.

Every variant trains on one thread for as many seconds of CPU time, from the same zoo and seed, and leaves a JSON file
in ``--out``; a run that was interrupted goes on with those that are missing.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from ablation_report import report
from equal_time import pace
from forms import FORMS
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor
from variants import BASE, ENTRIES, Entry, Refined, Sampler, Variant, check

from netgraph import NetGraph, NetVAE, Zoo
from netgraph.evaluation import evaluate_reconstruction, evaluate_samples
from netgraph.files import write_atomically
from netgraph.model.attention import Block
from netgraph.training import Example
from netgraph.training.config import TrainConfig
from netgraph.training.data import Batches, Epochs
from netgraph.training.module import Paced, PriorModule, VAEModule

#: Training networks whose latents the simple priors are made of.
ENCODED = 3000


@dataclass(frozen=True)
class Data:
    """Networks in one form.

    Attributes:
        examples: Training networks.
        test: Held-out networks, with tasks of their own.
        xs: Rows of their tasks, [rows, inputs] each.
    """

    examples: list[Example]
    test: list[NetGraph]
    xs: list[Tensor]


class Bench:
    """Measures the entries of the table.

    Args:
        options: The command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.zoo = options, Zoo(options.zoo)
        held_out = self.zoo.split("test")
        drawn = torch.randperm(len(held_out), generator=self.generator())[: options.n].tolist()
        self.test = list(self.zoo.stream([held_out[i] for i in drawn]))
        self.train = list(self.zoo.stream(self.zoo.split("train")))
        self.data = lru_cache(maxsize=1)(self._data)
        self.batches = lru_cache(maxsize=1)(self._batches)

    def generator(self) -> Generator:
        """Give a generator in its first state, so that what is drawn is the same for every entry."""
        return Generator().manual_seed(0)

    def _data(self, form: str) -> Data:
        train, test = FORMS[form](self.train, self.test, 0)
        tasks = {number: self.zoo.task(number).x for number in sorted({g.task for g in self.train + self.test})}
        features = self.zoo.meta_features
        examples = [Example(g, tasks[o.task], features[o.task]) for g, o in zip(train, self.train, strict=True)]
        return Data(examples, test, [tasks[graph.task] for graph in self.test])

    def _batches(self, form: str, max_nodes: int, max_fan: int, batch_size: int, seed: int) -> Batches:
        training = TrainConfig(batch_size=batch_size, seed=seed)
        config = replace(BASE, max_nodes=max_nodes, max_fan=max_fan)
        return Batches(self.data(form).examples, config, training)

    def measure(self, entry: Entry) -> dict[str, Any]:
        """Give the figures of an entry."""
        if isinstance(entry, Variant):
            return self._variant(entry)
        return self._sampler(entry) if isinstance(entry, Sampler) else self._refined(entry)

    def _variant(self, variant: Variant) -> dict[str, Any]:
        training = replace(variant.training, max_seconds=self.options.seconds, prior_seconds=self.options.prior_seconds)
        data = self.data(variant.form)
        batches = self.batches(
            variant.form, variant.vae.max_nodes, variant.vae.max_fan, training.batch_size, training.seed
        )
        with torch.random.fork_rng():
            torch.manual_seed(training.seed)
            vae = NetVAE(variant.vae)
            vae.fit_statistics(batches.networks)
            done: dict[str, Any] = {"steps": fit(VAEModule(vae, training, len(batches), cpu_seconds), batches)}
            if variant.prior:
                vae.eval().fit_statistics(batches.networks)
                vae.prior.train()
                prior = PriorModule(vae, training.of_prior(), len(batches), cpu_seconds)
                done["prior_steps"] = fit(prior, batches)
        in_float32(vae.eval())
        if variant is ENTRIES[0]:
            save_file(vae.state_dict(), self.options.out / "base.safetensors")
        test, xs = covered(vae, data)
        figures = rebuilt(vae, vae.posterior(test)[0], xs, test)
        if variant.prior:
            figures |= self._sampled(vae.sample(self.options.n, seed=0))
        return done | {"figures": figures}

    def _sampled(self, samples: Sequence[NetGraph]) -> dict[str, float]:
        generator = self.generator()
        drawn = torch.randperm(len(self.train), generator=generator)[: self.options.n].tolist()
        others = [self.train[i] for i in drawn]
        return evaluate_samples(samples, self.test, others, generator, self.options.n)

    def _base(self, steps: int) -> NetVAE:
        """Read the base model, its prior's solver taking so many steps."""
        vae = NetVAE(replace(BASE, prior=replace(BASE.prior, steps=steps)))
        vae.load_state_dict(load_file(self.options.out / "base.safetensors"))
        return vae.eval()

    def _sampler(self, sampler: Sampler) -> dict[str, Any]:
        vae, generator = self._base(sampler.steps), self.generator()
        if sampler.draw is None:
            return {"figures": self._sampled(vae.sample(self.options.n, seed=0))}
        drawn = torch.randperm(len(self.train), generator=generator)[:ENCODED].tolist()
        encoded = vae.posterior([self.train[i] for i in drawn])[0]
        return {"figures": self._sampled(vae.decode(sampler.draw(encoded, self.options.n, generator)))}

    def _refined(self, refined: Refined) -> dict[str, Any]:
        vae, data = self._base(BASE.prior.steps), self.data("canonical")
        test, xs = covered(vae, data)
        given, other = ([x[first::2] for x in xs] for first in (0, 1))
        started = cpu_seconds()
        z = vae.refine(test, given, steps=refined.steps)
        seconds = cpu_seconds() - started
        rows = given if refined.given else other
        return {"figures": rebuilt(vae, z, rows, test), "refine_seconds": seconds}


def covered(vae: NetVAE, data: Data) -> tuple[list[NetGraph], list[Tensor]]:
    """Return the held-out networks inside of a model's coverage, and the rows of each."""
    pairs = zip(data.test, data.xs, strict=True)
    kept = [(graph, x) for graph, x in pairs if vae.coverage.covers(graph.architecture)]
    return [graph for graph, _ in kept], [x for _, x in kept]


def rebuilt(vae: NetVAE, z: Tensor, xs: Sequence[Tensor], true: Sequence[NetGraph]) -> dict[str, float]:
    """Decode free-running and compare with the true networks on rows, [rows, inputs] each."""
    return evaluate_reconstruction(true, vae.decode(z), xs).metrics


def cpu_seconds() -> float:
    """Give the CPU time of this process: other work on the machine does not shorten a training."""
    return time.process_time()


def fit(module: Paced, batches: Batches) -> int:
    """Train until the time is over; give the number of steps."""
    optimizer, config, most = module.configure_optimizers(), module.config, module.total_steps
    learned = [value for group in optimizer.param_groups for value in group["params"]]
    seconds = config.max_seconds or 0.0
    module.started = module.clock()
    while module.progress < 1:
        for batch in Epochs(batches, config.seed, lambda: module.steps_done):
            for group in optimizer.param_groups:
                group["lr"] = module.learning_rate()
            optimizer.zero_grad()
            module.losses(batch)[0].backward()
            torch.nn.utils.clip_grad_norm_(learned, config.clip)
            optimizer.step()
            module.steps_done, module.total_steps = module.steps_done + 1, most
            pace(module, seconds)
            if module.progress >= 1:
                break
    return module.steps_done


def in_float32(vae: NetVAE) -> None:
    """Compute products as a checkpoint does that was read from its file."""
    for part in vae.modules():
        if isinstance(part, Block):
            part.mixed = False


def path_of(entry: Entry, out: Path) -> Path:
    """Give the file that takes an entry's result."""
    name = "".join(letter if letter.isalnum() else "-" for letter in f"{entry.group} {entry.name}")
    return out / f"{name}.json"


def read(entry: Entry, options: argparse.Namespace) -> dict[str, Any] | None:
    """Read an entry's result if there is one.

    Raises:
        SystemExit: When it was measured with other settings.
    """
    path = path_of(entry, options.out)
    if not path.exists():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if result["settings"] != settings(options):
        raise SystemExit(f"{path}: measured with {result['settings']}, not {settings(options)}; choose another --out")
    return result


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Say what all results of a folder have in common."""
    keys = ("seconds", "prior_seconds", "n")
    return {"zoo": options.zoo.name} | {key: getattr(options, key) for key in keys}


def run(options: argparse.Namespace) -> None:
    """Measure what is missing."""
    chosen = [e for e in ENTRIES if not options.only or f"{e.group}, {e.name}" in options.only]
    missing = [entry for entry in chosen if read(entry, options) is None]
    if not missing:
        return
    bench = Bench(options)
    for entry in missing:
        started, cpu = time.monotonic(), cpu_seconds()
        result = bench.measure(entry)
        took = {"wall_seconds": time.monotonic() - started, "cpu_seconds": cpu_seconds() - cpu}
        result |= {"settings": settings(options)} | took
        write_atomically(path_of(entry, options.out), json.dumps(result, indent=1).encode())
        print(f"{entry.group}, {entry.name}: {json.dumps(result)}", flush=True)


def main() -> None:
    """Measure, and write both sections from what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path, help="folder of a zoo")
    parser.add_argument("--out", type=Path, required=True, help="folder that takes a JSON file an entry")
    parser.add_argument("--seconds", type=float, default=90.0, help="CPU time of each training, 90 by default")
    parser.add_argument("--prior-seconds", type=float, default=60.0, help="CPU time of each prior, 60 by default")
    parser.add_argument("--n", type=int, default=500, help="networks measured, 500 by default")
    parser.add_argument("--only", nargs="+", default=[], metavar="GROUP, NAME", help="measure these alone")
    parser.add_argument("--report", action="store_true", help="measure nothing, write what is there")
    options = parser.parse_args()
    check()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.report:
        run(options)
    found = [(entry, result) for entry in ENTRIES if (result := read(entry, options))]
    report(found, settings(options))


if __name__ == "__main__":
    main()
