"""The event package `conference`: who is in a conference, and what is going on there (RFC 4575).

Each NOTIFY has the whole state. It may be watched by the extensions that take part, while they do, and by those whose
class of service has the word `conferences`, from the first who enters to the last who leaves.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol
from xml.etree.ElementTree import Element, SubElement

from pbx.exchange.caller import Caller, Source
from pbx.exchange.directory import Directory
from pbx.exchange.documents import printable, written
from pbx.features.conference.conference import Conference
from pbx.features.conference.conferences import Conferences
from pbx.features.conference.party import Party
from pbx.sip.errors import Malformed
from pbx.sip.interval import Interval
from pbx.sip.notifier import Content

NAME = "conference"
KIND = "application/conference-info+xml"
WORD = "conferences"  # of a class of service: these may watch where they do not take part

_NAMESPACE = "urn:ietf:params:xml:ns:conference-info"


class Events(Protocol):
    """What is told of changes."""

    def changed(self, package: str, resource: str) -> None:
        """The state of a resource has changed: tell those who watch it."""

    def end(self, package: str, resource: str, reason: str, sender: str | None = None) -> None:
        """A resource may be watched no longer: by nobody, or not by one extension."""


class ConferencePackage:
    """The package (`pbx.exchange.events.Package`).

    :param domain: the host of the addresses in it.
    """

    name = NAME
    kinds = (KIND,)
    interval = Interval(default=3600)  # RFC 4575 3.3
    throttle = 5.0  # RFC 4575 3.9

    def __init__(self, events: Events, directory: Directory, conferences: Conferences, domain: str) -> None:
        self._events = events
        self._directory = directory
        self._conferences = conferences
        self._domain = domain
        conferences.watchers.append(self._changed)

    def admit(self, sender: Caller, resource: str) -> None:
        """Those who take part may watch, and those who may watch all.

        :raises Malformed: 403; also where there is no conference, so that nobody learns where there are any; who may
            watch all is told so with 404.
        """
        conference = self._conferences.at(resource)
        if not self._may_watch(sender.number, conference):
            raise Malformed(403, "")
        if conference is None:
            raise Malformed(404, "")

    def state(self, resource: str, version: int, watcher: str) -> Content:
        """The whole state (RFC 4575 section 5)."""
        conference = self._conferences.at(resource)
        name = conference.room.name if conference is not None else resource
        info = Element("conference-info", {"xmlns": _NAMESPACE, "entity": f"sip:{name}@{self._domain}"})
        info.attrib.update({"state": "full", "version": str(version + 1)})
        if conference is not None:
            self._describe(info, conference)
        return KIND, written(info)

    def _describe(self, info: Element, conference: Conference) -> None:
        description = SubElement(info, "conference-description")
        _add(description, "display-text", conference.room.name)
        _add(description, "maximum-user-count", str(conference.room.max))
        state = SubElement(info, "conference-state")
        _add(state, "user-count", str(len(conference.parties)))
        _add(state, "active", "true")
        _add(state, "locked", "true" if conference.locked else "false")
        users = SubElement(info, "users")
        for entity, parties in self._users(conference.parties.values()).items():
            self._add_user(users, entity, parties)

    def _users(self, parties: Iterable[Party]) -> dict[str, list[Party]]:
        """The parties by address: one user may be there with several phones."""
        users: dict[str, list[Party]] = {}
        for party in parties:
            users.setdefault(self._entity(party), []).append(party)
        return users

    def _entity(self, party: Party) -> str:
        caller = party.caller
        if caller.is_private or not caller.number:
            return f"sip:anonymous{party.id}@anonymous.invalid"  # RFC 4575 5.6.1: each has another one
        return f"sip:{caller.number}@{caller.domain or self._domain}"

    def _add_user(self, users: Element, entity: str, parties: list[Party]) -> None:
        """One user (RFC 4575 5.6), with an endpoint for each phone (RFC 4575 5.7)."""
        user = SubElement(users, "user", {"entity": printable(entity), "state": "full"})
        caller = parties[0].caller
        if caller.name and not caller.is_private:
            _add(user, "display-text", caller.name)
        _add(SubElement(user, "roles"), "entry", "leader" if parties[0].leads else "participant")
        for party in parties:
            endpoint = SubElement(user, "endpoint", {"entity": printable(f"{entity};party={party.id}")})
            _add(endpoint, "status", "connected")
            _add(endpoint, "joining-method", "dialed-in")
            joined = SubElement(endpoint, "joining-info")
            _add(joined, "when", datetime.fromtimestamp(party.joined_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
            media = SubElement(endpoint, "media", {"id": "1"})
            _add(media, "type", "audio")
            # As its phone sees it (RFC 4575 5.8.5): who is muted only hears.
            _add(media, "status", "recvonly" if party.muted else "sendrecv")

    def _changed(self, conference: Conference, gone: Party | None) -> None:
        if gone is not None:
            over = {gone.number, conference.room.name} - (conference.addresses if conference.parties else set())
            for address in over:
                self._events.end(NAME, address, "noresource")
        if not conference.parties:
            return
        expelled = gone is not None and not self._may_watch(gone.caller.number, conference)
        for address in conference.addresses:
            if gone is not None and expelled:
                self._events.end(NAME, address, "rejected", gone.caller.number)
            self._events.changed(NAME, address)

    def _may_watch(self, number: str, conference: Conference | None) -> bool:
        extension = self._directory.find(number)
        if extension is not None and WORD in extension.class_of_service:
            return True
        return conference is not None and any(
            party.caller.source is Source.INTERNAL and party.caller.number == number
            for party in conference.parties.values()
        )


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = printable(text)
