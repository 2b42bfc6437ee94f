"""A handover: a caller that we answered before anybody was called comes to hear the callee. It gets the callee's
description as a new offer, as soon as no other offer is in the way, and again while offers cross (RFC 3261 14.1). It is
not waited for without end: a phone may leave an offer that it has acknowledged (100) without an answer for ever, this
one or one before it.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import fail
from twisted.python.failure import Failure

from pbx.media.relay import Relay, when
from pbx.media.side import Side
from pbx.sip.errors import Malformed
from pbx.sip.headers import Field
from pbx.sip.session import Session
from pbx.sip.timers import T1, Clock, Timer

PATIENCE = 32 * T1  # seconds: half of what a callee waits for the ACK of its 200
EARLIER = "a phone left an earlier offer without an answer, and got no other"


class Handover:
    """One such handing over.

    :param session: the caller's session.
    :param side: the caller's media.
    :param callee: the callee's media; None to ask the caller for an offer instead (RFC 3725 4.1).
    :param sdp: the callee's description.
    :param failed: called when it cannot be offered to the caller.
    :param more: further fields of the offer.
    :ivar offered: whether the caller has the offer, and its answer is waited for.
    """

    __slots__ = (
        "_begun_at",
        "_callee",
        "_clock",
        "_failed",
        "_more",
        "_relay",
        "_sdp",
        "_session",
        "_side",
        "_stopped",
        "_timer",
        "offered",
    )

    def __init__(
        self,
        relay: Relay,
        clock: Clock,
        session: Session,
        side: Side,
        callee: Side | None,
        sdp: bytes,
        failed: Callable[[Failure], None],
        more: tuple[Field, ...] = (),
    ) -> None:
        self.offered = False
        self._relay = relay
        self._clock = clock
        self._session = session
        self._side = side
        self._callee = callee
        self._sdp = sdp
        self._failed = failed
        self._more = more
        self._begun_at = clock.seconds()
        self._timer: Timer | None = None
        self._stopped = False

    def start(self) -> None:
        """Offer, or wait until that is possible: until the ACK of our 200 has come, for example."""
        self._timer = None
        if self._session.may_offer:
            self.offered = True
            if self._callee is None:
                self._offer(b"")
                return
            # Each time anew: the caller may have been shown something else meanwhile.
            offer = self._relay.offer(self._callee, self._side, self._sdp)
            when(offer, self._described, self._failed)
        elif self._is_late:
            self._give_up(EARLIER)
        else:
            self._timer = self._clock.callLater(T1, self.start)

    @property
    def asks(self) -> bool:
        """Whether it asks for an offer, rather than to make one."""
        return self._callee is None

    @property
    def _is_late(self) -> bool:
        return self._clock.seconds() - self._begun_at >= PATIENCE

    def try_again(self) -> bool:
        """The caller refused with 491; return whether it will be asked again.

        The Call-ID is its own, so before an offer of its own it waits longer than we do (RFC 3261 14.1).
        """
        self.offered = False
        self._wait_no_more()
        if self._stopped or self._is_late:
            return False
        self._timer = self._clock.callLater(T1, self.start)
        return True

    def _described(self, sdp: bytes) -> None:
        """The relay says how to offer it, perhaps after something else came in between."""
        if self._session.may_offer and not self._stopped:
            self._offer(sdp)
        else:
            self._relay.withdraw(self._side)
            if not self.try_again() and not self._stopped:
                self._give_up(EARLIER)

    def _offer(self, sdp: bytes) -> None:
        left = self._begun_at + PATIENCE - self._clock.seconds()
        self._timer = self._clock.callLater(max(T1, left), self._unanswered)
        self._session.offer(sdp, self._more)

    def _unanswered(self) -> None:
        self._timer = None
        self._give_up("a phone left our offer without an answer")

    def _give_up(self, words: str) -> None:
        fail(Malformed(480, words)).addErrback(self._failed)

    def stop(self) -> None:
        """Neither offer any more, nor wait for an answer."""
        self._stopped = True
        self._wait_no_more()

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
