"""The usages of dialogs that are no sessions (RFC 5057): subscriptions, and what comes for each of them.

A dialog may have several, beside a session or without one; they are told apart by their events (RFC 6665 8.2.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from pbx.sip.dialog import Dialog
from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow
from pbx.sip.headers import EVENT, Field
from pbx.sip.identifiers import Identifiers
from pbx.sip.message import Message, Request
from pbx.sip.timers import Clock
from pbx.sip.transaction_layer import ServerTransaction, TransactionLayer

Event = tuple[str, str]
"""An event package, and the id that tells its subscriptions within one dialog apart, or ""."""

Key = tuple[str, str, str]
"""A dialog ID; without the peer's tag while there is no dialog yet."""

ENDING = frozenset((404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604))
"""The statuses that end the subscription whose request they answer (RFC 6665 4.1.2.2, 4.2.2)."""


class Usage(Protocol):
    """One of them, as it is found."""

    @property
    def method(self) -> str:
        """Which requests are for it."""

    @property
    def event(self) -> Event: ...
    @property
    def key(self) -> Key: ...
    @property
    def dialog(self) -> Dialog | None:
        """Its dialog, once there is one."""

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """A request came for it."""


class Agent(Protocol):
    """What subscriptions need of the user agent that holds them."""

    clock: Clock
    identifiers: Identifiers
    layer: TransactionLayer
    usages: Usages

    def direct(self, dialog: Dialog) -> None:
        """Let the requests of a dialog go to its route set or remote target."""

    def follow(self, dialog: Dialog, message: Message, flow: Flow) -> None:
        """Take over where a message says that the peer of a dialog is now."""


class Usages:
    """All usages of one user agent that are no sessions."""

    def __init__(self) -> None:
        self._usages: dict[Key, list[Usage]] = {}

    def __len__(self) -> int:
        """How many there are."""
        return sum([len(here) for here in self._usages.values()])

    def __contains__(self, key: Key) -> bool:
        """Whether there are any in a dialog."""
        return key in self._usages

    @property
    def dialogs(self) -> set[Key]:
        """The dialogs that have any."""
        return {key for key in self._usages if key[2]}

    def enter(self, usage: Usage) -> None:
        """A usage is there, or is to come."""
        self._usages.setdefault(usage.key, []).append(usage)

    def leave(self, usage: Usage) -> None:
        """A usage is over, or is found by another key from now on."""
        here = self._usages.get(usage.key, [])
        if usage in here:
            here.remove(usage)
            if not here:
                del self._usages[usage.key]

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """A request came in a dialog without a session, or makes one (RFC 6665 4.4.1).

        :raises Malformed: 481 when it is for none of these.
        """
        here = self._usages.get((request.call_id, request.to_tag, request.from_tag))
        if here is None:
            here = self._usages.get((request.call_id, request.to_tag, ""), [])
        else:
            dialog = here[0].dialog
            assert dialog is not None
            dialog.judge(request)
        _meant(here, request).request_received(transaction, request)

    def judged(self, transaction: ServerTransaction, request: Request) -> None:
        """A request came in the dialog of a session, which has judged it.

        :raises Malformed: 481 when it is for none of these.
        """
        here = self._usages.get((request.call_id, request.to_tag, request.from_tag), [])
        _meant(here, request).request_received(transaction, request)


def event_of(request: Request) -> Event | None:
    """The event that a request is about (RFC 6665 8.2.1).

    :raises Malformed: 400.
    """
    given = request.one(EVENT)
    return None if given is None else (given[0], given[1].get("id") or "")


def event_field(event: Event) -> Field:
    """The Event field of a request that we send."""
    package, identity = event
    return EVENT.field(f"{package};id={identity}" if identity else package)


def _meant(usages: Iterable[Usage], request: Request) -> Usage:
    event = event_of(request)
    for usage in usages:
        if usage.method == request.method and event is not None and _same(usage.event, event):
            return usage
    if request.method == "SUBSCRIBE" and event is not None and event[0] == "refer":
        raise Malformed(403, "only REFER makes such a subscription")  # RFC 3515 2.4.4
    raise Malformed(481, "")


def _same(one: Event, other: Event) -> bool:
    # The first REFER of a dialog needs no id in its NOTIFYs (RFC 3515 2.4.6).
    return one == other or (one[0] == other[0] == "refer" and "" in (one[1], other[1]))
