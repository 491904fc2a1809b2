"""Engines that run the jobs of a zoo, one a shard, here or on many machines."""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from netgraph.errors import NetGraphError, missing_extra
from netgraph.reading import one_line

Result = TypeVar("Result")
Job = Callable[[int], Result]
#: The number and the result of each job; closing it ends what still runs.
Results = Generator[tuple[int, Result], None, None]
#: A job whose worker died so often is given up.
MAX_DEATHS = 3
#: Shared memory of a Ray cluster that is started here, in bytes; results that do not fit wait on disk.
OBJECT_STORE = 256 * 2**20
#: A machine of a Ray cluster that does not answer within this time is not there.
SECONDS_TO_ANSWER = 10
#: Libraries read these when they are loaded; results then depend neither on the engine nor on the machine's cores.
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Engine(Protocol):
    """A function that runs jobs, given by their numbers, in any order, and yields each number with its result.

    A job runs in a process of its own with one thread, and again after its process died: it must return the same result
    each time. When the iteration ends, early or not, every running job is ended.
    """

    def __call__(self, job: Job[Result], numbers: Sequence[int], workers: int | None) -> Results[Result]:
        """Run ``job(number)`` for every number.

        Args:
            job: A function of a module that the processes can import.
            numbers: Number of each job, all different.
            workers: Most jobs at once; one a core when None.

        Raises:
            NetGraphError: When ``workers`` is below 1, a job's process died three times, or a job raises a
                NetGraphError; another exception of a job is raised too, with its traceback as a note.
        """


def run_local(job: Job[Result], numbers: Sequence[int], workers: int | None = None) -> Results[Result]:
    """Run in processes of this machine, as :class:`Engine` says; they end with this one, whatever ends it."""
    left, deaths, pool = deque(numbers), Counter[int](), list[_Worker[Result]]()
    try:
        for _ in range(min(_checked(workers), len(numbers))):
            pool.append(_Worker(job))
            pool[-1].start(left.popleft())
        while busy := {worker.pipe: worker for worker in pool if worker.number is not None}:
            for pipe in connection.wait(list(busy)):
                worker = busy[cast(connection.Connection, pipe)]
                number = cast(int, worker.number)
                try:
                    result = worker.result()
                except EOFError:
                    pool.remove(worker)
                    deaths[number] += 1
                    code = worker.stop()
                    if deaths[number] == MAX_DEATHS:
                        raise _died(number, f"exit code {code}") from None
                    pool.append(_Worker(job))
                    pool[-1].start(number)
                    continue
                if left:
                    worker.give(left.popleft())
                yield number, result
    finally:
        for worker in pool:
            worker.stop()


def _checked(workers: int | None) -> int:
    """Return the number of workers, one a core when None."""
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers < 1:
        raise NetGraphError(f"workers is {workers}; at least 1")
    return workers


def _died(number: int, why: str) -> NetGraphError:
    return NetGraphError(f"job {number}: its worker died {MAX_DEATHS} times ({why})")


class _Worker(Generic[Result]):
    """A process of this machine that runs one job at a time.

    Attributes:
        pipe: To the process; it ends when the process does.
        number: The job that it runs.
    """

    def __init__(self, job: Job[Result]) -> None:
        context = multiprocessing.get_context("spawn")
        self.number: int | None = None
        self.pipe, self._theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(job, self._theirs), daemon=True)

    def start(self, number: int) -> None:
        """Start the process with a job; Ctrl-C does not reach it, this process ends it."""
        resource_tracker.ensure_running()  # it would let Ctrl-C through again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._theirs.close()
        self.give(number)

    def give(self, number: int) -> None:
        """Hand a job to the process."""
        self.number = number
        with suppress(BrokenPipeError):  # it died, which shows when its result is read
            self.pipe.send(number)

    def result(self) -> Result:
        """Read the job's result.

        Raises:
            EOFError: When the process died.
            Exception: When the job raised it.
        """
        try:
            result, error = self.pipe.recv()
        except ConnectionResetError:
            raise EOFError from None
        self.number = None
        if error is not None:
            raise error
        return cast(Result, result)

    def stop(self) -> int | None:
        """End the process, if it was started; return its exit code."""
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join()
        self._theirs.close()
        self.pipe.close()
        return self._process.exitcode


def _serve(job: Job[Result], pipe: connection.Connection) -> None:
    """Run the jobs whose numbers come in, until the process that sends them ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # A program's own end lets libraries clear away what they share between processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _work_alone()
    with suppress(EOFError, BrokenPipeError):
        while True:
            number = pipe.recv()
            try:
                answer: tuple[Result | None, Exception | None] = job(number), None
            except Exception as error:
                if not isinstance(error, NetGraphError):
                    error.add_note(f"job {number}: {traceback.format_exc()}")
                answer = None, error
            pipe.send(answer)


def _end_with_parent() -> None:
    cast(Any, multiprocessing.parent_process()).join()
    os._exit(1)


def _work_alone() -> None:
    """Use one thread in this process."""
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    threadpool_limits(1)
    torch.set_num_threads(1)


def run_ray(job: Job[Result], numbers: Sequence[int], workers: int | None = None) -> Results[Result]:
    """Run on a Ray cluster, as :class:`Engine` says: that of RAY_ADDRESS, or one of this machine, started for it.

    Results come back to this process, so that machines need no folder in common; they need netgraph. A cluster that the
    caller has connected to stays connected.

    Raises:
        NetGraphError: Also when Ray is not installed or there is no cluster at RAY_ADDRESS.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise missing_extra("engine 'ray' needs Ray", "ray") from None
    left, running, cores = deque(numbers), dict[Any, int](), _checked(workers)
    if not left:
        return
    with _cluster(ray, cores):
        task = ray.remote(num_cpus=1, max_retries=MAX_DEATHS - 1)(_run_task)
        try:
            while left or running:
                # With twice as many tasks as cores none waits for work, and a cluster that can grow, grows.
                at_once = workers or max(1, 2 * int(ray.cluster_resources().get("CPU", 0)))
                while left and len(running) < at_once:
                    number = left.popleft()
                    running[task.remote(job, number)] = number
                (done,), _ = ray.wait(list(running))
                number = running.pop(done)
                yield number, _result(ray, done, number)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


@contextmanager
def _cluster(ray: Any, cores: int) -> Iterator[None]:
    """Connect to a cluster, or start one, and leave it as it was found."""
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS", "local")
    try:
        if address in ("", "local"):
            ray.init("local", num_cpus=cores, object_store_memory=OBJECT_STORE, include_dashboard=False, **quiet)
        else:
            try:
                host, _, port = address.removeprefix("ray://").rpartition(":")
                if port.isdecimal():  # fail at once where Ray would try for minutes
                    socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_ANSWER).close()
                ray.init(address, **quiet)
            except (OSError, ValueError) as error:
                raise NetGraphError(f"no Ray cluster at RAY_ADDRESS={address}: {one_line(error)}") from None
        yield
    finally:
        ray.shutdown()


def _run_task(job: Job[Result], number: int) -> Result:
    _work_alone()
    return job(number)


def _result(ray: Any, reference: Any, number: int) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if not isinstance(cause, NetGraphError):
            cause.add_note(f"job {number}: {error}")
        raise cause from None
    except ray.exceptions.WorkerCrashedError as error:
        raise _died(number, one_line(error)) from None
    except ray.exceptions.RayError as error:
        raise NetGraphError(f"job {number}: {one_line(error)}") from None


ENGINES: dict[str, Engine] = {"local": run_local, "ray": run_ray}
