"""Progress of long work on standard error: a bar on a terminal or in a notebook, a line every few seconds elsewhere."""

import sys
import time
import warnings
from types import TracebackType
from typing import Any, Self

from netgraph.lines import counted

#: Seconds between two lines. Chosen: a log of ten minutes stays at about a hundred lines.
SECONDS = 5.0


class Progress:
    """A context that shows the progress of some work; nothing where there is no standard error.

    Args:
        name: Name of the work.
        total: How many units it has; None when unknown.
        unit: Name of a unit, in the singular.
        done: Units that are done already.
        shown: Whether anything is shown.
        seconds: Time between two lines where there is no bar.

    Example:
        >>> with Progress("zoo", 2, "shard", shown=False) as progress:
        ...     for _ in range(2):
        ...         progress.update()
        >>> progress.done
        2
    """

    def __init__(
        self,
        name: str,
        total: int | None = None,
        unit: str = "step",
        *,
        done: int = 0,
        shown: bool = True,
        seconds: float = SECONDS,
    ) -> None:
        self.name, self.total, self.unit, self.done, self.seconds = name, total, unit, done, seconds
        self._shown, self._first, self._bar = shown, done, None  # type: bool, int, Any
        self._note = ""
        self._begun = self._written = time.monotonic()
        self._written_at = done

    def __enter__(self) -> Self:
        self._begun = self._written = time.monotonic()
        if self._shown and _redraws(sys.stderr):
            with warnings.catch_warnings(action="ignore"):  # that ipywidgets is missing: the bar is text then
                from tqdm.auto import tqdm
            self._bar = tqdm(total=self.total, initial=self.done, desc=self.name, unit=self.unit, file=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.done > self._written_at:
            self._write()

    def update(self, note: str = "", units: int = 1) -> None:
        """Count units as done.

        Args:
            note: Further text of the line.
            units: How many.
        """
        self.done, self._note = self.done + units, note
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(units)
        elif time.monotonic() - self._written >= self.seconds:
            self._write()

    def _write(self) -> None:
        self._written, self._written_at = time.monotonic(), self.done
        if self._shown and _is_open(sys.stderr):
            passed = self._written - self._begun
            done = "" if self.total is None else f"{self.done:,} of "
            count = counted(self.done if self.total is None else self.total, self.unit)
            parts = [f"{self.name}: {done}{count}", self._note, f"{passed:.0f} s"]
            if self.total is not None and self._first < self.done < self.total:
                left = passed / (self.done - self._first) * (self.total - self.done)
                parts.append(f"about {left:.0f} s left")
            print(", ".join(part for part in parts if part), file=sys.stderr)


def _is_open(stream: Any) -> bool:
    return stream is not None and not getattr(stream, "closed", False)


def _redraws(stream: Any) -> bool:
    """Return whether a line can be drawn again: on a terminal, and in a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    notebook = "IPKernelApp" in getattr(shell, "config", {})
    return _is_open(stream) and (notebook or bool(getattr(stream, "isatty", bool)()))
