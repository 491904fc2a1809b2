"""Training on several devices: two processes on the CPU, in a process of its own, and what cannot be had is refused."""

import subprocess
import sys

import pytest

from netgraph import NetGraphError, NetVAE, Zoo
from netgraph.training import TrainConfig
from netgraph.training.data import Epochs
from netgraph.training.fit import check_devices
from netgraph.training.history import loss_curves
from tests.zoo.given import X, Y, modules


def test_two_processes_share_the_batches_and_write_one_model(tmp_path):
    zoo = Zoo.from_networks(modules(70), (X, Y), tmp_path / "zoo", progress=False)
    command = [sys.executable, "-m", "netgraph.cli", "train", str(zoo.folder), "--out", "out", "--preset", "tiny"]
    done = subprocess.run([*command, "--devices", "2"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("networks  ") == 1
    path = tmp_path / "out" / "checkpoints" / "vae.safetensors"
    vae = NetVAE.from_pretrained(path)
    assert vae.card["networks"] == 56
    assert vae.card["steps"] == 10 * (4 // 2)
    assert len(loss_curves(tmp_path / "out" / "tensorboard", "held_out")["total"]) == 10
    assert vae.encode([zoo[0]]).isfinite().all()
    written = path.read_bytes()
    again = subprocess.run([*command, "--devices", "2"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert path.read_bytes() == written


def test_every_batch_of_an_epoch_is_one_device_s():
    batches = [object() for _ in range(7)]
    seen = [list(Epochs(batches, 3, lambda: 0, 2, lambda rank=rank: rank)) for rank in (0, 1)]
    assert [len(part) for part in seen] == [3, 3]
    assert len({*map(id, seen[0])} | {*map(id, seen[1])}) == 6
    resumed = [list(Epochs(batches, 3, lambda: 1, 2, lambda rank=rank: rank)) for rank in (0, 1)]
    assert resumed == [part[1:] for part in seen]
    with pytest.raises(NetGraphError, match="1 batches for 2 devices; a smaller batch_size gives more"):
        Epochs(batches[:1], 3, lambda: 0, 2)
    assert TrainConfig(prior_batch_size=9).of_prior(most=4).batch_size == 4


@pytest.mark.parametrize(
    ("device", "devices", "message"),
    [
        ("cpu", 0, "devices is 0; it must be a whole number, at least 1"),
        ("cpu", 1.5, "devices is 1.5"),
        ("cpu:0", 2, "device 'cpu:0' is one"),
        ("tpu", 1, "unknown device 'tpu'"),
    ],
)
def test_devices_that_cannot_be_had_are_refused(device, devices, message):
    with pytest.raises(NetGraphError, match=message):
        check_devices(device, devices)


def test_several_devices_are_refused_where_there_is_no_script(monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    check_devices("cpu", 1)
    with pytest.raises(NetGraphError, match="2 devices need a script; netgraph train ZOO --devices 2 is one"):
        check_devices("cpu", 2)
