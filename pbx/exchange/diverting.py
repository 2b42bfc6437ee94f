"""Diverting: a call that an extension has sent on, as the exchange sees it: who may do that, how often, and what
callees and the caller are told.
"""

from __future__ import annotations

from typing import Protocol

from pbx.exchange.caller import Caller
from pbx.exchange.diversion import Diversion
from pbx.exchange.invitation import Invitation
from pbx.exchange.outcome import Declined, Outcome
from pbx.sip.flow import Flow


class Board(Protocol):
    """Who knows extensions: the switchboard."""

    def forwarder(self, diversion: Diversion, flow: Flow) -> Caller | None:
        """Who has sent a call on, with its rights; None when it may not do that."""


class DivertingUser(Protocol):
    """Whom it tells: the bridge."""

    def tell_progress(self, status: int, sdp: bytes) -> None:
        """Tell the caller how far it is, unless it knows."""


class Diverting:
    """That of one call.

    :param invitation: what its callees are told.
    """

    __slots__ = ("_board", "_invitation", "_user")

    def __init__(self, board: Board, user: DivertingUser, invitation: Invitation) -> None:
        self._board = board
        self._user = user
        self._invitation = invitation

    @property
    def diversions(self) -> tuple[Diversion, ...]:
        """Who has sent the call on, the last one first."""
        return self._invitation.diversions

    def begin(self, diversion: Diversion) -> Caller | Outcome:
        """An extension sends the call on: return with whose rights it goes on, or how it ends instead."""
        rights = self._board.forwarder(diversion, self._invitation.flow)
        if rights is None:
            return Declined()
        refused = self._invitation.divert(diversion)
        if refused is not None:
            return refused
        self._user.tell_progress(181, b"")
        return rights

    def end(self, diversion: Diversion) -> None:
        """That was in vain, or the call there is over."""
        invitation = self._invitation
        invitation.diversions = tuple([one for one in invitation.diversions if one is not diversion])
