"""Every notebook runs from top to bottom, and is kept with its outputs and nothing else."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
#: A folder of the machine on which a notebook was run, or an address in its memory.
PLACE = re.compile(
    r"(?<![\w.:/])/(?:home|mnt|opt|private|root|tmp|usr|Users|var|work)/|site-packages|[A-Z]:\\| at 0x[0-9a-f]{6}"
)


def outputs_of(notebook: nbformat.NotebookNode) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def is_noise(output: Any) -> bool:
    return output.output_type == "error" or output.get("name") == "stderr"


@pytest.mark.docs
@pytest.mark.filterwarnings("ignore")  # the Jupyter kernel's own, not the notebook's
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # two threads that share a core take ten times as long
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore:IProgress not found")  # bars without ipywidgets
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    assert outputs_of(notebook)
    assert [output for output in outputs_of(notebook) if is_noise(output)] == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_with_the_outputs_of_one_run_and_no_trace_of_the_machine(path):
    notebook = nbformat.read(path, as_version=4)
    assert {"kernelspec"} == set(notebook.metadata)
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell for cell in notebook.cells if cell.metadata] == []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = outputs_of(notebook)
    assert [output for output in outputs if is_noise(output)] == []
    texts = [str(data) for output in outputs for kind, data in output.get("data", {}).items() if "image" not in kind]
    texts += [output.text for output in outputs if output.output_type == "stream"]
    assert [text for text in texts if PLACE.search(text)] == []
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_notebooks_are_numbered_and_each_begins_with_its_title():
    assert [path.name[:3] for path in PATHS] == [f"{number:02}_" for number in range(1, len(PATHS) + 1)]
    first = [nbformat.read(path, as_version=4).cells[0] for path in PATHS]
    assert [cell.source for cell in first if not re.match(r"# .+\n\n\w", cell.source)] == []


@pytest.mark.parametrize(
    "text",
    ["/tmp/tmpabc/zoo", "in /home/name/net.py", "/root/x", "lib/site-packages/torch", "<Legend at 0x7fcd7f2e3e10>"],  # noqa: S108
)
def test_a_place_on_the_machine_would_be_seen(text):
    assert PLACE.search(text)
    assert not PLACE.search("https://example.org/home/page, runs/quick/report.html, and/or")
