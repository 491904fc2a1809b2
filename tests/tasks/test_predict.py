"""New tables and the networks of fits: rows in order, columns by name, and what is wrong in one line."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from netgraph import NetGraphError, from_module
from netgraph.search.columns import ColumnEncoder
from netgraph.search.export import export_network
from netgraph.search.preprocess import Preprocessing
from netgraph.tasks.predict import predict_table

RNG = np.random.default_rng(0)
ROWS = 30
FRAME = pd.DataFrame({"a": RNG.normal(size=ROWS), "b": RNG.normal(size=ROWS)})
RAW = FRAME.assign(size=[f"{i},5" for i in range(ROWS)], color=["rot", "grün", None] * 10)


def fitted(folder, frame):
    """Write a network as a fit does; return the function from frames to predictions."""
    encoder = ColumnEncoder().fit(frame)
    encoded = encoder.transform(frame)
    maps = Preprocessing.fit(encoded, np.linspace(10, 20, len(frame)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        graph = from_module(nn.Sequential(nn.Linear(encoded.shape[1], 3), nn.Tanh(), nn.Linear(3, 1)).eval())
    export_network(graph, maps, folder / "network", encoder, "price")
    return lambda new: maps.predict(graph, encoder.transform(new))


@pytest.mark.parametrize("frame", [FRAME, RAW], ids=["numbers", "raw"])
@pytest.mark.parametrize("folder", [".", "networks"], ids=["of a fit", "of a search"])
def test_a_new_file_is_predicted_row_by_row_by_name(tmp_path, frame, folder):
    predict = fitted(tmp_path / folder, frame)
    new = frame.iloc[[3, 1, 1, 29, 0]].reset_index(drop=True)
    new.loc[2, "a"] = None
    file = new[new.columns[::-1]].assign(price=1.0, more="text")
    file.insert(0, "id", [7, 8, 9, 10, 12])
    file.to_csv(tmp_path / "new.csv", index=False, encoding="utf-16", sep=";")
    found = predict_table(tmp_path, tmp_path / "new.csv", tmp_path / "out.csv")
    assert list(found) == ["id", "price"]
    np.testing.assert_allclose(found["price"], predict(new), rtol=1e-9)
    text = (tmp_path / "out.csv").read_text()
    assert text.splitlines()[1].startswith("7,")
    assert pd.read_csv(tmp_path / "out.csv")["price"].tolist() == found["price"].tolist()


def test_thousands_are_not_taken_for_decimals_where_training_had_decimal_commas(tmp_path):
    predict = fitted(tmp_path, RAW)
    new = RAW.assign(size="1.234").head(3)
    new.to_csv(tmp_path / "new.csv", index=False)
    found = predict_table(tmp_path, tmp_path / "new.csv")
    np.testing.assert_allclose(found["price"], predict(RAW.assign(size=1234.0).head(3)), rtol=1e-9)


def test_numbers_are_read_in_other_writings_and_words_are_named(tmp_path):
    predict = fitted(tmp_path, FRAME)
    (tmp_path / "new.csv").write_text('b,a\n"1,234",NA\n?,$2\n')
    found = predict_table(tmp_path, tmp_path / "new.csv")
    new = pd.DataFrame({"a": [None, 2.0], "b": [1234.0, None]})
    np.testing.assert_allclose(found["price"], predict(new), rtol=1e-9)
    (tmp_path / "new.csv").write_text("a,b\n1,2\n1,high\n")
    with pytest.raises(NetGraphError, match="column 'b' holds 'high' in row 2, which is no number"):
        predict_table(tmp_path, tmp_path / "new.csv")


def test_parquet_is_predicted(tmp_path):
    pytest.importorskip("pyarrow")
    predict = fitted(tmp_path, RAW)
    RAW.to_parquet(tmp_path / "new.parquet")
    np.testing.assert_allclose(predict_table(tmp_path, tmp_path / "new.parquet")["price"], predict(RAW), rtol=1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("size;color;b\n1,5;rot;1\n", "the table has no column a$"),
        ("a;size;color;b\n1;1,5;rot;high\n", "column 'b' holds 'high' in row 1, which is no number$"),
        ("a;size;color;b\n1;1,5;rot;1e999\n", "column 'b' holds an infinite value in row 1$"),
        ("1;2;3\n", "no header"),
        ("", "is empty"),
    ],
)
def test_what_is_wrong_with_a_new_file_is_named_in_one_line(tmp_path, content, message):
    fitted(tmp_path, RAW)
    path = tmp_path / "new.csv"
    path.write_text(content)
    with pytest.raises(NetGraphError, match=rf"^{re.escape(str(path))}: {message}"):
        predict_table(tmp_path, path, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_folders_without_a_network_and_files_that_would_be_lost_are_named(tmp_path):
    FRAME.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(NetGraphError, match=r"holds no network\.py; it is not the folder of a fit$"):
        predict_table(tmp_path, tmp_path / "new.csv")
    fitted(tmp_path, FRAME)
    for out, message in (
        ("new.csv", "is read by this command"),
        ("network.py", "is read by this"),
        ("x.csv", "exists"),
    ):
        (tmp_path / "x.csv").write_text("mine")
        with pytest.raises(NetGraphError, match=rf"{out}: {message}"):
            predict_table(tmp_path, tmp_path / "new.csv", tmp_path / out)
    with pytest.raises(NetGraphError, match=r"absent\.csv: no such file"):
        predict_table(tmp_path, tmp_path / "absent.csv", tmp_path / "x.csv")
    predict_table(tmp_path, tmp_path / "new.csv", tmp_path / "new folder" / "y.csv")
    predict_table(tmp_path, tmp_path / "new.csv", tmp_path / "x.csv", overwrite=True)
    assert (tmp_path / "new folder" / "y.csv").read_text() == (tmp_path / "x.csv").read_text()
    assert (tmp_path / "x.csv").read_text().startswith("price\n")
    (tmp_path / "network.py").write_text("import nothing_of_that_name")
    with pytest.raises(NetGraphError, match=r"network\.py: cannot be run: No module named 'nothing_of_that_name'"):
        predict_table(tmp_path, tmp_path / "new.csv")
