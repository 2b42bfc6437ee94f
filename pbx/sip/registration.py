"""A registration of our own with somebody's registrar (RFC 3261 section 10.2): kept alive until it is stopped.

It is refreshed before it ends; when it fails it is tried again for ever, less and less often (RFC 5626 4.5).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Protocol

from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow
from pbx.sip.headers import CALL_ID, CONTACT, CSEQ, EXPIRES, FROM, MAX_FORWARDS, MIN_EXPIRES, TO, Field
from pbx.sip.identifiers import Identifiers
from pbx.sip.message import NO_BODY, Request, Response
from pbx.sip.timers import Clock, Timer, left
from pbx.sip.uac import Agent as ClientAgent
from pbx.sip.uac import Errand, Policy
from pbx.sip.uri import Uri, parse_uri

EXPIRES_IN = 3600  # seconds that we ask for
LONGEST = 86_400  # seconds that a registrar can make us ask for
EARLY = 60.0  # seconds before the end at which we refresh: longer than a transaction lasts
SOONEST = 5.0  # seconds until a refresh, however short the registrar wants it
FIRST_PAUSE = 30.0  # seconds before another try; doubled after each failure
LONGEST_PAUSE = 1800.0  # seconds

_SECONDS = re.compile(r"\s*+([0-9]{1,9})", re.ASCII)
_HOPS = MAX_FORWARDS.field(70)


class State(Enum):
    """How far a registration is."""

    IDLE = "idle"
    REGISTERING = "registering"
    REGISTERED = "registered"
    WAITING = "waiting to try again"
    ENDING = "ending"


IDLE, REGISTERING, REGISTERED = State.IDLE, State.REGISTERING, State.REGISTERED
WAITING, ENDING = State.WAITING, State.ENDING


class Agent(ClientAgent, Protocol):
    """What registrations need of the user agent."""

    @property
    def clock(self) -> Clock: ...
    @property
    def identifiers(self) -> Identifiers: ...


class RegistrationUser(Protocol):
    """Whom a registration tells."""

    def registered(self, registration: Registration) -> None:
        """We are registered: for the first time, again, or still."""

    def registration_failed(self, registration: Registration, status: int, reason: str) -> None:
        """An attempt failed; another one follows by itself. Until `expires_at` a former one may still hold."""

    def unregistered(self, registration: Registration) -> None:
        """It is over, as it was asked to be."""


class Registration:
    """One registration.

    :param registrar: the URI of the domain that we register with: "sip:example.com".
    :param aor: the address that we register: "sip:us@example.com".
    :param policy: the account's keyring, its outbound proxy.
    :param expires: seconds that we ask for.
    :ivar state: how far it is.
    :ivar expires_at: when the last registration that succeeded ends or has ended; 0.0 without one.
    :ivar flow: the way of the last one.
    """

    __slots__ = (
        "_agent",
        "_aor",
        "_asked",
        "_call_id",
        "_contact",
        "_cseq",
        "_errand",
        "_failures",
        "_policy",
        "_registrar",
        "_tag",
        "_timer",
        "_user",
        "_wanted",
        "expires_at",
        "flow",
        "state",
    )

    def __init__(
        self, agent: Agent, user: RegistrationUser, registrar: str, aor: str, policy: Policy, expires: int = EXPIRES_IN
    ) -> None:
        self._agent = agent
        self._user = user
        self._registrar = registrar
        self._aor = aor
        self._policy = policy
        self._wanted = expires
        self._asked = 0  # seconds that the request under way asks for
        self._call_id = agent.identifiers.token()
        self._cseq = 1
        self._tag = ""
        self._contact: Uri | None = None
        self._errand: Errand | None = None
        self._failures = 0
        self._timer: Timer | None = None
        self.state = IDLE
        self.expires_at = 0.0
        self.flow: Flow | None = None

    def start(self) -> None:
        """Register, and stay registered. Does nothing where that goes on already."""
        if self.state is IDLE:
            self._register()

    def hurry(self) -> None:
        """Register now, where the next time is waited for."""
        if self.state is WAITING or self.state is REGISTERED:
            self._register()

    def stop(self) -> None:
        """Unregister. It is tried once; whether it succeeds or not, it is over then."""
        if self.state is IDLE or self.state is ENDING:
            return
        under_way = self.state is REGISTERING
        self._enter(ENDING)
        if under_way:
            return  # RFC 3261 10.2: not before the answer to the former request, which may register us again
        if self.expires_at > self._agent.clock.seconds():
            self._send(0)
        else:
            self._over()

    # What the errand asks and tells (pbx.sip.uac.ErrandUser)

    def request_for(self, flow: Flow, target: str, cseq: int) -> Request:
        """The REGISTER as it goes along this way (RFC 3261 10.2)."""
        self.flow = flow
        self._cseq = cseq
        contact = self._contact_at(flow)
        self._contact = parse_uri(contact)
        fields: list[Field] = [
            FROM.field(f"<{self._aor}>;tag={self._tag}"),
            TO.field(f"<{self._aor}>"),
            CALL_ID.field(self._call_id),
            CSEQ.field(f"{cseq} REGISTER"),
            CONTACT.field(f"<{contact}>"),
            EXPIRES.field(self._asked),
            _HOPS,
            NO_BODY,
        ]
        return Request("REGISTER", target, fields)

    def errand_done(self, response: Response) -> None:
        """The registrar's answer came."""
        status = response.status
        if self.state is ENDING:
            self._stopped()
        elif status < 300:
            self._succeeded(response)
        elif status == 423 and self._take_minimum(response) and not self._failures:
            self._failures = 1
            self._register()
        else:
            self._failed(status, response.reason, _seconds(response.first("retry-after")))

    def errand_failed(self, status: int, reason: str) -> None:
        """There will be no answer."""
        if self.state is ENDING:
            self._stopped()
        else:
            self._failed(status, reason, 0.0)

    # Inside

    def _contact_at(self, flow: Flow) -> str:
        """Where we want to be called."""
        user = parse_uri(self._aor).user
        place = f"{user}@{flow.host}:{flow.port}" if user else f"{flow.host}:{flow.port}"
        if parse_uri(self._registrar).scheme == "sips":
            return f"sips:{place}"  # RFC 3261 10.2.1
        return f"sip:{place}" if flow.transport == "UDP" else f"sip:{place};transport={flow.transport.lower()}"

    def _register(self) -> None:
        self._enter(REGISTERING)
        self._send(self._wanted)

    def _send(self, expires: int) -> None:
        self._asked = expires
        self._tag = self._agent.identifiers.token()
        cseq = self._cseq if self._errand is None else self._cseq + 1  # RFC 3261 10.2: it rises, the Call-ID stays
        self._errand = Errand(self._agent, self, self._policy, self._registrar, cseq)
        self._errand.start()

    def _succeeded(self, response: Response) -> None:
        lasting = self._granted(response)
        self._failures = 0
        self.expires_at = self._agent.clock.seconds() + lasting
        # A little earlier each time by chance, so that many registrations do not stay in step for ever.
        self._enter(REGISTERED, max(lasting / 2, lasting - EARLY, SOONEST) * (1 - self._chance() / 16))
        self._user.registered(self)

    def _failed(self, status: int, reason: str, least: float) -> None:
        """Try again later (RFC 5626 4.5).

        :param least: seconds that the registrar asks to be left alone.
        """
        pause = min(FIRST_PAUSE * 2 ** min(self._failures, 16), LONGEST_PAUSE)
        self._failures += 1
        self._enter(WAITING, max(pause * (0.5 + self._chance() / 2), min(least, 2 * LONGEST_PAUSE)))
        self._user.registration_failed(self, status, reason)

    def _stopped(self) -> None:
        """The answer came to what was under way when we were stopped, or to our last request."""
        if self._asked:
            self._send(0)
        else:
            self._over()

    def _over(self) -> None:
        self._enter(IDLE)
        self.expires_at = 0.0
        self._user.unregistered(self)

    def _granted(self, response: Response) -> float:
        """Return for how long we are registered (RFC 3261 10.2.4): the registrar may shorten what we asked for."""
        try:
            contacts = response.many(CONTACT)
            named = response.one(EXPIRES)
        except Malformed:
            contacts, named = [], None
        ours = self._contact
        fitting = [contact for contact in contacts if ours is not None and contact.uri.equivalent(ours)]
        # Where a border controller has written its own address in place of ours, the only one is meant for us.
        for contact in fitting or (contacts if len(contacts) == 1 else []):
            lasting = _seconds(contact.parameters.get("expires"))
            if lasting:
                return min(lasting, LONGEST)
        return min(float(named or self._asked), LONGEST)

    def _take_minimum(self, response: Response) -> bool:
        """Whether the registrar names a longer time than we asked for, and one that can be (RFC 3261 10.2.8)."""
        try:
            least = response.one(MIN_EXPIRES)
        except Malformed:
            return False
        if least is None or not self._asked < least <= LONGEST:
            return False
        self._wanted = least
        return True

    def _chance(self) -> float:
        return int(self._agent.identifiers.token()[:8], 16) / 2**32

    def _enter(self, state: State, lasting: float | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.state = state
        if lasting is not None:
            self._timer = self._agent.clock.callLater(lasting, self._due)

    def _due(self) -> None:
        self._timer = None
        self._register()

    def __repr__(self) -> str:
        return f"<registration of {self._aor}: {self.state.value}{left(self._timer, self._agent.clock)}>"


def _seconds(text: str | None) -> float:
    found = _SECONDS.match(text or "")
    return float(found[1]) if found is not None else 0.0
