"""A link: one trunk as it runs. It keeps our registration, asks now and then whether the provider is there (OPTIONS,
RFC 3261 section 11), and counts the calls. Whether a call can go over it now is known before it is tried.

A provider that has never answered OPTIONS is not taken for dead: there are some that do not know it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address

from twisted.logger import Logger

from pbx.exchange.trunk import Trunk
from pbx.sip.correspondence import Correspondence
from pbx.sip.flow import Flow, contact_of, hostport_of
from pbx.sip.headers import ACCEPT, CONTACT
from pbx.sip.keyring import Keyring
from pbx.sip.message import Request, Response
from pbx.sip.registration import WAITING, Registration
from pbx.sip.timers import Timer
from pbx.sip.uac import Errand, Policy
from pbx.sip.user_agent import UserAgent

PATIENCE = 4.0
"""Seconds until a server that does not answer is silent: time for four datagrams."""

SERVERS = 2
"""Servers that are asked in turn before the provider is silent: the second one is another, if there is another."""

SOON = 10.0
"""Seconds after which a silent provider is asked again."""

_ACCEPTED = ACCEPT.field("application/sdp")

_log = Logger(namespace="pbx.trunk")

Watcher = Callable[[str, int, str], None]


class Link:
    """One trunk in use.

    :param calls: how many there are on each trunk, by name.
    :ivar trunk: the row; it may be replaced by one with the same account.
    :ivar policy: how all is delivered that goes over it.
    :ivar registration: of our own; None where none is wanted.
    :ivar answers: whether it has answered OPTIONS the last time; None while that is not known.
    :ivar round_trip: seconds until it did; the last known. None where none is.
    :ivar error: what went wrong last, in words; "" when all is well again.
    :ivar watchers: called when something was answered, or was not: "OPTIONS" or "REGISTER", the status, 0 for silence,
        and words.
    """

    def __init__(self, agent: UserAgent, trunk: Trunk, calls: Counter[str]) -> None:
        self.trunk = trunk
        self.answers: bool | None = None
        self.round_trip: float | None = None
        self.error = trunk.trouble
        self.watchers: list[Watcher] = []
        self._agent = agent
        self._calls = calls
        self._timer: Timer | None = None
        self._patience: Timer | None = None
        self._errand: Errand | None = None
        self._since = 0.0  # when it was asked
        self._silent_ones = 0  # servers, since then
        self._asks = False  # again and again
        self._stopped: Callable[[], None] | None = None
        keyring = None
        if trunk.username and not trunk.trouble:
            keyring = Keyring(trunk.username, trunk.password, agent.identifiers.token)
        self.policy = Policy(keyring=keyring, routes=trunk.routes)
        self.registration: Registration | None = None
        if trunk.register and not trunk.trouble:
            self.registration = Registration(agent, self, trunk.server, trunk.aor, self.policy)

    def start(self) -> None:
        """Register, and ask; one that cannot be used does neither."""
        if not self.trunk.enabled or self.trunk.trouble:
            return
        if self.registration is not None:
            self.registration.start()
        self._asks = True
        if self.trunk.qualify:
            self.ask()

    def stop(self, then: Callable[[], None] = lambda: None) -> None:
        """Ask no more, and unregister.

        :param then: called when that is done.
        """
        self._asks = False
        self._settle()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.registration is None or self.registration.state.value == "idle":
            then()
        else:
            self._stopped = then
            self.registration.stop()

    def ask(self) -> None:
        """Ask now whether it is there."""
        self._settle()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._silent_ones = 0
        self._ask()

    # Who and what goes over it

    @property
    def calls(self) -> int:
        """How many calls it carries."""
        return self._calls[self.trunk.name]

    def call_began(self) -> None:
        """It carries one more."""
        self._calls[self.trunk.name] += 1

    def call_ended(self) -> None:
        """It carries one less."""
        self._calls[self.trunk.name] -= 1

    def has_room(self, more: int = 1) -> bool:
        """Whether it may carry so many calls more."""
        most = self.trunk.max_calls
        return most is None or self.calls + more <= most

    @property
    def obstacle(self) -> tuple[int, str] | None:
        """Why no call can go over it now: a status, and words; None when nothing is known against it."""
        trunk, registration = self.trunk, self.registration
        if not trunk.enabled:
            return 503, f"{trunk.name} is disabled"
        if trunk.trouble:
            return 503, trunk.trouble
        if registration is not None and registration.state is WAITING and not self.is_registered:
            return 503, f"{trunk.name} is not registered: {self.error}"
        if self.answers is False:
            return 408, f"{trunk.name} does not answer"
        return None

    @property
    def is_registered(self) -> bool:
        """Whether a registration of ours is in force."""
        return self.registration is not None and self.registration.expires_at > self._agent.clock.seconds()

    @property
    def state(self) -> str:
        """How it is, in a word or two."""
        if not self.trunk.enabled:
            return "disabled"
        if self.trunk.trouble:
            return "unusable"
        if self.answers is False:
            return "silent"
        if self.registration is not None:
            if self.is_registered:
                return "registered"
            return "not registered" if self.registration.state is WAITING else "registering"
        return "reachable" if self.answers else "not asked" if self.answers is None else "silent"

    def is_at(self, host: str, port: int) -> bool:
        """Whether the provider calls from there: from one of its addresses, or as we reach it.

        :param port: 0 for any.
        """
        trunk = self.trunk
        if not trunk.enabled:
            return False
        if any(host == one and (not port or wanted in (0, port)) for one, wanted in trunk.hosts):
            return True
        if not trunk.addresses:
            return False
        address = ip_address(host.partition("%")[0])
        return any(address in network for network in trunk.addresses)

    def is_registered_over(self, transport: str, host: str, port: int) -> bool:
        """Whether it is by this way that we are registered."""
        registration = self.registration
        if registration is None or registration.flow is None or not self.is_registered:
            return False
        return registration.flow.transport == transport and registration.flow.remote == (host, port)

    # What the registration tells (pbx.sip.registration.RegistrationUser)

    def registered(self, registration: Registration) -> None:
        """We can be called."""
        if self.error:
            _log.info("trunk {name}: registered", name=self.trunk.name)
        self.error = ""
        if registration.flow is not None:
            registration.flow.keep_until(registration.expires_at)
        self._tell("REGISTER", 200, "OK")

    def registration_failed(self, registration: Registration, status: int, reason: str) -> None:
        """The provider refused; it is asked again for ever."""
        error = f"REGISTER: {status} {reason}".rstrip()
        if error != self.error:
            _log.warn("trunk {name} is not registered: {error}", name=self.trunk.name, error=error)
        self.error = error
        self._tell("REGISTER", status, reason)

    def unregistered(self, registration: Registration) -> None:
        """It is over."""
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped()

    # What the errand asks and tells (pbx.sip.uac.ErrandUser)

    def request_for(self, flow: Flow, target: str, cseq: int) -> Request:
        """The OPTIONS."""
        us = f"<{self.trunk.aor}>" if self.trunk.username else f"<sip:{hostport_of(flow)}>"
        way = Correspondence(self._agent.identifiers, flow, target, us, f"<{target}>")
        way.cseq = cseq - 1
        return way.request("OPTIONS", (CONTACT.field(contact_of(flow)), _ACCEPTED))

    def errand_done(self, response: Response) -> None:
        """It answered, unless a proxy did in its place. A refusal is a sign of life, too."""
        if response.status in (408, 430, 503):
            self._concluded(response, f"OPTIONS: {response.status} {response.reason}".rstrip())
        else:
            self.round_trip = self._agent.clock.seconds() - self._since
            self._concluded(response, "")

    def errand_failed(self, status: int, reason: str) -> None:
        """There is no way to it, or no answer."""
        self._concluded(None, f"OPTIONS: {reason or 'no answer'}")

    # Inside

    def _ask(self) -> None:
        clock = self._agent.clock
        self._since = clock.seconds()
        self._patience = clock.callLater(PATIENCE, self._silent)
        self._errand = errand = Errand(self._agent, self, self.policy, self.trunk.server)
        errand.start()

    def _silent(self) -> None:
        """One of its servers does not answer: others are preferred from now on, by calls too."""
        self._patience = None
        flow = self._errand.delivery.flow if self._errand is not None else None
        if flow is not None:
            self._agent.outages.silent(flow)
        self._silent_ones += 1
        self._settle()
        if self._silent_ones < SERVERS:
            self._ask()
        else:
            self._concluded(None, "OPTIONS: no answer")

    def _concluded(self, response: Response | None, error: str) -> None:
        self._settle()
        before = self.answers
        if not error:
            self.answers = True
            if self.error.startswith("OPTIONS"):
                self.error = ""
            if before is False:
                _log.info("trunk {name} answers again", name=self.trunk.name)
        else:
            if before:
                self.answers = False
                _log.warn("trunk {name} is silent: {error}", name=self.trunk.name, error=error)
            if not self.error or self.answers is False:
                self.error = error
        if self.trunk.qualify and self._asks:
            pause = SOON if error else self.trunk.qualify
            self._timer = self._agent.clock.callLater(pause * (1 - self._chance() / 8), self._due)
        self._tell("OPTIONS", response.status if response is not None else 0, response.reason if response else error)

    def _tell(self, method: str, status: int, words: str) -> None:
        for watcher in list(self.watchers):
            watcher(method, status, words)

    def _due(self) -> None:
        self._timer = None
        self.ask()

    def _settle(self) -> None:
        """The question that is open, if there is one, needs no answer any more."""
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.give_up()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _chance(self) -> float:
        return int(self._agent.identifiers.token()[:8], 16) / 2**32

    def __repr__(self) -> str:
        return f"<trunk {self.trunk.name}: {self.state}>"
