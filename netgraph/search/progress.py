"""Progress of a search: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from netgraph.search.fit import Note


@contextmanager
def progress(shown: bool, what: str = "fit") -> Iterator[Callable[[Note], None]]:
    """Give what shows steps on standard error as they are done.

    Args:
        shown: Whether anything is.
        what: They are steps of.
    """
    from tqdm import tqdm

    on_terminal = sys.stderr.isatty()
    with tqdm(desc=what, unit="step", disable=not (shown and on_terminal)) as bar:

        def show(note: Note) -> None:
            said = f"{note['stage']}: {note['networks']} networks, least error {note['error']:.4g}"
            bar.set_postfix_str(said)
            bar.update()
            if shown and not on_terminal:
                print(f"{said}, {note['seconds']:.1f} s", file=sys.stderr, flush=True)

        yield show
