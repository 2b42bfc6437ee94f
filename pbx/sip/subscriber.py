"""The subscriber of a subscription (RFC 6665 section 4.1): it asks a peer to be told the state of something.

The NOTIFY makes the dialog, and not the response to SUBSCRIBE (4.4.1). The first one that comes does: those of other
forks are refused, which every event package allows here (4.1.4, 5.4.9).
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from pbx.sip.correspondence import Correspondence
from pbx.sip.dialog import Dialog
from pbx.sip.errors import InvalidState, Malformed
from pbx.sip.flow import Flow
from pbx.sip.grammar import number
from pbx.sip.headers import EXPIRES, MIN_EXPIRES, SUBSCRIPTION_STATE, Field
from pbx.sip.message import Request, Response
from pbx.sip.timers import T4, TIMER_F, TIMER_N, Timer, left
from pbx.sip.transaction_layer import ServerTransaction
from pbx.sip.usages import ENDING, Agent, Event, Key, event_field

_UNSAID = 3600  # seconds; of a subscription whose notifier does not say how long it lasts
_TOO_LATE = 2 * T4  # seconds before the end; who has refused until then will refuse again


class State(Enum):
    """The states of figure 1 of RFC 6665."""

    INIT = "init"
    NOTIFY_WAIT = "notify wait"
    PENDING = "pending"
    ACTIVE = "active"
    TERMINATED = "terminated"


INIT, NOTIFY_WAIT, PENDING = State.INIT, State.NOTIFY_WAIT, State.PENDING
ACTIVE, TERMINATED = State.ACTIVE, State.TERMINATED


class SubscriberUser(Protocol):
    """Whom a subscriber tells. When a subscription is over, its state is "terminated" already."""

    def subscription_accepted(self, subscriber: Subscriber, response: Response) -> None:
        """The peer took our request."""

    def subscription_refused(self, subscriber: Subscriber, response: Response) -> None:
        """The peer refused our request. A refused refresh mostly leaves the subscription as it was."""

    def subscription_notified(self, subscriber: Subscriber, notify: Request) -> None:
        """A NOTIFY came; the last one leaves its reason in `reason`."""

    def subscription_ended(self, subscriber: Subscriber, reason: str) -> None:
        """The subscription is over without a NOTIFY that says so. The reason is in words."""


class Nobody:
    """The user of subscriptions that we have given up."""

    __slots__ = ()

    def subscription_accepted(self, subscriber: Subscriber, response: Response) -> None: ...
    def subscription_refused(self, subscriber: Subscriber, response: Response) -> None: ...
    def subscription_notified(self, subscriber: Subscriber, notify: Request) -> None: ...
    def subscription_ended(self, subscriber: Subscriber, reason: str) -> None: ...


NOBODY = Nobody()


class Subscriber:
    """One subscription of ours.

    :param event: what we subscribe to.
    :param way: where our requests go: to a new place, or along a dialog that there is.
    :param lasting: seconds to ask for; 0 for a subscription that is not refreshed.
    :ivar reason: why the notifier ended it (RFC 6665 4.1.3), "" while it has not.
    :ivar retry_after: seconds that it wants us to wait before we ask again.
    """

    method = "NOTIFY"
    __slots__ = (
        "_agent",
        "_expires_at",
        "_expiry",
        "_granted",
        "_lasting",
        "_leaving",
        "_refresh",
        "_user",
        "_way",
        "event",
        "reason",
        "retry_after",
        "state",
    )

    def __init__(
        self, agent: Agent, user: SubscriberUser, event: Event, way: Correspondence | Dialog, lasting: int = 0
    ) -> None:
        self.event = event
        self.state = INIT
        self.reason = ""
        self.retry_after = 0
        self._agent = agent
        self._user: SubscriberUser = user
        self._way = way
        self._lasting = lasting
        self._granted = lasting
        self._leaving = False  # whether we want no more of it
        self._expires_at = 0.0
        self._expiry: Timer | None = None  # timer N while a NOTIFY is waited for
        self._refresh: Timer | None = None

    @property
    def dialog(self) -> Dialog | None:
        """Its dialog; None before the first NOTIFY, unless it began in one."""
        return self._way if isinstance(self._way, Dialog) else None

    @property
    def key(self) -> Key:
        """The dialog ID, as much of it as is known."""
        return self._way.key

    def subscribe(self, more: tuple[Field, ...] = ()) -> None:
        """Send SUBSCRIBE: the first (RFC 6665 4.1.2.1), or again after a refusal; refreshing goes by itself.

        :param more: further fields: Accept, or the credentials that a refusal asked for.
        """
        self._cancel_refresh()
        self.ask("SUBSCRIBE", (event_field(self.event), EXPIRES.field(self._lasting), *more))

    def ask(self, method: str, fields: tuple[Field, ...]) -> None:
        """Send the request that makes the subscription: SUBSCRIBE, or REFER (RFC 3515 2.4.4).

        :raises InvalidState: when the subscription is over.
        """
        if self.state is TERMINATED:
            raise InvalidState(f"{method} in {self!r}")
        if self.state is INIT:
            self.state = NOTIFY_WAIT
            self._agent.usages.enter(self)
        self._expire_in(TIMER_N)  # RFC 6665 4.1.2.4, 4.1.2.2
        way = self._way
        self._agent.layer.request(way.flow, way.request(method, (*fields, way.contact)), self)

    def unsubscribe(self) -> None:
        """End the subscription (RFC 6665 4.1.2.3). The user hears no more."""
        self._user = NOBODY
        self._lasting = 0
        if self.state is INIT:
            self.state = TERMINATED
        elif self.state is not TERMINATED and not self._leaving:
            self._leaving = True
            if self.dialog is not None:
                self.subscribe()

    def forgo(self) -> None:
        """There will be no NOTIFY (RFC 4488 section 4)."""
        if self.state is not TERMINATED:
            self._over(TERMINATED)

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """A NOTIFY came (RFC 6665 4.1.3).

        :raises Malformed: 400 when it does not say what becomes of the subscription; all is as it was.
        """
        given = request.one(SUBSCRIPTION_STATE)
        if given is None:
            raise Malformed(400, "missing Subscription-State")
        substate, parameters = given
        expires = parameters.get("expires")
        lasting = self._granted or _UNSAID if expires is None else number(expires)
        retry_after = number(parameters.get("retry-after") or "0")
        began = self._take_dialog(request, transaction.flow)
        if substate == "terminated":
            self.reason = parameters.get("reason") or "unsaid"
            self.retry_after = retry_after
            self._over(TERMINATED)
        elif not self._leaving:
            self.state = PENDING if substate == "pending" else ACTIVE
            self._live(lasting)
        dialog = self.dialog
        assert dialog is not None
        transaction.respond(request.response(200, "", dialog.local_tag))
        if began and self._leaving and self.state is not TERMINATED:
            self.subscribe()
        self._user.subscription_notified(self, request)

    def response_received(self, response: Response) -> None:
        """A response to one of our requests came."""
        status = response.status
        if status < 200 or self.state is TERMINATED or self.state is INIT:
            return
        if status < 300:
            granted = response.one(EXPIRES)
            self._granted = self._granted if granted is None else granted
            self._user.subscription_accepted(self, response)
        elif status == 423 and (shortest := response.one(MIN_EXPIRES) or 0) > self._lasting > 0:
            self._lasting = self._granted = shortest
            self.subscribe()
        elif self.state is not NOTIFY_WAIT and status not in ENDING and not self._leaving:
            # It lasts as long as was agreed upon before (RFC 6665 4.1.2.2).
            self._live(max(self._expires_at - self._agent.clock.seconds(), 0.0))
            self._user.subscription_refused(self, response)
        else:
            # Who has never had a NOTIFY may ask again, with credentials for instance.
            self._over(INIT if self.state is NOTIFY_WAIT and not self._leaving else TERMINATED)
            self._user.subscription_refused(self, response)

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """One of our requests will have no final response: of those that refresh, timer N knows what it means."""
        if self.state is NOTIFY_WAIT:
            self._over(TERMINATED)
            self._user.subscription_ended(self, reason)

    def _take_dialog(self, notify: Request, flow: Flow) -> bool:
        """Take the dialog that a NOTIFY makes, or follow the peer in it; return whether it is new."""
        if isinstance(self._way, Dialog):
            self._agent.follow(self._way, notify, flow)
            return False
        dialog = Dialog.as_uas(notify, "", flow)
        dialog.local_cseq = self._way.cseq
        self._agent.usages.leave(self)
        self._way = dialog
        self._agent.usages.enter(self)
        if not dialog.neighbour:
            self._agent.direct(dialog)
        return True

    def _live(self, lasting: float) -> None:
        """Live for so many seconds, unless we refresh in time."""
        self._expires_at = self._agent.clock.seconds() + lasting
        self._expire_in(lasting)
        self._cancel_refresh()
        if self._lasting and lasting > _TOO_LATE:
            # Time enough for two requests that nobody answers.
            early = min(lasting / 2, 2 * TIMER_F)
            self._refresh = self._agent.clock.callLater(lasting - early, self._refreshing)

    def _refreshing(self) -> None:
        self._refresh = None
        self.subscribe()

    def _expire_in(self, seconds: float) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = self._agent.clock.callLater(seconds, self._expired)

    def _expired(self) -> None:
        self._expiry = None
        waited = self.state is NOTIFY_WAIT or self._agent.clock.seconds() < self._expires_at
        self._over(TERMINATED)
        self._user.subscription_ended(self, "no NOTIFY came" if waited else "expired")

    def _cancel_refresh(self) -> None:
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh = None

    def _over(self, state: State) -> None:
        self._agent.usages.leave(self)
        self.state = state
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._cancel_refresh()

    def __repr__(self) -> str:
        rest = left(self._expiry, self._agent.clock)
        return f"<subscriber to {self.event[0]} {self.key[0]} {self.state.value}{rest}>"
