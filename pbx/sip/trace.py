"""The trace: the last messages of calls as they went over the wire, in a ring that is bounded in bytes.

Keeping one costs a tuple and a place in the ring, and no step more, since every message of every call takes it: that is
why `received` and `sent` repeat three lines. What a message says is read when somebody asks. Beside the messages stand
notes: what else happened, and at which line of the dialplan.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from pbx.sip.flow import Flow

OVERHEAD = 200  # bytes that an entry costs beside its packet
# What is no part of a call, and would push calls out where thousands of phones register.
_ELSEWHERE = frozenset(("REGISTER", "OPTIONS", "SUBSCRIBE", "PUBLISH", "MESSAGE"))


class Way(Enum):
    """What an entry is."""

    RECEIVED = "received"
    SENT = "sent"
    NOTE = "note"


RECEIVED, SENT, NOTE = Way.RECEIVED, Way.SENT, Way.NOTE


class Entry(NamedTuple):
    """One message, or one note.

    :param at: when, in the clock's seconds.
    :param flow: by which way; None for a note.
    :param packet: the message as it was on the wire; of a note, nothing.
    :param call: of a note, whose; "" for a message: its Call-ID says that.
    :param words: of a note: what happened.
    :param place: of a note: the file and the line of the dialplan that did it; None for none.
    """

    at: float
    way: Way
    flow: Flow | None
    packet: bytes
    call: str = ""
    words: str = ""
    place: tuple[str, int] | None = None


class Trace:
    """The ring.

    :param seconds: the time.
    :param limit: bytes, at most.
    """

    __slots__ = ("_entries", "_limit", "_seconds", "_size")

    def __init__(self, seconds: Callable[[], float], limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._entries: deque[tuple[float, Way, Flow | None, bytes, str, str, tuple[str, int] | None]] = deque()
        self._size = 0

    @property
    def entries(self) -> list[Entry]:
        """All that is kept, the oldest first."""
        return [Entry(*one) for one in self._entries]

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        return self._size

    def received(self, flow: Flow, method: str, packet: bytes) -> None:
        """A message came.

        :param method: of its CSeq.
        """
        if method not in _ELSEWHERE:
            self._entries.append((self._seconds(), RECEIVED, flow, packet, "", "", None))
            self._size += len(packet) + OVERHEAD
            if self._size > self._limit:
                self._trim()

    def sent(self, flow: Flow, packet: bytes) -> None:
        """A message went."""
        # The CSeq names the method in requests and responses alike.
        if b" REGISTER\r\n" not in packet and b" OPTIONS\r\n" not in packet and b" SUBSCRIBE\r\n" not in packet:
            self._entries.append((self._seconds(), SENT, flow, packet, "", "", None))
            self._size += len(packet) + OVERHEAD
            if self._size > self._limit:
                self._trim()

    def note(self, call: str, words: str, place: tuple[str, int] | None = None) -> None:
        """Something happened to a call."""
        self._entries.append((self._seconds(), NOTE, None, b"", call, words, place))
        self._size += OVERHEAD
        self._trim()

    def _trim(self) -> None:
        while self._size > self._limit:
            self._size -= len(self._entries.popleft()[3]) + OVERHEAD
