"""Progress of a search."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from netgraph.progress import Progress
from netgraph.search.found import Note


@contextmanager
def progress(shown: bool, what: str = "fit") -> Iterator[Callable[[Note], None]]:
    """Show the steps of a search as they are done, see :class:`~netgraph.progress.Progress`; each has a line.

    Args:
        shown: Whether anything is shown.
        what: Name of the search.

    Yields:
        A function that takes the note of a step.
    """
    with Progress(what, shown=shown, seconds=0) as bar:
        yield lambda note: bar.update(f"{note['stage']}: {note['networks']} networks, least error {note['error']:.4g}")
