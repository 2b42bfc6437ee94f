"""Pickup: an INVITE takes the place of one party of a call, or answers in the place of a phone that rings (RFC 3891).

Whoever sends it is answered by us at once, and then connected like any other party. Who may do so, the exchange says.
"""

from __future__ import annotations

from twisted.python.failure import Failure

from pbx.exchange.board import Board
from pbx.exchange.caller import Caller
from pbx.exchange.fork import Fork
from pbx.exchange.media_failure import status_of
from pbx.exchange.party import NOBODY as BYSTANDER
from pbx.exchange.party import Party
from pbx.media.relay import when
from pbx.sip.inbound_session import InboundSession
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.session import NOBODY, Session


def owner_of(session: Session) -> str:
    """The extension whose phone a session is with, that talks or rings; "" for none."""
    user = session.user
    if isinstance(user, Party):
        return user.number if user.other is not None and user.other.answered and user.user.transferable else ""
    return user.number_of(session) if isinstance(user, Fork) else ""


def take_over(board: Board, transaction: InviteServerTransaction, caller: Caller, session: Session) -> None:
    """Let the sender of an INVITE take the place of the peer of a session.

    :raises Malformed: when the INVITE cannot make a session.
    """
    own = InboundSession(board.agent, transaction, NOBODY)
    party = own.user = Party(board.relay, own, board.side(transaction.flow), BYSTANDER, caller)
    offer, own.sdp = own.sdp, b""
    party.own_offer = not offer
    described = board.relay.end(party.side, offer or None)
    when(described, _answer, _refuse, (party, own, session), (party, own))


def pick_up(session: Session, party: Party) -> bool:
    """Let a party that is answered, and in no call, take the place of the peer of a session; return whether it does."""
    user = session.user
    if not owner_of(session):
        return False
    if isinstance(user, Party):
        user.user.replace(user, party)
    elif isinstance(user, Fork):
        user.picked_up(session, party)
    return True


def _answer(sdp: bytes, party: Party, own: InboundSession, session: Session) -> None:
    if not own.waiting:
        party.leave()  # it has given up meanwhile
    elif not owner_of(session):
        party.leave()
        own.reject(481)  # RFC 3891 section 3
    else:
        party.answered = True
        own.answer(sdp)
        pick_up(session, party)


def _refuse(failure: Failure, party: Party, own: InboundSession) -> None:
    party.leave()
    if own.waiting:
        own.reject(*status_of(failure))
