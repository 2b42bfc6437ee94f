"""Shows on standard error how far a long run is: on one line of a terminal, else a line every ten seconds."""

from __future__ import annotations

import sys
import time
from typing import Self


class Progress:
    """A count that grows towards its end.

    :param what: what is counted.
    :param total: where it ends.
    """

    def __init__(self, what: str, total: float) -> None:
        self._what = what
        self._total = total
        self._terminal = sys.stderr.isatty()
        self._due = 0.0

    def show(self, done: float) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + (0.2 if self._terminal else 10)
        line = f"{self._what}: {done:.0f} of {self._total:.0f}"
        print(f"\r{line}\x1b[K" if self._terminal else line, end="" if self._terminal else "\n", file=sys.stderr)
        sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
