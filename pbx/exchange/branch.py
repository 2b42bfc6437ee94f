"""A branch: one callee that is rung (RFC 3261 16.6), by a B2BUA."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from pbx.exchange.cause import NO_ANSWER, NORMAL, NOT_SELECTED, OVERDUE, with_cause
from pbx.exchange.destination import Destination
from pbx.exchange.hunt import Hunt
from pbx.media.relay import Relay
from pbx.media.side import Side
from pbx.sip.headers import REASON, Field
from pbx.sip.outbound_session import OutboundSession
from pbx.sip.session import Session
from pbx.sip.timers import Timer


class Loss(NamedTuple):
    """How a branch ends that we give up.

    :ivar cause: why, as the telephone network is told (Q.850).
    :ivar code: the final status that stands for it.
    :ivar text: the same in words.
    :ivar fields: of the CANCEL.
    """

    cause: int
    code: int
    text: str
    fields: tuple[Field, ...] = ()


# How an attempt ends that its callee has not ended, in words that others look for.
NOT_ANSWERED = "no answer"
NO_PROGRESS = "no sign of progress"

UNANSWERED = Loss(NO_ANSWER, 480, NOT_ANSWERED)
STALLED = Loss(OVERDUE, 408, NO_PROGRESS)
LEFT = Loss(NORMAL, 487, "given up")
LOST = Loss(
    *(NOT_SELECTED, 487, "answered elsewhere"), (REASON.field('SIP;cause=200;text="Call completed elsewhere"'),)
)
DECLINED_FOR_ALL = Loss(NOT_SELECTED, 487, "declined elsewhere for all")
SENT_ON = Loss(NOT_SELECTED, 487, "sent on by a phone")
REMOVED = Loss(NORMAL, 480, "removed meanwhile")


class Branch:
    """One callee that is rung.

    :ivar destination: where it is rung.
    :ivar session: the session with it.
    :ivar side: its media.
    :ivar early: the session description of its last provisional response.
    :ivar expiry: until it is given up before the others; None where it is rung as long as they are.
    :ivar hunt: that of which it has its turn; None where it is rung with all others.
    :ivar described: fires with our first offer to it; None where that is known at once, and afterwards.
    """

    __slots__ = ("began_at", "delay", "described", "destination", "early", "expiry", "hunt", "session", "side")

    def __init__(self, destination: Destination, session: OutboundSession, side: Side) -> None:
        self.destination = destination
        self.session = session
        self.side = side
        self.early = b""
        self.described: Deferred[bytes] | None = None
        self.expiry: Timer | None = None
        self.hunt: Hunt | None = None
        self.began_at = 0.0
        self.delay: float | None = None  # seconds to the first sign of progress
        if destination.link is not None:
            destination.link.call_began()

    def close(self, relay: Relay) -> None:
        """The call that it was is over: its media can go, and its trunk carries one less."""
        relay.close(self.side)
        if self.destination.link is not None:
            self.destination.link.call_ended()

    def cancel(self, loss: Loss) -> None:
        """Ring it no longer."""
        self.settle()
        fields = loss.fields
        self.session.cancel(with_cause(fields, loss.cause) if self.destination.link is not None else fields)

    def settle(self) -> None:
        """It has ended, one way or the other."""
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None


class Renegotiating(Protocol):
    """Who takes part in a branch's offers and answers before it has answered the call."""

    def session_offered(self, session: Session, sdp: bytes) -> None:
        """An UPDATE came."""

    def session_answered(self, session: Session, sdp: bytes) -> None:
        """Our UPDATE was taken."""

    def session_rejected(self, session: Session, status: int, reason: str) -> None:
        """Our UPDATE was refused."""
