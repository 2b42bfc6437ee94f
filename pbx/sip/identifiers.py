"""Random identifiers: tags, branches, Call-IDs (RFC 3261 8.1.1.4, 8.1.1.7, 19.3). 64 bits each, drawn in blocks."""

from __future__ import annotations

import os
from collections.abc import Callable

MAGIC_COOKIE = "z9hG4bK"
_BLOCK = 4096


class Identifiers:
    """Makes identifiers that nobody can guess.

    :param source: returns that many random bytes; simulations pass a seeded one.
    """

    __slots__ = ("_block", "_place", "_source")

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._block = ""
        self._place = 0

    def token(self) -> str:
        """Sixteen hexadecimal digits."""
        place = self._place
        if place >= len(self._block):
            self._block = self._source(_BLOCK).hex()
            place = 0
        self._place = place + 16
        return self._block[place : place + 16]

    def branch(self) -> str:
        """A branch of RFC 3261 17.2.3."""
        return MAGIC_COOKIE + self.token()
