"""What every engine promises, on real processes and on a real Ray cluster of this machine."""

import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from netgraph import NetGraphError, build_zoo
from netgraph.zoo.engines import ENGINES, OBJECT_STORE
from tests.commands import hear_interrupts
from tests.zoo.stores import SMALL, checksums

ROOT = Path(__file__).parents[2]
#: Where workers look for the jobs of this module.
FOLDERS = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
PATIENCE = 240


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", FOLDERS)
        ray.init("local", num_cpus=2, object_store_memory=OBJECT_STORE, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return request.param


@pytest.fixture
def engine(name, monkeypatch):
    """An engine; local workers are forks of a process that has imported torch, but where a zoo is built."""
    if name == "local":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        monkeypatch.setattr(multiprocessing, "get_context", lambda _: context)
    return ENGINES[name]


def run_alone(folder: Path, number: int) -> tuple[int, int, str, int]:
    """Fail when another job runs."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return number**2, torch.get_num_threads(), os.environ["OMP_NUM_THREADS"], os.getpid()


def fail(kind: type[Exception], number: int) -> int:
    raise kind("widths is 'wide'; expected two numbers")


def die_once(folder: Path, number: int) -> int:
    """Kill the first process that runs job 0."""
    mark = folder / "killed"
    if number == 0 and not mark.exists():
        mark.touch()
        os._exit(9)
    return number


def always_die(number: int) -> int:
    os._exit(9)


class Hold:
    """A job that goes on until its process ends, which frees its lock; job 0 is done at once."""

    handed_out = 0

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getstate__(self) -> dict[str, Path]:
        Hold.handed_out += 1
        return vars(self)

    def __call__(self, number: int) -> int:
        if number:
            file = (self.folder / f"{number}.lock").open("w")
            fcntl.flock(file, fcntl.LOCK_EX)
            (self.folder / f"{number}.started").touch()
            threading.Event().wait()
        return number


def wait_until(done) -> None:
    for _ in range(PATIENCE * 10):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE} s")


def held(folder: Path) -> bool:
    """Say whether a job of Hold goes on."""
    for path in folder.glob("*.lock"):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def test_every_job_is_run_once_in_another_process_with_one_thread_and_no_more_at_a_time_than_workers(engine, tmp_path):
    results = dict(engine(partial(run_alone, tmp_path), range(2, 6), 1))
    assert {number: result[:3] for number, result in results.items()} == {n: (n**2, 1, "1") for n in range(2, 6)}
    assert os.getpid() not in {process for *_, process in results.values()}


def test_no_jobs_ask_for_no_worker(engine):
    assert list(engine(always_die, [], 2)) == []


def test_a_dead_worker_is_replaced(engine, tmp_path):
    assert sorted(engine(partial(die_once, tmp_path), [0, 1, 2], 2)) == [(0, 0), (1, 1), (2, 2)]


def test_a_job_whose_workers_die_is_named(engine, monkeypatch):
    monkeypatch.setattr("netgraph.zoo.engines.MAX_DEATHS", 2)
    with pytest.raises(NetGraphError, match="job 5: its worker died 2 times") as caught:
        list(engine(always_die, [5], 1))
    assert "\n" not in str(caught.value)


def test_an_error_of_a_job_comes_back_as_it_is(engine):
    with pytest.raises(NetGraphError) as caught:
        list(engine(partial(fail, NetGraphError), [0], 1))
    assert type(caught.value) is NetGraphError
    assert str(caught.value) == "widths is 'wide'; expected two numbers"
    assert caught.value.__cause__ is None


def test_a_mistake_in_a_job_comes_back_with_its_traceback(engine):
    with pytest.raises(ZeroDivisionError, match="wide") as caught:
        list(engine(partial(fail, ZeroDivisionError), [3], 1))
    (note,) = caught.value.__notes__
    assert "job 3" in note
    assert "in fail" in note


def test_an_iteration_that_is_left_early_ends_its_jobs_and_handed_out_few(engine, tmp_path):
    Hold.handed_out = 0
    found = engine(Hold(tmp_path), range(1000), 2)
    assert next(found) == (0, 0)
    wait_until(lambda: list(tmp_path.glob("*.started")))
    assert held(tmp_path)
    found.close()
    wait_until(lambda: not held(tmp_path))
    assert Hold.handed_out <= 4


@pytest.mark.parametrize("workers", [0, -2])
def test_workers_are_counted(engine, workers):
    with pytest.raises(NetGraphError, match=f"workers is {workers}"):
        list(engine(always_die, [0], workers))


def test_every_engine_builds_the_same_zoo(name, small_zoo, tmp_path):
    built = build_zoo(SMALL, tmp_path, name, workers=2, progress=False)
    assert checksums(built.folder) == checksums(small_zoo.folder)


HOLD = """
import sys
from pathlib import Path
from tests.zoo.test_engines import ENGINES, Hold

if __name__ == "__main__":
    try:
        list(ENGINES[sys.argv[1]](Hold(Path(sys.argv[2])), [1], 1))
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def builder(request, tmp_path) -> Iterator[subprocess.Popen[str]]:
    """A process that waits for a job, on a cluster of its own with Ray."""
    (tmp_path / "script.py").write_text(HOLD)
    command = [sys.executable, "script.py", request.param, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": FOLDERS}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    start = {"cwd": tmp_path, "env": environment, "start_new_session": True, "preexec_fn": hear_interrupts}
    with subprocess.Popen(command, **start, **pipes) as process:
        wait_until(lambda: list(tmp_path.glob("*.started")) or process.poll() is not None)
        yield process
        process.kill()


def test_ctrl_c_ends_the_workers_without_a_word(builder, tmp_path):
    os.killpg(builder.pid, signal.SIGINT)
    assert builder.communicate(timeout=PATIENCE) == ("interrupted\n", "")
    assert not held(tmp_path)


def test_workers_do_not_outlive_a_builder_that_is_killed(builder, tmp_path):
    assert held(tmp_path)
    builder.kill()
    builder.wait()
    wait_until(lambda: not held(tmp_path))


def test_ray_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(NetGraphError, match=r"needs Ray: pip install -e .*\[ray\]"):
        list(ENGINES["ray"](always_die, [0], 1))


SEEK = """
import os, sys
from netgraph.zoo.engines import NetGraphError, run_ray

for os.environ["RAY_ADDRESS"] in sys.argv[1:]:
    try:
        next(run_ray(abs, [1]))
    except NetGraphError as error:
        print(error)
"""


@pytest.mark.ray
def test_a_cluster_that_is_not_there_is_named():
    addresses = ["127.0.0.1:1", "ray://127.0.0.1:1", "nonsense"]
    command, environment = [sys.executable, "-c", SEEK, *addresses], os.environ | {"PYTHONPATH": FOLDERS}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert len(ended.stdout.splitlines()) == len(addresses), ended.stderr
    for address, line in zip(addresses, ended.stdout.splitlines(), strict=True):
        assert line.startswith(f"no Ray cluster at RAY_ADDRESS={address}: ")
