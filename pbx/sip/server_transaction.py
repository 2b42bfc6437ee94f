"""The two server transactions (RFC 3261 17.2, RFC 6026): a request came in, its answer goes back until it has arrived.

Each is the RFC's machine, its states named as in the figures; a retransmission is the bytes that were sent first.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from pbx.sip.errors import InvalidState
from pbx.sip.flow import Flow
from pbx.sip.message import Request, Response
from pbx.sip.timers import T1, T2, TIMER_H, TIMER_I, TIMER_J, TIMER_L, Clock, Timer, left

Key = str
"""What a server transaction is found by (RFC 3261 17.2.3), the branch first: lines of one text, which is less to keep
than a tuple. Transactions linger by the thousand."""
Origin = str
"""What two requests have in common that were one before they were forked (RFC 3261 8.2.2.2)."""


class State(Enum):
    """The states of figures 7 and 8 of RFC 3261, and of figure 7 of RFC 6026."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


TRYING, PROCEEDING, ACCEPTED = State.TRYING, State.PROCEEDING, State.ACCEPTED
COMPLETED, CONFIRMED, TERMINATED = State.COMPLETED, State.CONFIRMED, State.TERMINATED


class InviteUser(Protocol):
    """Whom an INVITE server transaction tells."""

    def cancelled(self, cancel: Request) -> None:
        """A CANCEL came while no final response had gone out (RFC 3261 9.2)."""


class InviteServerTransaction:
    """INVITE server transaction (RFC 3261 17.2.1, RFC 6026 7.1).

    :param request: the INVITE.
    :param key: what it is found by.
    :param ended: called once, when it terminates.
    :ivar user: who answers; set by him.
    :ivar request: the INVITE, until its final response: transactions linger by the thousand, and messages are large.
    :ivar origin: what its copies would have, too; None in dialogs.
    """

    __slots__ = (
        "_clock",
        "_ended",
        "_expiry",
        "_packet",
        "_resend",
        "_since",
        "flow",
        "key",
        "origin",
        "request",
        "state",
        "user",
    )

    def __init__(
        self, request: Request, key: Key, flow: Flow, clock: Clock, ended: Callable[[InviteServerTransaction], None]
    ) -> None:
        self.request = request
        self.key = key
        self.flow = flow
        self.state = PROCEEDING
        self.user: InviteUser | None = None
        self.origin: Origin | None = None
        self._clock = clock
        self._since = clock.seconds() if "timestamp" in request.head else None
        self._ended = ended
        self._packet = b""
        self._resend: Timer | None = None
        self._expiry: Timer | None = None

    @property
    def is_silent(self) -> bool:
        """Whether nothing has been answered yet."""
        return self.state is PROCEEDING and not self._packet

    def request_received(self) -> None:
        """The INVITE came again."""
        if self.is_silent:
            self.say_trying()
        elif self._packet:
            self.flow.send(self._packet)

    def say_trying(self) -> None:
        """Send a 100, for its user takes his time."""
        self.respond(self.request.response(100))

    def ack_received(self) -> None:
        """The ACK of a final response other than 2xx came."""
        if self.state is COMPLETED:
            self._enter(CONFIRMED, 0 if self.flow.reliable else TIMER_I)

    def respond(self, response: Response, packet: bytes = b"") -> None:
        """Send a response. That a 2xx is sent again is its user's business (RFC 3261 13.3.1.4): see `answer`.

        :param packet: the response as bytes, where they are known.
        :raises InvalidState: when a final response went before.
        """
        status = response.status
        if self.state is not PROCEEDING:
            raise InvalidState(f"{status} sent in {self!r}")
        if status == 100 and self._since is not None:
            _add_delay(response, self._clock.seconds() - self._since)
        packet = packet or bytes(response)
        if status < 200:
            self._packet = packet
        elif status < 300:
            self._enter(ACCEPTED, TIMER_L)
        else:
            self._enter(COMPLETED)
            self._packet = packet
            self._expiry = self._clock.callLater(TIMER_H, self.expired)
            if not self.flow.reliable:
                self._resend = self._clock.callLater(T1, self._retransmit, 2 * T1)  # timer G
        if status >= 200:
            del self.request
        self.flow.send(packet)

    def forget(self) -> None:
        """It is over: it was answered without state."""
        if self.state is not TERMINATED:
            self._enter(TERMINATED)

    def _retransmit(self, interval: float) -> None:
        interval = min(interval, T2)
        self._resend = self._clock.callLater(interval, self._retransmit, 2 * interval)
        self.flow.send(self._packet)

    def expired(self) -> None:
        """Its time is over: by timer I or L, or H: its user has long ended what the response refused."""
        if self.state is not TERMINATED:
            self._expiry = None
            self._enter(TERMINATED)

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
        elif state is TERMINATED or lasting == 0:
            self.state = TERMINATED
            self._ended(self)

    def __repr__(self) -> str:
        branch, _, _ = self.key.partition("\n")
        return f"<INVITE server transaction {branch} {self.state.value}{left(self._expiry, self._clock)}>"


class NonInviteServerTransaction:
    """Non-INVITE server transaction (RFC 3261 17.2.2).

    :param request: the request; kept until its final response.
    :param key: what it is found by.
    :param ended: called once, when it terminates.
    :ivar origin: what its copies would have, too; None in dialogs.
    """

    __slots__ = ("_clock", "_ended", "_expiry", "_packet", "flow", "key", "method", "origin", "request", "state")

    def __init__(
        self, request: Request, key: Key, flow: Flow, clock: Clock, ended: Callable[[NonInviteServerTransaction], None]
    ) -> None:
        self.request = request
        self.key = key
        self.flow = flow
        self.method = request.method
        self.origin: Origin | None = None
        self.state = TRYING
        self._clock = clock
        self._ended = ended
        self._packet = b""
        self._expiry: Timer | None = None

    @property
    def is_silent(self) -> bool:
        """Whether nothing has been answered yet."""
        return self.state is TRYING

    def request_received(self) -> None:
        """The request came again."""
        if self._packet:
            self.flow.send(self._packet, self.method)

    def respond(self, response: Response) -> None:
        """Send a response.

        :raises InvalidState: when a final response went before.
        """
        if self.state is not TRYING and self.state is not PROCEEDING:
            raise InvalidState(f"{response.status} sent in {self!r}")
        packet = self._packet = bytes(response)
        if response.status < 200:
            self.state = PROCEEDING
            self.flow.send(packet, self.method)
            return
        del self.request
        if self.flow.reliable:
            self.state = TERMINATED
            self._ended(self)
        else:
            self.state = COMPLETED
            self._expiry = self._clock.linger(TIMER_J, self)
        self.flow.send(packet, self.method)

    def forget(self) -> None:
        """It is over: it was answered without state."""
        if self.state is not TERMINATED:
            if self._expiry is not None:
                self._expiry.cancel()
                self._expiry = None
            self.state = TERMINATED
            self._ended(self)

    def expired(self) -> None:
        """Its time is over: by timer J."""
        if self.state is not TERMINATED:
            self._expiry = None
            self.state = TERMINATED
            self._ended(self)

    def __repr__(self) -> str:
        branch, _, _ = self.key.partition("\n")
        rest = left(self._expiry, self._clock)
        return f"<{self.method} server transaction {branch} {self.state.value}{rest}>"


def _add_delay(response: Response, delay: float) -> None:
    """Say in Timestamp how many seconds this 100 took, if that is worth a word (RFC 3261 8.2.6.1)."""
    if delay >= 0.001:
        response.fields = [
            (key, name, f"{value.partition(' ')[0]} {delay:.3f}" if key == "timestamp" else value)
            for key, name, value in response.fields
        ]
