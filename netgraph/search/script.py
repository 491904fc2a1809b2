"""Source of the Python file beside a network's weights: it reads raw columns by name, with torch and pandas alone."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill, indent
from typing import Any

from netgraph.tasks import cells

_WIDTH = 120
_LOAD = '''SHA256 = "{sha256}"


def load(path: str | Path | None = None) -> Network:
    """Return the network in evaluation mode, in float64, with the weights beside this file or at a path."""
    path = Path(path or Path(__file__).with_suffix(".safetensors"))
    content = bytearray(path.read_bytes())
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(f"{{path}}: damaged, or not the weights that were written with {{Path(__file__).name}}")
    start = 8 + int.from_bytes(content[:8], "little")
    dtypes = {{"F64": torch.float64, "I64": torch.int64}}
    weights = {{}}
    for name, entry in json.loads(content[8:start]).items():
        first, last = entry["data_offsets"]
        values = torch.frombuffer(content[start + first : start + last], dtype=dtypes[entry["dtype"]])
        weights[name] = values.reshape(entry["shape"])
    network = Network().double()
    network.load_state_dict(weights)
    network.register_forward_pre_hook(encode)
    return network.eval()

'''
_ENCODE_NUMBERS = '''
def encode(network: Network, inputs: tuple[Any, ...]) -> torch.Tensor:
    """Return columns of a DataFrame by name, or of an array or tensor in order; a median for a missing value."""
    x = inputs[0]
    if hasattr(x, "columns"):
        missing = [name for name in MEDIANS if name not in x.columns]
        if missing:
            raise ValueError(f"the table has no column {{', '.join(missing)}}")
        x = x[list(MEDIANS)].to_numpy(dtype="float64", na_value=float("nan"))
    elif x.shape[-1] != {columns}:
        raise ValueError(f"x has {{x.shape[-1]}} columns, the network reads {columns}")
{select}    if not isinstance(x, torch.Tensor):
        x = torch.from_numpy(x.astype("float64"))
    x = x.double()
    return x.where(~x.isnan(), torch.tensor(list(MEDIANS.values()), dtype=x.dtype, device=x.device))

'''
_ENCODE_CELLS = '''
def encode(network: Network, inputs: tuple[Any, ...]) -> torch.Tensor:
    """Return the numbers that the network reads, [rows, {encoded}], of a DataFrame by name, or an array in order."""
    table = inputs[0]
    if not hasattr(table, "columns"):
        if table.shape[-1] != len(COLUMNS):
            raise ValueError(f"x has {{table.shape[-1]}} columns, the network reads {columns}")
        table = pd.DataFrame(np.asarray(table), columns=COLUMNS)
    used = {used}
    missing = [name for name in used if name not in table.columns]
    if missing:
        raise ValueError(f"the table has no column {{', '.join(missing)}}")
    cells = {cells}
    columns = {values}
    return torch.from_numpy(np.stack(columns, axis=1).astype("float64"))

'''
_MAIN = '''
def predict(table: Any) -> Any:
    """Return the predictions for a DataFrame, a row for each of its rows{beside}."""
    import pandas as pd

    with torch.no_grad():
        prediction = load()(table)
{result}
    return result


def main() -> None:
    """Print the predictions for the rows of a CSV file, or write them to another one."""
    parser = argparse.ArgumentParser(description={title})
    parser.add_argument("table", help="CSV file that has the columns, in any order")
    parser.add_argument("--out", help="CSV file that takes the predictions; they are printed when it is left out")
    arguments = parser.parse_args()
    try:
        predictions = predict(read_csv(arguments.table{options}))
        predictions.to_csv(arguments.out or sys.stdout, index=False)
    except (OSError, ValueError) as error:
        sys.exit(f"{{Path(__file__).name}}: {{error}}")


if __name__ == "__main__":
    main()
'''


@dataclass(frozen=True)
class Script:
    """Raw columns and targets of a written network, and the file that reads them.

    Attributes:
        record: Columns and their encoding, see :meth:`~netgraph.search.columns.ColumnEncoder.record`.
        targets: Names of the targets.
        classes: Classes, in the order of the outputs; None where the targets are numbers.
    """

    record: Mapping[str, Any]
    targets: Sequence[str]
    classes: Sequence[Any] | None = None

    @property
    def names(self) -> list[str]:
        """Names of all raw columns, in their order."""
        names: list[str] = self.record["names"] or [f"x{i}" for i in range(self.record["n_columns"])]
        return names

    @property
    def is_plain(self) -> bool:
        """Whether the network reads columns of numbers as they are."""
        return all(
            "fill" in entry
            and entry["kind"] == "number"
            and not (entry["words"] or entry["signs"])
            and entry["decimal"] == "."
            for entry in self.record["encoded"]
        )

    def source(self, network: str, stem: str, layers: str, sha256: str) -> str:
        """Return the whole file.

        Args:
            network: Source of the class ``Network``, from its first import on.
            stem: Name of the file.
            layers: Layers of the network.
            sha256: Checksum of the weights.
        """
        functions: list[Callable[..., Any]] = [cells.decode_file, cells.read_csv]
        modules = ["argparse", "gzip", "hashlib", "io", "json", "re", "sys"]
        imports = ["from pathlib import Path", "from typing import Any"]
        encode = self._encode_numbers() if self.is_plain else self._encode_cells()
        if not self.is_plain:
            network = f"import numpy as np\nimport pandas as pd\n{network}"
            functions += [cells.read_text, cells.read_numbers, cells.parse_numbers]
            others = (cells.read_dates, cells.date_part, cells.read_levels)
            functions += [function for function in others if f"{function.__name__}(" in encode]
            imports.insert(0, "from collections.abc import Sequence")
        blocks = [network, f"{self._constants()}\n{_LOAD.format(sha256=sha256)}", encode]
        blocks += [*map(inspect.getsource, functions), self._main()]
        code = "\n\n\n".join(block.strip("\n") for block in blocks)
        if not self.is_plain:
            code = code.replace("    import pandas as pd\n\n", "")
        head = [
            f'"""{self._docstring(stem, layers)}\n"""',
            "\n".join([*(f"import {one}" for one in modules), *imports]),
        ]
        return "\n\n".join([*head, code]) + "\n"

    def _docstring(self, stem: str, layers: str) -> str:
        names = ", ".join(map(_printable, self.names)) if self.record["names"] else "as in training"
        units = "" if self.is_plain else " Missing values, text and dates are read as in training."
        outputs = "[rows]" if self.classes is None and len(self.targets) == 1 else f"[rows, {self._n_outputs}]"
        needs = "torch is all it needs, and pandas for tables" if self.is_plain else "torch and pandas are all it needs"
        of = " and ".join(map(_printable, self.targets))
        paragraphs = [
            f"Predicts {of} with a network that netgraph found; {needs}.",
            f"Layers: {layers}; their weights are in {stem}.safetensors.",
            f"Columns, in their own units: {names}.{units}",
        ]
        if self.classes is not None:
            paragraphs.append(
                f"Classes, of which it predicts probabilities: {', '.join(map(_printable, self.classes))}."
            )
        usage = [
            f"from {stem} import load",
            f"prediction = load()(x).detach()  # {outputs}; x: a DataFrame, or an array, [rows, {len(self.names)}]",
            "",
            f"python {stem}.py new.csv --out predictions.csv",
        ]
        text = "\n\n".join(fill(paragraph, _WIDTH, break_on_hyphens=False) for paragraph in paragraphs)
        return text + "\n\n" + "\n".join(f"    {line}".rstrip() for line in usage)

    @property
    def _n_outputs(self) -> int:
        return len(self.targets) if self.classes is None else len(self.classes)

    def _constants(self) -> str:
        if self.is_plain:
            medians = [f"{_literal(self.names[entry['raw']])}: {entry['fill']!r}" for entry in self.record["encoded"]]
            text = "#: Columns, and their medians, which stand for missing values.\n" + _wrapped(
                "MEDIANS = {", medians, "}", 0
            )
        else:
            text = "#: Columns, in the order of arrays.\n" + _wrapped("COLUMNS = [", map(_literal, self.names), "]", 0)
        if self.classes is not None:
            text += "\n" + _wrapped("CLASSES = [", map(_literal, self.classes), "]", 0)
        return text

    def _encode_numbers(self) -> str:
        used = [entry["raw"] for entry in self.record["encoded"]]
        select = "" if used == list(range(len(self.names))) else f"    else:\n        x = x[..., {used}]\n"
        return _ENCODE_NUMBERS.format(columns=len(self.names), select=select)

    def _encode_cells(self) -> str:
        encoded = self.record["encoded"]
        used = [self.names[i] for i in sorted({entry["raw"] for entry in encoded})]
        reading = {self.names[entry["raw"]]: self._reading(entry) for entry in encoded}
        return _ENCODE_CELLS.format(
            encoded=len(encoded),
            columns=len(self.names),
            used=_wrapped("[", map(_literal, used), "]", 4),
            cells=_wrapped("{", [f"{_literal(key)}: {read}" for key, read in reading.items()], "}", 4, always=True),
            values=_wrapped("[", [self._value(entry) for entry in encoded], "]", 4, always=True),
        )

    def _reading(self, entry: Mapping[str, Any]) -> str:
        """Return the expression that reads a raw column for an encoded one."""
        arguments = [f"table[{_literal(self.names[entry['raw']])}]"]
        if entry["kind"] == "number" and (entry["words"] or entry["decimal"] != "."):
            arguments.append(_literal(entry["decimal"]))
            arguments += [_wrapped("[", map(_literal, entry["words"]), "]", 12)] * bool(entry["words"])
        if entry["kind"] == "date":
            arguments += [_literal(entry["form"])] * (entry["form"] != "ISO8601")
        return f"read_{entry['kind']}s({', '.join(arguments)})"

    def _value(self, entry: Mapping[str, Any]) -> str:
        """Return the expression of an encoded column."""
        cell = f"cells[{_literal(self.names[entry['raw']])}]"
        if entry["kind"] == "date":
            part = entry.get("part", "day")
            cell = f"date_part({cell})" if part == "day" else f"date_part({cell}, {_literal(part)})"
        if "level" in entry:
            return f"{cell} == {_literal(entry['level'])}"
        if "other" in entry:
            levels = _wrapped("[", map(_literal, entry["other"]), "]", 12)
            line = f"~np.isin({cell}, {levels})"
            one = "\n" not in levels and len(line) < _WIDTH - 8
            return line if one else f"~np.isin(\n            {cell},\n            {levels},\n        )"
        return f"np.isnan({cell})" if "missing" in entry else f"np.nan_to_num({cell}, nan={entry['fill']!r})"

    def _main(self) -> str:
        index = [_literal(name) for name in self.record.get("index", ())]
        kept = f"[name for name in {_wrapped('[', index, ']', 8)} if name in table]"
        lines = [f"result = pd.DataFrame({f'table[{kept}]' if index else ''})"]
        if self.classes is not None:
            lines.append(f"result[{_literal(self.targets[0])}] = [CLASSES[i] for i in prediction.argmax(dim=1)]")
            lines += ["for name, column in zip(CLASSES, prediction.T, strict=True):"]
            lines += ['    result[f"P({name})"] = column.tolist()']
        elif len(self.targets) == 1:
            lines.append(f"result[{_literal(self.targets[0])}] = prediction.tolist()")
        else:
            names = _wrapped("[", map(_literal, self.targets), "]", 4)
            lines.append(f"result[{names}] = prediction.tolist()")
        options = "" if self.is_plain else ", dtype=str, keep_default_na=False"
        title = _literal(f"Predict {' and '.join(map(_printable, self.targets))} for the rows of a table.")
        beside = ", beside the columns that number them" if index else ""
        return _MAIN.format(title=title, options=options, beside=beside, result=indent("\n".join(lines), " " * 4))


def _printable(name: object) -> str:
    """Return a name without the characters that would end a docstring, or not be seen in it."""
    plain = str(name).replace('"', "'").replace("\\", "/")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())


def _literal(value: Any) -> str:
    """Return the source of a name or number."""
    plain = value.item() if hasattr(value, "item") else value
    if not isinstance(plain, str) or ('"' in plain and "'" not in plain):
        return repr(plain)
    return json.dumps(plain, ensure_ascii=not plain.isprintable())


def _wrapped(start: str, items: Iterable[str], end: str, level: int, always: bool = False) -> str:
    """Return items in brackets, on one line or on one line each, in lines that are indented by ``level``."""
    items = list(items)
    line = start + ", ".join(items) + end
    if not always and level + len(line) < _WIDTH - 24:
        return line
    inner = "".join(f"{' ' * (level + 4)}{item},\n" for item in items)
    return f"{start}\n{inner}{' ' * level}{end}"
