"""Engines: what runs the shards of a zoo, here or on many machines."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, TypeVar

import torch

from netgraph.errors import NetGraphError

Result = TypeVar("Result")
Job = Callable[[int], Result]
#: A job whose worker died so often is given up.
MAX_DEATHS = 3


class Engine(Protocol):
    """Runs jobs, each given by its number, in any order, and yields each number with its result as it is done.

    A job may be run again after its worker died; it must give the same result each time.
    """

    def __call__(self, job: Job[Result], numbers: Sequence[int], workers: int | None) -> Iterator[tuple[int, Result]]:
        """Run ``job(number)`` for every number."""


def run_local(job: Job[Result], numbers: Sequence[int], workers: int | None = None) -> Iterator[tuple[int, Result]]:
    """Run in single-threaded processes of this machine, one a core; the pool is rebuilt when a worker dies.

    Raises:
        NetGraphError: When a job's worker died three times.
    """
    workers = min(workers or os.cpu_count() or 1, max(1, len(numbers)))
    left, deaths = list(numbers), 0
    while left:
        try:
            for number, result in _run_pool(job, left, workers):
                left.remove(number)
                deaths = 0
                yield number, result
        except BrokenProcessPool:
            deaths += 1
            if deaths >= MAX_DEATHS:
                raise NetGraphError(f"workers died {deaths} times, last at jobs {left[:workers]}") from None


def _run_pool(job: Job[Result], numbers: Sequence[int], workers: int) -> Iterator[tuple[int, Result]]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=torch.set_num_threads, initargs=(1,))
    try:
        futures: dict[Future[Result], int] = {pool.submit(job, number): number for number in numbers}
        for future in as_completed(futures):
            yield futures.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def run_ray(job: Job[Result], numbers: Sequence[int], workers: int | None = None) -> Iterator[tuple[int, Result]]:
    """Run on a Ray cluster; results come back to this process, so that machines need no folder in common.

    Raises:
        NetGraphError: When Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise NetGraphError("engine 'ray' needs Ray: pip install 'netgraph[ray]'") from None
    ray.init(ignore_reinit_error=True, num_cpus=workers)
    remote = ray.remote(max_retries=MAX_DEATHS)(job)
    waiting = {remote.remote(number): number for number in numbers}
    while waiting:
        (done,), _ = ray.wait(list(waiting))
        yield waiting.pop(done), ray.get(done)


ENGINES: dict[str, Engine] = {"local": run_local, "ray": run_ray}
