"""A branch: one callee that is rung (RFC 3261 16.6), by a B2BUA.

Outside of the exchange each way that is found for its INVITE gets a description of media that fits it, for another way
may begin at another address of ours.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pbx.exchange.cause import NO_ANSWER, NORMAL, NOT_SELECTED, OVERDUE, with_cause
from pbx.exchange.destination import Destination
from pbx.exchange.hunt import Hunt
from pbx.exchange.outcome import Outcome
from pbx.media.relay import Relay, Result, when
from pbx.media.side import Side
from pbx.sip.flow import Flow
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


class Board(Protocol):
    """What a branch needs of the exchange."""

    @property
    def relay(self) -> Relay: ...

    def side(self, flow: Flow) -> Side:
        """The media of a session whose signalling takes this flow."""


class BranchUser(Protocol):
    """Whom a branch tells of its ways: the ringing."""

    def offer(self, branch: Branch) -> Result[bytes]:
        """The caller's offer, as that branch is to see it."""

    def invite(self, sdp: bytes, branch: Branch) -> None:
        """Send the INVITE of a branch, unless that was given up meanwhile."""

    def failed(self, failure: Failure) -> Outcome:
        """What it means that media failed."""


class Branch:
    """One callee that is rung (`pbx.sip.uac.DeliveryUser`).

    :ivar destination: where it is rung.
    :ivar session: the session with it.
    :ivar side: its media.
    :ivar early: the session description of its last provisional response.
    :ivar expiry: until it is given up before the others; None where it is rung as long as they are.
    :ivar hunt: that of which it has its turn; None where it is rung with all others.
    :ivar described: fires with our first offer to it; None where that is known at once, and afterwards.
    """

    __slots__ = (
        "_board", "_user", "began_at", "delay", "described", "destination", "early", "expiry", "hunt", "session",
        "side",
    )  # fmt: skip

    def __init__(
        self, board: Board, user: BranchUser, destination: Destination, session: OutboundSession, side: Side
    ) -> None:
        self._board = board
        self._user = user
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

    def close(self) -> None:
        """The call that it was is over: its media can go, and its trunk carries one less."""
        self._board.relay.close(self.side)
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

    # What its delivery tells

    def way_found(self, flow: Flow) -> None:
        """Offer along this way, and invite."""
        before, self.session.flow = self.session.flow, flow
        # From the same address of ours the same description goes out: it is the same request (RFC 3263 4.3). But what
        # may stand in it depends on who can read it: keys do not go where TLS has failed.
        if before is None or _terms(before) != _terms(flow):
            self._board.relay.close(self.side)
            self.side = self._board.side(flow)
        when(self._user.offer(self), self._offered, self._not_offered)

    def undeliverable(self, status: int, reason: str) -> None:
        """No way leads to the callee."""
        self.session.undelivered(status, reason)

    def _offered(self, sdp: bytes) -> None:
        waiting, self.described = self.described, None
        if waiting is not None:
            waiting.callback(sdp)
        else:
            self._user.invite(sdp, self)

    def _not_offered(self, failure: Failure) -> None:
        waiting, self.described = self.described, None
        if waiting is not None:
            waiting.errback(failure)
        else:
            outcome = self._user.failed(failure)
            self.session.undelivered(outcome.code, outcome.text)


def _terms(flow: Flow) -> tuple[str, str, bool]:
    """What a description depends on, of the way that it takes."""
    return flow.source, flow.host, flow.transport == "TLS"


class Renegotiating(Protocol):
    """Who takes part in a branch's offers and answers before it has answered the call."""

    def session_offered(self, session: Session, sdp: bytes) -> None:
        """An UPDATE came."""

    def session_answered(self, session: Session, sdp: bytes) -> None:
        """Our UPDATE was taken."""

    def session_rejected(self, session: Session, status: int, reason: str) -> None:
        """Our UPDATE was refused."""
