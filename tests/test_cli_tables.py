"""Commands on tables: wrong input is told before torch is imported; what fit leaves predicts new files."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.commands import netgraph
from tests.search.small import untrained

#: Runs commands that are refused; prints the codes, and the large packages that were imported.
REFUSED = """
import json, sys
from netgraph.cli import main
codes = [main(command) for command in json.loads(sys.argv[1])]
print(codes, {"torch", "sklearn", "matplotlib", "optuna"} & sys.modules.keys())
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with a model and a table as people have them."""
    monkeypatch.chdir(tmp_path)
    untrained().save(tmp_path / "vae.safetensors")
    rng = np.random.default_rng(0)
    size, kind = rng.uniform(0, 3, 80), rng.choice(["Haus", "Wohnung"], 80)
    price = 100 * np.tanh(size) + 50 * (kind == "Haus") + rng.normal(size=80)
    columns = {"id": range(80), "Größe": size, "Art": kind, "Tag": pd.date_range("2024-01-01", periods=80)}
    frame = pd.DataFrame(columns | {"Preis": price})
    frame.to_csv("data.csv", sep=";", decimal=",", index=False, encoding="cp1252", date_format="%d.%m.%Y")
    return tmp_path


def test_wrong_input_is_told_before_anything_large_is_imported(folder):
    (folder / "few.csv").write_text("a,y\n1,2\n")
    (folder / "eleven.csv").write_text("a,y\n" + "".join(f"{i},{i}\n" for i in range(11)))
    (folder / "network.py").write_text('import torch\n\nMEDIANS = {"Größe": 1.5, "Lage": 2.0}\n')
    fit = ["fit", "data.csv", "--target"]
    commands = [
        [*fit, "Pries"],
        [*fit, "Tag"],
        [*fit, "Preis", "--out", "data.csv/out"],
        [*fit, "Art", "--task", "regression"],
        ["fit", "absent.csv", "--target", "y"],
        ["search", "few.csv", "--target", "y"],
        ["predict", "absent", "data.csv"],
        ["fit", "eleven.csv", "--target", "y"],
        ["search", "eleven.csv", "--target", "y", "--objectives", "error"],
        ["predict", ".", "data.csv"],
    ]
    command = [sys.executable, "-c", REFUSED, json.dumps(commands)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"{[2] * len(commands)} set()"
    messages = (
        "did you mean 'Preis'",
        "holds dates",
        "data.csv",
        "not numeric",
        "no such file",
        "1 row of",
        "no network",
        "eleven.csv: 11 rows, of which a fifth is held out",
        "a front needs parameters or latency too",
        "data.csv: the table has no column Lage",
    )
    for line, message in zip(done.stderr.splitlines(), messages, strict=True):
        assert line.startswith("netgraph: ")
        assert message in line


def test_what_fit_leaves_predicts_new_files(folder):
    options = ["--checkpoint", "vae.safetensors", "--n-candidates", "4", "--max-seconds", "60"]
    with pytest.warns(UserWarning, match="read as Windows-1252|column 'id' is left out"):
        done = netgraph("fit", "data.csv", "--target", "Preis", "--out", "out", *options)
    assert done.returncode == 0, done.stderr
    assert "Its error by cross-validation is" in done.stdout.splitlines()[0]
    assert "r2_of_boosting" in done.stdout
    assert any(line.split()[:2] == ["n_train", "64"] for line in done.stdout.splitlines())
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["test_r2"] > 0.9
    new = pd.DataFrame({"Tag": ["2.1.2024", "3.1.2024"], "Art": ["Haus", "Zelt"], "Größe": ["1,5", "NA"], "id": [7, 9]})
    new.to_csv("new.csv", sep="\t", index=False)
    assert netgraph("predict", "out", "new.csv", "--out", "p.csv").stdout == "2 predictions in p.csv\n"
    found = pd.read_csv("p.csv")
    assert list(found) == ["id", "Preis"]
    assert found["id"].tolist() == [7, 9]
    command = [sys.executable, "out/network.py", "new.csv"]
    written = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (written.stdout, written.stderr) == ((folder / "p.csv").read_text(), "")
    again = netgraph("predict", "out", "new.csv", "--out", "p.csv")
    assert (again.returncode, "p.csv: exists already" in again.stderr) == (2, True)
    new.drop(columns="Art").to_csv("lacks.csv", index=False)
    lacks = netgraph("predict", "out", "lacks.csv", "--out", "q.csv")
    assert (lacks.returncode, lacks.stderr) == (2, "netgraph: lacks.csv: the table has no column Art\n")


def test_a_target_of_words_is_predicted_as_classes(folder):
    options = ["--checkpoint", "vae.safetensors", "--n-candidates", "2", "--max-seconds", "60", "--out", "out"]
    with pytest.warns(UserWarning, match="read as Windows-1252|column 'id' is left out"):
        done = netgraph("fit", "data.csv", "--target", "Art", *options)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["test_accuracy"] > metrics["accuracy_of_the_most_frequent"]
    netgraph("predict", "out", "data.csv", "--out", "p.csv")
    found = pd.read_csv("p.csv")
    assert list(found) == ["id", "Art", "P(Haus)", "P(Wohnung)"]
    assert (found["Art"] == pd.read_csv("data.csv", sep=";", encoding="cp1252")["Art"]).mean() > 0.9
