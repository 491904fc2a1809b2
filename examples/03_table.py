"""Find a small network for a table with text and missing values, export it, and predict new rows."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from netgraph import NetGraphRegressor


def write_table(path: Path, rows: int = 300) -> None:
    """Write a CSV file of flats: numbers, a category, a date, and some missing values."""
    random = np.random.default_rng(0)
    rooms, distance = random.integers(1, 7, rows), random.uniform(0, 9, rows)
    district = random.choice(["north", "west", "harbor"], rows)
    built = pd.Timestamp("1950-01-01") + pd.to_timedelta(random.integers(0, 25_000, rows), unit="D")
    rent = 200.0 * rooms + 400.0 * np.exp(-distance / 2) * rooms + 300.0 * (district == "harbor")
    table = pd.DataFrame({"rooms": rooms, "distance": distance, "district": district, "built": built, "rent": rent})
    table.loc[::20, "distance"] = None
    table.loc[5::30, "district"] = None
    table.to_csv(path, index=False)


def main(folder: str = "runs/table") -> NetGraphRegressor:
    """Fit on most rows of the file, predict the others, and export the network."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    write_table(path / "flats.csv")
    table = pd.read_csv(path / "flats.csv")
    known, new = table.iloc[:240], table.iloc[240:]
    model = NetGraphRegressor(max_seconds=5, random_state=0).fit(known.drop(columns="rent"), known["rent"])
    print(*model.encoder_.actions_, sep="\n")  # what became of each column that is not read as it is
    print(model.graph_.architecture, model.graph_.state.numel(), "parameters")

    prediction, deviation = model.predict(new.drop(columns="rent"), return_std=True)
    print("R² on new rows:", round(model.score(new.drop(columns="rent"), new["rent"]), 3))
    print(new.assign(prediction=prediction.round(), deviation=deviation.round()).head().to_string())
    written = model.export(path / "network", target="rent")
    print("written:", *written)  # python runs/table/network.py runs/table/flats.csv
    return model


if __name__ == "__main__":
    main(*sys.argv[1:])
