"""What a notebook shows, as a tree and as tables."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element


def parsed(html: str) -> Element:
    """Return HTML as a tree: every element is closed, and everything else is escaped."""
    return ElementTree.fromstring(html)  # noqa: S314 - of the library's own making


def cells(html: str) -> list[list[str]]:
    """Return the text of every cell, row by row."""
    return [["".join(cell.itertext()) for cell in row] for row in parsed(html).iter("tr")]
