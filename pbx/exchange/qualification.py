"""Qualification: each registered phone is asked now and then whether it is there (OPTIONS, RFC 3261 section 11).

The questions are spread evenly over time, and never are too many of them open. Any answer is a sign of life, a refusal
too: what counts is that one came, and when.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from pbx.exchange.asking import Asking
from pbx.exchange.binding import Binding, Key
from pbx.exchange.destination import Destination
from pbx.exchange.location import Change, Location
from pbx.exchange.target import ExtensionTarget
from pbx.sip.correspondence import Correspondence
from pbx.sip.flow import Flow, contact_of, hostport_of
from pbx.sip.headers import ACCEPT, CONTACT
from pbx.sip.message import Request, Response
from pbx.sip.timers import Timer
from pbx.sip.user_agent import UserAgent

MOST = 500
"""Questions without an answer at a time."""

_TICK = 0.25  # seconds that pass at least between two questions; with more phones, several are asked at a time
_ACCEPTED = ACCEPT.field("application/sdp")


class Ways(Protocol):
    """How phones are reached."""

    def destination(self, binding: Binding, target: ExtensionTarget, secure: bool = False) -> Destination | None:
        """The way to one phone by one of its bindings; None when there is none now."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What was heard of a phone when it was asked last.

    :param reachable: whether it has answered.
    :param round_trip: seconds until it did; the last known where it did not, None where none is.
    :param registration: when the registration ends that was asked: one that is younger has not been asked yet.
    """

    reachable: bool
    round_trip: float | None
    registration: float


class Question:
    """One OPTIONS to one phone."""

    __slots__ = ("_agent", "_qualification", "binding", "started")

    def __init__(self, agent: UserAgent, qualification: Qualification, binding: Binding) -> None:
        self._agent = agent
        self._qualification = qualification
        self.binding = binding
        self.started = agent.clock.seconds()

    def request_to(self, destination: Destination, flow: Flow) -> Request:
        """Make it."""
        us = f"<sip:{hostport_of(flow)}>"
        way = Correspondence(self._agent.identifiers, flow, destination.uri, us, destination.callee)
        return way.request("OPTIONS", (CONTACT.field(contact_of(flow)), _ACCEPTED))

    def answered(self, asking: Asking, response: Response) -> None:
        """The phone is there, unless it is a proxy that says so in its place."""
        self._qualification.concluded(self, response.status not in (408, 430, 503))

    def unanswered(self, asking: Asking, status: int) -> None:
        """It is not."""
        self._qualification.concluded(self, False)


class Qualification:
    """What is known of all phones.

    :param agent: the user agent.
    :param ways: how phones are reached.
    :param interval: seconds after which a phone is asked again; 0 asks nobody.
    """

    def __init__(self, agent: UserAgent, location: Location, interval: float) -> None:
        self.ways: Ways | None = None
        self._agent = agent
        self._location = location
        self._interval = interval
        self._signs: dict[tuple[str, Key], Sign] = {}
        self._open: set[tuple[str, Key]] = set()
        self._round: deque[Binding] = deque()  # those that have yet to be asked in this round
        self._pause = 0.0  # seconds for each of them
        self._timer: Timer | None = None
        if interval:
            location.watchers.append(self._changed)

    def sign_of(self, binding: Binding) -> Sign | None:
        """What was heard of a phone; None where it was not asked yet."""
        return self._signs.get((binding.number, binding.key))

    def is_silent(self, binding: Binding) -> bool:
        """Whether a phone has not answered when it was asked last."""
        sign = self._signs.get((binding.number, binding.key)) if self._signs else None
        return sign is not None and not sign.reachable and sign.registration == binding.expires_at

    def start(self) -> None:
        """Begin to ask. What was restored has not been heard of since."""
        if self._interval and self._timer is None and len(self._location):
            self._timer = self._agent.clock.callLater(_TICK, self._ask)

    def stop(self) -> None:
        """Ask nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def concluded(self, question: Question, reachable: bool) -> None:
        """A phone has answered, or will not."""
        binding = question.binding
        place = (binding.number, binding.key)
        self._open.discard(place)
        if self._location.find(*place) is None:
            return
        former = self._signs.get(place)
        round_trip = former.round_trip if former is not None else None
        if reachable:
            round_trip = self._agent.clock.seconds() - question.started
        self._signs[place] = Sign(reachable, round_trip, binding.expires_at)

    def _ask(self) -> None:
        """A tick: ask the next ones."""
        self._timer = None
        if not self._round:
            self._round.extend(self._location.bindings())
            if not self._round:
                return  # the next one to register wakes us
            self._pause = self._interval / len(self._round)
        several = max(1, int(_TICK / self._pause))
        self._timer = self._agent.clock.callLater(several * self._pause, self._ask)
        while several and self._round and len(self._open) < MOST:
            several -= 1
            self._question(self._round.popleft())

    def _question(self, binding: Binding) -> None:
        place = (binding.number, binding.key)
        binding_now = self._location.find(*place)
        if binding_now is None or place in self._open or self.ways is None:
            return
        question = Question(self._agent, self, binding_now)
        destination = self.ways.destination(binding_now, ExtensionTarget(binding.number))
        if destination is None:
            self.concluded(question, False)
            return
        self._open.add(place)
        Asking(self._agent, question, destination).start()

    def _changed(self, number: str, changes: list[Change]) -> None:
        for binding, event in changes:
            if event != "registered":
                self._signs.pop((number, binding.key), None)
        self.start()
