"""A session: the INVITE usage of a dialog (RFC 3261 sections 13 to 15), from the first INVITE to the last BYE.

What both directions share is here: re-INVITE, the 2xx and its ACK, BYE. How a session comes to be is in
`inbound_session` and `outbound_session`. Small machines stand side by side: the state below, offer and answer,
the 2xx that waits for its ACK.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from pbx.sip.answer import Answer
from pbx.sip.client_transaction import InviteClientTransaction
from pbx.sip.dialog import SDP_TYPE, Dialog, sdp_of
from pbx.sip.errors import InvalidState, Malformed, Refused
from pbx.sip.flow import Flow
from pbx.sip.headers import ALLOW, RETRY_AFTER, Field
from pbx.sip.identifiers import Identifiers
from pbx.sip.information import Information
from pbx.sip.message import Message, Request, Response
from pbx.sip.offer_answer import LOCAL_OFFER, REMOTE_OFFER, STABLE, OfferAnswer
from pbx.sip.reasons import GAVE_UP, HUNG_UP, NO_ACK, UNANSWERED, UNKNOWN
from pbx.sip.refer import Referral
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.timers import Clock
from pbx.sip.transaction_layer import ServerTransaction, TransactionLayer

METHODS = tuple(
    "INVITE ACK CANCEL BYE INFO MESSAGE NOTIFY OPTIONS PRACK REFER SUBSCRIBE UPDATE PUBLISH REGISTER".split()
)
ALLOWED = ALLOW.field(", ".join(METHODS[:-1]))


class State(Enum):
    """How far a session is."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    ENDING = "ending"
    ENDED = "ended"


EARLY, CONFIRMED, ENDING, ENDED = State.EARLY, State.CONFIRMED, State.ENDING, State.ENDED


class SessionUser(Protocol):
    """Whom a session tells. An `sdp` is a session description, b"" where the message had none."""

    def session_progressed(self, session: Session, status: int, sdp: bytes) -> None:
        """A provisional response above 100 came."""

    def session_answered(self, session: Session, sdp: bytes) -> None:
        """The peer took our INVITE; or its ACK brought the answer to the offer in our 2xx."""

    def session_rejected(self, session: Session, status: int, reason: str) -> None:
        """The peer refused our INVITE. A refused re-INVITE leaves the session as it was."""

    def session_offered(self, session: Session, sdp: bytes) -> None:
        """A re-INVITE, UPDATE or PRACK came with an offer, or such an INVITE without: `accept` or `refuse`."""

    def session_informed(self, session: Session, information: Information) -> None:
        """An INFO or MESSAGE came: pass it on, or answer it."""

    def session_referred(self, session: Session, referral: Referral) -> None:
        """A REFER came: accept or refuse it."""

    def session_due(self, session: Session) -> None:
        """The session has to be refreshed: `offer` again what was agreed upon (RFC 4028 7.4)."""

    def session_ended(self, session: Session, reason: str) -> None:
        """The session is over, and we did not end it. The reason is in words."""


class Nobody:
    """The user of sessions that are over, and of requests whose fate is nobody's concern."""

    __slots__ = ()

    def session_progressed(self, session: Session, status: int, sdp: bytes) -> None: ...
    def session_answered(self, session: Session, sdp: bytes) -> None: ...
    def session_rejected(self, session: Session, status: int, reason: str) -> None: ...
    def session_offered(self, session: Session, sdp: bytes) -> None: ...
    def session_informed(self, session: Session, information: Information) -> None: ...
    def session_referred(self, session: Session, referral: Referral) -> None: ...
    def session_due(self, session: Session) -> None: ...
    def session_ended(self, session: Session, reason: str) -> None: ...
    def response_received(self, response: Response) -> None: ...
    def transaction_failed(self, method: str, status: int, reason: str) -> None: ...


NOBODY = Nobody()


class Agent(Protocol):
    """What sessions need of the user agent that holds them."""

    clock: Clock
    identifiers: Identifiers
    layer: TransactionLayer
    sessions: set[Session]

    def asked(self, session: Session, transaction: ServerTransaction, request: Request) -> None:
        """A request came that is not about the session."""

    def direct(self, dialog: Dialog) -> None:
        """Let the requests of a dialog go to its route set or remote target."""

    def follow(self, dialog: Dialog, message: Message, flow: Flow) -> None:
        """Take over where a message says that the peer of a dialog is now."""

    def enter(self, session: Session) -> None:
        """The session has its dialog."""

    def leave(self, session: Session) -> None:
        """The session loses its dialog."""

    def forget(self, session: Session) -> None:
        """The session is over."""


class Session:
    """What inbound and outbound sessions share.

    :param neighbour: whether the peer itself is at the other end of the flow, as a registered phone is: then all our
        requests go where its own come from, whatever its Contact says (it may be behind a NAT).
    :ivar user: whom it tells.
    :ivar dialog: its dialog; None in an outbound session before the first response with a tag.
    :ivar state: how far it is.
    :ivar owes_ack: the number of our INVITE whose 2xx brought an offer that waits for `ack`; 0 where there is none.
    """

    __slots__ = (
        "_acks", "_agent", "_answer", "_bye", "_invite", "_negotiation", "_neighbour", "_peer_fields",
        "_transaction", "dialog", "owes_ack", "state", "user",
    )  # fmt: skip

    def __init__(self, agent: Agent, user: SessionUser, neighbour: bool) -> None:
        self._agent = agent
        self._neighbour = neighbour
        self.user = user
        self.dialog: Dialog | None = None
        self.state = EARLY
        self._peer_fields: Sequence[Field] = ()
        self._negotiation = OfferAnswer()
        self._transaction: InviteServerTransaction | None = None  # an INVITE that waits for our final response
        self._answer: Answer | None = None  # our 2xx that waits for its ACK
        self._invite: InviteClientTransaction | None = None  # our INVITE that waits for its final response
        self.owes_ack = 0
        self._acks: tuple[tuple[int, bytes], ...] = ()  # our last two ACKs, by the numbers of their INVITEs
        self._bye: tuple[Field, ...] | None = None  # a BYE that must wait for the ACK of our 2xx

    def take_fields(self) -> Sequence[Field]:
        """The fields of the peer's last INVITE, response to INVITE, CANCEL or BYE; a second time there are none."""
        fields, self._peer_fields = self._peer_fields, ()
        return fields

    @property
    def waiting(self) -> bool:
        """Whether an INVITE waits for `answer` or `reject`."""
        return self._transaction is not None

    @property
    def asks(self) -> bool:
        """Whether our own offer, or our request for one, waits for the peer's answer."""
        return self._invite is not None or self._negotiation.state is LOCAL_OFFER

    @property
    def may_offer(self) -> bool:
        """Whether `offer` is possible now; if not, the other side's offer is answered 491."""
        return (
            self.state is CONFIRMED
            and self._transaction is None
            and self._answer is None
            and self._invite is None
            and self._negotiation.state is STABLE
        )

    def offer(self, sdp: bytes, more: tuple[Field, ...] = ()) -> None:
        """Send a re-INVITE (RFC 3261 14.1); without sdp it asks the peer for an offer.

        :raises InvalidState: unless `may_offer`.
        """
        if not self.may_offer:
            raise InvalidState(f"offer in {self!r}")
        if sdp:
            self._negotiation.offer_sent()
        dialog = self._dialog()
        request = dialog.request("INVITE", (dialog.contact, ALLOWED, *self._timing(), *more), sdp)
        transaction = self._agent.layer.request(dialog.flow, request, self)
        assert isinstance(transaction, InviteClientTransaction)
        self._invite = transaction

    def answer(self, sdp: bytes, more: tuple[Field, ...] = ()) -> None:
        """Take the INVITE that waits, with an answer to its offer, or an offer where it had none (RFC 3261 13.3.1.4).

        :raises InvalidState: when no INVITE waits.
        """
        transaction = self._transaction
        if transaction is None:
            raise InvalidState(f"answer in {self!r}")
        prepared = self._prepared(sdp, more)
        if prepared is None:
            return
        sdp, more = prepared
        if self._negotiation.state is REMOTE_OFFER:
            self._negotiation.settled()
        elif sdp:
            self._negotiation.offer_sent()
        response = self._response(transaction.request, 200, sdp, more)
        self._transaction = None
        transaction.user = None
        self.state = CONFIRMED
        packet, flow = bytes(response), transaction.flow
        self._answer = Answer(transaction.request.cseq, packet, flow, self._agent.clock, self._answer_lost)
        transaction.respond(response, packet)

    def ack(self, sdp: bytes) -> None:
        """Answer the offer that the peer's 2xx brought (RFC 3261 13.2.2.4).

        :raises InvalidState: when no such offer waits.
        """
        if not self.owes_ack:
            raise InvalidState(f"ack in {self!r}")
        self._negotiation.settled()
        self._send_ack(self.owes_ack, sdp)

    def reject(self, status: int, reason: str = "", more: tuple[Field, ...] = ()) -> None:
        """Refuse the INVITE that waits.

        :raises InvalidState: when no INVITE waits.
        """
        transaction = self._transaction
        if transaction is None:
            raise InvalidState(f"reject in {self!r}")
        self._transaction = None
        if self._negotiation.state is REMOTE_OFFER:
            self._negotiation.settled()
        if self.state is EARLY:
            self._end()
            self._release()
        local_tag = self._dialog().local_tag
        transaction.respond(transaction.request.response(status, reason, local_tag, more))

    def accept(self, sdp: bytes) -> None:
        """Answer the peer's offer that waits, whatever it came with. Raises InvalidState when none waits."""
        raise NotImplementedError

    def refuse(self, status: int, reason: str = "", more: tuple[Field, ...] = ()) -> None:
        """Refuse the peer's offer that waits; all is as it was (RFC 3261 14.1, RFC 3311 5.2).

        :raises InvalidState: when none waits.
        """
        raise NotImplementedError

    def seen(self, now: float) -> None:
        """The session is still there.

        :param now: seconds since 1970.
        """

    def hang_up(self, more: tuple[Field, ...] = ()) -> None:
        """End the session with BYE (RFC 3261 15.1.1). The user hears no more of it.

        :param more: further fields, such as Reason.
        """
        if self.state is not CONFIRMED:
            self._withdraw(more)
            return
        self.state = ENDING
        self._release()
        self._stop()
        if self._transaction is not None:
            transaction, self._transaction = self._transaction, None
            transaction.respond(transaction.request.response(487, "", self._dialog().local_tag))
        if self._answer is not None:
            # The callee must not send BYE before the ACK of its 2xx (RFC 3261 15).
            self._bye = more
            return
        if self.owes_ack:
            self._send_ack(self.owes_ack)
        self._send_bye(more)

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """A request came in our dialog."""
        assert self.dialog is not None
        self.dialog.judge(request)
        if isinstance(transaction, InviteServerTransaction):
            self._reinvited(transaction, request)
        elif request.method == "BYE":
            self._bye_received(transaction, request)
        else:
            self._asked(transaction, request)

    def ack_received(self, ack: Request) -> None:
        """An ACK came in our dialog."""
        answer = self._answer
        if answer is None or ack.cseq != answer.cseq:
            return
        sdp = sdp_of(ack)
        self._answer = None
        answer.acknowledged()
        if self._bye is not None:
            self._send_bye(self._bye)
        elif self._negotiation.state is LOCAL_OFFER:
            self._negotiation.settled()
            self.user.session_answered(self, sdp)

    def cancelled(self, cancel: Request) -> None:
        """A CANCEL came for the INVITE that waits (RFC 3261 9.2). A re-INVITE is not stopped by it: the other side of
        the call has it already, and its answer decides.
        """
        if self._transaction is None or self.state is not EARLY:
            return
        self._peer_fields = cancel.fields
        user = self.user
        self.reject(487)
        user.session_ended(self, GAVE_UP)

    def response_received(self, response: Response) -> None:
        """A response to one of our requests came."""
        if response.cseq_method == "INVITE":
            if response.status >= 200:
                self._reinvite_answered(response)
        elif response.cseq_method != "BYE":
            self._responded(response)
        elif response.status >= 200:
            self._end()

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """One of our requests will have no final response."""
        if method == "BYE":
            self._end()
        elif method == "INVITE" and self.state is not ENDED:
            self._invite = None
            self._lost(f"{UNANSWERED}: {reason}")

    # What the machines beside this one have to say

    def _prepared(self, sdp: bytes, more: tuple[Field, ...]) -> tuple[bytes, tuple[Field, ...]] | None:
        """What a 2xx really is to say; None when it has to wait."""
        raise NotImplementedError

    def _agree(self, response: Response) -> None:
        """Take from a 2xx what the peer understands, and how long the session lasts."""

    def _timing(self) -> tuple[Field, ...]:
        """What our re-INVITE says of how long the session lasts."""
        raise NotImplementedError

    def _asked(self, transaction: ServerTransaction, request: Request) -> None:
        """A request came that is neither INVITE nor BYE."""
        self._agent.asked(self, transaction, request)

    def _responded(self, response: Response) -> None:
        """A response came to a request that was neither INVITE nor BYE."""

    def _withdraw(self, more: tuple[Field, ...]) -> None:
        """A session that is not up is hung up."""

    def _stop(self) -> None:
        """The session is over but for its BYE."""

    # Inside

    def _reinvited(self, transaction: InviteServerTransaction, request: Request) -> None:
        if self.state is ENDING or self.state is ENDED:
            raise Malformed(481, "")
        if self._transaction is not None:
            # The one before is not answered yet (RFC 3261 14.2).
            raise Refused(500, RETRY_AFTER.field(int(self._agent.identifiers.token()[:2], 16) % 11))
        if self._invite is not None or self._negotiation.state is not STABLE:
            raise Malformed(491, "")
        sdp = sdp_of(request)
        self._agent.follow(self._dialog(), request, transaction.flow)
        if self._answer is not None:
            # It comes from one who has our 2xx: the ACK of that may be lost or late (RFC 5407 3.1.4).
            self._answer.acknowledged()
            self._answer = None
        if sdp:
            self._negotiation.offer_received()
        self._transaction = transaction
        transaction.user = self
        self._peer_fields = request.fields
        self.user.session_offered(self, sdp)

    def _reinvite_answered(self, response: Response) -> None:
        if self._invite is None or self._invite.branch != response.via.branch:
            self._acknowledge_again(response)
            return
        self._invite = None
        self._peer_fields = response.fields
        if response.status < 300:
            self._agent.follow(self._dialog(), response, self._dialog().flow)
            self._accepted(response)
            return
        self._negotiation.settled()
        if self.state is not CONFIRMED:
            return
        if response.status in (408, 481):
            # The peer knows no such dialog any more (RFC 3261 12.2.1.2).
            self._lost(UNKNOWN)
        else:
            self.user.session_rejected(self, response.status, response.reason)

    def _accepted(self, response: Response) -> None:
        """A 2xx to our INVITE: acknowledge it at once, unless it brought the offer (RFC 3261 13.2.2.4)."""
        self._agree(response)
        sdp = sdp_of(response)
        if self.state is not CONFIRMED or self._negotiation.state is LOCAL_OFFER or not sdp:
            self._negotiation.settled()
            self._send_ack(response.cseq)
        else:
            self._negotiation.offer_received()
            self.owes_ack = response.cseq
        if self.state is CONFIRMED:
            self.user.session_answered(self, sdp)

    def _acknowledge_again(self, response: Response) -> None:
        for cseq, ack in self._acks:
            if cseq == response.cseq and response.status < 300:
                self._dialog().flow.send(ack)

    def _send_ack(self, cseq: int, sdp: bytes = b"") -> None:
        dialog = self.dialog
        assert dialog is not None
        self.owes_ack = 0
        ack = bytes(dialog.ack(cseq, self._agent.identifiers.branch(), sdp))
        # The peer may take our next INVITE while it still waits for the ACK of the one before (RFC 5407 3.1.4).
        self._acks = (*self._acks[-1:], (cseq, ack))
        dialog.flow.send(ack)

    def _send_bye(self, more: tuple[Field, ...]) -> None:
        self._bye = None
        dialog = self.dialog
        assert dialog is not None
        self._agent.layer.request(dialog.flow, dialog.request("BYE", more), self)

    def _bye_received(self, transaction: ServerTransaction, request: Request) -> None:
        over = self.state is ENDING or self.state is ENDED
        waiting, self._transaction = self._transaction, None
        self._peer_fields = request.fields
        if self.owes_ack:
            self._send_ack(self.owes_ack)  # every 2xx is acknowledged (RFC 3261 13.2.2.4)
        self._end()
        transaction.respond(request.response(200))
        if waiting is not None:
            waiting.respond(waiting.request.response(487, "", self._dialog().local_tag))  # RFC 3261 15.1.2
        if not over:
            self._release().session_ended(self, HUNG_UP)

    def _answer_lost(self) -> None:
        self._answer = None
        if self._bye is not None:
            self._send_bye(self._bye)
        else:
            self._lost(NO_ACK)

    def _lost(self, reason: str) -> None:
        """The peer does not play its part any more: end the session and tell the user."""
        if self.state is CONFIRMED:
            user = self.user
            self.hang_up()
            user.session_ended(self, reason)

    def _end(self) -> None:
        """Nothing more is to be done."""
        self._stop()
        if self._answer is not None:
            self._answer.acknowledged()
            self._answer = None
        if self._invite is not None:
            self._invite.abandon()
        if self.state is not ENDED:
            self.state = ENDED
            self._agent.forget(self)

    def _release(self) -> SessionUser:
        """Let go of the user, who would else live as long as our last transactions. Returns it, to be told so."""
        user, self.user = self.user, NOBODY
        return user

    def _response(self, request: Request, status: int, sdp: bytes, more: tuple[Field, ...]) -> Response:
        dialog = self.dialog
        assert dialog is not None
        more = (dialog.contact, ALLOWED, *more)
        if "record-route" in request.head:
            more = (*[field for field in request.fields if field[0] == "record-route"], *more)  # RFC 3261 12.1.1
        return request.response(status, "", dialog.local_tag, more, sdp, SDP_TYPE)

    def _dialog(self) -> Dialog:
        assert self.dialog is not None
        return self.dialog

    def __repr__(self) -> str:
        call_id = self.dialog.call_id if self.dialog else "new"
        return f"<{type(self).__name__} {call_id} {self.state.value}, {self._negotiation.state.value}>"
