"""The trunks of one exchange: which of them a call comes from, and the way of a call that is to go over one.

A trunk is known by where its messages come from: an address of its own, a certificate that names its domain, or the
flow over which we are registered with it. What a message says of itself decides nothing but which of several accounts
with the same provider is meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from pbx.exchange.bans import source_of
from pbx.exchange.caller import Caller, Source
from pbx.exchange.destination import Destination
from pbx.exchange.link import Link
from pbx.exchange.numbering import Numbering
from pbx.exchange.outcome import Attempt, Failed, Outcome
from pbx.exchange.privacy import is_private
from pbx.exchange.target import TrunkTarget
from pbx.exchange.trunk import Trunk
from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow
from pbx.sip.headers import P_ASSERTED_IDENTITY, Address, parse_address
from pbx.sip.message import Request
from pbx.sip.uri import parse_uri
from pbx.sip.user_agent import UserAgent

HOSTS = 4096
"""Addresses of which is remembered whose they are."""


class Trunks:
    """All of them.

    :ivar numbering: how numbers are dialled here.
    :ivar links: those that there are, by name.
    """

    def __init__(self, agent: UserAgent, numbering: Numbering) -> None:
        self.numbering = numbering
        self.links: dict[str, Link] = {}
        self._agent = agent
        self._calls: Counter[str] = Counter()
        self._by_host: dict[tuple[str, int], tuple[Link, ...]] = {}
        self._running = False

    def start(self) -> None:
        """Register, and ask whether they are there."""
        self._running = True
        for link in self.links.values():
            link.start()

    def stop(self) -> None:
        """Unregister, and ask no more."""
        self._running = False
        for link in self.links.values():
            link.stop()

    def replace(self, trunks: Iterable[Trunk]) -> None:
        """The table has changed: these are all. Calls on those that are gone or changed go on."""
        before, self.links = self.links, {}
        self._by_host.clear()
        for trunk in sorted(trunks, key=lambda trunk: trunk.name):
            old = before.pop(trunk.name, None)
            if old is not None and old.trunk.account == trunk.account:
                self.links[trunk.name] = old
                old.trunk = trunk
                if self._running and trunk.qualify:
                    old.ask()
                continue
            link = self.links[trunk.name] = Link(self._agent, trunk, self._calls)
            if old is not None:
                # Were the new account registered first, ending the old one would end that, too: it is the same Contact.
                old.stop(partial(self._start, link))
            else:
                self._start(link)
        for gone in before.values():
            gone.stop()

    # Who comes

    def link_of(self, request: Request, flow: Flow) -> Link | None:
        """The trunk that a request comes from; None when from none."""
        if not self.links:
            return None
        candidates = self._at(flow)
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        user = request.uri.decoded_user
        number = self.numbering.normal(user)
        for link in candidates:
            if user and user == link.trunk.username:
                return link
        for link in candidates:
            if number in map(self.numbering.normal, link.trunk.dids):
                return link
        return candidates[0]

    def caller_of(self, request: Request, link: Link) -> Caller:
        """Who calls over a trunk: as the network asserts (RFC 3325 9.1), else as From says."""
        sender = request.sender()
        withheld = is_private(request, sender.uri.host)
        asserted = _asserted(request) or sender
        number = "" if withheld else self.numbering.normal(asserted.uri.decoded_user)
        name = "".join([letter for letter in asserted.display if letter.isprintable()])[:80]
        return Caller(number, name, Source.INBOUND, is_private=withheld, trunk=link.trunk.name)

    def did_of(self, request: Request, link: Link) -> str:
        """The number of ours that is called: in the Request-URI, or in To where that names our account only."""
        user = request.uri.decoded_user
        if not user or user == link.trunk.username:
            try:
                user = parse_address(request.first("to") or "").uri.decoded_user or user
            except Malformed:
                pass
        return self.numbering.normal(user)

    def account_at(self, transport: str, host: str, port: int) -> str:
        """The trunk that speaks from there, in words; "" for none."""
        if not self.links:
            return ""
        found = self._at_host(host, port) or self._registered_over(transport, host, port)
        return f"trunk {found[0].trunk.name}" if found else ""

    def is_anybody_at(self, source: str) -> bool:
        """Whether any trunk speaks from a source: an IPv4 address or an IPv6 network."""
        for link in self.links.values():
            registration = link.registration
            flow = registration.flow if registration is not None and link.is_registered else None
            if flow is not None and source_of(flow.remote[0]) == source:
                return True
            if "/" not in source and link.is_at(source, 0):
                return True
            if any(source_of(str(network.network_address)) == source for network in link.trunk.addresses):
                return True
        return False

    # Whom we call

    def locate(
        self, target: TrunkTarget, secure: bool, beside: Sequence[Destination] = ()
    ) -> list[Destination] | Outcome:
        """The way over a trunk; or the outcome when there is none now.

        :param secure: whether over TLS or not at all (RFC 3261 26.2.2).
        :param beside: what will be rung at the same time: it may be by the same trunk.
        """
        link = self.links.get(target.trunk)
        if link is None:
            return _failed(target, 503, f"there is no trunk {target.trunk}")
        if link.obstacle is not None:
            return _failed(target, *link.obstacle)
        calls = 1 + sum(one.link is link for one in beside)
        if not link.has_room(calls) and target.number not in self.numbering.emergency:
            return _failed(target, 503, f"{target.trunk} carries as many calls as it may")
        trunk, agent = link.trunk, self._agent
        uri = parse_uri(trunk.uri_of(target.number))
        callee = f"<sip:{uri.user}@{trunk.domain}>"
        policy = replace(link.policy, is_secure=True) if secure else link.policy
        flow = None if trunk.routes else agent.flows.flow_to(uri)
        if flow is not None and secure and flow.transport != "TLS":
            return _failed(target, 480, f"no secure way to {target.trunk}")
        if flow is not None and agent.outages.rests(flow):
            return _failed(target, 503, f"{target.trunk} asked for a rest")
        return [Destination(target, str(uri), callee, flow, neighbour=False, policy=policy, link=link)]

    # Inside

    def _start(self, link: Link) -> None:
        if self._running and self.links.get(link.trunk.name) is link:
            link.start()

    def _at(self, flow: Flow) -> tuple[Link, ...]:
        found = self._at_host(*flow.remote) or self._registered_over(flow.transport, *flow.remote)
        if not found and flow.names:
            found = tuple(
                [link for link in self.links.values() if link.trunk.enabled and link.trunk.domain in flow.names]
            )
        return found

    def _at_host(self, host: str, port: int) -> tuple[Link, ...]:
        found = self._by_host.get((host, port))
        if found is None:
            if len(self._by_host) >= HOSTS:
                self._by_host.clear()
            found = self._by_host[host, port] = tuple([link for link in self.links.values() if link.is_at(host, port)])
        return found

    def _registered_over(self, transport: str, host: str, port: int) -> tuple[Link, ...]:
        links = self.links.values()
        return tuple([link for link in links if link.is_registered_over(transport, host, port)])


def _asserted(request: Request) -> Address | None:
    """The first identity that the network asserts and that has a number."""
    try:
        addresses = request.many(P_ASSERTED_IDENTITY)
    except Malformed:
        return None
    return next((address for address in addresses if address.uri.is_sip and address.uri.user), None)


def _failed(target: TrunkTarget, status: int, words: str) -> Failed:
    return Failed(status, words, by=target, attempts=(Attempt(target, status, words, None),))
