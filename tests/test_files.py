"""Files that a crash leaves whole: every point at which a write can stop."""

import json
import pickle

import pytest
import torch

from netgraph import NetGraphError, files
from netgraph.files import (
    check_record,
    check_tensors,
    read_own_record,
    read_record,
    read_tensors,
    record_path,
    tensors_are_there,
    write_own_record,
    write_tensors,
)


class CrashError(RuntimeError):
    """The process ends here."""


def write(path, value: int) -> None:
    write_tensors(path, {"x": torch.tensor([value])}, "test", 1, {"value": value})


@pytest.mark.parametrize("survives", [0, 1, 2])
def test_a_crash_while_overwriting_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch, survives):
    path = tmp_path / "state.safetensors"
    write(path, 1)
    done = []

    def crashing(target, payload, original=files.write_atomically):
        if len(done) == survives:
            raise CrashError
        done.append(target)
        original(target, payload)

    monkeypatch.setattr(files, "write_atomically", crashing)
    with pytest.raises(CrashError):
        write(path, 2)
    tensors, record = read_tensors(path, "test", 1)
    assert tensors["x"].item() == record["value"] == (2 if survives == 2 else 1)
    monkeypatch.undo()
    write(path, 3)
    assert read_tensors(path, "test", 1)[1]["value"] == 3


def test_a_crash_in_the_first_write_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    monkeypatch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(CrashError))
    with pytest.raises(CrashError):
        write(path, 1)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NetGraphError, match="no such file"):
        read_tensors(path, "test", 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a JSON record"),
        ("[]", "not a test record"),
        (json.dumps({"format": "test", "version": 2}), "version 2; this netgraph reads version 1"),
        (json.dumps({"format": "test", "version": 1, "sha256": "0"}), "damaged"),
        (json.dumps({"format": "test", "version": 1}), "damaged"),
        (json.dumps({"format": "test", "version": 1, "previous": 3}), "damaged"),
    ],
)
def test_a_wrong_record_is_named(tmp_path, content, message):
    path = tmp_path / "state.safetensors"
    write(path, 1)
    record_path(path).write_text(content)
    with pytest.raises(NetGraphError, match=message):
        read_tensors(path, "test", 1)


def test_a_changed_record_is_named(tmp_path):
    path = tmp_path / "state.safetensors"
    write(path, 1)
    changed = json.loads(record_path(path).read_text()) | {"value": 2}
    check_record(path, read_record(record_path(path), "test", 1))
    record_path(path).write_text(json.dumps(changed))
    with pytest.raises(NetGraphError, match=r"state\.json: damaged, it is not the record that was written"):
        check_record(path, read_record(record_path(path), "test", 1))


def test_what_is_no_file_is_named(tmp_path):
    path = tmp_path / "state.safetensors"
    write(path, 1)
    path.unlink()
    with pytest.raises(NetGraphError, match=r"state\.safetensors: no such file"):
        read_tensors(path, "test", 1)
    path.mkdir()
    with pytest.raises(NetGraphError, match=r"state\.safetensors: Is a directory"):
        read_tensors(path, "test", 1)
    record_path(path).unlink()
    record_path(path).mkdir()
    with pytest.raises(NetGraphError, match=r"state\.json: Is a directory"):
        read_tensors(path, "test", 1)


def test_missing_tensors_are_named_and_not_their_record(tmp_path):
    with pytest.raises(NetGraphError, match=r"absent\.safetensors: no such file"):
        read_tensors(tmp_path / "absent.safetensors", "test", 1)


def test_tensors_do_not_take_the_name_of_their_record(tmp_path):
    with pytest.raises(NetGraphError, match=r"state\.json: is the name of a record"):
        write(tmp_path / "state.json", 1)
    assert list(tmp_path.iterdir()) == []


def test_tensors_encoded_here_can_be_written_there(tmp_path):
    encoded = pickle.loads(pickle.dumps(files.encode_tensors({"x": torch.ones(2)}, "test", 1, {"value": (1, None)})))  # noqa: S301
    encoded.write(tmp_path / "new" / "state.safetensors")
    tensors, record = read_tensors(tmp_path / "new" / "state.safetensors", "test", 1)
    assert torch.equal(tensors["x"], torch.ones(2))
    assert record["value"] == [1, None]


def test_a_record_vouches_for_itself(tmp_path):
    path = tmp_path / "own.json"
    write_own_record(path, "test", 1, {"value": (1, None), "name": "ü"}, indent=1)
    assert read_own_record(path, "test", 1, ["value"]).items() >= {"value": [1, None], "name": "ü"}.items()
    with pytest.raises(NetGraphError, match=r"own\.json: has no 'other'"):
        read_own_record(path, "test", 1, ["value", "other"])
    path.write_text(path.read_text().replace("null", "2"))
    with pytest.raises(NetGraphError, match=r"own\.json: damaged, it is not the record that was written"):
        read_own_record(path, "test", 1, ["value"], unchecked=True)


def test_a_record_without_a_checksum_is_read_where_that_is_allowed(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"format": "test", "version": 1, "value": 1}))
    assert read_own_record(path, "test", 1, ["value"], unchecked=True)["value"] == 1
    with pytest.raises(NetGraphError, match=r"own\.json: has no 'other'"):
        read_own_record(path, "test", 1, ["other"], unchecked=True)
    with pytest.raises(NetGraphError, match=r"own\.json: damaged"):
        read_own_record(path, "test", 1, ["value"])


def test_tensors_are_there_at_their_length(tmp_path):
    path = tmp_path / "state.safetensors"
    write(path, 1)
    record = read_record(record_path(path), "test", 1)
    assert record["bytes"] == path.stat().st_size
    assert tensors_are_there(path, record)
    assert tensors_are_there(path, record | {"bytes": 1, "previous": record})
    path.write_bytes(path.read_bytes()[:-1])
    assert not tensors_are_there(path, record)
    path.unlink()
    assert not tensors_are_there(path, record)


def test_a_file_is_hashed_again_when_it_changed_or_when_that_is_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    write(path, 1)
    hashed = []

    def counting(file, name, original=files.hashlib.file_digest):
        hashed.append(file.name)
        return original(file, name)

    monkeypatch.setattr(files.hashlib, "file_digest", counting)
    for _ in range(3):
        check_tensors(path, "test", 1, again=False)
    assert len(hashed) == 1
    check_tensors(path, "test", 1)
    assert len(hashed) == 2
    payload = path.read_bytes()
    path.unlink()
    path.write_bytes(payload[:-1] + b"!")
    with pytest.raises(NetGraphError, match=r"state\.safetensors: damaged"):
        check_tensors(path, "test", 1, again=False)
    assert len(hashed) == 3
