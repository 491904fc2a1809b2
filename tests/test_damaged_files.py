"""Every kind of file that is read, damaged: it loads as what was written, or ends in one line that names the file.

``NETGRAPH_FUZZ=100`` tries a hundred times as many mutations of each file.
"""

import copy
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from netgraph import NetGraphError, NetVAE
from netgraph.files import _record_sha256
from netgraph.zoo import ZooRecipe
from tests.damaged import FREE, KINDS, Kind, write_checkpoint

FUZZ = int(os.environ.get("NETGRAPH_FUZZ", "1"))
#: Mutations of each file, one a mutation of a record, of its bytes, and of the bytes of tensors.
RECORDS, BYTES = 10 * FUZZ, 4 * FUZZ


WRONG: list[Any] = [
    None, True, False, 0, -1, 1, 3, 2**31, 2**60, 10**30, 0.5, 1e308, float("nan"), float("inf"), "", "x", "os.system",
    "a\nb", "\ud800", [], {}, [[]], [None], [2**60], {"x": 1}, ["x", 2**60], [-1, 3],
]  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folders: dict[str, Path] = {}

    def write(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            KINDS[name].write(folders[name])
        return folders[name]

    return write


def seeded_by(*names: object) -> random.Random:
    return random.Random(repr(names))  # noqa: S311 - no secret


def check(kind: Kind, folder: Path, name: str, expected: Any, what: object) -> None:
    """Check that a damaged file reads as before, or is named in one line; ``expected`` is None where it may differ."""
    try:
        found = kind.read(folder)
    except NetGraphError as error:
        message = str(error)
        assert len(message.splitlines()) == 1, (name, what)
        assert Path(name).stem in message, (name, what, message)
        assert len(message) < 1000, (name, what)
    except Exception as error:
        raise AssertionError(f"{name}: {what}: {type(error).__name__}: {error}") from error
    else:
        assert expected is None or found == expected, (name, what)


def places(record: Any) -> Iterator[tuple[Any, Any]]:
    """List every container of a record with each of its keys."""
    if isinstance(record, dict | list):
        for key in record if isinstance(record, dict) else range(len(record)):
            yield record, key
            yield from places(record[key])


def mutated(record: Any, random_: random.Random) -> tuple[Any, str]:
    """Change one place of a record: another value, none, or one more."""
    changed = copy.deepcopy(record)
    found = list(places(changed))
    if random_.random() < 0.5:  # as often one of the few keys at the top as one of the many in depth
        found = [place for place in found if place[0] is changed] or found
    container, key = random_.choice(found)
    choice = random_.random()
    if choice < 0.15 and isinstance(container, dict):
        del container[key]
        return changed, f"without {key!r}"
    if choice < 0.25 and isinstance(container, dict):
        container["more"] = random_.choice(WRONG)
        return changed, f"more beside {key!r}"
    if choice < 0.35 and isinstance(container, list):
        container.append(copy.deepcopy(container[key]))
        return changed, f"{container[key]!r} twice"
    value = container[key]
    numbers = [value + 1, value * 2, -value] if isinstance(value, int | float) else []
    container[key] = random_.choice([*WRONG, *numbers])
    return changed, f"{key!r} is {container[key]!r}"


def dumped(name: str, record: Any, sign: bool) -> bytes:
    if name.endswith(".yaml"):
        return yaml.dump(record).encode("utf-8", "surrogatepass")
    if sign and isinstance(record, dict) and "record_sha256" in record:
        record["record_sha256"] = _record_sha256(record)
    return json.dumps(record).encode()


RECORD_NAMES = [(kind, name) for kind in KINDS for name in KINDS[kind].names if name.endswith((".json", ".yaml"))]
FILE_NAMES = [(kind, name) for kind in KINDS for name in KINDS[kind].names]


@pytest.mark.parametrize("sign", [False, True], ids=["as it is", "signed again"])
@pytest.mark.parametrize(("kind_name", "name"), RECORD_NAMES)
def test_a_record_with_another_value(written, kind_name, name, sign):
    folder, kind, random_ = written(kind_name), KINDS[kind_name], seeded_by(kind_name, name, sign)
    expected, path = kind.read(folder), folder / name
    content = path.read_bytes()
    record = yaml.safe_load(content) if name.endswith(".yaml") else json.loads(content)
    try:
        for _ in range(RECORDS):
            changed, what = mutated(record, random_)
            path.write_bytes(dumped(name, changed, sign))
            check(kind, folder, name, None if sign or kind_name in FREE else expected, what)
    finally:
        path.write_bytes(content)
    assert kind.read(folder) == expected


def damages(content: bytes, random_: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "zeros", bytes(len(content))
    yield "a byte-order mark", b"\xef\xbb\xbf" + content
    yield "utf-16", content.decode("latin-1").encode("utf-16")
    yield "deep", b"[" * 100_000
    yield "deep keys", b'{"a":' * 100_000
    yield "a list", b"[1, 2]"
    yield "a number", b"9" * 10_000
    yield "binary", random_.randbytes(2000)
    for _ in range(count):
        at, end = sorted(random_.randrange(len(content)) for _ in range(2))
        flipped = bytes([content[at] ^ (1 << random_.randrange(8))])
        yield f"a flipped bit at {at}", content[:at] + flipped + content[at + 1 :]
        yield f"cut at {at}", content[:at]
        yield f"without {at} to {end}", content[:at] + content[end:]
        yield f"{at} to {end} twice", content[:end] + content[at:]
        yield f"noise at {at}", content[:at] + random_.randbytes(8) + content[at + 8 :]


@pytest.mark.parametrize(("kind_name", "name"), FILE_NAMES)
def test_a_file_with_other_bytes(written, kind_name, name):
    folder, kind, random_ = written(kind_name), KINDS[kind_name], seeded_by(kind_name, name)
    expected, path = kind.read(folder), folder / name
    content = path.read_bytes()
    try:
        for what, damaged in damages(content, random_, BYTES if kind_name != "study" else -(-BYTES // 6)):
            path.write_bytes(damaged)
            check(kind, folder, name, None if kind_name in FREE else expected, what)
    finally:
        path.write_bytes(content)
    assert kind.read(folder) == expected


@pytest.mark.parametrize(("kind_name", "name"), FILE_NAMES)
def test_a_file_that_cannot_be_read(tmp_path, kind_name, name, monkeypatch):
    kind = KINDS[kind_name]
    kind.write(tmp_path)
    path = tmp_path / name
    path.unlink()
    path.mkdir()
    with pytest.raises(NetGraphError, match=path.stem) as caught:
        kind.read(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def resigned(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Change a record, and give it the checksum of what it then holds."""
    record = json.loads((folder / name).read_text())
    change(record)
    (folder / name).write_bytes(dumped(name, record, True))


def setting(*keys: Any, value: Any) -> Callable[[Any], None]:
    def change(record: Any) -> None:
        for key in keys[:-1]:
            record = record[key]
        record[keys[-1]] = value

    return change


def dropping(*keys: Any) -> Callable[[Any], None]:
    def change(record: Any) -> None:
        for key in keys[:-1]:
            record = record[key]
        del record[keys[-1]]

    return change


@pytest.mark.parametrize(
    ("kind_name", "name", "change", "message"),
    [
        ("graphs", "g.json", dropping("architectures"), "g.json: damaged: has no 'architectures'"),
        (
            "graphs",
            "g.json",
            setting("architectures", "names", value=[[1]]),
            "g.json: damaged: names.0.0 is 1; it must",
        ),
        ("graphs", "g.json", setting("architectures", "layer_types", 0, value="eval"), "g.json: unknown layer type"),
        ("graphs", "g.json", setting("architectures", "layer_types", 0, value="Linear"), "g.json: layer 0.*Input"),
        ("modules", "m.json", dropping("programs", 0, "dtype"), "m.json: not a record of networks: has no 'dtype'"),
        (
            "modules",
            "m.json",
            setting("programs", 0, "tensors", 0, "shape", value=[2**60]),
            "m.json: tensor conv.weight",
        ),
        ("modules", "m.json", setting("programs", 0, "tensors", 0, "offset", value=1), "m.json: tensor .* inside of"),
        (
            "modules",
            "m.json",
            setting("programs", 0, "calls", "nodes", 0, "shape", 4, value=2**60),
            "m.json: .*elements",
        ),
        ("checkpoint", "vae.json", setting("config", "width", value=None), "config.width is None; it must be a whole"),
        ("checkpoint", "vae.json", setting("config", "width", value=64), "vae.safetensors: tensor .* has shape"),
        ("checkpoint", "vae.json", setting("config", "width", value=2**60), "vae.json: config: width is"),
        (
            "checkpoint",
            "vae.json",
            setting("config", "hypernet_layers", value=5000),
            "hypernet_layers is 5000 in a model of",
        ),
        ("checkpoint", "vae.json", setting("config", "more", value=1), "config.more: unknown key"),
        ("checkpoint", "vae.json", dropping("card"), "vae.json: damaged: has no 'card'"),
        ("zoo", "manifest.json", setting("shards", 0, "name", value="../../x"), "manifest.json: shard '../../x'"),
        ("zoo", "manifest.json", setting("shards", 0, "networks", value=[2**60, 1]), "counts its networks"),
        ("zoo", "shards/00000.json", dropping("tasks"), "00000.json: damaged: has no 'tasks'"),
        ("zoo", "zoo.json", setting("recipes", 0, "n_tasks", value=None), "zoo.json: n_tasks is None"),
        ("cache", "openml-7.json", setting("feature_names", value=["a"]), "openml-7.json: feature_names has 1 names"),
        ("job", "run.json", setting("seconds", value={"zoo": "x"}), "run.json: damaged: seconds.zoo is 'x'"),
        ("training", "t.json", setting("steps", value=-1), "t.json: steps, seconds"),
    ],
)
def test_the_key_at_fault_is_named(tmp_path, kind_name, name, change, message):
    kind = KINDS[kind_name]
    kind.write(tmp_path)
    resigned(tmp_path, name, change)
    with pytest.raises(NetGraphError, match=message) as caught:
        kind.read(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_weights_that_are_not_finite_are_named(tmp_path):
    write_checkpoint(tmp_path)
    model = NetVAE.from_pretrained(tmp_path / "vae.safetensors")
    with torch.no_grad():
        model.decoder.condition.null.fill_(torch.nan)
    model.save(tmp_path / "vae.safetensors")
    with pytest.raises(NetGraphError, match=r"vae\.safetensors: tensor 'decoder.condition.null' holds NaN"):
        NetVAE.from_pretrained(tmp_path / "vae.safetensors")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("n_tasks: 1\nn_tasks: 2", "the key 'n_tasks' stands twice"),
        ("n_tasks: &a [*a]", "alias inside"),
        ("a: &a {b: 1}\nc: {<<: *a}", "'<<' is not read"),
        ("\n".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}' if i else 'x'] * 9)}]" for i in range(12)), "more than"),
        ("n_tasks: .nan", "n_tasks is nan; it must be a whole number"),
        ("n_tasks: " + "9" * 400, "a whole number at least 1"),
        ("n_tasks: 2020-01-01", "it must be a whole number"),
        ("tasks: {families: {linear: " + "9" * 400 + "}}", "it must be|damaged"),
        ("[n_tasks]", "a recipe is a mapping"),
        ("0", "a recipe is a mapping"),
    ],
)
def test_a_recipe_is_plain_values(tmp_path, text, message):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(NetGraphError, match=message) as caught:
        ZooRecipe.load(path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1
