"""What a fit begins with, before its first gradient step, and how many steps random initialization is behind."""

from checkpoint import setup, table
from few_shot import few_shot_lines
from netgraph.search.fit import find
from netgraph.search.sources import source_of
from zero_shot import NETWORKS, RATES, Kind, Problem, problems, sources, spread, train_starts

from netgraph import NetGraph, NetVAE
from netgraph.search import SearchConfig

#: Learning rates: starts that are nearly done want smaller ones than random initialization.
LOW_RATES = (3e-5, *RATES)


def begin(vae: NetVAE, problem: Problem) -> NetGraph:
    """Give the network that a fit with default settings has before its first gradient step."""
    config = SearchConfig(rungs=(), seed=problem.number)
    return find(source_of("prior", vae, problem.seen, config.seed), problem.seen, config).graph


def main() -> None:
    """Measure and write the section."""
    chosen = setup("fit_start.py", __doc__, tasks=100)
    kinds = [
        Kind("one network made for the rows", sources(chosen)["rows"], NETWORKS),
        Kind("what a fit begins with", lambda problem, n: [begin(chosen.vae, problem)], 1),
    ]
    tasks = problems(chosen, "test", chosen.options.tasks)
    trained = train_starts(chosen, kinds, tasks, LOW_RATES)
    sizes = sorted(graph.architecture.state_size for graph in trained.graphs[kinds[-1].name])
    rows = [[name, *spread(start.sampled.r2[:, 0].clamp(min=-1))] for name, start in trained.found.items()]
    lines = [
        f"{len(tasks)} held-out random tasks; the last quarter of the rows is unseen. What a fit begins with is the "
        f"network that `NetGraphRegressor` has, with default settings, of {SearchConfig().n_candidates} candidates "
        "before its first gradient step: baselines, focused ones and candidates, an eighth of them made for the rows, "
        f"the best joined by least squares; it has {sizes[len(sizes) // 2]:,} parameters in the median.",
        "",
        *table(["without a gradient step", "median R²", "mean", "10th percentile"], rows),
        "",
        *few_shot_lines(trained.rates, trained.found, "fit_start"),
    ]
    chosen.write("What a fit begins with", lines)


if __name__ == "__main__":
    main()
