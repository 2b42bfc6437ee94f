"""Events: what can be subscribed to here (RFC 6665), and what can be published (RFC 3903).

Event packages are added by those who know the states; who may watch what is theirs to say. Who asks, and how much one
may ask for, is decided here.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from pbx.exchange.caller import Caller
from pbx.sip.dialog import Dialog
from pbx.sip.errors import Malformed, Refused
from pbx.sip.headers import ACCEPT, ALLOW_EVENTS, RETRY_AFTER, Field
from pbx.sip.interval import Interval
from pbx.sip.message import Request
from pbx.sip.notifier import ACTIVE, Content, Notifier
from pbx.sip.publication import Compositor, Publication, Understanding
from pbx.sip.transaction_layer import ServerTransaction
from pbx.sip.usages import Agent as Holder
from pbx.sip.usages import Event, event_of

INTERVAL = Interval()

_LATER = RETRY_AFTER.field(60)


class Package(Protocol):
    """One event package (RFC 6665 section 5.4), as the notifier has it.

    :ivar name: as it stands in Event.
    :ivar kinds: the Content-Types of its states, the usual one first.
    :ivar interval: how long a subscription may last, in seconds.
    :ivar throttle: seconds that pass between two NOTIFYs of a subscription.
    """

    @property
    def name(self) -> str: ...
    @property
    def kinds(self) -> tuple[str, ...]: ...
    @property
    def interval(self) -> Interval: ...
    @property
    def throttle(self) -> float: ...

    def admit(self, sender: Caller, resource: str) -> None:
        """Say whether somebody may watch a resource: the number, or the name, that the Request-URI means.

        :raises Malformed: 403 or 404 when it may not.
        """

    def state(self, resource: str, version: int, watcher: str) -> Content:
        """The whole state of a resource, as one extension may know it.

        :param version: how many documents that subscription has been sent before.
        :param watcher: its number.
        """


class Composer(Understanding, Protocol):
    """One event package whose states are published."""

    def published(self, resource: str, publications: list[Publication]) -> None:
        """What is published of a resource has changed; the last one published or refreshed comes last."""


class Agent(Holder, Protocol):
    """What events need of the user agent."""

    allow_events: Field


class Watch:
    """One subscription of somebody to a resource."""

    __slots__ = ("_events", "notifier", "package", "resource", "sender")

    def __init__(
        self, events: Events, agent: Agent, package: Package, sender: str, resource: str, dialog: Dialog, event: Event
    ) -> None:
        self._events = events
        self.package = package
        self.sender = sender
        self.resource = resource
        self.notifier = Notifier(agent, self, dialog, event, package.interval, package.throttle)

    def state_of(self, notifier: Notifier) -> Content:
        """What the subscriber is to know now."""
        return self.package.state(self.resource, notifier.sent - 1, self.sender)

    def subscription_ended(self, notifier: Notifier, reason: str) -> None:
        """The subscription is over."""
        self._events.ended(self)


class Events:
    """All subscriptions to this exchange, and all publications.

    :param agent: the user agent.
    :param most: subscriptions in all.
    :param most_of_one: those of one sender.
    """

    def __init__(self, agent: Agent, most: int = 20_000, most_of_one: int = 500) -> None:
        self._agent = agent
        self._most = most
        self._most_of_one = most_of_one
        self._packages: dict[str, Package] = {}
        self._composers: dict[str, Composer] = {}
        self._watches: dict[tuple[str, str], set[Watch]] = {}  # by package and resource
        self._senders: Counter[str] = Counter()
        self._compositor = Compositor(agent.clock, agent.identifiers, self, INTERVAL)

    def offer(self, package: Package) -> None:
        """Let a package be subscribed to from now on."""
        self._packages[package.name] = package
        self._agent.allow_events = ALLOW_EVENTS.field(", ".join(sorted(["refer", *self._packages])))

    def accept(self, composer: Composer) -> None:
        """Let states of a package be published from now on."""
        self._composers[composer.name] = composer

    def changed(self, package: str, resource: str) -> None:
        """The state of a resource has changed: tell those who watch it."""
        for watch in list(self._watches.get((package, resource), ())):
            watch.notifier.notify()

    def is_watched(self, package: str, resource: str) -> bool:
        """Whether anybody watches a resource."""
        return (package, resource) in self._watches

    def end(self, package: str, resource: str, reason: str, sender: str | None = None) -> None:
        """A resource may be watched no longer: by nobody, or not by one extension.

        :param reason: as RFC 6665 4.1.3 has them.
        :param sender: its number; None for everybody.
        """
        for watch in list(self._watches.get((package, resource), ())):
            if sender in {None, watch.sender}:
                self.ended(watch)
                watch.notifier.end(reason)

    def is_watched_from(self, package: str, resource: str, host: str, port: int) -> bool:
        """Whether a phone at this address watches a resource."""
        watches = self._watches.get((package, resource), ())
        return any(watch.notifier.dialog.flow.remote[:2] == (host, port) for watch in watches)

    def expel(self, number: str) -> None:
        """An extension was removed or disabled: it watches and publishes nothing any more."""
        for watch in [watch for here in self._watches.values() for watch in here if watch.sender == number]:
            self.ended(watch)
            watch.notifier.end("rejected")
        self._compositor.remove(number)

    def subscribing(self, transaction: ServerTransaction, request: Request, sender: Caller, resource: str) -> None:
        """A SUBSCRIBE came that makes a dialog (RFC 6665 4.2.1.1).

        :param resource: what its Request-URI means.
        :raises Malformed: when it is refused.
        """
        event = event_of(request)
        package = self._packages.get(event[0]) if event is not None else None
        if event is not None and event[0] == "refer":
            raise Malformed(403, "only REFER makes such a subscription")  # RFC 3515 2.4.4
        if event is None or package is None:
            raise Refused(489, self._agent.allow_events)  # RFC 6665 8.3.2
        package.admit(sender, resource)
        _check_accept(request, package)
        if self._senders[sender.number] >= self._most_of_one:
            raise Malformed(403, "too many subscriptions")
        if len(self._agent.usages) >= self._most:
            raise Refused(503, _LATER)
        agent = self._agent
        dialog = Dialog.as_uas(request, agent.identifiers.token(), transaction.flow)
        if not dialog.neighbour:
            agent.direct(dialog)
        watch = Watch(self, agent, package, sender.number, resource, dialog, event)
        watch.notifier.request_received(transaction, request)
        if watch.notifier.state is ACTIVE:
            self._watches.setdefault((package.name, resource), set()).add(watch)
            self._senders[watch.sender] += 1

    def publishing(self, transaction: ServerTransaction, request: Request, sender: Caller, resource: str) -> None:
        """A PUBLISH came (RFC 3903 section 6).

        :param resource: what its Request-URI means.
        :raises Malformed: when it is refused.
        """
        if resource != sender.number:
            raise Malformed(403, "everybody publishes his own state")
        event = event_of(request)
        composer = self._composers.get(event[0]) if event is not None else None
        if composer is None:
            raise Refused(489, self._agent.allow_events)
        self._compositor.publish(transaction, request, composer, resource)

    def published(self, package: str, resource: str, publications: list[Publication]) -> None:
        """What is published of a resource has changed."""
        self._composers[package].published(resource, publications)

    def ended(self, watch: Watch) -> None:
        """A subscription is over."""
        key = (watch.package.name, watch.resource)
        here = self._watches.get(key, set())
        if watch in here:
            here.remove(watch)
            if not here:
                del self._watches[key]
            self._senders[watch.sender] -= 1
            if not self._senders[watch.sender]:
                del self._senders[watch.sender]


def _check_accept(request: Request, package: Package) -> None:
    """See that the subscriber can read our states; without Accept it can (RFC 6665 3.1.3)."""
    accepted = {kind for kind, _ in request.many(ACCEPT)}
    if accepted and not any({kind, kind.partition("/")[0] + "/*", "*/*"} & accepted for kind in package.kinds):
        raise Malformed(406, "")
