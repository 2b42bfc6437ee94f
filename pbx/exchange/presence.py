"""The event package `presence`: whether somebody can be reached, and what he says of himself (RFC 3856, RFC 3863).

Who has no phone is closed, whatever he has published. Who has one is open, unless he has published his presence: then
he is what he says, and what several publishers say stands side by side, the last one first. Who is in a call is on the
phone beside that (RFC 4480 3.2), as long as the call lasts.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Protocol
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from pbx.exchange.caller import Caller
from pbx.exchange.directory import Directory
from pbx.exchange.documents import printable, read, written
from pbx.exchange.location import Change, Location, has_turned
from pbx.sip.errors import Malformed
from pbx.sip.interval import Interval
from pbx.sip.notifier import Content
from pbx.sip.publication import Publication

NAME = "presence"
KIND = "application/pidf+xml"

LONGEST = 8192
"""Bytes of what is published that a document has; what has been published longest ago is left out first."""

_NAMESPACE = "urn:ietf:params:xml:ns:pidf"
_PIDF = f"{{{_NAMESPACE}}}"
_PERSON = f"{{{_NAMESPACE}:data-model}}person"
_ACTIVITIES = f"{{{_NAMESPACE}:rpid}}activities"
_ON_THE_PHONE = f"{{{_NAMESPACE}:rpid}}on-the-phone"
ElementTree.register_namespace("dm", f"{_NAMESPACE}:data-model")
ElementTree.register_namespace("rpid", f"{_NAMESPACE}:rpid")


class Events(Protocol):
    """What is told of changes."""

    def changed(self, package: str, resource: str) -> None:
        """The state of a resource has changed: tell those who watch it."""

    def is_watched(self, package: str, resource: str) -> bool:
        """Whether anybody watches it."""

    def end(self, package: str, resource: str, reason: str) -> None:
        """A resource may be watched no longer."""


class PresencePackage:
    """The package (`pbx.exchange.events.Package`, `pbx.exchange.events.Composer`).

    :param domain: the host of the addresses in it.
    :param is_talking: whether an extension is in a call.
    """

    name = NAME
    kinds = (KIND,)
    interval = Interval(default=3600)  # RFC 3856 6.4
    throttle = 5.0  # RFC 3856 6.10

    def __init__(
        self, events: Events, directory: Directory, location: Location, domain: str, is_talking: Callable[[str], bool]
    ) -> None:
        self._events = events
        self._directory = directory
        self._location = location
        self._domain = domain
        self._is_talking = is_talking
        self._on_the_phone: set[str] = set()  # as the last documents say
        self._said: dict[str, list[Element]] = {}
        location.watchers.append(self._moved)

    def admit(self, sender: Caller, resource: str) -> None:
        """The presence of the house is for all extensions of the house (RFC 3856 6.6).

        :raises Malformed: 404 where there is no such extension.
        """
        if not self._is_here(resource):
            raise Malformed(404, "")

    def state(self, resource: str, version: int, watcher: str) -> Content:
        """The whole state (RFC 3863 section 4)."""
        address = f"sip:{printable(resource)}@{self._domain}"
        root = Element("presence", {"xmlns": _NAMESPACE, "entity": address})
        is_open = bool(self._location.contacts(resource))
        said = self._said.get(resource, [])
        if self._is_talking(resource):
            self._on_the_phone.add(resource)
            said = _talking(said)
        else:
            self._on_the_phone.discard(resource)
        tuples = [element for element in said if element.tag == "tuple"] if is_open else []
        if not tuples:
            phones = SubElement(root, "tuple", {"id": "phones"})
            SubElement(SubElement(phones, "status"), "basic").text = "open" if is_open else "closed"
            SubElement(phones, "contact").text = address
        # Notes come after all tuples, and what other documents add after the notes (RFC 3863 4.4).
        notes = [element for element in said if element.tag == "note"]
        root.extend([*tuples, *notes, *(element for element in said if element.tag not in ("tuple", "note"))])
        return KIND, written(root)

    def understands(self, body: bytes) -> None:
        """See that a body is presence.

        :raises Malformed: 400.
        """
        if read(body).tag != f"{_PIDF}presence":
            raise Malformed(400, "the document is not presence")

    def published(self, resource: str, publications: list[Publication]) -> None:
        """Somebody says something else of himself, or says it no more."""
        self._said[resource] = _together([publication.body for publication in reversed(publications)])
        if not publications:
            del self._said[resource]
        self._events.changed(NAME, resource)

    def called(self, resource: str) -> None:
        """The calls of an extension have changed."""
        if self._events.is_watched(NAME, resource):
            if self._is_talking(resource) is not (resource in self._on_the_phone):
                self._events.changed(NAME, resource)

    def changed(self, resource: str) -> None:
        """An extension has come or gone."""
        if self._is_here(resource):
            self._events.changed(NAME, resource)
        else:
            self._on_the_phone.discard(resource)
            self._events.end(NAME, resource, "noresource")

    def _is_here(self, resource: str) -> bool:
        extension = self._directory.find(resource)
        return extension is not None and extension.enabled

    def _moved(self, number: str, changes: list[Change]) -> None:
        if self._events.is_watched(NAME, number) and has_turned(changes, len(self._location.contacts(number))):
            self._events.changed(NAME, number)


def _talking(said: list[Element]) -> list[Element]:
    """What is said of somebody who is on the phone: that too, in words where nobody has said anything in words."""
    said = deepcopy(said)
    person = next((element for element in said if element.tag == _PERSON), None)
    if person is None:
        person = Element(_PERSON, {"id": "calls"})
        said.append(person)
    activities = person.find(_ACTIVITIES)
    if activities is None:
        activities = Element(_ACTIVITIES)
        person.insert(0, activities)
    if activities.find(_ON_THE_PHONE) is None:
        SubElement(activities, _ON_THE_PHONE)
    if not any(element.tag == "note" for element in said):
        note = Element("note", {"xml:lang": "en"})
        note.text = "On the phone"
        said.append(note)
    return said


def _together(bodies: list[bytes]) -> list[Element]:
    """What several documents say, as it goes into one: no id may come twice, and not every phone can read prefixes."""
    found: list[Element] = []
    length = 0
    for place, body in enumerate(bodies, 1):
        length += len(body)
        if length > LONGEST:
            break
        for element in read(body):
            for one in element.iter():
                one.tag = one.tag.removeprefix(_PIDF)
            if element.tag == "tuple" or "id" in element.attrib:
                element.set("id", f"p{place}-{element.get('id', '')}")
            found.append(element)
    return found
