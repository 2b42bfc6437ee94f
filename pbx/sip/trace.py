"""The trace: the last messages of calls as they went over the wire, in a ring that is bounded in bytes.

Keeping one costs a tuple and a place in the ring, since every message of every call takes this step. What a message
says is read, and what a note says is put into words, when somebody asks. Notes stand beside the messages: what else
happened, and at which line of the dialplan.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from pbx.sip.flow import Flow

OVERHEAD = 256  # bytes that an entry costs beside its packet: a message less, a note with its facts more
_FULL = 15 / 16  # what stays of the ring when there is no room for another entry
KEEP_ALIVE = "keep-alive"  # in the place of a method: no message at all
# What is no part of a call, and would push calls out where thousands of phones register.
_ELSEWHERE = frozenset(("REGISTER", "OPTIONS", "SUBSCRIBE", "PUBLISH", "MESSAGE", KEEP_ALIVE))


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
    :param place: of a note: the file and the line of the dialplan that did it; None for none.
    :param say: of a note: puts into words what happened.
    :param facts: of a note: what `say` takes.
    """

    at: float
    way: Way
    flow: Flow | None
    packet: bytes
    call: str = ""
    place: tuple[str, int] | None = None
    say: Callable[..., str] = str
    facts: tuple[Any, ...] = ()

    @property
    def words(self) -> str:
        """What happened; "" for a message."""
        return self.say(*self.facts)


class Trace:
    """The ring.

    :param seconds: the time.
    :param limit: bytes, at most.
    """

    __slots__ = ("_entries", "_limit", "_seconds", "_size")

    def __init__(self, seconds: Callable[[], float], limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._entries: deque[tuple[Any, ...]] = deque()  # each an `Entry`
        self._size = 0

    @property
    def entries(self) -> list[Entry]:
        """All that is kept, the oldest first."""
        return [Entry(*one) for one in self._entries]

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        return self._size

    def keep(self, way: Way, flow: Flow, packet: bytes, method: str = "") -> None:
        """A message came, or went.

        :param method: of its CSeq, unless that is known to belong to a call.
        """
        if method not in _ELSEWHERE:
            self._entries.append((self._seconds(), way, flow, packet))
            self._size += len(packet) + OVERHEAD
            if self._size > self._limit:
                self._make_room()

    def note(self, call: str, place: tuple[str, int] | None, say: Callable[..., str], *facts: Any) -> None:
        """Something happened to a call: see `Entry`."""
        self._entries.append((self._seconds(), NOTE, None, b"", call, place, say, facts))
        self._size += OVERHEAD
        if self._size > self._limit:
            self._make_room()

    def _make_room(self) -> None:
        """Lose the oldest, and more than one at once: nobody waits for this at each message."""
        while self._size > self._limit * _FULL:
            self._size -= len(self._entries.popleft()[3]) + OVERHEAD
