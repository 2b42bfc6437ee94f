"""The client's side of a request (RFC 3261 section 8.1): how it gets to its target.

A delivery finds the ways of one request outside of dialogs, and decides after each failure whether another way is to
be tried: the next server (RFC 3263 4.3), the same one with credentials (RFC 3261 22), or another target to which the
request was redirected (8.1.3.4). It sends nothing: its user makes the request for each way, and sends it. An errand is
such a user, for requests that make no dialog.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from twisted.logger import Logger
from twisted.python.failure import Failure

from pbx.sip.dialog import as_target, routed
from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow
from pbx.sip.headers import CONTACT, ROUTE, parse_address
from pbx.sip.hops import Hop
from pbx.sip.keyring import Keyring, Realm
from pbx.sip.locator import Locator
from pbx.sip.message import Request, Response
from pbx.sip.outages import Outages
from pbx.sip.transaction_layer import ClientTransaction, TransactionLayer
from pbx.sip.uri import Uri, parse_uri

TRIES = 12  # requests sent for one
REDIRECTIONS = 5  # followed for one

_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", re.ASCII)

_log = Logger(namespace="pbx.sip")


class State(Enum):
    """How far a delivery is."""

    FINDING = "finding a way"
    TRYING = "trying one"
    OVER = "over"


FINDING, TRYING, OVER = State.FINDING, State.TRYING, State.OVER


@dataclass(frozen=True, slots=True)
class Policy:
    """How requests of one kind are delivered.

    :param keyring: what answers challenges; without one they are refusals like any other.
    :param routes: preloaded Route values, such as that of an outbound proxy (RFC 3261 8.1.2).
    :param may_redirect: whether redirections are followed.
    :param is_secure: whether every way has to be secure, whatever the target says: the caller asked for that (RFC 3261
        26.2.2).
    """

    keyring: Keyring | None = None
    routes: tuple[str, ...] = ()
    may_redirect: bool = False
    is_secure: bool = False


class Ways(Protocol):
    """Where flows come from."""

    def flow_along(self, hop: Hop) -> Flow | None:
        """A flow to a server, or None when there is no way to it."""


class Agent(Protocol):
    """What deliveries need of the user agent."""

    @property
    def flows(self) -> Ways: ...
    @property
    def layer(self) -> TransactionLayer: ...
    @property
    def locator(self) -> Locator: ...
    @property
    def outages(self) -> Outages: ...


class DeliveryUser(Protocol):
    """Whom a delivery tells."""

    def way_found(self, flow: Flow) -> None:
        """Here is a way: the request is to be sent along it, with the delivery's `target` and `cseq`. Further ways are
        for the same request: same Call-ID, From and To (RFC 3261 8.1.3.4, 22.2).
        """

    def undeliverable(self, status: int, reason: str) -> None:
        """No way was found, or no further one; the status is that of the last failure, or 408."""


class Delivery:
    """The way of one request.

    :param target: its Request-URI.
    :param cseq: its number.
    :param flow: the way to try first, where it is known already; then there is nothing to start.
    :ivar target: the Request-URI of the present try.
    :ivar cseq: the number of the present try; a request that was challenged or redirected gets the next one.
    :ivar flow: the way of the present try.
    """

    __slots__ = (
        "_agent",
        "_failure",
        "_hops",
        "_proven",
        "_seen",
        "_targets",
        "_tries",
        "_user",
        "cseq",
        "flow",
        "policy",
        "state",
        "target",
    )

    def __init__(
        self, agent: Agent, user: DeliveryUser, policy: Policy, target: str, cseq: int = 1, flow: Flow | None = None
    ) -> None:
        self.policy = policy
        self.target = target
        self.cseq = cseq
        self.flow = flow
        self.state = FINDING if flow is None else TRYING
        self._agent = agent
        self._user = user
        self._tries = 0 if flow is None else 1
        # Mostly these stay empty, and then they cost nothing.
        self._hops: tuple[Hop, ...] = ()  # those of this target that have not been tried
        self._targets: tuple[str, ...] = ()  # the target set: those that have not been tried (RFC 3261 8.1.3.4)
        self._seen: tuple[Uri, ...] = ()  # all targets so far, once there was a redirection
        self._proven: set[Realm] | None = None  # to whom credentials were given
        self._failure = (0, "")

    def start(self) -> None:
        """Find the first way."""
        target = parse_uri(self.target)
        routes = self.policy.routes
        first = parse_address(routes[0]).uri if routes else target
        located = self._agent.locator.locate(first, self.policy.is_secure or target.scheme == "sips")
        located.addCallback(self._located, first.host).addErrback(self._failed_to_locate)

    def route(self, request: Request) -> None:
        """Put the preloaded routes into a request; a strict router becomes its Request-URI (RFC 3261 8.1.2).

        Only where the policy has routes.
        """
        request.target, routes = routed(request.target, self.policy.routes)
        request.fields[:0] = [ROUTE.field(route) for route in routes]

    def answered(self) -> None:
        """The request was accepted, or refused for good."""
        assert self.flow is not None
        self.state = OVER
        outages = self._agent.outages
        if outages.unheard:
            outages.answered(self.flow)

    def give_up(self) -> None:
        """Nobody wants the request delivered any more."""
        self.state = OVER

    def refused(self, response: Response) -> bool:
        """A final response other than 2xx came. Returns whether the request is tried again; `way_found` is called for
        that, now or later.
        """
        status = response.status
        flow = self.flow
        assert flow is not None and self.state is TRYING
        self._failure = (status, response.reason)
        if status == 503:
            self._agent.outages.refused(flow, response)
            return self._try_next()
        self._agent.outages.answered(flow)
        if status in (401, 407):
            if self._tries < TRIES and self._may_prove(response):
                self.cseq += 1  # RFC 3261 22.2
                self._try(flow)
                return True
        elif status < 400:
            self._redirected(response)
        elif status >= 600:
            self._targets = ()  # RFC 3261 16.7 step 5: nobody else is wanted
        self._hops = ()  # it was the domain's answer, whichever of its servers gave it
        return self._try_next()

    def failed(self, status: int, reason: str) -> bool:
        """Nothing came back, or nothing could be sent (RFC 3263 4.3). Returns whether the request is tried again."""
        assert self.flow is not None and self.state is TRYING
        self._failure = (status, reason)
        self._agent.outages.silent(self.flow)
        return self._try_next()

    def _located(self, hops: list[Hop], host: str) -> None:
        if self.state is OVER:
            return
        self._hops = tuple(self._agent.outages.preferred(hops))
        if not self._failure[0]:
            # RFC 3261 21.5.4: had they not asked for a rest, there would be somebody to try.
            self._failure = (408, f"no way to {host}") if not hops or self._hops else (503, f"{host} asked for a rest")
        if not self._try_next():
            self._user.undeliverable(*self._failure)

    def _try_next(self) -> bool:
        """Try the next server, else the next target."""
        while self._hops and self._tries < TRIES:
            hop, *rest = self._hops
            self._hops = tuple(rest)
            flow = self._agent.flows.flow_along(hop)
            if flow is not None:
                self._try(flow)
                return True
        if self._targets and self._tries < TRIES:
            self.state = FINDING
            self.target, *others = self._targets
            self._targets = tuple(others)
            self.cseq += 1
            self.start()
            return True
        self.state = OVER
        return False

    def _try(self, flow: Flow) -> None:
        self.state = TRYING
        self.flow = flow
        self._tries += 1
        self._user.way_found(flow)

    def _may_prove(self, response: Response) -> bool:
        """Whether we can answer a challenge, and have not answered it in vain."""
        if self.policy.keyring is None:
            return False
        if self._proven is None:
            self._proven = set()
        return self.policy.keyring.challenged(response, self._proven)

    def _redirected(self, response: Response) -> None:
        """Add the Contacts of a 3xx to the target set, best first, each target only once (RFC 3261 8.1.3.4).

        305 and 380 ask for more than to try elsewhere (21.3.4, 21.3.5): they are refusals here.
        """
        if not self.policy.may_redirect or response.status in (305, 380):
            return
        secure = self.policy.is_secure or parse_uri(self.target).scheme == "sips"
        try:
            contacts = sorted(response.many(CONTACT), key=lambda contact: -_quality(contact.parameters.get("q")))
        except Malformed:
            return
        if not self._seen:
            self._seen = (parse_uri(self.target),)
        for contact in contacts:
            # Its header fields are left out: a stranger does not write those of our requests (RFC 3261 19.1.5).
            uri = parse_uri(as_target(contact.uri))
            if not uri.is_sip or (secure and uri.scheme != "sips"):
                continue
            if len(self._seen) <= REDIRECTIONS and not any(uri.equivalent(seen) for seen in self._seen):
                self._seen += (uri,)
                self._targets += (str(uri),)

    def _failed_to_locate(self, failure: Failure) -> None:
        _log.failure("a way could not be found, or not be taken: {what!r}", failure, what=self)
        if self.state is not OVER:
            self.state = OVER
            self._user.undeliverable(500, "")

    def __repr__(self) -> str:
        return f"<delivery to {self.target}: {self.state.value}, {self._tries} tries>"


class ErrandUser(Protocol):
    """Whom an errand asks and tells."""

    def request_for(self, flow: Flow, target: str, cseq: int) -> Request:
        """Make the request as it goes along this way, without Via, Route and credentials."""

    def errand_done(self, response: Response) -> None:
        """The final response came."""

    def errand_failed(self, status: int, reason: str) -> None:
        """There will be none; the status says why, as a response's would (RFC 3261 8.1.3.1)."""


class Errand:
    """One request that is neither INVITE nor within a dialog, delivered.

    :param target: its Request-URI.
    :param cseq: its number.
    :param flow: the way to try first, where it is known already.
    :ivar delivery: how it gets there.
    """

    __slots__ = ("_agent", "_heard", "_transaction", "_user", "delivery")

    def __init__(
        self, agent: Agent, user: ErrandUser, policy: Policy, target: str, cseq: int = 1, flow: Flow | None = None
    ) -> None:
        self._agent = agent
        self._user = user
        self._heard = False
        self._transaction: ClientTransaction | None = None
        self.delivery = Delivery(agent, self, policy, target, cseq, flow)

    def start(self) -> None:
        """Send the request."""
        if self.delivery.flow is not None:
            self.way_found(self.delivery.flow)
        else:
            self.delivery.start()

    def give_up(self) -> None:
        """Tell the user nothing more. A request that is under way is not called back."""
        self.delivery.give_up()

    # What the delivery tells

    def way_found(self, flow: Flow) -> None:
        """Send it along a way."""
        delivery = self.delivery
        self._heard = False
        request = self._user.request_for(flow, delivery.target, delivery.cseq)
        if delivery.policy.routes:
            delivery.route(request)
        if delivery.policy.keyring is not None:
            request.fields[:0] = delivery.policy.keyring.proofs(request)
        self._transaction = self._agent.layer.request(flow, request, self)

    def undeliverable(self, status: int, reason: str) -> None:
        """There is no way left."""
        self._user.errand_failed(status, reason)

    # What the transaction tells

    def response_received(self, response: Response) -> None:
        """A response came."""
        delivery = self.delivery
        if response.status < 200:
            self._heard = True
        elif delivery.state is not OVER:
            if response.status < 300 or not delivery.refused(response):
                delivery.answered()
                self._user.errand_done(response)

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """No final response will come. Who has heard of us is not silent, but slow (RFC 3263 4.3)."""
        delivery = self.delivery
        if delivery.state is not OVER and (self._heard or not delivery.failed(status, reason)):
            delivery.give_up()
            self._user.errand_failed(status, reason)


def _quality(text: str | None) -> float:
    """The preference of a Contact, 0.0 to 1.0; 1.0 where none is named, and 0.0 where it is malformed."""
    if text is None:
        return 1.0
    return float(text) if _QUALITY.fullmatch(text) else 0.0
