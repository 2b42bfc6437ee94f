"""Renegotiation: a session of a call changes while it lasts, and what one side offers is the other side's to answer
(RFC 3261 14, RFC 3264 8). Who has no other side is answered by us.
"""

from __future__ import annotations

from typing import Protocol

from twisted.python.failure import Failure

from pbx.exchange.fork import Branch
from pbx.exchange.handover import Handover
from pbx.exchange.media_failure import status_of
from pbx.exchange.outcome import outcome_of
from pbx.media.relay import Relay
from pbx.media.side import Side
from pbx.sip.lasting_session import LastingSession
from pbx.sip.session import Session


class RenegotiationUser(Protocol):
    """Whom it tells: the bridge."""

    def reoffered(self, sdp: bytes) -> None:
        """This is what the caller offers from now on."""

    def cannot_connect(self, failure: Failure) -> None:
        """The two sides have no media in common, or none at all."""

    def cannot_go_on(self, failure: Failure) -> None:
        """The caller's answer to an offer of our own is none."""

    def disconnect(self, status: int, words: str) -> None:
        """The callee has answered in vain: hang it up."""

    def agreed_with_us(self) -> None:
        """The caller took an offer of our own."""


class Nobody:
    """The user once the call is over."""

    __slots__ = ()

    def reoffered(self, sdp: bytes) -> None: ...
    def cannot_connect(self, failure: Failure) -> None: ...
    def cannot_go_on(self, failure: Failure) -> None: ...
    def disconnect(self, status: int, words: str) -> None: ...
    def agreed_with_us(self) -> None: ...


NOBODY = Nobody()


class Renegotiation:
    """The offers and answers of one call once it is answered.

    :param session: the caller's.
    :param side: the caller's media.
    :ivar peer: the branch that answered, until it leaves.
    :ivar handover: of a caller who was answered before that branch was.
    :ivar own_offer: whether the caller has yet to answer an offer that is not the callee's.
    """

    __slots__ = ("_relay", "_session", "_side", "_user", "handover", "own_offer", "peer")

    def __init__(self, relay: Relay, session: LastingSession, side: Side, user: RenegotiationUser) -> None:
        self._relay = relay
        self._session = session
        self._side = side
        self._user = user
        self.peer: Branch | None = None
        self.handover: Handover | None = None
        self.own_offer = False

    def offered(self, session: Session, sdp: bytes, answered: bool) -> None:
        """The peer of a session offers: the other side is asked, in the same way if it understands that.

        :param answered: whether the caller has its 2xx. Before, nobody can be asked at once (RFC 3311 5.2).
        """
        mine, other, relay, handover = self._mine(session), self.other(session), self._relay, self.handover
        if not answered:
            mine.refuse(504)
        elif other is None or (handover is not None and session is self._session):
            self.own_offer = not sdp
            relay.end(self._side, sdp or None).addCallbacks(mine.accept, self._cannot_answer, errbackArgs=(mine,))
        elif handover is not None or not (other.may_offer or (mine.updating and other.may_update)):
            mine.refuse(491)
        elif not sdp:
            other.offer(b"")
        else:
            pass_on = other.update if mine.updating and other.may_update else other.offer
            relay.offer(self._side_of(session), self._side_of(other), sdp).addCallbacks(
                pass_on, self._cannot_answer, errbackArgs=(mine,)
            )

    def answered(self, session: Session, sdp: bytes) -> None:
        """Our offer was taken, or the caller's ACK brought its answer: the other side gets it."""
        other, relay, handover = self.other(session), self._relay, self.handover
        if other is None or (handover is not None and not handover.offered):
            self.answered_to_us(sdp)
            return
        mine, theirs = self._side_of(session), self._side_of(other)
        if not sdp and (other.offered or not session.owes_ack):
            # The answer is missing, or the offer that was asked for (RFC 3261 13.2.1).
            self.rejected(session, 488, "")
        elif not other.offered:
            self.handover = None
            described = relay.answer(mine, theirs, sdp)
            described.addCallbacks(other.ack if other.owes_ack else lambda sdp: None, self._user.cannot_connect)
        elif session.owes_ack:
            if session is self._session:
                self._user.reoffered(sdp)
            relay.offer(mine, theirs, sdp).addCallbacks(other.accept, self._user.cannot_go_on)
        else:
            described = relay.answer(mine, theirs, sdp)
            described.addCallbacks(other.accept, self._cannot_answer, errbackArgs=(other,))

    def rejected(self, session: Session, status: int, reason: str) -> None:
        """Our offer was refused: all is as it was, and the other side is told."""
        other, handover = self.other(session), self.handover
        if handover is not None and handover.offered:
            self._relay.withdraw(self._side)
            if status != 491 or not handover.try_again():
                self._user.disconnect(status, reason)
            return
        self._relay.withdraw(self._side_of(session))
        if other is None:
            self.own_offer = False
        elif other.offered:
            outcome = outcome_of(status, reason)  # neither a challenge nor "overloaded" is for the other side
            other.refuse(outcome.status, reason if outcome.status == status else "")

    def due(self, session: Session) -> None:
        """Our session with one side is to be refreshed by an offer: the one that it has agreed to already."""
        mine, other, relay = self._mine(session), self.other(session), self._relay
        if other is None:
            self.own_offer = True
            relay.end(self._side, None).addCallbacks(mine.offer, self._user.cannot_go_on)
        elif self.handover is None:  # which refreshes, too
            described = relay.renew(self._side_of(other), self._side_of(session))
            described.addCallbacks(mine.offer, self._user.cannot_connect)

    def answered_to_us(self, sdp: bytes) -> None:
        """The caller took an offer that was our own, or that of a callee who has left meanwhile."""
        if self.own_offer:
            self.own_offer = False
            agreed = self._relay.set_remote(self._side, sdp)
            agreed.addCallbacks(lambda _: self._user.agreed_with_us(), self._user.cannot_go_on)
        elif self._session.owes_ack:
            self._relay.end(self._side, sdp).addCallbacks(self._session.ack, self._user.cannot_go_on)

    def end(self) -> Branch | None:
        """The call is over: let go of everything, the user too, who would wait with us for the garbage collector."""
        self._user = NOBODY
        return self.let_go()

    def let_go(self) -> Branch | None:
        """Let go of the branch that answered, its media and its handover; return it."""
        handover, self.handover = self.handover, None
        if handover is not None:
            handover.stop()
        peer, self.peer = self.peer, None
        if peer is not None:
            self._relay.close(peer.side)
        return peer

    def other(self, session: Session) -> LastingSession | None:
        """The session on the other side of a session; None where nobody is there."""
        if session is not self._session:
            return self._session
        return self.peer.session if self.peer is not None else None

    def _cannot_answer(self, failure: Failure, session: LastingSession) -> None:
        if session.offered:
            session.refuse(*status_of(failure))

    def _mine(self, session: Session) -> LastingSession:
        """A session that told us something, as the one that it is."""
        if self.peer is not None and session is self.peer.session:
            return self.peer.session
        return self._session

    def _side_of(self, session: Session) -> Side:
        if self.peer is not None and session is self.peer.session:
            return self.peer.side
        return self._side
