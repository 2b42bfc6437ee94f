"""The event package `message-summary`: phones watch how many messages their extension has (RFC 3842).

Everybody sees his own mailboxes and nobody another's.
"""

from __future__ import annotations

from typing import Protocol

from pbx.exchange.caller import Caller
from pbx.features.voicemail.boxes import Voicemail
from pbx.sip.errors import Malformed
from pbx.sip.interval import Interval
from pbx.sip.notifier import Content

NAME = "message-summary"
KIND = "application/simple-message-summary"


class Events(Protocol):
    """What is told of changes."""

    def changed(self, package: str, resource: str) -> None:
        """The state of a resource has changed: tell those who watch it."""


class MessageSummary:
    """The package (`pbx.exchange.events.Package`).

    :param account: the URI that phones are to call for the messages; "" for none.
    """

    name = NAME
    kinds = (KIND,)
    interval = Interval()
    throttle = 1.0

    def __init__(self, events: Events, voicemail: Voicemail, account: str) -> None:
        self._events = events
        self._voicemail = voicemail
        self._account = account
        voicemail.watchers.append(self._changed)

    def admit(self, sender: Caller, resource: str) -> None:
        """One's own extension may be watched, and mailboxes that belong to it (RFC 3842 section 3.7).

        :raises Malformed: 403; also for numbers that do not exist, so that nobody learns which ones do.
        """
        mailbox = self._voicemail.find(resource)
        if resource != sender.number and (mailbox is None or mailbox.extension != sender.number):
            raise Malformed(403, "")

    def state(self, resource: str, version: int, watcher: str) -> Content:
        """How many messages there are: of an extension, in all its mailboxes."""
        return KIND, self.body(resource)

    def body(self, resource: str) -> bytes:
        """The document about an extension or a mailbox (RFC 3842 section 5.2)."""
        summary = self._voicemail.summary(self._voicemail.of_extension(resource))
        lines = [
            f"Messages-Waiting: {'yes' if summary.new else 'no'}",
            *([f"Message-Account: {self._account}"] if self._account else []),
            f"Voice-Message: {summary.new}/{summary.old} ({summary.urgent_new}/{summary.urgent_old})",
        ]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def _changed(self, name: str) -> None:
        mailbox = self._voicemail.find(name)
        for resource in {name, mailbox.extension if mailbox is not None else name}:
            self._events.changed(NAME, resource)
