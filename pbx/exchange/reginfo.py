"""The event package `reg`: whoever may, watches which phones are registered for an extension (RFC 3680).

Each NOTIFY has the whole state, and what ended with the last change besides: so none that was lost leaves a watcher
with a wrong picture. GRUUs are told as RFC 5628 has it, the public ones: a temporary one is its phone's own secret.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Protocol
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from pbx.exchange.binding import Binding
from pbx.exchange.caller import Caller
from pbx.exchange.directory import Directory
from pbx.exchange.documents import printable, written
from pbx.exchange.gruu import Gruus
from pbx.exchange.location import Change, Location
from pbx.sip.errors import Malformed
from pbx.sip.interval import Interval
from pbx.sip.notifier import Content

NAME = "reg"
KIND = "application/reginfo+xml"

_NAMESPACE = "urn:ietf:params:xml:ns:reginfo"
_GRUUINFO = "{urn:ietf:params:xml:ns:gruuinfo}"
ElementTree.register_namespace("gr", _GRUUINFO[1:-1])


class Events(Protocol):
    """What is told of changes."""

    def changed(self, package: str, resource: str) -> None:
        """The state of a resource has changed: tell those who watch it."""

    def is_watched(self, package: str, resource: str) -> bool:
        """Whether anybody watches it."""


class RegistrationPackage:
    """The package (`pbx.exchange.events.Package`).

    :param domain: the host of addresses-of-record without bindings.
    :param now: the time, seconds since 1970.
    """

    name = NAME
    kinds = (KIND,)
    interval = Interval(default=3761)  # RFC 3680 4.4
    throttle = 5.0  # RFC 3680 4.10

    def __init__(
        self,
        events: Events,
        directory: Directory,
        location: Location,
        gruus: Gruus,
        domain: str,
        now: Callable[[], float],
    ) -> None:
        self._events = events
        self._directory = directory
        self._location = location
        self._gruus = gruus
        self._domain = domain
        self._now = now
        self._ended: dict[str, list[Change]] = {}  # with the last change of each number that is watched
        location.watchers.append(self._changed)

    def admit(self, sender: Caller, resource: str) -> None:
        """One's own registrations may be watched, and those that one may change (RFC 3680 4.6).

        :raises Malformed: 403; also for numbers that do not exist, so that nobody learns which ones do.
        """
        if not self._directory.may_register(sender.number, resource):
            raise Malformed(403, "")

    def state(self, resource: str, version: int, watcher: str) -> Content:
        """The whole state."""
        bindings = self._location.contacts(resource)
        ended = self._ended.get(resource, []) if self._events.is_watched(NAME, resource) else []
        reginfo = Element("reginfo", {"xmlns": _NAMESPACE, "version": str(version), "state": "full"})
        known = bindings or [binding for binding, _ in ended]
        aor = next((binding.aor for binding in known if binding.aor), f"sip:{resource}@{self._domain}")
        state = "active" if bindings else "terminated" if ended else "init"
        registration = SubElement(
            reginfo, "registration", {"aor": printable(aor), "id": printable(resource), "state": state}
        )
        for binding in bindings:
            self._add(registration, binding, "active", "registered")
        for binding, event in ended:
            self._add(registration, binding, "terminated", event)
        return KIND, written(reginfo)

    def _add(self, registration: Element, binding: Binding, state: str, event: str) -> None:
        """One contact (RFC 3680 5.1, RFC 5628 section 5)."""
        now = self._now()
        given = {
            "id": _identity(binding),
            "state": state,
            "event": event,
            "duration-registered": str(max(0, round(now - binding.registered_at))),
            "expires": str(max(0, round(binding.expires_at - now)) if state == "active" else 0),
            "q": f"{binding.q:.3g}",
            "callid": printable(binding.call_id),
            "cseq": str(binding.cseq),
        }
        contact = SubElement(registration, "contact", given)
        SubElement(contact, "uri").text = printable(binding.contact)
        if binding.instance:
            instance = SubElement(contact, "unknown-param", {"name": "+sip.instance"})
            instance.text = printable(f'"<{binding.instance}>"')
            if binding.aor:
                SubElement(contact, f"{_GRUUINFO}pub-gruu", {"uri": printable(self._gruus.public(binding))})

    def _changed(self, number: str, changes: list[Change]) -> None:
        if self._events.is_watched(NAME, number):
            self._ended[number] = [(binding, event) for binding, event in changes if event != "registered"]
            self._events.changed(NAME, number)
        else:
            self._ended.pop(number, None)


def _identity(binding: Binding) -> str:
    """The same for one binding as long as it lasts, and another for each other (RFC 3680 5.1)."""
    text = "\n".join([binding.number, binding.contact, binding.instance, str(binding.reg_id)])
    return "c" + blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
