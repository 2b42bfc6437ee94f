"""Reliable provisional responses (RFC 3262): what rings, or is heard before the answer, arrives, and in order.

Two machines, one for each end: `Reliable` sends such responses until each has its PRACK, `Receipts` tells which of
those that came gets one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow
from pbx.sip.headers import RACK, REQUIRE, RSEQ, Field
from pbx.sip.message import Request, Response
from pbx.sip.timers import T1, Clock, Timer

TAG = "100rel"
REQUIRED = REQUIRE.field(TAG)


class Reliable:
    """The reliable provisional responses to one INVITE (RFC 3262 section 3), one at a time.

    :param cseq: the INVITE's number.
    :param first: the RSeq of the first: at random, below 2**31.
    :param respond: sends a response for the first time, so that it also answers an INVITE that comes again.
    :param lost: called once, when no PRACK came within 64*T1.
    :ivar described: whether one with a session description still waits for its PRACK: then no 2xx may go out.
    """

    __slots__ = ("_clock", "_cseq", "_expiry", "_flow", "_lost", "_next", "_number", "_packet", "_queue", "_resend",
                 "_respond", "described")  # fmt: skip

    def __init__(
        self,
        cseq: int,
        first: int,
        flow: Flow,
        clock: Clock,
        respond: Callable[[Response], None],
        lost: Callable[[], None],
    ) -> None:
        self.described = False
        self._cseq = cseq
        self._next = first
        self._flow = flow
        self._clock = clock
        self._respond = respond
        self._lost = lost
        self._number = 0  # of the one that waits for its PRACK
        self._packet = b""
        self._queue: deque[Response] = deque()
        self._resend: Timer | None = None
        self._expiry: Timer | None = None

    def send(self, response: Response) -> None:
        """Send a response, or let it wait until those before it have arrived."""
        if self._number:
            self._queue.append(response)
            return
        number = self._number = self._next
        self._next += 1
        response.fields[-1:-1] = (REQUIRED, RSEQ.field(number))
        self.described = bool(response.body)
        self._packet = bytes(response)
        self._expiry = self._clock.callLater(64 * T1, self._expired)
        # Over reliable transports too: a proxy on the way may have lost it on an unreliable one.
        self._resend = self._clock.callLater(T1, self._retransmit, 2 * T1)
        self._respond(response)

    def acknowledged(self, prack: Request) -> None:
        """A PRACK came: it is to be answered now, and then `proceed` is due.

        :raises Malformed: 481 when nothing waits for it, 400 without RAck.
        """
        rack = prack.one(RACK)
        if rack is None:
            raise Malformed(400, "missing RAck")
        if not self._number or rack != (self._number, self._cseq, "INVITE"):
            raise Malformed(481, "")
        self._rest()
        self._number = 0
        self.described = False

    def proceed(self) -> None:
        """Send the next one."""
        if self._queue and not self._number:
            self.send(self._queue.popleft())

    def stop(self) -> None:
        """The INVITE has its final response: nothing is sent again, though a PRACK may still come."""
        self._queue.clear()
        self._rest()

    def _rest(self) -> None:
        self._packet = b""
        for timer in (self._resend, self._expiry):
            if timer is not None:
                timer.cancel()
        self._resend = self._expiry = None

    def _retransmit(self, interval: float) -> None:
        # Doubled each time and nowhere capped (RFC 3262 section 3).
        self._resend = self._clock.callLater(interval, self._retransmit, 2 * interval)
        self._flow.send(self._packet)

    def _expired(self) -> None:
        self._expiry = None
        self.stop()
        self._lost()

    def __repr__(self) -> str:
        return f"<reliable responses: {self._number or 'none'} waits, {len(self._queue)} after it>"


class Receipts:
    """Which reliable provisional responses of one early dialog have come (RFC 3262 section 4).

    :ivar last: the RSeq of the last that was taken; 0 before the first.
    """

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last = 0

    def take(self, response: Response) -> Field | None:
        """Take a response that requires PRACK: return the RAck, or None where it came before or too early.

        :raises Malformed: 400 without RSeq.
        """
        number = response.one(RSEQ)
        if not number:
            raise Malformed(400, "missing RSeq")
        if self.last and number != self.last + 1:
            return None
        self.last = number
        return RACK.field(f"{number} {response.cseq} {response.cseq_method}")


def is_reliable(response: Response) -> bool:
    """Whether a response wants a PRACK (RFC 3262 section 4).

    :raises Malformed: 400.
    """
    return 100 < response.status < 200 and TAG in [tag.lower() for tag in response.many(REQUIRE)]
