"""The figures of the model, asked and reached: ``python -m benchmarks.figures``."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.harness import RUNS, load_runs
from benchmarks.latent_search import RANDOM
from benchmarks.peers.starts import ARMS
from benchmarks.rate_distortion import OURS
from benchmarks.rows import GENERATED
from benchmarks.starts import compared

ROOT = Path(__file__).parents[1]
#: Median and 10th percentile of R² asked of f alone, by class of networks, architecture and number of numbers.
OF_F = {
    ("small", "16 Tanh", 64): "0.96 (0.85)",
    ("small", "16 Tanh", 32): "0.94 (0.78)",
    ("small", "16 Tanh", 16): "0.89 (0.60)",
    ("small", "the original", 64): "0.93 (0.70)",
    ("small", "the original", 32): "0.91 (0.62)",
    ("small", "the original", 16): "0.86 (0.50)",
    ("all", "32-32 SiLU", 64): "0.93 (0.75)",
    ("all", "the original", 64): "0.90 (0.60)",
}
OF_SAMPLES = {
    "shape_quality": "0.9",
    "sample_auc": "at most 0.54",
    "sample_quality": "0.95",
    "uniqueness": "0.99",
    "novelty": "0.99",
    "function_spread": "0.9 to 1.1",
}
#: The arm of starts that is told of, and its variant, which is no rival.
STARTED, UNREFINED = ARMS[:2]
#: What was measured, what is asked, what was reached.
Line = tuple[str, str, str]


def lines(*folders: str) -> int:
    """Count the lines of the Python files in folders of the repository."""
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def chosen(runs: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """Return the runs with some values of their columns; of None, those without a value."""
    for name, value in values.items():
        runs = runs[runs[name].isna() if value is None else runs[name] == value]
    return runs


def of_function_code(runs: pd.DataFrame) -> Iterator[Line]:
    """Yield R² of networks written from f alone."""
    for (networks, into, numbers), asked in OF_F.items():
        for _, row in chosen(
            runs, networks=networks, into=into, numbers=numbers, start="hypernet", steps=None
        ).iterrows():
            yield f"{numbers} numbers of f, {networks}, into {into}", asked, f"{row['median']:.3f} ({row['p10']:.3f})"


def of_rate_distortion(runs: pd.DataFrame) -> Iterator[Line]:
    """Yield the figures of rebuilt networks."""
    whole = chosen(runs, networks="unseen")
    ours = chosen(whole, method=OURS).set_index("numbers")
    for numbers, asked in {96: "architecture exact 0.99", "half": "0.95", "all": "0.99 (0.90), cosine 0.99"}.items():
        for _, row in ours.loc[ours.index == numbers].iterrows():
            reached = (
                f"{row['output_r2_median']:.3f} ({row['output_r2_p10']:.3f}), cosine {row['cosine_similarity']:.3f}"
            )
            exact = f"edge F1 {row['edge_f1']:.4f}, architecture exact {row['architecture_accuracy']:.4f}"
            yield f"z, {numbers} numbers, {row['average']:.0f} on average", asked, f"{reached}, {exact}"
    best = whole.groupby(["average", whole["method"] == OURS])["output_r2_median"].max().unstack().dropna()
    if len(best):
        yield "ahead of every peer", "every rate", f"{(best[True] > best[False]).sum()} of {len(best)}"
    hard = chosen(runs[runs["networks"] != "unseen"], numbers="all")
    for _, row in hard.sort_values("output_r2_median").iloc[:1].iterrows():
        reached = f"{row['output_r2_median']:.3f} ({row['output_r2_p10']:.3f}), {row['networks']}"
        yield f"hard targets, the worst of {len(hard)}", "0.98 (0.95)", reached


def of_sampling(runs: pd.DataFrame) -> Iterator[Line]:
    """Yield the figures of samples."""
    default, without = chosen(runs, steps=None), chosen(runs, steps=0)
    for name, asked in OF_SAMPLES.items():
        yield name, asked, f"{default[name].mean():.3f}"
    rates = [f"{part.filter(like='rate_').max(axis=None):,.0f}" for part in (default, without)]
    yield "networks sampled a second on two cores", "1,000", f"{rates[0]}; without steps {rates[1]}"


def of_probes(runs: pd.DataFrame) -> Iterator[Line]:
    """Yield the figures of probes."""
    for name in ("family", "error_r2"):
        yield f"linear probe on f: {name}", "0.5", f"{runs[name].mean():.3f}"
    taus = pd.DataFrame(runs["tau"].dropna().tolist()).mean()
    yield "Kendall's tau", "beside weight statistics", ", ".join(f"{name} {tau:.3f}" for name, tau in taus.items())


def of_rows(runs: pd.DataFrame) -> Iterator[Line]:
    """Yield R² of networks for rows."""
    r2 = chosen(runs, way=GENERATED)["r2"].explode().explode()
    yield "X, y to network, no gradient step: R²", "0.75", f"{r2.median():.3f}"


def of_small_networks(runs: pd.DataFrame) -> Iterator[Line]:
    """Yield how often generated candidates are better."""
    for limit, part in runs.groupby("limit"):
        better, worse = (part["generated"] > part["random"]), (part["generated"] < part["random"])
        reached = f"{better.mean():.2f}: better on {better.sum()}, worse on {worse.sum()} of {len(part)}"
        yield f"networks of at most {limit} parameters: generated candidates better", "0.75", reached


def of_latent_search(runs: pd.DataFrame) -> Iterator[Line]:
    """Yield how often the search in f is better."""
    r2 = pd.DataFrame(runs["r2"].tolist())
    for way in r2.columns.drop(RANDOM):
        yield f"search {way}: better than random networks", "0.70", f"{(r2[way] > r2[RANDOM]).mean():.2f}"


def of_starts(runs: pd.DataFrame) -> Iterator[Line]:
    """Yield the shares of tasks on which generated networks are ahead of the arm that is hardest to beat."""
    for _, row in chosen(compared(runs), arm=STARTED).iterrows():
        others = {name: share for name, share in row["ahead"].items() if name != UNREFINED}
        other = min(others, key=others.__getitem__)
        yield f"ahead of every arm after {row['budget']} steps", "0.75", f"{others[other]:.2f}, of {other}"


SECTIONS: tuple[Callable[[pd.DataFrame], Iterator[Line]], ...] = (
    *(
        of_function_code,
        of_rate_distortion,
        of_sampling,
        of_probes,
        of_rows,
        of_small_networks,
        of_latent_search,
        of_starts,
    ),
)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the JSON files of the benchmarks")
    folder = parser.parse_args().runs
    print(f"lines of model and training: asked at most 3,000, reached {lines('netgraph/model', 'netgraph/training'):,}")
    for section in SECTIONS:
        question = section.__name__.removeprefix("of_")
        runs = load_runs(question, folder)
        if runs.empty:
            print(f"{question}: not measured yet: python -m benchmarks.harness {question}")
        else:
            print("\n".join(f"{words}: asked {asked}, reached {reached}" for words, asked, reached in section(runs)))


if __name__ == "__main__":
    main()
