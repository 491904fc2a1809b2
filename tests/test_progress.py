import io
import sys
from types import SimpleNamespace

import pytest
from lightning.pytorch.callbacks import ProgressBar

from netgraph import progress as module
from netgraph.progress import Progress
from netgraph.training import TrainConfig, train
from tests.training.small import CONFIG, examples_of


class Stream(io.StringIO):
    """A text stream that is a terminal or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock that stands still until it is set."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now)
    return clock


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_a_file_takes_a_line_every_few_seconds_and_one_at_the_end(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(terminal=False))
    with Progress("zoo", 1000, "shard", seconds=5) as bar:
        for second in range(12):
            clock.now = float(second)
            bar.update("half" if second == 5 else "", 100 if second < 10 else 0)
    assert lines(sys.stderr) == [
        "zoo: 600 of 1,000 shards, half, 5 s, about 3 s left",
        "zoo: 1,000 of 1,000 shards, 10 s",
    ]


def test_a_resumed_work_counts_further_and_estimates_by_its_own_speed(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(terminal=False))
    with Progress("VAE", 100, done=50, seconds=5) as bar:
        clock.now = 10.0
        bar.update(units=10)
    assert lines(sys.stderr) == ["VAE: 60 of 100 steps, 10 s, about 40 s left"]


def test_work_of_unknown_length_or_of_one_unit_has_lines_too(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(terminal=False))
    for total in (None, 1):
        with Progress("fit", total) as bar:
            bar.update()
    assert lines(sys.stderr) == ["fit: 1 step, 0 s", "fit: 1 of 1 step, 0 s"]


@pytest.mark.parametrize("notebook", [False, True])
def test_a_terminal_and_a_notebook_have_a_bar(notebook, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(terminal=not notebook))
    kernel = SimpleNamespace(config={"IPKernelApp": {}}) if notebook else None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel))
    with Progress("zoo", 3, "shard") as bar:
        for _ in range(3):
            bar.update("note")
    assert "zoo: 100%" in sys.stderr.getvalue()
    assert "3/3" in sys.stderr.getvalue()


@pytest.mark.parametrize(
    "stream", [None, SimpleNamespace(closed=True), Stream(False)], ids=["None", "closed", "hidden"]
)
def test_nothing_is_shown_where_nothing_can_or_shall_be(monkeypatch, capsys, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("zoo", 2, shown=not isinstance(stream, Stream), seconds=0) as bar:
        bar.update()
    assert bar.done == 1
    assert capsys.readouterr().out == ""
    assert not isinstance(stream, Stream) or stream.getvalue() == ""


def test_a_stream_without_isatty_takes_lines(monkeypatch):
    written: list[str] = []
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=written.append, flush=lambda: None))
    with Progress("zoo", 1) as bar:
        bar.update()
    assert "".join(written).startswith("zoo: 1 of 1 step")


def test_training_shows_its_parts_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(terminal=False))
    config = TrainConfig(batch_size=8, max_steps=2, prior_steps=1, log_every=1)
    examples = examples_of(nets_per_task=5, steps=5)
    train(examples, tmp_path, CONFIG, config)
    said = [line.split(",") for line in lines(sys.stderr) if not line.startswith("batches")]  # which say so if it lasts
    assert [parts[0] for parts in said] == ["VAE: 2 of 2 steps", "prior: 1 of 1 step"]
    assert all(parts[1].startswith(" loss ") for parts in said)
    monkeypatch.setattr(sys, "stderr", None)
    train(examples, tmp_path / "service", CONFIG, config)


def test_training_shows_no_bar_of_lightning(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(terminal=True))
    seen = []
    monkeypatch.setattr(ProgressBar, "setup", lambda *_, **__: seen.append(1))
    train(examples_of(nets_per_task=5, steps=5), tmp_path, CONFIG, TrainConfig(max_steps=1, prior_steps=1))
    assert not seen
    assert "VAE: 100%" in sys.stderr.getvalue()
