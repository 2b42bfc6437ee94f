"""A session that we ask for with INVITE (RFC 3261 section 13.2): we call."""

from __future__ import annotations

from collections.abc import Sequence

from pbx.sip import session_timer
from pbx.sip.abilities import NONE, abilities_of
from pbx.sip.client_transaction import InviteClientTransaction
from pbx.sip.dialog import SDP_TYPE, Dialog, sdp_of
from pbx.sip.errors import InvalidState
from pbx.sip.flow import Flow, contact_of
from pbx.sip.headers import MIN_SE, SESSION_EXPIRES, SUPPORTED, Field, parse_address
from pbx.sip.keyring import Prover
from pbx.sip.lasting_session import LastingSession
from pbx.sip.message import NO_BODY, Request, Response, with_body
from pbx.sip.offer_answer import LOCAL_OFFER, OfferAnswer
from pbx.sip.reliable import TAG as RELIABLE
from pbx.sip.reliable import Receipts, is_reliable
from pbx.sip.session import ALLOWED, CONFIRMED, EARLY, ENDING, NOBODY, Agent, SessionUser
from pbx.sip.transaction_layer import ServerTransaction
from pbx.sip.uac import Delivery
from pbx.sip.uri import parse_uri

_FORKS = 20  # whose 2xx are answered, each with an ACK and a BYE; more than that many is no proxy but an attack
_OFFERING = (SUPPORTED.field(f"{RELIABLE}, {session_timer.TAG}"), session_timer.ASKED)
# Without an offer of ours a reliable response would have to bring one, and its PRACK an answer that nobody has yet.
_ASKING = (SUPPORTED.field(session_timer.TAG), session_timer.ASKED)

Invitation = tuple[str, str, str, bytes, int, tuple[Field, ...]]
"""What `invite` is told."""


class Early:
    """One of the early dialogs that an INVITE has made (RFC 3261 13.2.2.4), while another speaks.

    :ivar negotiation: offer and answer within it.
    :ivar receipts: the reliable responses that came in it.
    :ivar agreed: the answer that one of these has brought.
    """

    __slots__ = ("agreed", "dialog", "negotiation", "receipts")

    def __init__(self, dialog: Dialog, negotiation: OfferAnswer, receipts: Receipts | None, agreed: bytes) -> None:
        self.dialog = dialog
        self.negotiation = negotiation
        self.receipts = receipts
        self.agreed = agreed


class OutboundSession(LastingSession):
    """A session asked for by us.

    :param flow: the way of the INVITE; None while it has to be found.
    :param neighbour: see `Session`.
    :ivar call_id: its Call-ID.
    :ivar flow: the same, or that of the try that goes on.
    :ivar delivery: what finds the ways of the INVITE; None where there is but the one, and once it is over.
    """

    __slots__ = (
        "_agreed",
        "_cancel",
        "_cseq",
        "_early",
        "_forks",
        "_invitation",
        "_is_late",
        "_local",
        "_prover",
        "_receipts",
        "_said",
        "_shortest",
        "_target",
        "call_id",
        "delivery",
        "flow",
    )

    def __init__(self, agent: Agent, user: SessionUser, flow: Flow | None, neighbour: bool) -> None:
        super().__init__(agent, user, neighbour)
        self.flow = flow
        self.delivery: Delivery | None = None
        self.call_id = agent.identifiers.token()
        self._local = ""  # our From value
        self._target = ""  # the Request-URI
        self._cseq = 1
        self._is_late = False  # whether the offer is the peer's to make
        self._shortest = 0  # seconds that the session has to last at least
        self._invitation: Invitation | None = None
        self._early: dict[str, Early] | None = None  # by tag: all early dialogs but the one that spoke last
        self._receipts: Receipts | None = None  # in this one
        self._agreed = b""  # in this one
        self._said: Sequence[Field] = ()  # the fields of the last provisional response, until the final one
        self._prover: Prover | None = None
        self._cancel: tuple[Field, ...] | None = None  # the fields of a CANCEL that waits for a provisional response
        self._forks: dict[str, bytes] | None = None  # the ACKs of other forks' 2xx, by their tags (RFC 3261 13.2.2.4)

    @property
    def is_forked(self) -> bool:
        """Whether it has several early dialogs."""
        return bool(self._early)

    def invite(
        self, target: str, caller: str, callee: str, sdp: bytes, forwards: int, more: tuple[Field, ...] = ()
    ) -> None:
        """Send the INVITE. For each further way that its delivery finds it is sent again, with the same Call-ID and the
        same From.

        :param target: the Request-URI; a delivery knows better.
        :param caller: the From value, without tag.
        :param callee: the To value.
        :param sdp: our offer; b"" asks the peer for one.
        :param forwards: Max-Forwards.
        :param more: further fields.
        """
        delivery, flow = self.delivery, self._flow()
        self._invitation = (target, caller, callee, sdp, forwards, more)
        self._is_late = not sdp
        if not self._local:
            self._local = f"{caller};tag={self._agent.identifiers.token()}"
        if delivery is not None:
            target, self._cseq = delivery.target, delivery.cseq
        self._target = target
        fields: list[Field] = [
            ("from", "From", self._local),
            ("to", "To", callee),
            ("call-id", "Call-ID", self.call_id),
            ("cseq", "CSeq", f"{self._cseq} INVITE"),
            ("contact", "Contact", contact_of(flow, flow.transport == "TLS" and self._is_secure(target))),
            ("max-forwards", "Max-Forwards", str(forwards)),
            ALLOWED,
            *(self._asking() if self._shortest else _OFFERING if sdp else _ASKING),
            *more,
        ]
        if sdp:
            with_body(fields, SDP_TYPE, sdp)
            self._negotiation.offer_sent()
        else:
            fields.append(NO_BODY)
        request = Request("INVITE", target, fields, sdp)
        if delivery is not None:
            if delivery.policy.routes:
                delivery.route(request)
            if delivery.policy.keyring is not None:
                self._prover = self._prover or Prover(delivery.policy.keyring)
                self._prover.prove(request, self._cseq)
        self._agent.sessions.add(self)
        transaction = self._agent.layer.request(flow, request, self)
        assert isinstance(transaction, InviteClientTransaction)
        self._invite = transaction

    def cancel(self, more: tuple[Field, ...] = ()) -> None:
        """Give up: CANCEL once there is a provisional response, BYE where the peer answered. The user hears no more.

        :param more: further fields, such as Reason.
        """
        if self.state is CONFIRMED:
            self.hang_up(more)
        elif self.state is EARLY:
            self.state = ENDING
            self._release()
            if self.delivery is not None:
                self.delivery.give_up()
            self._cancel = more
            if self._invite is None:
                self._end()  # a way for it is still being looked for
            elif self._invite.state.value == "proceeding":
                self._send_cancel()

    def identify(self, more: tuple[Field, ...]) -> None:
        """See `LastingSession`; what the peer understands, its last provisional response says."""
        if self.state is EARLY and self._peer is NONE:
            self._peer = abilities_of(self._said)
        super().identify(more)

    def undelivered(self, status: int, reason: str) -> None:
        """There is no way left for the INVITE.

        :param status: why, as a response would say it.
        """
        if self.state is EARLY:
            self._end()
            self._release().session_rejected(self, status, reason)

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """A request came in one of our dialogs."""
        if self._early and request.from_tag in self._early:
            self._turn_to(request.from_tag)
        super().request_received(transaction, request)

    def response_received(self, response: Response) -> None:
        """A response to one of our requests came."""
        if response.cseq_method != "INVITE" or response.cseq != self._cseq:
            if response.status not in (401, 407) or not self._asked_again(response):
                super().response_received(response)
        elif response.status < 200:
            self._progressed(response)
        elif response.status == 422 and self._lasts_longer(response):
            self.invite(*self._invitation)  # type: ignore[misc]
        elif response.status >= 300:
            self._rejected(response.status, response.reason, response)
        elif self._invite is not None and self._invite.branch == response.via.branch:
            self._answered(response)
        elif self.dialog is not None and response.to_tag == self.dialog.remote_tag:
            self._acknowledge_again(response)
        else:
            self._fork_answered(response)

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """One of our requests will have no final response."""
        if method == "INVITE" and self.state is not CONFIRMED:
            self._rejected(status, reason, None)
        else:
            super().transaction_failed(method, status, reason)

    def _progressed(self, response: Response) -> None:
        if self._cancel is not None:
            self._send_cancel()
        if self.state is not EARLY or response.status == 100:
            return
        if response.to_tag and (self.dialog is None or self.dialog.remote_tag != response.to_tag):
            if self.dialog is None or not self._turn_to(response.to_tag):
                self._take_dialog(response)
        sdp = sdp_of(response)
        if "require" in response.head and is_reliable(response) and self.dialog is not None:
            if not self._acknowledge(self.dialog, response, sdp):
                return
        elif sdp:
            self._peer = abilities_of(response.fields)
        self._peer_fields = self._said = response.fields
        self.user.session_progressed(self, response.status, sdp)

    def _acknowledge(self, dialog: Dialog, response: Response, sdp: bytes) -> bool:
        """Send PRACK (RFC 3262 section 4); return whether the response is news."""
        if self._receipts is None:
            self._receipts = Receipts()
        rack = self._receipts.take(response)
        if rack is None:
            return False
        self._peer = abilities_of(response.fields)
        if sdp and self._negotiation.state is LOCAL_OFFER and not self._agreed:
            self._negotiation.settled()
            self._agreed = sdp
        self._agent.layer.request(dialog.flow, dialog.request("PRACK", (rack,)), self)
        return True

    def _answered(self, response: Response) -> None:
        self._invite = None
        delivery, self.delivery = self.delivery, None
        if delivery is not None:
            delivery.answered()
        self._peer_fields = response.fields
        self._invitation, self._said = None, ()
        if self.dialog is not None and self.dialog.remote_tag != response.to_tag:
            self._turn_to(response.to_tag)
        self._take_dialog(response)
        if self._early:
            self._forget_others()
        if self.state is not EARLY:
            # Our CANCEL came too late, or was never sent (RFC 3261 9.1): the call is up, end it.
            self.state = ENDING
            more, self._cancel = self._cancel, None
            self._send_ack(response.cseq)
            self._send_bye(more or ())
            return
        self.state = CONFIRMED
        agreed, self._agreed = self._agreed, b""
        if agreed:
            # A reliable response has brought the answer: what the 2xx says besides does not count (RFC 3261 13.2.1).
            self._agree(response)
            self._send_ack(response.cseq)
            self.user.session_answered(self, agreed)
        else:
            self._accepted(response)

    def _fork_answered(self, response: Response) -> None:
        """A 2xx of another callee, reached by a proxy that forked: acknowledge it and end it (RFC 3261 13.2.2.4)."""
        if self._forks is None:
            self._forks = {}
        ack = self._forks.get(response.to_tag)
        dialog = self._dialog_of(response)
        if not self._neighbour:
            self._agent.direct(dialog)
        if ack is None:
            if len(self._forks) >= _FORKS:
                return
            ack = self._forks[response.to_tag] = bytes(dialog.ack(response.cseq, self._agent.identifiers.branch()))
            dialog.flow.send(ack)
            self._agent.layer.request(dialog.flow, dialog.request("BYE"), NOBODY)
        else:
            dialog.flow.send(ack)

    def _rejected(self, status: int, reason: str, response: Response | None) -> None:
        early = self.state is EARLY
        self._invite = None
        if response is not None:
            self._peer_fields = response.fields
        if early and self.delivery is not None and self._goes_on(self.delivery, status, reason, response):
            return
        self._end()
        if early:
            # To who called it is the same whether nothing came back or nothing could be sent: the callee is not there.
            self._release().session_rejected(self, status if response is not None else 408, reason)

    def _goes_on(self, delivery: Delivery, status: int, reason: str, response: Response | None) -> bool:
        """Whether the INVITE takes another way. What came of this one, early dialogs and all, is forgotten."""
        self._forget_others()
        self._receipts, self._agreed = None, b""
        self._agent.leave(self)
        self.dialog = None
        self._negotiation.settled()
        return delivery.failed(status, reason) if response is None else delivery.refused(response)

    def _send_cancel(self) -> None:
        assert self._invite is not None
        more, self._cancel = self._cancel, None
        self._agent.layer.cancel(self._invite, self._invite.request.cancel(more or ()), NOBODY)
        self._invite.abandon()

    def _take_dialog(self, response: Response) -> None:
        """Let the session's dialog be a response's; one with another peer has made way (`_turn_to`)."""
        dialog = self.dialog
        if dialog is not None and dialog.remote_tag == response.to_tag:
            # The 2xx decides (RFC 3261 13.2.2.4), and mostly it says what the 1xx said.
            before = dialog.next_hop
            dialog.confirm(response, self._target)
            if dialog.next_hop != before:
                dialog.flow = self._flow()
            elif not dialog.has_gruu:
                return
        else:
            dialog = self.dialog = self._dialog_of(response)
            self._agent.enter(self)
        if dialog.routes or not self._neighbour:
            self._agent.direct(dialog)

    def _turn_to(self, tag: str) -> bool:
        """Let another early dialog speak; return whether it was there already."""
        dialog = self._dialog()
        if self._early is None:
            self._early = {}
        if len(self._early) < _FORKS:
            self._early[dialog.remote_tag] = Early(dialog, self._negotiation, self._receipts, self._agreed)
        else:
            self._agent.leave(self)
        found = self._early.pop(tag, None)
        if found is None:
            self.dialog, self._negotiation, self._receipts, self._agreed = None, OfferAnswer(), None, b""
            if not self._is_late:
                self._negotiation.offer_sent()
            return False
        self.dialog, self._negotiation = found.dialog, found.negotiation
        self._receipts, self._agreed = found.receipts, found.agreed
        return True

    def _settled_early(self, sdp: bytes) -> None:
        self._agreed = sdp

    def _forget_others(self) -> None:
        """Of all early dialogs, one is left."""
        if self._early:
            dialog, others, self._early = self.dialog, self._early, None
            for early in others.values():
                self.dialog = early.dialog
                self._agent.leave(self)
            self.dialog = dialog

    def _lasts_longer(self, response: Response) -> bool:
        """Whether the INVITE is to be sent again, for a session as long as a 422 wants it (RFC 4028 7.3)."""
        shortest = session_timer.shortest_of(response)
        if self.state is not EARLY or self._invite is None or self._invitation is None or shortest <= self._shortest:
            return False
        self._shortest = shortest
        self._invite = None
        self._forget_others()
        self._receipts, self._agreed = None, b""
        self._agent.leave(self)
        self.dialog = None
        self._negotiation.settled()
        self._cseq += 1
        if self.delivery is not None:
            self.delivery.cseq = self._cseq
        return True

    def _asking(self) -> tuple[Field, ...]:
        """How long the session is to last at least."""
        interval = max(session_timer.INTERVAL, self._shortest)
        return (
            (_ASKING if self._is_late else _OFFERING)[0],
            SESSION_EXPIRES.field(interval),
            MIN_SE.field(self._shortest),
        )

    def _asked_again(self, response: Response) -> bool:
        """Send a request of the dialog that was challenged again, if we have credentials (RFC 3261 22.2, 22.3)."""
        dialog = self.dialog
        request = dialog.again(response) if dialog is not None else None
        if dialog is None or request is None:
            return False
        transaction = self._agent.layer.request(dialog.flow, request, self)
        if isinstance(transaction, InviteClientTransaction):
            self._invite = transaction
        return True

    def _dialog_of(self, response: Response) -> Dialog:
        dialog = Dialog.as_uac(self._local, self._target, response, self._flow())
        dialog.neighbour = self._neighbour
        dialog.prover = self._prover
        return dialog

    def _is_secure(self, target: str) -> bool:
        """Whether the INVITE goes to a SIPS URI, or by way of one (RFC 3261 8.1.1.8)."""
        routes = self.delivery.policy.routes if self.delivery is not None else ()
        first = parse_address(routes[0]).uri if routes else parse_uri(target)
        return first.scheme == "sips" or target.startswith("sips:")

    def _flow(self) -> Flow:
        if self.flow is None:
            raise InvalidState(f"{self!r} has no way yet")
        return self.flow

    def _end(self) -> None:
        self.delivery = self._invitation = None
        self._said = ()
        if self._early:
            self._forget_others()
        super()._end()

    def _bye_received(self, transaction: ServerTransaction, request: Request) -> None:
        early = self.state is EARLY
        super()._bye_received(transaction, request)
        if early:
            self._send_cancel()  # a callee must not end an early dialog with BYE (RFC 3261 15); this one did
