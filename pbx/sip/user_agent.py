"""The user agent core (RFC 3261 section 8): what comes goes to its dialog, or to the exchange; what goes finds its way.

It knows all sessions and dialogs; the checks that a UAS makes of every request are in `uas`.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from pbx.sip import uas
from pbx.sip.dialog import Dialog
from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow
from pbx.sip.headers import ALLOW_EVENTS, Field
from pbx.sip.hops import Hop
from pbx.sip.identifiers import Identifiers
from pbx.sip.information import Information
from pbx.sip.locator import Locator, NoNames
from pbx.sip.message import Message, Request
from pbx.sip.outages import Outages
from pbx.sip.refer import Referral
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.session import CONFIRMED, EARLY, Session
from pbx.sip.timers import Clock, Timer
from pbx.sip.transaction_layer import ServerTransaction, TransactionLayer, tag_of
from pbx.sip.uri import Uri, parse_uri
from pbx.sip.usages import Key, Usages

_REQUESTS = frozenset(("MESSAGE", "PUBLISH", "REFER", "SUBSCRIBE"))
_REMEMBERED = 512  # dialogs that have ended
_ROUND = 60.0  # seconds between looks at the sessions that nobody refreshes


class Exchange(Protocol):
    """Whom the user agent tells of requests outside dialogs. Each is answered through its transaction."""

    def invited(self, transaction: InviteServerTransaction, request: Request) -> None:
        """An INVITE came."""

    def registering(self, transaction: ServerTransaction, request: Request) -> None:
        """A REGISTER came."""

    def requested(self, transaction: ServerTransaction, request: Request) -> None:
        """A MESSAGE, PUBLISH, REFER or SUBSCRIBE came."""


class Flows(Protocol):
    """Where flows come from."""

    def flow_to(self, uri: Uri) -> Flow | None:
        """A flow to the host of a URI, or None when there is no way to it, or its name has to be looked up."""

    def flow_along(self, hop: Hop) -> Flow | None:
        """A flow to a server that was located, or None when there is no way to it."""

    def flow_between(self, local_host: str, local_port: int, host: str, port: int) -> Flow | None:
        """A flow to an address, from the local address where it is still ours, else from any; None without a way."""


class Places(Protocol):
    """Where those are who are named by addresses of our own."""

    def place_of(self, gruu: Uri) -> tuple[str, tuple[str, ...], Flow | None] | None:
        """The contact, the route set and the flow of whom a GRUU of ours means; None when it is none, or means nobody.

        The flow is None where it has to be found.
        """


class UserAgent:
    """The core of one exchange, UAC and UAS in one.

    :param layer: its transactions.
    :param flows: where flows come from.
    :param locator: finds the servers of names; None where all URIs name addresses.
    :ivar exchange: whom it tells; set by it.
    :ivar places: knows the GRUUs of our domains, if there are any.
    :ivar sessions: all sessions that are not over.
    :ivar usages: all other usages of dialogs.
    :ivar requests: the methods of the requests outside dialogs that the exchange is told of.
    :ivar server: how the exchange calls itself to who asks for that, as a field; None for not at all.
    :ivar allow_events: the event packages that the exchange has, as a field; "refer" is the stack's own.
    """

    def __init__(
        self,
        clock: Clock,
        identifiers: Identifiers,
        layer: TransactionLayer,
        flows: Flows,
        locator: Locator | None = None,
    ) -> None:
        self.clock = clock
        self.identifiers = identifiers
        self.layer = layer
        self.flows = flows
        self.locator = locator or Locator(NoNames(), lambda: ("UDP",), lambda: 0.0)
        self.outages = Outages(clock)
        self.exchange: Exchange | None = None
        self.places: Places | None = None
        self.sessions: set[Session] = set()
        self.usages = Usages()
        self.allow_events = ALLOW_EVENTS.field("refer")
        self.requests = _REQUESTS
        self.server: Field | None = None
        self._dialogs: dict[Key, Session] = {}
        self._ended: deque[Key] = deque(maxlen=_REMEMBERED)
        self._round: Timer | None = None
        layer.user = self

    @property
    def dialogs(self) -> int:
        """How many dialogs there are."""
        return len(self._dialogs.keys() | self.usages.dialogs)

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """A new request came.

        :raises Malformed: what the transaction layer is to answer.
        """
        if request.method == "CANCEL":
            self._cancelled(transaction, request)
            return
        uas.check(request)
        if request.uri.scheme == "sips" and transaction.flow.transport != "TLS":
            raise Malformed(416, "")  # RFC 3261 26.2.2: what is to be secure comes securely, and is not taken otherwise
        if request.to_tag:
            session = self._dialogs.get((request.call_id, request.to_tag, request.from_tag))
            if session is None:
                self.usages.request_received(transaction, request)
            else:
                session.request_received(transaction, request)
            return
        assert self.exchange is not None
        if isinstance(transaction, InviteServerTransaction):
            self.exchange.invited(transaction, request)
        elif request.method == "REGISTER":
            self.exchange.registering(transaction, request)
        elif request.method in self.requests:
            self.exchange.requested(transaction, request)
        else:
            flow = transaction.flow
            self.layer.gate.bothered(flow.transport, *flow.remote)
            response = uas.answer_of(request, tag_of(transaction.key), *self._said_of_us)
            self.layer.answer(transaction, response)  # RFC 3261 11.2: without state, whoever asks

    def asked(self, session: Session, transaction: ServerTransaction, request: Request) -> None:
        """A request came in the dialog of a session, but not about the session.

        :raises Malformed: what the transaction layer is to answer.
        """
        method = request.method
        if method in ("NOTIFY", "SUBSCRIBE"):
            self.usages.judged(transaction, request)
        elif method not in ("INFO", "MESSAGE", "REFER"):
            self.answer(transaction, request)
        elif session.state is not EARLY and session.state is not CONFIRMED:
            raise Malformed(481, "")
        elif method == "REFER":
            session.user.session_referred(session, Referral(self, transaction, request, session.dialog))
        else:
            session.user.session_informed(session, Information(transaction, request))

    def ack_received(self, request: Request) -> None:
        """The ACK of a 2xx came."""
        session = self._dialogs.get((request.call_id, request.to_tag, request.from_tag))
        if session is not None:
            session.ack_received(request)

    def has_dialog(self, request: Request) -> bool:
        """Whether a request is in a dialog that there is."""
        key = (request.call_id, request.to_tag, request.from_tag)
        return key in self._dialogs or key in self.usages

    def answer(self, transaction: ServerTransaction, request: Request) -> None:
        """Answer a request in a dialog that needs no more than an answer: OPTIONS, and what we do not know."""
        transaction.respond(uas.answer_of(request, self.identifiers.token(), *self._said_of_us))

    @property
    def _said_of_us(self) -> tuple[Field, ...]:
        return (self.allow_events,) if self.server is None else (self.allow_events, self.server)

    def direct(self, dialog: Dialog) -> None:
        """Let the requests of a dialog go to its route set or remote target (RFC 3261 12.2.1.1), if there is a way.

        While a name is looked up they go where the last ones went; what is lost by that is sent again.
        """
        if dialog.has_gruu and self.places is not None:
            # RFC 5627 6.1: it names us as the proxy that knows the way, so its place is taken at once.
            place = self.places.place_of(parse_uri(dialog.remote_target))
            if place is not None:
                dialog.remote_target, routes, flow = place
                dialog.routes = dialog.routes or routes
                if flow is not None and not dialog.routes:
                    _move(dialog, flow)
                    return
        next_hop = dialog.next_hop
        uri = parse_uri(next_hop)
        flow = self.flows.flow_to(uri)
        if flow is not None:
            _move(dialog, flow)
        elif uri.is_sip:
            secure = dialog.secure or dialog.remote_target.startswith("sips:")
            self.locator.locate(uri, secure).addCallback(self._located, dialog, next_hop)

    def follow(self, dialog: Dialog, message: Message, flow: Flow) -> None:
        """Take over the remote target and the way there (RFC 3261 12.2.1.2, 12.2.2): the peer may have moved.

        :param message: a target refresh request of the peer's, or its 2xx to one of ours.
        :param flow: the one by which it came.
        """
        before = dialog.next_hop
        dialog.refresh(message)
        if dialog.neighbour and not dialog.routes:
            _move(dialog, flow)
        elif dialog.next_hop != before or dialog.has_gruu:
            self.direct(dialog)

    def session_of(self, key: Key) -> Session | None:
        """The session with a dialog ID; None when there is none, or no more."""
        return self._dialogs.get(key)

    def was_ended(self, key: Key) -> bool:
        """Whether a session with that dialog ID has ended lately."""
        return key in self._ended

    def enter(self, session: Session) -> None:
        """A session has its dialog."""
        assert session.dialog is not None
        self._dialogs[session.dialog.key] = session
        if self._round is None:
            self._round = self.clock.callLater(_ROUND, self._look_round)

    def leave(self, session: Session) -> None:
        """A session loses its dialog."""
        if session.dialog is not None:
            self._dialogs.pop(session.dialog.key, None)

    def forget(self, session: Session) -> None:
        """A session is over."""
        self.sessions.discard(session)
        if not self.sessions and self._round is not None:
            self._round.cancel()
            self._round = None
        if session.dialog is not None:
            key = session.dialog.key
            self._dialogs.pop(key, None)
            self._ended.append(key)

    def _located(self, hops: list[Hop], dialog: Dialog, next_hop: str) -> None:
        """The servers of a dialog's next hop are known: stay with the one that has the dialog, if it is one of them."""
        here = (dialog.flow.transport, *dialog.flow.remote)
        if dialog.next_hop != next_hop or here in [(hop.transport, hop.host, hop.port) for hop in hops]:
            return
        for hop in self.outages.preferred(hops):
            flow = self.flows.flow_along(hop)
            if flow is not None:
                _move(dialog, flow)
                return

    def _look_round(self) -> None:
        """Most sessions are over before anybody has to ask whether they last: for these no timer is set."""
        self._round = self.clock.callLater(_ROUND, self._look_round) if self.sessions else None
        now = self.clock.seconds()
        for session in list(self.sessions):
            session.seen(now)

    def _cancelled(self, transaction: ServerTransaction, cancel: Request) -> None:
        invite = self.layer.invite_of(cancel)
        if invite is None:
            raise Malformed(481, "")
        transaction.respond(cancel.response(200, "", self.identifiers.token()))
        if invite.user is not None:
            invite.user.cancelled(cancel)


def _move(dialog: Dialog, flow: Flow) -> None:
    """Let the requests of a dialog go another way. One that is on TLS stays there, whatever its peer writes into
    Contact: the keys of its SRTP may stand in them (RFC 4568 section 7.1)."""
    if flow.transport == "TLS" or not (dialog.secure or dialog.flow.transport == "TLS"):
        dialog.flow = flow
