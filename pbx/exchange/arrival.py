"""Arrival: how a call comes to be, by an INVITE."""

from __future__ import annotations

from pbx.exchange.board import Board
from pbx.exchange.bridge import Bridge
from pbx.exchange.caller import Caller
from pbx.exchange.invitation import Invitation
from pbx.exchange.party import NOBODY as BYSTANDER
from pbx.exchange.party import Party
from pbx.sip.inbound_session import InboundSession
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.session import NOBODY


def by_invite(
    board: Board, transaction: InviteServerTransaction, caller: Caller, number: str, instance: str = ""
) -> Bridge:
    """The call that an INVITE asks for.

    :param number: what was dialled.
    :param instance: the only phone of that number that is meant (RFC 5627); "" for all.
    :raises Malformed: when the INVITE cannot make a session.
    """
    flow = transaction.flow
    invitation = Invitation.of(transaction.request, caller, (number, instance))
    session = InboundSession(board.agent, transaction, NOBODY)
    party = session.user = Party(board.relay, session, board.side(flow), BYSTANDER, caller)
    party.offer, session.sdp = session.sdp, b""
    bridge = Bridge(board, session, party, caller, number, invitation, session.take_fields(), flow)
    session.progress(100)
    return bridge
