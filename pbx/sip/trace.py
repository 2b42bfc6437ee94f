"""The trace: the last messages of calls as they went over the wire, in a ring that is bounded in bytes.

Keeping one costs four places in a list, since every message of every call takes this step: what is kept so long is cold
when it goes, so it is few objects, and they go many at once. What a message says is read, and what a note says is put
into words, when somebody asks. Notes stand beside the messages: what else happened, and at which line of the dialplan.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from pbx.sip.flow import Flow

OVERHEAD = 256  # bytes that an entry costs beside its packet: a message less, a note with its facts more
_PARTS = 16  # of the ring; the oldest is lost as a whole
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

    __slots__ = ("_full", "_newest", "_older", "_older_size", "_seconds", "_size")

    def __init__(self, seconds: Callable[[], float], limit: int) -> None:
        self._seconds = seconds
        self._full = limit / _PARTS  # bytes of a part
        self._newest: list[Any] = []  # of each entry the time, the way, the flow, or what a note says, and the packet
        self._size = 0  # of that part
        self._older: deque[tuple[list[Any], int]] = deque()  # the other parts, and their sizes
        self._older_size = 0  # of all of them

    @property
    def entries(self) -> list[Entry]:
        """All that is kept, the oldest first."""
        found = []
        for part, _ in (*self._older, (self._newest, 0)):
            items = iter(part)
            for at, way, flow, packet in zip(items, items, items, items, strict=True):
                found.append(Entry(at, way, None, packet, *flow) if way is NOTE else Entry(at, way, flow, packet))
        return found

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        return self._older_size + self._size

    def keep(self, way: Way, flow: Flow, packet: bytes, method: str = "") -> None:
        """A message came, or went.

        :param method: of its CSeq, unless that is known to belong to a call.
        """
        if method not in _ELSEWHERE:
            self._newest += (self._seconds(), way, flow, packet)
            self._size += len(packet) + OVERHEAD
            if self._size > self._full:
                self._begin_part()

    def note(self, call: str, place: tuple[str, int] | None, say: Callable[..., str], *facts: Any) -> None:
        """Something happened to a call: see `Entry`."""
        self._newest += (self._seconds(), NOTE, (call, place, say, facts), b"")
        self._size += OVERHEAD
        if self._size > self._full:
            self._begin_part()

    def _begin_part(self) -> None:
        """The newest part is full. Of the others as many are lost as leave room for one more."""
        self._older.append((self._newest, self._size))
        self._older_size += self._size
        self._newest, self._size = [], 0
        while self._older_size > self._full * (_PARTS - 1):
            self._older_size -= self._older.popleft()[1]
