"""A session that a peer's INVITE asks for (RFC 3261 section 13.3): we are called."""

from __future__ import annotations

from pbx.sip.dialog import Dialog
from pbx.sip.errors import InvalidState
from pbx.sip.headers import Field
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.session import EARLY, Agent, Session, SessionUser, sdp_of


class InboundSession(Session):
    """A session asked of us.

    :param transaction: the INVITE's transaction, without any response so far.
    :raises Malformed: when no dialog can be made of the INVITE.
    :ivar sdp: the INVITE's session description, b"" where it had none.
    """

    __slots__ = ("sdp",)

    def __init__(self, agent: Agent, transaction: InviteServerTransaction, user: SessionUser) -> None:
        request = transaction.request
        sdp = sdp_of(request)
        dialog = Dialog.as_uas(request, agent.identifiers.token(), transaction.flow)
        super().__init__(agent, user, dialog.neighbour)
        self.sdp = sdp
        self._peer_fields = request.fields
        self.dialog = dialog
        if not self._neighbour:
            agent.direct(dialog)
        if sdp:
            self._negotiation.offer_received()
        self._transaction = transaction
        transaction.user = self
        agent.sessions.add(self)
        agent.enter(self)

    def progress(self, status: int, sdp: bytes = b"", more: tuple[Field, ...] = ()) -> None:
        """Send a provisional response; 100 makes no dialog (RFC 3261 13.3.1.1).

        :raises InvalidState: when the INVITE has its final response.
        """
        transaction = self._transaction
        if transaction is None or self.state is not EARLY:
            raise InvalidState(f"{status} in {self!r}")
        if status == 100:
            transaction.respond(transaction.request.response(100))
        else:
            transaction.respond(self._response(transaction.request, status, sdp, more))
