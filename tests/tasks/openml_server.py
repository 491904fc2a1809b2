"""A small server on 127.0.0.1 that speaks OpenML's JSON and ARFF."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: scikit-learn's constants that hold OpenML's address, and what follows it.
CONSTANTS = {
    "_DATA_INFO": "/api/v1/json/data/{}",
    "_DATA_FEATURES": "/api/v1/json/data/features/{}",
    "_DATA_QUALITIES": "/api/v1/json/data/qualities/{}",
}
COLORS = ["red", "green", "blue"]
ROWS = 40


def number(i: int) -> str:
    return "?" if i == 3 else f"{i * 0.5}"


def table(target: str = "numeric") -> dict[str, tuple[str, list[str]]]:
    """A table: each column's ARFF type and its values."""
    nominal = "{" + ",".join(COLORS) + "}"
    towns = [f"town{i:02d}" for i in range(12)]
    columns = {
        "size": ("NUMERIC", [number(i) for i in range(ROWS)]),
        "color": (nominal, ["?" if i == 5 else COLORS[i % 3] for i in range(ROWS)]),
        "old": ("{no,yes}", ["yes" if i % 4 else "no" for i in range(ROWS)]),
        "town": ("{" + ",".join(towns) + "}", [towns[i % 12] for i in range(ROWS)]),
        "note": ("STRING", [f"'note {i}'" for i in range(ROWS)]),
        "same": ("NUMERIC", ["7"] * ROWS),
        "price": ("NUMERIC", ["?" if i == 1 else f"{i % 7 + i}" for i in range(ROWS)]),
    }
    if target == "words":
        columns["price"] = ("{cheap,dear}", ["cheap" if i % 2 else "dear" for i in range(ROWS)])
    return columns


def arff(columns: dict[str, tuple[str, list[str]]]) -> bytes:
    header = [f"@ATTRIBUTE {name} {kind}" for name, (kind, _) in columns.items()]
    rows = zip(*(values for _, values in columns.values()), strict=True)
    return "\n".join(["@RELATION t", *header, "@DATA", *(",".join(row) for row in rows), ""]).encode()


def data_type(kind: str) -> str:
    return {"NUMERIC": "numeric", "STRING": "string"}.get(kind, "nominal")


class OpenML:
    """Data sets by id, and how the server misbehaves.

    Attributes:
        tables: The data sets.
        status: HTTP status of every answer but those for unknown data sets.
        broken: Whether the file differs from the md5 that is announced.
    """

    def __init__(self) -> None:
        self.tables = {9001: table(), 9002: table("words")}
        self.status, self.broken, self.address = 200, False, ""

    def answer(self, path: str) -> tuple[int, bytes]:
        *_, kind, last = path.split("/")
        if kind == "arff":
            return self.status, arff(self.tables[int(last)]) + (b"\n0,red,no,town00,'x',7,1" if self.broken else b"")
        if int(last) not in self.tables:
            return 412, b'{"error": {"code": "111", "message": "Unknown dataset"}}'
        answers = {"features": self.features, "qualities": self.qualities}
        return self.status, json.dumps(answers.get(kind, self.description)(int(last))).encode()

    def description(self, number: int) -> dict[str, object]:
        described = {
            "id": number,
            "name": f"set{number}",
            "version": "1",
            "format": "ARFF",
            "status": "active",
            "description": "made up",
            "default_target_attribute": "price",
            "url": f"{self.address}/arff/{number}",
            "md5_checksum": hashlib.md5(arff(self.tables[number]), usedforsecurity=False).hexdigest(),
        }
        return {"data_set_description": described}

    def features(self, number: int) -> dict[str, object]:
        listed = [
            {
                "index": str(index),
                "name": name,
                "data_type": data_type(kind),
                "is_target": str(name == "price").lower(),
                "is_ignore": "false",
                "is_row_identifier": "false",
                "number_of_missing_values": str(values.count("?")),
            }
            for index, (name, (kind, values)) in enumerate(self.tables[number].items())
        ]
        return {"data_features": {"feature": listed}}

    def qualities(self, number: int) -> dict[str, object]:
        return {"data_qualities": {"quality": [{"name": "NumberOfInstances", "value": str(ROWS)}]}}


@contextmanager
def serving() -> Iterator[OpenML]:
    openml = OpenML()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, payload = openml.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        openml.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield openml
        server.shutdown()
        thread.join()
