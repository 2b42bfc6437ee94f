"""The approach to a callee outside of the exchange: each way that is found for the INVITE gets a description of media
that fits it, for another way may begin at another address of ours.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pbx.exchange.branch import Branch
from pbx.exchange.outcome import Outcome
from pbx.media.relay import Relay
from pbx.media.side import Side
from pbx.sip.flow import Flow
from pbx.sip.session import EARLY


class Board(Protocol):
    """What an approach needs of the exchange."""

    @property
    def relay(self) -> Relay: ...

    def side(self, flow: Flow) -> Side:
        """The media of a session whose signalling takes this flow."""


class ApproachUser(Protocol):
    """Whom an approach tells: the bridge."""

    def offer(self, branch: Branch) -> Deferred[bytes]:
        """The caller's offer, as that branch is to see it."""

    def invite(self, branch: Branch, sdp: bytes) -> None:
        """Send the INVITE of a branch."""

    def failed(self, failure: Failure) -> Outcome:
        """What it means that media failed."""


class Approach:
    """The approach of one branch (`pbx.sip.uac.DeliveryUser`)."""

    __slots__ = ("_board", "_branch", "_user")

    def __init__(self, board: Board, user: ApproachUser, branch: Branch) -> None:
        self._board = board
        self._user = user
        self._branch = branch

    def way_found(self, flow: Flow) -> None:
        """Offer along this way, and invite."""
        branch = self._branch
        before, branch.session.flow = branch.session.flow, flow
        # From the same address of ours the same description goes out: it is the same request (RFC 3263 4.3). But what
        # may stand in it depends on who can read it: keys do not go where TLS has failed.
        if before is None or _terms(before) != _terms(flow):
            self._board.relay.close(branch.side)
            branch.side = self._board.side(flow)
        self._user.offer(branch).addCallbacks(self._offered, self._not_offered)

    def undeliverable(self, status: int, reason: str) -> None:
        """No way leads to the callee."""
        self._branch.session.undelivered(status, reason)

    def _offered(self, sdp: bytes) -> None:
        branch = self._branch
        waiting, branch.described = branch.described, None
        if waiting is not None:
            waiting.callback(sdp)
        elif branch.session.state is EARLY:
            self._user.invite(branch, sdp)

    def _not_offered(self, failure: Failure) -> None:
        branch = self._branch
        waiting, branch.described = branch.described, None
        if waiting is not None:
            waiting.errback(failure)
        else:
            outcome = self._user.failed(failure)
            branch.session.undelivered(outcome.code, outcome.text)


def _terms(flow: Flow) -> tuple[str, str, bool]:
    """What a description depends on, of the way that it takes."""
    return flow.source, flow.host, flow.transport == "TLS"
