"""Engines: what runs the shards of a zoo, here or on many machines."""

import logging
import multiprocessing
import os
import signal
import socket
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

Result = TypeVar("Result")
Job = Callable[[int], Result]
#: The number and the result of each job; closing it ends what still runs.
Results = Generator[tuple[int, Result], None, None]
#: A job whose worker died so often is given up.
MAX_DEATHS = 3
#: Shared memory of a Ray cluster that is started here, in bytes; results that do not fit wait on disk.
OBJECT_STORE = 256 * 2**20
#: A machine of a Ray cluster that says nothing for so long is not there.
SECONDS_TO_ANSWER = 10
#: Libraries read these when they are loaded; results then depend neither on the engine nor on the machine's cores.
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Engine(Protocol):
    """Runs jobs, each given by its number, in any order, and yields each number with its result as it is done.

    A job runs in a process of its own with one thread, and again after its process died: it must give the same result
    each time. Few jobs are handed out at a time. When the iteration ends, early or not, no job goes on.
    """

    def __call__(self, job: Job[Result], numbers: Sequence[int], workers: int | None) -> Results[Result]:
        """Run ``job(number)`` for every number.

        Args:
            job: What to run; its module can be imported by the processes.
            numbers: One of each job, all different.
            workers: Most jobs at once; one a core when None.

        Raises:
            NetGraphError: When ``workers`` is below 1, a job's process died three times, or a job raises one; another
                exception of a job comes back too, with its traceback as a note.
        """


def run_local(job: Job[Result], numbers: Sequence[int], workers: int | None = None) -> Results[Result]:
    """Run in processes of this machine, as :class:`Engine` says; they end with this one, whatever ends it."""
    left, deaths, pool = deque(numbers), Counter[int](), list[_Worker[Result]]()
    try:
        for _ in range(min(_check(workers) or _cores(), len(numbers))):
            _hire(pool, job, left.popleft())
        while busy := {worker.pipe: worker for worker in pool if worker.number is not None}:
            for pipe in connection.wait(list(busy)):
                worker = busy[cast(connection.Connection, pipe)]
                number = cast(int, worker.number)
                try:
                    result = worker.result()
                except EOFError:
                    _replace(pool, worker, number, deaths)
                    continue
                if left:
                    worker.give(left.popleft())
                yield number, result
    finally:
        for worker in pool:
            worker.stop()


def _check(workers: int | None) -> int | None:
    if workers is not None and workers < 1:
        raise NetGraphError(f"workers is {workers}; at least 1")
    return workers


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _died(number: int, why: str) -> NetGraphError:
    return NetGraphError(f"job {number}: its worker died {MAX_DEATHS} times ({why})")


def _hire(pool: list["_Worker[Result]"], job: Job[Result], number: int) -> None:
    worker = _Worker(job)
    pool.append(worker)
    worker.start()
    worker.give(number)


def _replace(pool: list["_Worker[Result]"], dead: "_Worker[Result]", number: int, deaths: Counter[int]) -> None:
    code = dead.stop()
    pool.remove(dead)
    deaths[number] += 1
    if deaths[number] == MAX_DEATHS:
        raise _died(number, f"exit code {code}")
    _hire(pool, dead.job, number)


class _Worker(Generic[Result]):
    """A process of this machine that runs one job at a time.

    Attributes:
        pipe: To the process; it ends when the process does.
        number: The job that it runs.
    """

    def __init__(self, job: Job[Result]) -> None:
        context = multiprocessing.get_context("spawn")
        self.job = job
        self.number: int | None = None
        self.pipe, self._theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(job, self._theirs), daemon=True)

    def start(self) -> None:
        """Start the process; Ctrl-C does not reach it, this process ends it."""
        resource_tracker.ensure_running()  # it would let Ctrl-C through again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._theirs.close()

    def give(self, number: int) -> None:
        """Hand a job to the process."""
        self.number = number
        with suppress(BrokenPipeError):  # it died, which shows when its result is read
            self.pipe.send(number)

    def result(self) -> Result:
        """Read the job's result.

        Raises:
            EOFError: When the process died.
            Exception: What the job raised.
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
        """End the process, if it was started; give its exit code."""
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join()
        self._theirs.close()
        self.pipe.close()
        return self._process.exitcode


def _serve(job: Job[Result], pipe: connection.Connection) -> None:
    """Run the jobs whose numbers come in, until the process that sends them ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, _leave)
    _work_alone()
    with suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send(_answer(job, pipe.recv()))


def _leave(*_: Any) -> None:
    """End this process as a program ends, so that what libraries share between processes is cleared away."""
    raise SystemExit(1)


def _end_with_parent() -> None:
    cast(Any, multiprocessing.parent_process()).join()
    os._exit(1)


def _work_alone() -> None:
    """Use one thread in this process."""
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    threadpool_limits(1)
    torch.set_num_threads(1)


def _answer(job: Job[Result], number: int) -> tuple[Result | None, Exception | None]:
    try:
        return job(number), None
    except Exception as error:
        if not isinstance(error, NetGraphError):
            error.add_note(f"job {number}: {traceback.format_exc()}")
        return None, error


def run_ray(job: Job[Result], numbers: Sequence[int], workers: int | None = None) -> Results[Result]:
    """Run on a Ray cluster, as :class:`Engine` says: that of RAY_ADDRESS, or one of this machine, started for it.

    Results come back to this process, so that machines need no folder in common; they need netgraph. A cluster that the
    caller has connected to stays connected.

    Raises:
        NetGraphError: Also when Ray is not installed or there is no cluster at RAY_ADDRESS.
    """
    ray, left, running = _load_ray(), deque(numbers), dict[Any, int]()
    _check(workers)
    if not left:
        return
    with _cluster(ray, workers):
        task = ray.remote(num_cpus=1, max_retries=MAX_DEATHS - 1)(_run_task)
        try:
            while left or running:
                while left and len(running) < (workers or _tasks_at_once(ray)):
                    number = left.popleft()
                    running[task.remote(job, number)] = number
                (done,), _ = ray.wait(list(running))
                number = running.pop(done)
                yield number, _result(ray, done, number)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _load_ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise missing_extra("engine 'ray' needs Ray", "ray") from None
    return ray


@contextmanager
def _cluster(ray: Any, workers: int | None) -> Iterator[None]:
    """Connect to a cluster, or start one, and leave it as it was found."""
    if ray.is_initialized():
        yield
        return
    try:
        _connect(ray, workers or _cores())
        yield
    finally:
        ray.shutdown()


def _connect(ray: Any, cores: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS", "local")
    if address in ("", "local"):
        ray.init("local", num_cpus=cores, object_store_memory=OBJECT_STORE, include_dashboard=False, **quiet)
        return
    try:
        _reach(address)
        ray.init(address, **quiet)
    except (OSError, ValueError) as error:
        raise NetGraphError(f"no Ray cluster at RAY_ADDRESS={address}: {_line(error)}") from None


def _reach(address: str) -> None:
    """Fail at once where Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_ANSWER).close()


def _tasks_at_once(ray: Any) -> int:
    """Give twice as many as the cluster has cores: none waits for work, and one that can grow sees that it should."""
    return max(1, 2 * int(ray.cluster_resources().get("CPU", 0)))


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
        raise _died(number, _line(error)) from None
    except ray.exceptions.RayError as error:
        raise NetGraphError(f"job {number}: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


ENGINES: dict[str, Engine] = {"local": run_local, "ray": run_ray}
