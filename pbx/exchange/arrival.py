"""Arrival: how a call comes to be: by an INVITE, or because somebody who talks is transferred."""

from __future__ import annotations

from pbx.exchange.board import Board
from pbx.exchange.bridge import Bridge
from pbx.exchange.caller import Caller
from pbx.exchange.invitation import Invitation
from pbx.exchange.party import NOBODY as BYSTANDER
from pbx.exchange.party import Party, Transferor
from pbx.sip.headers import Field
from pbx.sip.inbound_session import InboundSession
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.session import NOBODY

MOST_FORWARDS = 70  # RFC 3261 8.1.1.6


def by_invite(
    board: Board, transaction: InviteServerTransaction, caller: Caller, number: str, instance: str = ""
) -> Bridge:
    """The call that an INVITE asks for.

    :param number: what was dialled.
    :param instance: the only phone of that number that is meant (RFC 5627); "" for all.
    :raises Malformed: when the INVITE cannot make a session.
    """
    flow = transaction.flow
    invitation = Invitation.of(transaction.request, caller, flow, (number, instance))
    session = InboundSession(board.agent, transaction, NOBODY)
    party = session.user = Party(board.relay, session, board.side(flow), BYSTANDER, caller)
    party.offer, session.sdp = session.sdp, b""
    bridge = Bridge(board, session, party, caller, number, invitation, session.take_fields())
    return bridge


def by_transfer(
    board: Board, asker: Transferor, party: Party, by: Caller, place: tuple[str, str], fields: tuple[Field, ...]
) -> Bridge:
    """The call that a party makes who is transferred.

    :param by: who transfers it: in its name the call is made.
    :param place: what is called: a number, and the only phone of it that is meant; "" for all.
    :param fields: what the target is told beside.
    """
    dialog = party.session.dialog
    assert dialog is not None and asker.transferor is not None
    invitation = Invitation(by, party.identity, fields, dialog.flow, MOST_FORWARDS, False, place)
    party.speaker = None  # that of its former call
    bridge = Bridge(board, asker, party, by, place[0], invitation, [])
    bridge.transferor = asker
    asker.transferor.user = bridge
    return bridge
