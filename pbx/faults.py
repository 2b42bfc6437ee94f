"""What is wrong with something that an administrator wrote, in one sentence that names file, line and remedy."""

from __future__ import annotations


class Fault(Exception):
    """A configuration, dialplan, database or command line that we refuse.

    `str(fault)` is the one line that the user sees: `FILE:LINE: what; remedy`.

    :param path: the file, as the user named it; "" when there is none.
    :param line: the line in it, counted from 1; 0 when no line is to blame.
    :param what: what is wrong, without a full stop.
    :param remedy: what to do about it, without a full stop.
    """

    def __init__(self, path: str, line: int, what: str, remedy: str) -> None:
        super().__init__(path, line, what, remedy)
        self.path = path
        self.line = line
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}: " if self.line else f"{self.path}: " if self.path else ""
        return f"{place}{self.what}; {self.remedy}".replace("\n", " ")
