"""Phones: where an extension is rung, made from its bindings when it is called.

Each phone comes once: several flows of one instance are ways to the same phone, to be tried one after the other (RFC
5626 section 7). A phone that does not answer is left out as long as another one of the extension does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from pbx.exchange.binding import Binding
from pbx.exchange.destination import Destination
from pbx.exchange.directory import Directory
from pbx.exchange.gruu import Gruus
from pbx.exchange.location import Location
from pbx.exchange.outcome import Failed, Outcome, Unreachable
from pbx.exchange.target import ExtensionTarget
from pbx.sip.dialog import as_target
from pbx.sip.flow import Flow, hostport_of
from pbx.sip.grammar import elements
from pbx.sip.headers import parse_address
from pbx.sip.uac import Policy
from pbx.sip.uri import Uri, parse_uri


class Flows(Protocol):
    """Where flows come from."""

    def flow_to(self, uri: Uri) -> Flow | None:
        """A flow to the host of a URI, or None when there is no way to it, or its name has to be looked up."""

    def flow_between(self, local_host: str, local_port: int, host: str, port: int) -> Flow | None:
        """A flow to an address, from the local address where it is still ours, else from any; None without a way."""


class Phones:
    """All phones that are registered.

    :param gruus: the addresses of single phones.
    :param is_ours: whether a host is one of our domains or addresses.
    :param is_silent: whether the phone of a binding was asked for a sign of life, and gave none.
    """

    def __init__(
        self,
        directory: Directory,
        location: Location,
        gruus: Gruus,
        flows: Flows,
        is_ours: Callable[[str], bool],
        is_silent: Callable[[Binding], bool],
    ) -> None:
        self._directory = directory
        self._location = location
        self._gruus = gruus
        self._flows = flows
        self._is_ours = is_ours
        self._is_silent = is_silent

    def locate(self, target: ExtensionTarget, secure: bool) -> list[Destination] | Outcome:
        """Where an extension is rung; or the outcome when it cannot be.

        :param secure: whether over TLS or not at all (RFC 3261 26.2.2).
        """
        number = self._directory.number_of(target.number)
        extension = self._directory.find(number)
        if extension is None:
            return Failed(404, "there is no such number", by=target)
        bindings = self._location.contacts(number) if extension.enabled else []
        secure = secure or extension.tls_only  # its phones may have registered before that was wanted
        if target.instance:
            bindings = [binding for binding in bindings if binding.instance == target.instance]
        if len(bindings) > 1:
            bindings = self._answering(bindings)
        phones: dict[str, Destination] = {}
        for binding in bindings:
            destination = self.destination(binding, target, secure)
            if destination is None:
                continue
            first = phones.get(binding.phone)
            if first is not None:
                destination = first._replace(others=(*first.others, destination))
            phones[binding.phone] = destination
        return list(phones.values()) or Unreachable(by=target)

    def place_of(self, gruu: Uri) -> tuple[str, tuple[str, ...], Flow | None] | None:
        """The contact, the route set and the flow of the phone that a GRUU means (see `pbx.sip.user_agent.Places`)."""
        number, instance = self._gruus.resolve(gruu) if self._is_ours(gruu.host) else ("", "")
        found = self.locate(ExtensionTarget(number, instance), False) if instance else None
        if not isinstance(found, list):
            return None
        return found[0].uri, found[0].policy.routes, found[0].flow

    def destination(self, binding: Binding, target: ExtensionTarget, secure: bool = False) -> Destination | None:
        """The way to one phone by one of its bindings; None when there is none now."""
        secure = secure or binding.is_secure
        if binding.path:
            return self._through_proxies(binding, target, secure)
        flow = self._way_to(binding)
        if flow is None or (secure and flow.transport != "TLS"):
            return None
        callee = f"<sip:{binding.number}@{hostport_of(flow)}>"
        uri = parse_uri(binding.contact)
        patience, number = _patience(uri), binding.number
        return Destination(
            *(target, as_target(uri), callee, flow), neighbour=True, patience=patience, number=number, q=binding.q
        )

    def _through_proxies(self, binding: Binding, target: ExtensionTarget, secure: bool) -> Destination | None:
        """The way by the proxies that the phone's REGISTER has taken (RFC 3327 5.3)."""
        routes = tuple(elements(binding.path))
        flow = self._flows.flow_to(parse_address(routes[0]).uri)
        if flow is not None and secure and flow.transport != "TLS":
            return None
        uri, policy = parse_uri(binding.contact), Policy(routes=routes, is_secure=secure)
        callee = f"<{binding.aor}>"
        patience, number = _patience(uri), binding.number
        return Destination(target, as_target(uri), callee, flow, False, policy, patience, number=number, q=binding.q)

    def _way_to(self, binding: Binding) -> Flow | None:
        """The flow to a phone: the connection, or the address, from which it has registered."""
        if binding.transport != "UDP":
            return self._location.connection_of(binding)
        return self._flows.flow_between(
            binding.local_host, binding.local_port, binding.remote_host, binding.remote_port
        )

    def _answering(self, bindings: Iterable[Binding]) -> list[Binding]:
        """Those that answer, if any of them does; of one phone, the flow that does comes first."""
        silent = [binding for binding in bindings if self._is_silent(binding)]
        if not silent:
            return list(bindings)
        answering = [binding for binding in bindings if binding not in silent]
        if not answering:
            return silent
        phones = {binding.phone for binding in answering}
        return answering + [binding for binding in silent if binding.phone in phones]


def _patience(contact: Uri) -> float:
    """Seconds that a phone wants to ring at most: `expires` inside of its URI; 0.0 where it says nothing."""
    text = contact.parameters.get("expires") if contact.parameters else None
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else 0.0
