"""A session that a peer's INVITE asks for (RFC 3261 section 13.3): we are called."""

from __future__ import annotations

from pbx.sip import session_timer
from pbx.sip.abilities import abilities_of
from pbx.sip.dialog import Dialog, sdp_of
from pbx.sip.errors import InvalidState, Malformed
from pbx.sip.headers import Field
from pbx.sip.lasting_session import LastingSession
from pbx.sip.message import Request, Response
from pbx.sip.offer_answer import REMOTE_OFFER
from pbx.sip.reasons import NO_PRACK
from pbx.sip.reliable import Reliable
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.session import EARLY, Agent, SessionUser
from pbx.sip.transaction_layer import ServerTransaction


class InboundSession(LastingSession):
    """A session asked of us.

    :param transaction: the INVITE's transaction, without any response so far.
    :raises Malformed: when no dialog can be made of the INVITE, or it is not to last long enough (422).
    :ivar sdp: the INVITE's session description, b"" where it had none.
    :ivar agreed: the description that answered it before the call was: the caller hears no other until it is offered
        one (RFC 3261 13.2.1); b"" where there was none.
    """

    __slots__ = ("_final", "_is_late", "_reliable", "agreed", "sdp")

    _called = True

    def __init__(self, agent: Agent, transaction: InviteServerTransaction, user: SessionUser) -> None:
        request = transaction.request
        sdp = sdp_of(request)
        dialog = Dialog.as_uas(request, agent.identifiers.token(), transaction.flow)
        super().__init__(agent, user, dialog.neighbour)
        self._peer = abilities_of(request.fields)
        if self._peer.timer:
            self._terms = session_timer.granted(request, self._peer.refreshes)
        self._reliable: Reliable | None = None
        self._final: tuple[Field, ...] | None = None  # those of a 2xx that waits for the PRACK of a description
        self._is_late = not sdp  # the offer is ours to make, in the 2xx
        self.agreed = b""
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

    @property
    def may_update(self) -> bool:
        """Whether an UPDATE with an offer is possible now: in an early dialog once our answer has arrived."""
        return super().may_update and (self.state is not EARLY or bool(self.agreed and not self._described))

    def progress(self, status: int, sdp: bytes = b"", more: tuple[Field, ...] = ()) -> None:
        """Send a provisional response above 100, which makes a dialog (RFC 3261 13.3.1.1).

        It goes reliably to a caller that insists on that, and with a description to one that supports it. A caller
        that insists and has offered nothing gets none: it would have to contain an offer, which nobody has made yet.

        :raises InvalidState: when the INVITE has its final response.
        """
        transaction = self._transaction
        if transaction is None or self.state is not EARLY:
            raise InvalidState(f"{status} in {self!r}")
        if self._peer.insists or (sdp and self._peer.reliable and not self._is_late):
            if not self._is_late:
                self._progress_reliably(transaction, status, b"" if self.agreed else sdp, more)
        else:
            transaction.respond(self._response(transaction.request, status, sdp, more))

    def _progress_reliably(
        self, transaction: InviteServerTransaction, status: int, sdp: bytes, more: tuple[Field, ...]
    ) -> None:
        agent, request = self._agent, transaction.request
        if self._reliable is None:
            first = int(agent.identifiers.token()[:6], 16) + 1  # RFC 3262 section 3
            self._reliable = Reliable(
                request.cseq, first, transaction.flow, agent.clock, self._send_provisional, self._unheard
            )
        if sdp and self._negotiation.state is REMOTE_OFFER:
            self._negotiation.settled()
            self.agreed = sdp
        self._reliable.send(self._response(request, status, sdp, more))

    def _send_provisional(self, response: Response) -> None:
        assert self._transaction is not None
        self._transaction.respond(response)

    def _pracked(self, transaction: ServerTransaction, request: Request) -> None:
        """A PRACK came; one with an offer is answered when that is (RFC 3262 section 5)."""
        reliable = self._reliable
        if reliable is None:
            raise Malformed(481, "")
        sdp = sdp_of(request)
        reliable.acknowledged(request)
        if sdp:
            try:
                self._take_offer(transaction, request)
            except Malformed:
                transaction.respond(request.response(488))
                sdp = b""
        else:
            transaction.respond(request.response(200))
        final, self._final = self._final, None
        if final is not None:
            self.answer(b"", final)
        elif self.state is EARLY:
            reliable.proceed()
        if sdp:
            self.user.session_offered(self, sdp)

    def _prepared(self, sdp: bytes, more: tuple[Field, ...]) -> tuple[bytes, tuple[Field, ...]] | None:
        """A caller that has its answer already gets no other with the 2xx (RFC 3261 13.2.1)."""
        if self._reliable is not None and self.state is EARLY:
            if self._final is not None:
                raise InvalidState(f"a second answer in {self!r}")
            if self._reliable.described:
                self._final = more  # it goes out once the description has arrived (RFC 3262 section 3)
                return None
            self._reliable.stop()
            if self.agreed:
                sdp = b""
        return super()._prepared(sdp, more)

    def _withdraw(self, more: tuple[Field, ...]) -> None:
        if self._final is not None:
            self.reject(480, "", more)

    def _unheard(self) -> None:
        """A reliable response never had its PRACK (RFC 3262 section 3)."""
        user = self.user
        self.reject(500, "no PRACK came")
        user.session_ended(self, NO_PRACK)

    def _stop(self) -> None:
        self._final = None
        if self._reliable is not None:
            self._reliable.stop()
        super()._stop()

    @property
    def _described(self) -> bool:
        return self._reliable is not None and self._reliable.described
