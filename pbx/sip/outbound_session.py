"""A session that we ask for with INVITE (RFC 3261 section 13.2): we call."""

from __future__ import annotations

from pbx.sip.client_transaction import InviteClientTransaction
from pbx.sip.dialog import SDP_TYPE, Dialog
from pbx.sip.flow import Flow, contact_of
from pbx.sip.headers import CALL_ID, CONTACT, CSEQ, FROM, MAX_FORWARDS, TO, Field
from pbx.sip.message import NO_BODY, Request, Response, with_body
from pbx.sip.session import ALLOWED, CONFIRMED, EARLY, ENDING, NOBODY, Agent, Session, SessionUser, sdp_of
from pbx.sip.transaction_layer import ServerTransaction

FIRST_CSEQ = 1
_FORKS = 20  # whose 2xx are answered, each with an ACK and a BYE; more than that many is no proxy but an attack


class OutboundSession(Session):
    """A session asked for by us.

    :param flow: the way of the INVITE.
    :param neighbour: see `Session`.
    """

    __slots__ = ("_cancel", "_forks", "_local", "_target", "flow")

    def __init__(self, agent: Agent, user: SessionUser, flow: Flow, neighbour: bool) -> None:
        super().__init__(agent, user, neighbour)
        self.flow = flow
        self._local = ""  # our From value
        self._target = ""  # the Request-URI
        self._cancel: tuple[Field, ...] | None = None  # the fields of a CANCEL that waits for a provisional response
        self._forks: dict[str, bytes] = {}  # the ACKs of the 2xx of other forks, by their tags (RFC 3261 13.2.2.4)

    def invite(
        self, target: str, caller: str, callee: str, sdp: bytes, forwards: int, more: tuple[Field, ...] = ()
    ) -> None:
        """Send the INVITE.

        :param target: the Request-URI.
        :param caller: the From value, without tag.
        :param callee: the To value.
        :param sdp: our offer; b"" asks the peer for one.
        :param forwards: Max-Forwards.
        :param more: further fields.
        """
        identifiers = self._agent.identifiers
        self._local = f"{caller};tag={identifiers.token()}"
        self._target = target
        fields: list[Field] = [
            FROM.field(self._local),
            TO.field(callee),
            CALL_ID.field(identifiers.token()),
            CSEQ.field(f"{FIRST_CSEQ} INVITE"),
            CONTACT.field(contact_of(self.flow)),
            MAX_FORWARDS.field(forwards),
            ALLOWED,
            *more,
        ]
        if sdp:
            with_body(fields, SDP_TYPE, sdp)
            self._negotiation.offer_sent()
        else:
            fields.append(NO_BODY)
        self._agent.sessions.add(self)
        transaction = self._agent.layer.request(self.flow, Request("INVITE", target, fields, sdp), self)
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
            self._cancel = more
            if self._invite is not None and self._invite.state.value == "proceeding":
                self._send_cancel()

    def response_received(self, response: Response) -> None:
        """A response to one of our requests came."""
        if response.cseq_method != "INVITE" or response.cseq != FIRST_CSEQ:
            super().response_received(response)
        elif response.status < 200:
            self._progressed(response)
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
            # To who called it is the same whether nothing came back or nothing could be sent: the callee is not there.
            self._rejected(408, reason, None)
        else:
            super().transaction_failed(method, status, reason)

    def _progressed(self, response: Response) -> None:
        if self._cancel is not None:
            self._send_cancel()
        if self.state is not EARLY or response.status == 100:
            return
        if response.to_tag and (self.dialog is None or self.dialog.remote_tag != response.to_tag):
            self._take_dialog(response)
        self._peer_fields = response.fields
        self.user.session_progressed(self, response.status, sdp_of(response))

    def _answered(self, response: Response) -> None:
        self._invite = None
        self._peer_fields = response.fields
        self._take_dialog(response)
        if self.state is not EARLY:
            # Our CANCEL came too late, or was never sent (RFC 3261 9.1): the call is up, end it.
            self.state = ENDING
            more, self._cancel = self._cancel, None
            self._send_ack(response.cseq)
            self._send_bye(more or ())
            return
        self.state = CONFIRMED
        self._accepted(response)

    def _fork_answered(self, response: Response) -> None:
        """A 2xx of another callee, reached by a proxy that forked: acknowledge it and end it (RFC 3261 13.2.2.4)."""
        ack = self._forks.get(response.to_tag)
        dialog = Dialog.as_uac(self._local, self._target, response, self.flow)
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
        self._end()
        if early:
            self._release().session_rejected(self, status, reason)

    def _send_cancel(self) -> None:
        assert self._invite is not None
        more, self._cancel = self._cancel, None
        self._agent.layer.cancel(self._invite, self._invite.request.cancel(more or ()), NOBODY)
        self._invite.abandon()

    def _take_dialog(self, response: Response) -> None:
        old = self.dialog
        dialog = Dialog.as_uac(self._local, self._target, response, self.flow)
        dialog.neighbour = self._neighbour
        if old is None or old.key != dialog.key:
            self._agent.leave(self)
        elif old.next_hop == dialog.next_hop:
            # The 2xx decides (RFC 3261 13.2.2.4), and mostly it says what the 1xx said.
            dialog.flow = old.flow
        self.dialog = dialog
        self._agent.enter(self)
        if (old is None or old.next_hop != dialog.next_hop) and not (self._neighbour and not dialog.routes):
            self._agent.direct(dialog)

    def _bye_received(self, transaction: ServerTransaction, request: Request) -> None:
        early = self.state is EARLY
        super()._bye_received(transaction, request)
        if early:
            self._send_cancel()  # a callee must not end an early dialog with BYE (RFC 3261 15); this one did
