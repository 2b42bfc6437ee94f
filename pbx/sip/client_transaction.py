"""The two client transactions (RFC 3261 17.1, RFC 6026): a request goes out until it is answered or given up.

Each is the RFC's machine, its states named as in the figures; a retransmission is the bytes that were sent first.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from pbx.sip.flow import Flow, via_of
from pbx.sip.headers import VIA
from pbx.sip.message import Request, Response
from pbx.sip.timers import T1, T2, TIMER_B, TIMER_D, TIMER_F, TIMER_K, TIMER_M, Clock, Timer, left


class State(Enum):
    """The states of figures 5 and 6 of RFC 3261, and of figure 5 of RFC 6026."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    TERMINATED = "terminated"


CALLING, TRYING, PROCEEDING = State.CALLING, State.TRYING, State.PROCEEDING
ACCEPTED, COMPLETED, TERMINATED = State.ACCEPTED, State.COMPLETED, State.TERMINATED


class ClientUser(Protocol):
    """Whom a client transaction tells."""

    def response_received(self, response: Response) -> None:
        """A response came. The retransmissions of a 2xx to INVITE come here too: the user answers them."""

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """That request will have no final response: 408 by timer B or F, 503 by the transport (RFC 3261 8.1.3.1)."""


class InviteClientTransaction:
    """INVITE client transaction (RFC 3261 17.1.1, RFC 6026 7.2).

    :param request: the INVITE, with our Via on top. It is sent at once.
    :param branch: the branch of that Via.
    :param ended: called once, when it terminates.
    :param packet: the request as bytes, where they are known.
    :ivar key: what responses find it by: branch and CSeq value (RFC 3261 17.1.3).
    :ivar flow: the way of the INVITE, which a CANCEL takes too (RFC 3261 9.1).
    :ivar request: the INVITE, until its final response: transactions linger by the thousand, and messages are large.
    """

    method = "INVITE"
    __slots__ = (
        "_abandoned",
        "_ack",
        "_clock",
        "_ended",
        "_expiry",
        "_packet",
        "_resend",
        "_user",
        "branch",
        "flow",
        "key",
        "request",
        "state",
    )

    def __init__(
        self,
        request: Request,
        branch: str,
        flow: Flow,
        clock: Clock,
        user: ClientUser,
        ended: Callable[[InviteClientTransaction], None],
        packet: bytes = b"",
    ) -> None:
        self.request = request
        self.branch = branch
        self.key = f"{branch} {request.first('cseq')}"
        self.state = CALLING
        self.flow = flow
        self._clock = clock
        self._user = user
        self._ended = ended
        self._packet = packet or bytes(request)
        self._ack = b""
        self._abandoned = False
        self._resend: Timer | None = None
        self._expiry: Timer | None = None
        if flow.reliable:
            self._expiry = clock.callLater(TIMER_B, self.expired)
        else:
            self._resend = clock.callLater(T1, self._retransmit, 2 * T1)  # timer A, which sets timer B
        flow.send(self._packet)

    def response_received(self, response: Response) -> None:
        """A response with our branch and CSeq came."""
        status = response.status
        if self.state is CALLING or self.state is PROCEEDING:
            if status < 200:
                if self.state is CALLING:
                    self._enter(PROCEEDING)
                    if self._abandoned:
                        self._expiry = self._clock.callLater(TIMER_B, self.expired)
            elif status < 300:
                self._enter(ACCEPTED, TIMER_M)
            else:
                self._enter(COMPLETED, 0 if self.flow.reliable else TIMER_D)
                self._ack = bytes(self.request.ack_for(response))
                self.flow.send(self._ack)
            if status >= 200:
                del self.request
            self._user.response_received(response)
        elif self.state is ACCEPTED:
            # The user, not the transaction, answers a 2xx: it sends the same ACK again.
            if 200 <= status < 300:
                self._user.response_received(response)
        elif self.state is COMPLETED:
            if status >= 300:
                self.flow.send(self._ack)

    def abandon(self) -> None:
        """Its user has sent CANCEL or BYE: it is over in 64*T1, also without a final response (RFC 3261 9.1)."""
        self._abandoned = True
        if self.state is PROCEEDING and self._expiry is None:
            self._expiry = self._clock.callLater(TIMER_B, self.expired)

    def retry(self, flow: Flow, packet: bytes = b"") -> None:
        """The flow has failed: send the same request over another one (RFC 3261 18.1.1), or over its next connection.

        :param packet: the request with the Via of that flow, if it is another one.
        """
        if self.state is CALLING:
            self.flow = flow
            self.request.fields[0] = VIA.field(via_of(flow, self.branch))
            self._packet = packet or self._packet
            if not flow.reliable:
                self._resend = self._clock.callLater(T1, self._retransmit, 2 * T1)
            flow.send(self._packet)
        elif self.state is PROCEEDING and flow is self.flow:
            # The final response may have been lost with the connection: then this brings it again (RFC 3261 17.2.1).
            flow.send(bytes(self.request))

    def transport_failed(self) -> None:
        """The flow is gone (RFC 3261 17.1.4). A request that has arrived may be answered over another (18.2.2)."""
        if self.state is CALLING:
            self._enter(TERMINATED)
            self._user.transaction_failed(self.method, 503, "the transport failed")

    def _retransmit(self, interval: float) -> None:
        if self._expiry is None:  # timer B, which most requests never need
            self._expiry = self._clock.callLater(TIMER_B - T1, self.expired)
        self._resend = self._clock.callLater(interval, self._retransmit, 2 * interval)
        self.flow.send(self._packet)

    def expired(self) -> None:
        """Its time is over: by timer B or D, or M."""
        self._expiry = None
        unanswered = self.state is CALLING or self.state is PROCEEDING
        self._enter(TERMINATED)
        if unanswered:
            self._user.transaction_failed(self.method, 408, "no response within 32 s")

    def _enter(self, state: State, lasting: float | None = None) -> None:
        if self._resend is not None:
            self._resend.cancel()
            self._resend = None
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self.state = state
        self._packet = b""
        if lasting:
            self._expiry = self._clock.linger(lasting, self)
        if state is TERMINATED or lasting == 0:
            self.state = TERMINATED
            self._ended(self)

    def __repr__(self) -> str:
        return f"<INVITE client transaction {self.branch} {self.state.value}{left(self._expiry, self._clock)}>"


class NonInviteClientTransaction:
    """Non-INVITE client transaction (RFC 3261 17.1.2).

    :param request: the request, with our Via on top. It is sent at once.
    :param branch: the branch of that Via.
    :param ended: called once, when it terminates.
    :param packet: the request as bytes, where they are known.
    :ivar key: what responses find it by: branch and CSeq value (RFC 3261 17.1.3).
    """

    __slots__ = ("_clock", "_ended", "_expiry", "_packet", "_resend", "_user", "flow", "key", "method", "state")

    def __init__(
        self,
        request: Request,
        branch: str,
        flow: Flow,
        clock: Clock,
        user: ClientUser,
        ended: Callable[[NonInviteClientTransaction], None],
        packet: bytes = b"",
    ) -> None:
        self.method = request.method
        self.key = f"{branch} {request.first('cseq')}"
        self.state = TRYING
        self.flow = flow
        self._clock = clock
        self._user = user
        self._ended = ended
        self._packet = packet or bytes(request)
        self._resend: Timer | None = None
        self._expiry: Timer | None = None
        if flow.reliable:
            self._expiry = clock.callLater(TIMER_F, self.expired)
        else:
            self._resend = clock.callLater(T1, self._retransmit, 2 * T1)  # timer E, which sets timer F
        flow.send(self._packet, self.method)

    def response_received(self, response: Response) -> None:
        """A response with our branch and CSeq came."""
        if self.state is TRYING or self.state is PROCEEDING:
            if response.status < 200:
                # Timer F runs on; timer E goes on at T2 (RFC 3261 17.1.2.2), from its next firing.
                self.state = PROCEEDING
            else:
                self._enter(COMPLETED, 0 if self.flow.reliable else TIMER_K)
            self._user.response_received(response)

    def retry(self, flow: Flow, packet: bytes = b"") -> None:
        """The flow has failed: send the same request over another one (RFC 3261 18.1.1), or over its next connection.

        :param packet: the request with the Via of that flow, if it is another one.
        """
        if self.state is TRYING:
            self.flow = flow
            self._packet = packet or self._packet
            if not flow.reliable:
                self._resend = self._clock.callLater(T1, self._retransmit, 2 * T1)
            flow.send(self._packet, self.method)

    def transport_failed(self) -> None:
        """The flow is gone (RFC 3261 17.1.4). A request that has arrived may be answered over another (18.2.2)."""
        if self.state is TRYING:
            self._enter(TERMINATED)
            self._user.transaction_failed(self.method, 503, "the transport failed")

    def _retransmit(self, interval: float) -> None:
        if self._expiry is None:  # timer F, which most requests never need
            self._expiry = self._clock.callLater(TIMER_F - T1, self.expired)
        interval = T2 if self.state is PROCEEDING else min(interval, T2)
        self._resend = self._clock.callLater(interval, self._retransmit, 2 * interval)
        self.flow.send(self._packet, self.method)

    def expired(self) -> None:
        """Its time is over: by timer F or K."""
        self._expiry = None
        unanswered = self.state is not COMPLETED
        self._enter(TERMINATED)
        if unanswered:
            self._user.transaction_failed(self.method, 408, "no final response within 32 s")

    def _enter(self, state: State, lasting: float | None = None) -> None:
        if self._resend is not None:
            self._resend.cancel()
            self._resend = None
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self.state = state
        self._packet = b""
        if lasting:
            self._expiry = self._clock.linger(lasting, self)
        else:
            self.state = TERMINATED
            self._ended(self)

    def __repr__(self) -> str:
        branch, _, _ = self.key.partition(" ")
        return f"<{self.method} client transaction {branch} {self.state.value}{left(self._expiry, self._clock)}>"
