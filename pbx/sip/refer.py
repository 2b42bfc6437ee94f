"""REFER (RFC 3515): a peer asks us to call somebody, or we ask a peer to; who asked hears what becomes of it.

The subscription that goes with it is implicit, and left out where it is not wanted (RFC 4488).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote

from pbx.sip.correspondence import Correspondence
from pbx.sip.dialog import Dialog
from pbx.sip.errors import InvalidState, Malformed
from pbx.sip.grammar import is_token
from pbx.sip.headers import REFER_SUB, REFER_TO, REFERRED_BY, REPLACES, TABLE, Field
from pbx.sip.interval import Interval
from pbx.sip.message import Request, Response
from pbx.sip.notifier import Content, Notifier
from pbx.sip.replaces import Replaces, parse_replaces
from pbx.sip.status import reason_of
from pbx.sip.subscriber import TERMINATED, Subscriber
from pbx.sip.transaction_layer import ServerTransaction
from pbx.sip.uri import Uri
from pbx.sip.usages import Agent

SIPFRAG = "message/sipfrag;version=2.0"  # RFC 3420
INTERVAL = Interval(60, 3600, 600)  # longer than anybody lets it ring

# What a URI may put into the request that is made of it. RFC 3261 19.1.5 names those that it must not; of the others
# we take what we understand.
_HONOURED = frozenset(("priority", "subject", "user-to-user"))
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*))?")


class Referral:
    """A REFER that came, until all is told that becomes of it.

    :param dialog: the one that it came in; None where it came outside dialogs, and makes its own.
    :raises Malformed: when it does not say whom to call, or says it twice (RFC 3515 2.4.2).
    :ivar target: whom to call; without headers and method.
    :ivar method: with which request.
    :ivar replaces: the dialog that the call is to replace, at its target (RFC 3891).
    :ivar fields: further fields of that request: what the target's URI asked for, and Referred-By (RFC 3892 2.2).
    """

    __slots__ = (
        "_agent",
        "_dialog",
        "_notifier",
        "_routes",
        "_silent",
        "_status_line",
        "_transaction",
        "fields",
        "method",
        "replaces",
        "target",
    )

    def __init__(
        self, agent: Agent, transaction: ServerTransaction, request: Request, dialog: Dialog | None = None
    ) -> None:
        uri = _only(request)
        self.target = Uri(uri.scheme, uri.user, uri.host, uri.port, {**uri.parameters}, "", uri.password)
        self.method = (self.target.parameters.pop("method", None) or "INVITE").upper()
        self.replaces, honoured = _headers(uri.headers)
        self.fields = (*honoured, *_referred_by(request))
        self._silent = (request.one(REFER_SUB) or ("true",))[0] == "false"
        self._routes: tuple[Field, ...] = ()
        if dialog is None:
            dialog = Dialog.as_uas(request, agent.identifiers.token(), transaction.flow)
            self._routes = tuple([field for field in request.fields if field[0] == "record-route"])
            if not dialog.neighbour:
                agent.direct(dialog)
        self._agent = agent
        self._dialog = dialog
        self._transaction: ServerTransaction | None = transaction
        self._notifier: Notifier | None = None
        self._status_line = "SIP/2.0 100 Trying"

    def accept(self) -> None:
        """Do as we are told; the peer hears of it (RFC 3515 2.4.4), unless it does not want to (RFC 4488 section 4).

        :raises InvalidState: when it is answered.
        """
        request = self._request()
        more = (*self._routes, self._dialog.contact, *([REFER_SUB.field("false")] if self._silent else []))
        self._answer(200, "", more)  # RFC 7647 5: 202 is no more
        if not self._silent:
            # The id is needed from the second REFER of a dialog on (RFC 3515 2.4.6).
            self._notifier = Notifier(self._agent, self, self._dialog, ("refer", str(request.cseq)), INTERVAL)
            self._notifier.begin(INTERVAL.default)

    def refuse(self, status: int, reason: str = "") -> None:
        """Do nothing.

        :raises InvalidState: when it is answered.
        """
        self._request()
        self._answer(status, reason, ())

    def progress(self, status: int, reason: str = "") -> None:
        """Tell the peer how far the call is.

        :raises InvalidState: before it is answered.
        """
        self._note(status, reason)
        if self._notifier is not None:
            self._notifier.notify()

    def end(self, status: int, reason: str = "") -> None:
        """Tell the peer how the call ended, or that it was answered: the last that it hears (RFC 3515 2.4.7).

        :raises InvalidState: before it is answered.
        """
        self._note(status, reason)
        if self._notifier is not None:
            self._notifier.end("noresource")

    def when_told(self, then: Callable[[], None]) -> None:
        """After `end`, go on when the peer has taken the last NOTIFY, or will not: a request of ours that comes in
        between might overtake it in the same dialog, and it would be refused (RFC 3261 12.2.2).

        :param then: called once, perhaps at once.
        """
        if self._notifier is not None and self._notifier.awaited:
            self._notifier.concluded = then
        else:
            then()

    def state_of(self, notifier: Notifier) -> Content:
        """The body of a NOTIFY (RFC 3515 2.4.5)."""
        return SIPFRAG, f"{self._status_line}\r\n".encode("utf-8", "surrogateescape")

    def subscription_ended(self, notifier: Notifier, reason: str) -> None:
        """The peer does not listen any more; that does not stop the call (RFC 3515 2.4.4)."""

    def _note(self, status: int, reason: str) -> None:
        if self._transaction is not None:
            raise InvalidState("a REFER is answered before there is news of it")
        self._status_line = f"SIP/2.0 {status} {reason or reason_of(status)}"

    def _request(self) -> Request:
        if self._transaction is None:
            raise InvalidState("a REFER is answered once")
        return self._transaction.request

    def _answer(self, status: int, reason: str, more: tuple[Field, ...]) -> None:
        transaction, self._transaction = self._transaction, None
        assert transaction is not None
        transaction.respond(transaction.request.response(status, reason, self._dialog.local_tag, more))


class ReferrerUser(Protocol):
    """Whom a referrer tells."""

    def referral_progressed(self, referrer: Referrer, status: int, reason: str) -> None:
        """The call that we asked for is so far."""

    def referral_refused(self, referrer: Referrer, response: Response) -> None:
        """The peer does not do it."""

    def referral_ended(self, referrer: Referrer, status: int, reason: str) -> None:
        """The call has this final status; 0 when nobody tells."""


class Referrer:
    """A REFER of ours.

    :param way: the dialog that it is sent in, or the peer outside dialogs.
    """

    __slots__ = ("_subscriber", "_user", "_way")

    def __init__(self, agent: Agent, user: ReferrerUser, way: Dialog | Correspondence) -> None:
        self._user = user
        self._way = way
        self._subscriber = Subscriber(agent, self, ("refer", ""), way)

    def refer(self, target: str, more: tuple[Field, ...] = ()) -> None:
        """Ask the peer to call somebody (RFC 3515 2.4.1); again, with credentials in `more`, after a refusal.

        :param target: the URI to call, with its headers.
        :param more: further fields, such as Referred-By.
        """
        way = self._way
        number = way.local_cseq if isinstance(way, Dialog) else way.cseq
        self._subscriber.event = ("refer", str(number + 1))
        self._subscriber.ask("REFER", (REFER_TO.field(f"<{target}>"), *more))

    def subscription_accepted(self, subscriber: Subscriber, response: Response) -> None:
        """The peer does it; 202 means the same as 200 (RFC 7647 5)."""
        if (response.one(REFER_SUB) or ("true",))[0] == "false":
            subscriber.forgo()
            self._user.referral_ended(self, 0, "accepted, and nobody tells")

    def subscription_refused(self, subscriber: Subscriber, response: Response) -> None:
        """The peer does not do it."""
        self._user.referral_refused(self, response)

    def subscription_notified(self, subscriber: Subscriber, notify: Request) -> None:
        """The peer tells how far it is."""
        found = _STATUS_LINE.match(notify.body)
        status = int(found[1]) if found is not None else 0
        reason = (found[2] or b"").decode("utf-8", "replace") if found is not None else ""
        if subscriber.state is TERMINATED:
            self._user.referral_ended(self, status if status >= 200 else 0, reason)
        elif status:
            self._user.referral_progressed(self, status, reason)

    def subscription_ended(self, subscriber: Subscriber, reason: str) -> None:
        """The peer does not tell any more."""
        self._user.referral_ended(self, 0, reason)


def _only(request: Request) -> Uri:
    targets = request.many(REFER_TO)
    if len(targets) != 1:
        raise Malformed(400, "one Refer-To is needed")
    uri = targets[0].uri
    if not uri.is_sip:
        raise Malformed(416, "")  # RFC 3515 2.4.2
    return uri


def _referred_by(request: Request) -> tuple[Field, ...]:
    """Referred-By goes on as it came (RFC 3892 2.2); more than one must not be (2.1)."""
    if len(request.many(REFERRED_BY)) > 1:
        raise Malformed(400, "Referred-By comes twice")
    return tuple([REFERRED_BY.field(field[2]) for field in request.fields if field[0] == "referred-by"])


def _headers(text: str) -> tuple[Replaces | None, list[Field]]:
    """Read the headers of a URI: the dialog to replace, and the fields that we honour (RFC 3261 19.1.5)."""
    replaces: Replaces | None = None
    fields: list[Field] = []
    for piece in text.split("&"):
        name, _, value = piece.partition("=")
        name, value = unquote(name), unquote(value, errors="surrogateescape")
        if any(ord(character) < 32 for character in value):
            raise Malformed(400, "control characters in a header of Refer-To")
        if name.lower() == "replaces":
            if replaces is not None:
                raise Malformed(400, "Replaces comes twice")
            replaces = parse_replaces(REPLACES.parse(value))
        elif name.lower() in _HONOURED and is_token(name):
            row = TABLE.get(name.lower())
            fields.append(row.field(value) if row is not None else (name.lower(), name, value))
    return replaces, fields
