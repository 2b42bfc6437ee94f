"""The event package `dialog`, which makes the lamps of phones (RFC 4235): who is called, who is in a call, which
switches are on.

Each NOTIFY has the whole state, so that none that was lost leaves a lamp wrong. An extension without a phone is neither
idle nor in a call: its document says so (`_describe`).
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement

from pbx.exchange.caller import Caller
from pbx.exchange.directory import Directory
from pbx.exchange.documents import printable, written
from pbx.exchange.lamp import CONFIRMED, EARLY, TERMINATED, Lamp, LampDialog
from pbx.exchange.privacy import ANONYMOUS_HOST
from pbx.sip.errors import Malformed
from pbx.sip.interval import Interval
from pbx.sip.notifier import Content

NAME = "dialog"
KIND = "application/dialog-info+xml"

_NAMESPACE = "urn:ietf:params:xml:ns:dialog-info"
_PIDF = "urn:ietf:params:xml:ns:pidf"
_UNRESERVED = "*-_.!~'()&=+$,;?/"  # of a user part (RFC 3261 25.1)

# What ordinary phones are shown where there is no dialog: they know lamps by the stage of some dialog.
_IDLE = LampDialog("idle", TERMINATED)
_UNREGISTERED = LampDialog("unregistered", CONFIRMED)


class Events(Protocol):
    """What is told of changes."""

    def changed(self, package: str, resource: str) -> None:
        """The state of a resource has changed: tell those who watch it."""

    def is_watched(self, package: str, resource: str) -> bool:
        """Whether anybody watches it."""

    def end(self, package: str, resource: str, reason: str) -> None:
        """A resource may be watched no longer."""


class Lit(Protocol):
    """Some of what has lamps: all extensions, or all switches."""

    def lamp(self, resource: str) -> Lamp | None:
        """The state of a number; None when it is none of these."""


class DialogPackage:
    """The package (`pbx.exchange.events.Package`).

    :param domain: the host of the addresses in it.
    :ivar lit: all that has lamps; what comes first counts.
    """

    name = NAME
    kinds = (KIND,)
    interval = Interval(default=3600)  # RFC 4235 3.4
    throttle = 1.0  # RFC 4235 3.10

    def __init__(self, events: Events, directory: Directory, domain: str) -> None:
        self.lit: list[Lit] = []
        self._events = events
        self._directory = directory
        self._domain = domain

    def admit(self, sender: Caller, resource: str) -> None:
        """The lamps of the house are for all extensions of the house (RFC 4235 3.6).

        :raises Malformed: 404 where there is no such number.
        """
        if self._lamp(resource) is None:
            raise Malformed(404, "")

    def state(self, resource: str, version: int, watcher: str) -> Content:
        """The whole state, as that extension may know it."""
        root = Element("dialog-info", {"xmlns": _NAMESPACE, "version": str(version), "state": "full"})
        root.set("entity", self._address(resource))
        lamp = self._lamp(resource)
        if lamp is not None:
            self._describe(root, resource, lamp, watcher)
        return KIND, written(root)

    def changed(self, resource: str) -> None:
        """The state of a number may have changed, or the number is gone."""
        if not self._events.is_watched(NAME, resource):
            return
        if self._lamp(resource) is None:
            self.end(resource)
        else:
            self._events.changed(NAME, resource)

    def end(self, resource: str) -> None:
        """An extension was removed or disabled: who watches it may ask whether its number means something else now."""
        self._events.end(NAME, resource, "noresource")

    def is_watched(self, resource: str) -> bool:
        """Whether any phone shows a number."""
        return self._events.is_watched(NAME, resource)

    def _lamp(self, resource: str) -> Lamp | None:
        return next(filter(None, [lit.lamp(resource) for lit in self.lit]), None)

    def _may_know(self, watcher: str, resource: str, answered: bool) -> bool:
        """Whether an extension may know who is at the other end, and by which names the call can be taken over (RFC
        3891): who may take it over, and who may register for the other.

        :param answered: whether it talks; else it rings.
        """
        if self._directory.may_register(watcher, resource):
            return True
        own, other = self._directory.find(watcher), self._directory.find(resource)
        return own is not None and other is not None and own.may_pick_up(other, answered)

    def _describe(self, root: Element, resource: str, lamp: Lamp, watcher: str) -> None:
        """All dialogs.

        Where there is none, an idle extension has one that is terminated, and one without a phone has one that is
        confirmed, as other exchanges have it: phones know no other words for "call me" and "do not". Nothing that
        a call has belongs to the latter, and `basic` tells it apart from a call (RFC 3863).
        """
        for dialog in lamp.dialogs or (_IDLE if lamp.is_reachable else _UNREGISTERED,):
            self._add(root, resource, dialog, self._may_know(watcher, resource, dialog.stage is not EARLY))
        if not lamp.is_reachable:
            SubElement(root, "basic", {"xmlns": _PIDF}).text = "closed"

    def _add(self, root: Element, resource: str, dialog: LampDialog, known: bool) -> None:
        """One dialog (RFC 4235 4.1.1).

        :param known: whether the watcher may know more than how far it is.
        """
        element = SubElement(root, "dialog", {"id": dialog.id})
        if dialog.call_id and known:
            ids = {"call-id": dialog.call_id, "local-tag": dialog.local_tag, "remote-tag": dialog.remote_tag}
            element.attrib.update({name: printable(value) for name, value in ids.items() if value})
        if dialog.is_incoming is not None:
            element.set("direction", "recipient" if dialog.is_incoming else "initiator")
        SubElement(element, "state").text = dialog.stage.value
        if dialog.is_incoming is None:
            return
        own = self._address(resource)
        local = SubElement(element, "local")
        SubElement(local, "identity").text = own
        target = SubElement(local, "target", {"uri": own})
        if dialog.is_held:
            SubElement(target, "param", {"pname": "+sip.rendering", "pval": "no"})  # RFC 4235 5.2
        remote = SubElement(element, "remote")
        peer = dialog.peer
        if known and peer is not None:
            uri = self._peer(peer)
            named = {} if peer.is_private or not peer.name else {"display": printable(peer.name)}
            SubElement(remote, "identity", named).text = uri
            SubElement(remote, "target", {"uri": uri})
        else:
            # Phones want one to call.
            SubElement(remote, "target", {"uri": own})

    def _peer(self, peer: Caller) -> str:
        if peer.is_private or not peer.number:
            return f"sip:anonymous@{ANONYMOUS_HOST}"
        return self._address(peer.number, peer.domain)

    def _address(self, number: str, domain: str = "") -> str:
        return f"sip:{quote(printable(number), safe=_UNRESERVED)}@{printable(domain or self._domain)}"
