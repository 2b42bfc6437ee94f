"""The notifier of a subscription (RFC 6665 section 4.2): it tells a peer the state of something, and its changes.

One NOTIFY at a time waits for its answer. What changes meanwhile, or sooner than the throttle allows, is told together
in the next one, which has the whole state.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from pbx.sip.dialog import Dialog
from pbx.sip.headers import EXPIRES, SUBSCRIPTION_STATE
from pbx.sip.interval import Interval
from pbx.sip.message import Request, Response
from pbx.sip.timers import Timer, left
from pbx.sip.transaction_layer import ServerTransaction
from pbx.sip.usages import ENDING, Agent, Event, Key, event_field

LOST = 3
"""NOTIFYs in a row without a good answer, after which the subscriber is gone."""

Content = tuple[str, bytes]
"""A Content-Type and a body; b"" for none."""


class State(Enum):
    """The states of figure 3 of RFC 6665 that last; nobody's approval is waited for, so none is "pending"."""

    INIT = "init"
    ACTIVE = "active"
    TERMINATED = "terminated"


INIT, ACTIVE, TERMINATED = State.INIT, State.ACTIVE, State.TERMINATED


class NotifierUser(Protocol):
    """Whom a notifier asks and tells."""

    def state_of(self, notifier: Notifier) -> Content:
        """What the subscriber is to know now."""

    def subscription_ended(self, notifier: Notifier, reason: str) -> None:
        """The subscription is over, and we did not end it. The reason is in words."""


class Notifier:
    """One subscription that a peer has to something of ours.

    :param dialog: its dialog, which a session may share.
    :param event: what is subscribed to.
    :param interval: how long it may last.
    :param throttle: seconds that pass between two NOTIFYs, unless a SUBSCRIBE asks (RFC 6665 5.4.10).
    :ivar concluded: called when the last NOTIFY has its final response, or will have none; None for nobody.
    :ivar sent: how many NOTIFYs have gone out; the documents of many packages are numbered by it.
    """

    method = "SUBSCRIBE"
    __slots__ = (
        "_agent",
        "_due",
        "_expires_at",
        "_expiry",
        "_failures",
        "_interval",
        "_pause",
        "_reason",
        "_throttle",
        "_user",
        "_waiting",
        "concluded",
        "dialog",
        "event",
        "sent",
        "state",
    )

    def __init__(
        self, agent: Agent, user: NotifierUser, dialog: Dialog, event: Event, interval: Interval, throttle: float = 0.0
    ) -> None:
        self.dialog = dialog
        self.event = event
        self.state = INIT
        self.concluded: Callable[[], None] | None = None
        self.sent = 0
        self._agent = agent
        self._user = user
        self._interval = interval
        self._throttle = throttle
        self._due = False  # whether something is to be told as soon as it may
        self._waiting = 0  # NOTIFYs that have no final response yet
        self._failures = 0  # NOTIFYs in a row without a good one
        self._reason = ""  # of the end, as Subscription-State has it
        self._expires_at = 0.0
        self._expiry: Timer | None = None
        self._pause: Timer | None = None  # until the next NOTIFY may go

    @property
    def key(self) -> Key:
        """The dialog ID."""
        return self.dialog.key

    @property
    def awaited(self) -> bool:
        """Whether a NOTIFY has no final response yet."""
        return self._waiting > 0

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """A SUBSCRIBE came: the first, one to refresh (RFC 6665 4.2.1.4), or with Expires: 0 the last.

        :raises Malformed: when it asks for too little, or for nonsense; all is as it was.
        """
        lasting = self._interval.chosen(request)
        if self.state is ACTIVE:
            self._agent.follow(self.dialog, request, transaction.flow)
        self._last(lasting)
        routes = [field for field in request.fields if field[0] == "record-route"]  # RFC 3261 12.1.1
        more = (*routes, self.dialog.contact, EXPIRES.field(lasting))
        transaction.respond(request.response(200, "", self.dialog.local_tag, more))
        self._send()  # RFC 6665 4.2.1.2: at once, and the last time too (4.4.3)
        if not lasting:
            self._user.subscription_ended(self, "unsubscribed")

    def begin(self, lasting: int) -> None:
        """Begin a subscription that no SUBSCRIBE has asked for (RFC 3515 2.4.4).

        :param lasting: seconds.
        """
        self._last(lasting)
        self._send()

    def notify(self) -> None:
        """The state has changed: tell the subscriber, as soon as it may be told."""
        if self.state is ACTIVE:
            self._due = True
            self._send_if_due()

    def end(self, reason: str) -> None:
        """End the subscription, and tell the subscriber so. The user hears no more.

        :param reason: as RFC 6665 4.1.3 has them: "deactivated", "rejected", "noresource", ...; parameters may follow.
        """
        if self.state is ACTIVE:
            self._over(reason)
            self._send()

    def response_received(self, response: Response) -> None:
        """A response to one of our NOTIFYs came."""
        if response.status < 200:
            return
        if self.state is TERMINATED:
            self._over_and_told()
            return
        if response.status in ENDING:
            self._over()
            self._user.subscription_ended(self, f"the subscriber answered {response.status}")
            return
        self._concluded(response.status < 300)

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """One of our NOTIFYs will have no final response."""
        if self.state is ACTIVE:
            # It may not have arrived: what it told is told again, unless there is no way at all.
            self._due = self._due or status == 408
            self._concluded(False)
        else:
            self._over_and_told()

    def _over_and_told(self) -> None:
        self._waiting -= 1
        concluded = self.concluded
        if concluded is not None and not self._waiting:
            self.concluded = None
            concluded()

    def _concluded(self, good: bool) -> None:
        """A NOTIFY has its final response, or will have none.

        RFC 6665 4.2.2 ends the subscription with the first that times out. Ours outlives two: a lamp that a short
        outage has put out would stay dark until its subscriber asks again, often for an hour.
        """
        self._waiting -= 1
        if good:
            self._failures = 0
        elif not self._waiting:
            self._failures += 1
        if self._failures >= LOST:
            self._over()
            self._user.subscription_ended(self, "the subscriber does not answer")
        else:
            self._send_if_due()

    def _send_if_due(self) -> None:
        if self._due and not self._waiting and self._pause is None:
            self._send()

    def _send(self) -> None:
        self._due = False
        clock = self._agent.clock
        if self.state is ACTIVE:
            state = f"active;expires={round(self._expires_at - clock.seconds())}"
            if self._throttle:
                if self._pause is not None:
                    self._pause.cancel()
                self._pause = clock.callLater(self._throttle, self._paused)
        else:
            state = f"terminated;reason={self._reason}"
        self.sent += 1
        self._waiting += 1
        kind, body = self._user.state_of(self)
        dialog = self.dialog
        fields = (event_field(self.event), SUBSCRIPTION_STATE.field(state), dialog.contact)
        self._agent.layer.request(dialog.flow, dialog.request("NOTIFY", fields, body, kind), self)

    def _paused(self) -> None:
        self._pause = None
        self._send_if_due()

    def _last(self, lasting: int) -> None:
        """Last so many seconds from now on."""
        if not lasting:
            self._over("timeout")
            return
        if self.state is INIT:
            self.state = ACTIVE
            self._agent.usages.enter(self)
        if self._expiry is not None:
            self._expiry.cancel()
        self._expires_at = self._agent.clock.seconds() + lasting
        self._expiry = self._agent.clock.callLater(lasting, self._expired)

    def _expired(self) -> None:
        self._expiry = None
        self._over("timeout")
        self._send()
        self._user.subscription_ended(self, "expired")

    def _over(self, reason: str = "") -> None:
        self.state = TERMINATED
        self._reason = reason
        for timer in (self._expiry, self._pause):
            if timer is not None:
                timer.cancel()
        self._expiry = self._pause = None
        self._agent.usages.leave(self)

    def __repr__(self) -> str:
        rest = left(self._expiry, self._agent.clock)
        return f"<notifier of {self.event[0]} {self.dialog.call_id} {self.state.value}{rest}>"
