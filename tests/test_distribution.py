"""The distribution is called netgraph-nn, its package netgraph: another library has that name on the package index."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from netgraph.errors import missing_extra

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
TEXTS = sorted(
    path
    for pattern in ("*.*", "netgraph/**/*.py", "datasets/*", "notebooks/*.ipynb", "benchmarks/**/*.*")
    for path in ROOT.glob(pattern)
    if path.suffix in (".py", ".md", ".ipynb", ".toml", ".yml", ".yaml", ".txt")
)
#: An installation of another library, and the extras that an installation of a checkout names.
FOREIGN = re.compile(r"pip3?\s+install(?:\s+-\S+)*\s+[\\\"']*netgraph(?!-nn)")
NAMED = re.compile(r"pip3?\s+install(?:\s+-\S+)*\s+[\\\"']*(?:\.|netgraph-nn)\[([\w,]+)\]")


def test_the_wheel_has_its_own_name_and_holds_the_package(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "netgraph").mkdir()
    shutil.copy(ROOT / "netgraph" / "__init__.py", tmp_path / "netgraph")
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('wheels'))"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, check=True)
    (wheel,) = (tmp_path / "wheels").iterdir()
    assert wheel.name == f"netgraph_nn-{PROJECT['version']}-py3-none-any.whl"
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        info = f"netgraph_nn-{PROJECT['version']}.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
        scripts = archive.read(f"{info}/entry_points.txt").decode()
    assert "netgraph/__init__.py" in names
    assert "\nName: netgraph-nn\n" in metadata
    assert "netgraph = netgraph.cli:main" in scripts


def test_requirements_are_those_of_the_library():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-e ."]


def test_extras_refer_to_the_distribution_and_to_extras_that_there_are():
    for requirements in EXTRAS.values():
        for requirement in requirements:
            own = re.fullmatch(r"netgraph[\w-]*\[([\w,]+)\]", requirement)
            if own:
                assert requirement.startswith("netgraph-nn[")
                assert set(own[1].split(",")) <= set(EXTRAS)


def test_no_text_installs_the_other_library():
    assert len(TEXTS) > 100
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        assert not FOREIGN.search(text), path
        for names in NAMED.findall(text):
            assert set(names.split(",")) <= set(EXTRAS), path


@pytest.mark.parametrize("text", ["pip install netgraph", 'pip install -q "netgraph[ray]"', r"pip install \"netgraph"])
def test_the_other_library_would_be_seen(text):
    assert FOREIGN.search(text)
    assert not FOREIGN.search(text.replace("netgraph", "netgraph-nn"))
    assert not FOREIGN.search("pip install -e . && netgraph run")


def test_a_missing_extra_is_named_with_what_installs_it():
    assert str(missing_extra("parquet needs pyarrow", "parquet")).endswith(
        'parquet needs pyarrow: pip install -e ".[parquet]" in a checkout of netgraph'
    )


def test_every_extra_that_the_package_names_is_one():
    named = [name for path in TEXTS for name in re.findall(r"missing_extra\(.*?, \"(\w+)\"\)", path.read_text())]
    assert {"onnx", "parquet", "ray"} <= set(named) <= set(EXTRAS)
