"""A report as a browser reads it: its headings, pictures, tables and what is folded."""

from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

#: Elements without an end.
VOID = ("meta", "br", "img", "hr", "link", "input")


class Page(HTMLParser):
    """Parts of a report.

    Attributes:
        headings: Level and text of each heading.
        names: Name of each picture.
        cards: Texts of each card, part by part.
        tables: Cells of each table, row by row.
        folded: Numbers of the tables that are folded.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.headings: list[tuple[int, str]] = []
        self.names: list[str] = []
        self.cards: list[list[str]] = []
        self.tables: list[list[list[str]]] = []
        self.folded: list[int] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._ids: list[str] = []
        self.feed(self.text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert tag not in ("script", "link", "iframe", "object")
        assert all((values.get(name) or "#").startswith(("#", "data:")) for name in ("href", "src", "xlink:href"))
        assert not any(name.startswith("on") for name in values)
        self._ids += [values["id"]] if values.get("id") else []
        if tag in ("svg", "img"):
            assert tag == "svg" or values["alt"]
            assert tag == "img" or values["role"] == "img"
            self.names.append(values.get("alt") or "")
        elif tag == "table":
            self.tables.append([])
            self.folded += [len(self.tables) - 1] if self._inside("details") else []
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag[0] == "h" and tag[1:].isdigit():
            self.headings.append((int(tag[1:]), ""))
        elif (values.get("class") or "").split()[:1] == ["card"]:
            self.cards.append([])
        elif tag in ("dt", "dd") and self.cards and not self._inside("section"):
            self.cards[-1].append("")
        if tag not in VOID:
            self._open.append((tag, values))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if self._inside("svg") and self._inside("title"):
            self.names[-1] += data
        elif self._inside("td") or self._inside("th"):
            self.tables[-1][-1][-1] += data
        elif self._open and self._open[-1][0] in ("h1", "h2", "h3"):
            level, text = self.headings[-1]
            self.headings[-1] = level, text + data
        elif self._inside("dl") and not self._inside("section") and self.cards[-1:] != [[]]:
            self.cards[-1][-1] += data

    def _inside(self, tag: str) -> bool:
        return any(name == tag for name, _ in self._open)

    def check(self) -> None:
        """Check what holds of every report: it needs nothing else, is named throughout, and in order."""
        assert self.text.startswith('<!doctype html><html lang="en"><head><meta charset="utf-8">')
        assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in self.text
        assert not any(address in self.text for address in ("http:", "https:", "@import", "src=//"))
        levels = [level for level, _ in self.headings]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert all(text.strip() for _, text in self.headings)
        assert self.names
        assert all(self.names)
        assert len(set(self._ids)) == len(self._ids)
        assert self.cards
        assert all(len(card) >= 3 and all(card) for card in self.cards)
        assert all(len({len(row) for row in table}) == 1 for table in self.tables)

    def figures(self) -> dict[str, str]:
        """Return the values in the folded table of all figures, by name."""
        (table,) = (self.tables[i] for i in self.folded if self.tables[i][0][:2] == ["figure", "value"])
        return {row[0].split()[0]: row[1] for row in table[1:]}
