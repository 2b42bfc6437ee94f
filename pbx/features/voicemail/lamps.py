"""The lamps of phones that do not subscribe: they are told unasked, and again at every registration.

RFC 6665 knows no such NOTIFY, but most desk phones do, and have their lamp dark after a restart until they are told. A
phone that refuses one is left alone until it registers anew; one for which there never was a message is told nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pbx.exchange.asking import Asking
from pbx.exchange.binding import Binding, Key
from pbx.exchange.destination import Destination
from pbx.exchange.location import Change, Location
from pbx.exchange.target import ExtensionTarget
from pbx.features.voicemail.boxes import Voicemail
from pbx.features.voicemail.message_summary import KIND, NAME
from pbx.sip.correspondence import Correspondence
from pbx.sip.flow import Flow, hostport_of
from pbx.sip.headers import EVENT, SUBSCRIPTION_STATE
from pbx.sip.message import Request, Response
from pbx.sip.timers import Timer
from pbx.sip.user_agent import UserAgent

SOON = 0.25  # seconds after a REGISTER: its answer goes first
REFUSALS = frozenset((405, 481, 489, 501))  # of phones that do not know it

Place = tuple[str, Key]


class Ways(Protocol):
    """How a phone is reached."""

    def destination(self, binding: Binding, target: ExtensionTarget) -> Destination | None:
        """The way to one phone by one of its bindings; None when there is none now."""


class Watches(Protocol):
    """Who asks by himself."""

    def is_watched_from(self, package: str, resource: str, host: str, port: int) -> bool:
        """Whether a phone at this address watches a resource."""


class Lamps:
    """The lamps of all phones.

    A phone that is being told something is told what happens meanwhile afterwards: NOTIFYs could overtake each other.

    :param body: the document about an extension.
    """

    def __init__(
        self,
        agent: UserAgent,
        voicemail: Voicemail,
        location: Location,
        ways: Ways,
        watches: Watches,
        body: Callable[[str], bytes],
    ) -> None:
        self._agent = agent
        self._voicemail = voicemail
        self._location = location
        self._ways = ways
        self._watches = watches
        self._body = body
        self._told: set[str] = set()  # extensions whose phones know of messages: they have to hear of the end, too
        self._refused: set[Place] = set()
        self._soon: dict[Place, Timer] = {}
        self._open: dict[Place, bool] = {}  # NOTIFYs under way, and whether there is something newer to tell
        voicemail.watchers.append(self._changed)
        location.watchers.append(self._moved)
        location.renewals.append(self._renewed)

    def stop(self) -> None:
        """Tell nobody anything any more."""
        for timer in self._soon.values():
            timer.cancel()
        self._soon.clear()

    def request_to(self, binding: Binding, destination: Destination, flow: Flow) -> Request:
        """The NOTIFY for one phone."""
        own = f"<sip:{binding.number}@{hostport_of(flow)}>"
        way = Correspondence(self._agent.identifiers, flow, destination.uri, own, destination.callee)
        fields = (EVENT.field(NAME), SUBSCRIPTION_STATE.field("terminated;reason=noresource"), way.contact)
        return way.request("NOTIFY", fields, self._body(binding.number), KIND)

    def concluded(self, place: Place, refused: bool) -> None:
        """A NOTIFY has its answer, or will have none: then the phone is told again when it registers."""
        if refused:
            self._refused.add(place)
        if self._open.pop(place, False):
            self._tell(place)

    def _changed(self, name: str) -> None:
        """The messages of a mailbox have changed."""
        mailbox = self._voicemail.find(name)
        if mailbox is not None and mailbox.extension:
            for binding in self._location.contacts(mailbox.extension):
                self._tell((binding.number, binding.key))

    def _moved(self, number: str, changes: list[Change]) -> None:
        for binding, event in changes:
            if event != "registered":
                self._refused.discard((number, binding.key))

    def _renewed(self, binding: Binding) -> None:
        """A phone has registered, or has done so again."""
        place = (binding.number, binding.key)
        self._refused.discard(place)
        if self._has_news(binding.number) and place not in self._soon:
            self._soon[place] = self._agent.clock.callLater(SOON, self._tell_soon, place)

    def _tell_soon(self, place: Place) -> None:
        del self._soon[place]
        self._tell(place)

    def _has_news(self, number: str) -> bool:
        return number in self._told or self._voicemail.has_messages(self._voicemail.of_extension(number))

    def _tell(self, place: Place) -> None:
        if place in self._open:
            self._open[place] = True
            return
        binding = self._location.find(*place)
        if binding is None or place in self._refused:
            return
        number = binding.number
        if self._watches.is_watched_from(NAME, number, binding.remote_host, binding.remote_port):
            return
        destination = self._ways.destination(binding, ExtensionTarget(number))
        if destination is not None:
            self._told.add(number)
            self._open[place] = False
            Asking(self._agent, Telling(self, binding), destination).start()


class Telling:
    """One NOTIFY (`pbx.exchange.asking.AskingUser`)."""

    __slots__ = ("_binding", "_lamps")

    def __init__(self, lamps: Lamps, binding: Binding) -> None:
        self._lamps = lamps
        self._binding = binding

    def request_to(self, destination: Destination, flow: Flow) -> Request:
        """Make it as it goes along this way."""
        return self._lamps.request_to(self._binding, destination, flow)

    def answered(self, asking: Asking, response: Response) -> None:
        """The phone has answered."""
        self._lamps.concluded((self._binding.number, self._binding.key), response.status in REFUSALS)

    def unanswered(self, asking: Asking, status: int) -> None:
        """It does not answer."""
        self._lamps.concluded((self._binding.number, self._binding.key), False)
