"""Key sequences: what somebody presses during a conversation, and which of the plan's sequences it is.

Keys are collected one by one. What cannot become a sequence any more is nothing, and the collecting begins anew; what
is one, and could also become a longer one, waits for a moment whether it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from pbx.sip.timers import Clock, Timer

PATIENCE = 3.0  # seconds from one key to the next
LONGEST = 32  # keys of one sequence
KEYS = "0123456789*#ABCD"

Found = TypeVar("Found")
Found_co = TypeVar("Found_co", covariant=True)


class Sequences(Protocol[Found_co]):
    """The sequences that there are."""

    def find(self, keys: str) -> Found_co | None:
        """The one that these keys are; None when they are none."""

    def begins(self, keys: str) -> bool:
        """Whether one of them begins so, or is that."""


class Words:
    """Sequences that are just these.

    :param words: `("*1", "*3")`.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)

    def find(self, keys: str) -> str | None:
        """The word itself."""
        return keys if keys in self._words else None

    def begins(self, keys: str) -> bool:
        """Whether a word begins so."""
        return any(word.startswith(keys) for word in self._words)


class Keypad(Generic[Found]):
    """The keys of one party.

    :param found: told of each sequence that was pressed.
    """

    __slots__ = ("_clock", "_found", "_keys", "_sequences", "_timer")

    def __init__(self, clock: Clock, sequences: Sequences[Found], found: Callable[[Found], None]) -> None:
        self._clock = clock
        self._sequences = sequences
        self._found = found
        self._keys = ""
        self._timer: Timer | None = None

    def press(self, key: str) -> None:
        """A key was pressed."""
        self._cancel()
        keys = self._keys + key
        while keys and not (len(keys) <= LONGEST and self._sequences.begins(keys)):
            keys = keys[1:]  # what went before was no sequence; this key may begin one
        self._keys = keys
        found = self._sequences.find(keys) if keys else None
        if found is not None and not any(self._sequences.begins(keys + more) for more in KEYS):
            self._end(found)
        elif keys:
            self._timer = self._clock.callLater(PATIENCE, self._waited)

    def stop(self) -> None:
        """Nobody is interested any more."""
        self._cancel()
        self._keys = ""

    def _waited(self) -> None:
        self._timer = None
        found = self._sequences.find(self._keys)
        if found is not None:
            self._end(found)
        else:
            self._keys = ""

    def _end(self, found: Found) -> None:
        self._keys = ""
        self._found(found)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
