"""The transaction layer: finds the transaction of each message, makes those that are missing (RFC 3261 section 17).

It is the stack's bulkhead: what its user raises ends in one log line and a 500, never in the transport. It bounds what
others can make us remember: what is refused at once leaves nothing behind, the rest finds so much room and no more.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from hashlib import blake2b
from typing import Protocol

from twisted.logger import Logger

from pbx.sip import dialog
from pbx.sip.client_transaction import ClientUser, InviteClientTransaction, NonInviteClientTransaction
from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow, via_of
from pbx.sip.gate import OPEN, Gate
from pbx.sip.identifiers import MAGIC_COOKIE, Identifiers
from pbx.sip.message import Request, Response
from pbx.sip.occupancy import TRANSACTIONS, Occupancy, no_room
from pbx.sip.server_transaction import (
    ACCEPTED,
    PROCEEDING,
    TRYING,
    InviteServerTransaction,
    Key,
    NonInviteServerTransaction,
    Origin,
)
from pbx.sip.timers import TIMER_100, Clock

LONGEST_DATAGRAM = 1300
"""Bytes of the longest request that goes by UDP where there is another way (RFC 3261 18.1.1)."""

# What ends something is taken anyhow: it makes room, and where there is nothing to end it is refused without state.
_ENDING = frozenset(("BYE", "CANCEL"))
_STATELESS = frozenset((401, 481, 503))
_STATEFUL = frozenset((482, 500))  # refusals whose copies would be taken as soon as the state is gone

ServerTransaction = InviteServerTransaction | NonInviteServerTransaction
ClientTransaction = InviteClientTransaction | NonInviteClientTransaction

_log = Logger(namespace="pbx.sip")


class CoreUser(Protocol):
    """The core above the transactions (RFC 3261 section 8)."""

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """A new request came."""

    def ack_received(self, request: Request) -> None:
        """The ACK of a 2xx came: it belongs to no transaction (RFC 3261 17)."""

    def has_dialog(self, request: Request) -> bool:
        """Whether a request is in a dialog that there is."""


class TransactionLayer:
    """All transactions of one exchange.

    :param clock: the time.
    :param identifiers: where branches and tags come from.
    :param transactions: how many server transactions there may be, in all and for one address.
    :param gate: is told of requests that were refused, and of what belongs to nothing.
    :ivar user: the core; set by it.
    :ivar counts: what happened, by name.
    """

    def __init__(
        self, clock: Clock, identifiers: Identifiers, transactions: tuple[int, int] = TRANSACTIONS, gate: Gate = OPEN
    ) -> None:
        self.gate = gate
        self.user: CoreUser | None = None
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._identifiers = identifiers
        self._clients: dict[str, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._smaller: dict[str, tuple[Flow, bytes]] = {}  # where requests would have gone that were too long for it
        self._repeated: set[str] = set()  # requests that were sent over a second connection
        self._origins: set[Origin] = set()  # of the requests in `_servers` that are in no dialog
        self._occupancy = Occupancy(*transactions)  # of `_servers`
        # INVITEs that were not answered at once, the first one first; and when a 100 is due for each.
        self._silent: deque[tuple[float, InviteServerTransaction]] = deque()
        # Made once: a bound method for each transaction would linger with it.
        self._end_client: Callable[[ClientTransaction], None] = self._client_ended
        self._end_server: Callable[[ServerTransaction], None] = self._server_ended

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    def message_received(self, flow: Flow, message: Request | Response) -> None:
        """A well-formed message came through a flow. Never raises."""
        try:
            if isinstance(message, Response):
                self._response_received(flow, message)
            else:
                self._request_received(flow, message)
        except Malformed as fault:
            self.gate.bothered(flow.transport, *flow.remote)
            self._refused(message, fault)
        except Exception:
            self._failed("a message could not be dealt with: {what!r}", message)
            self._refused(message, Malformed(500, ""))

    def refuse(self, flow: Flow, request: Request, fault: Malformed) -> None:
        """Answer a request that is malformed, without state (RFC 3261 8.2.7)."""
        self.counts[f"refused {fault.status}"] += 1
        self.gate.bothered(flow.transport, *flow.remote)
        key = server_key(request)
        # A damaged copy of a request that has its transaction must not end what that one began.
        if request.method != "ACK" and key not in self._servers:
            response = request.response(fault.status, fault.why, tag_of(key), fault.more)
            flow.send(bytes(response), request.method)

    def answer(self, transaction: ServerTransaction, response: Response) -> None:
        """Answer a request so that nothing is left of it (RFC 3261 8.2.7): for what costs little, and nobody pays for.

        :param response: the same for each copy of the request, with `tag_of` its key.
        """
        transaction.forget()
        transaction.flow.send(bytes(response), transaction.request.method)

    def request(self, flow: Flow, request: Request, user: ClientUser) -> ClientTransaction:
        """Send a request other than ACK and CANCEL in a new client transaction; our Via is put on top of it."""
        branch = self._identifiers.branch()
        request.fields.insert(0, ("via", "Via", via_of(flow, branch)))
        packet = bytes(request)
        smaller: tuple[Flow, bytes] | None = None
        if len(packet) > LONGEST_DATAGRAM:
            wider = flow.wider()
            if wider is not None:
                smaller = (flow, packet)
                flow = wider
                request.fields[0] = ("via", "Via", via_of(flow, branch))
                packet = bytes(request)
        transaction: ClientTransaction
        if request.method == "INVITE":
            transaction = InviteClientTransaction(request, branch, flow, self._clock, user, self._end_client, packet)
        else:
            transaction = NonInviteClientTransaction(request, branch, flow, self._clock, user, self._end_client, packet)
        self._clients[transaction.key] = transaction
        if smaller is not None:
            self._smaller[transaction.key] = smaller
        return transaction

    def cancel(self, transaction: InviteClientTransaction, request: Request, user: ClientUser) -> None:
        """Send the CANCEL of an INVITE: same branch, same way, a transaction of its own (RFC 3261 9.1)."""
        branch, flow = transaction.branch, transaction.flow
        cancel = NonInviteClientTransaction(request, branch, flow, self._clock, user, self._end_client)
        self._clients[cancel.key] = cancel

    def invite_of(self, cancel: Request) -> InviteServerTransaction | None:
        """The INVITE transaction that a CANCEL means (RFC 3261 9.2), if it is there."""
        found = self._servers.get(server_key(cancel, "INVITE"))
        return found if isinstance(found, InviteServerTransaction) else None

    def flow_failed(self, flow: Flow, reached: bool = False) -> None:
        """A connection is gone, or could not be made.

        Requests without any response go by UDP, if they had only left it because of their length (RFC 3261 18.1.1);
        else they are sent once more, if the peer was there; else they have failed. Our responses find another
        connection by themselves (RFC 3261 18.2.2).

        :param reached: whether there was a connection.
        """
        for key, client in [(key, client) for key, client in self._clients.items() if client.flow is flow]:
            smaller = self._smaller.pop(key, None)
            try:
                if smaller is not None:
                    client.retry(*smaller)
                elif reached and key not in self._repeated:
                    self._repeated.add(key)
                    client.retry(flow)
                else:
                    client.transport_failed()
            except Exception:
                self._failed("a failed flow could not be dealt with: {what!r}", client)

    def _response_received(self, flow: Flow, response: Response) -> None:
        transaction = self._clients.get(f"{response.via.branch} {response.cseq} {response.cseq_method}")
        if transaction is None or response.vias > 1:
            # RFC 3261 18.1.2: a UAC core could take it; all it could be is a 2xx after timer M. Nobody waits for it.
            # With a second Via it was meant for somebody else (RFC 3261 8.1.3.3).
            self.counts["stray responses"] += 1
            self.gate.bothered(flow.transport, *flow.remote)
            return
        if response.cseq_method == "INVITE" and 100 < response.status < 300:
            dialog.check(response)  # what cannot be read is as if it had not come
        transaction.response_received(response)

    def _request_received(self, flow: Flow, request: Request) -> None:
        assert self.user is not None
        method = request.method
        if method == "ACK":
            invite = self._servers.get(server_key(request, "INVITE"))
            if isinstance(invite, InviteServerTransaction) and invite.state is not ACCEPTED:
                invite.ack_received()
            else:
                self.user.ack_received(request)
            return
        key = server_key(request)
        transaction = self._servers.get(key)
        if transaction is not None:
            self.counts["retransmitted requests"] += 1
            self.gate.bothered(flow.transport, *flow.remote)
            former = transaction.flow
            if not former.is_open and (former.transport, former.remote[0]) == (flow.transport, flow.remote[0]):
                former.succeeded_by(flow)  # RFC 3261 18.2.2 has us connect to the peer, which a NAT would not let us
            transaction.request_received()
            return
        if not self._occupancy.enter(flow.remote[0], anyhow=method in _ENDING):
            self.counts["too many transactions"] += 1
            self.refuse(flow, request, no_room())
            return
        if method == "INVITE":
            transaction = InviteServerTransaction(request, key, flow, self._clock, self._end_server)
        else:
            transaction = NonInviteServerTransaction(request, key, flow, self._clock, self._end_server)
        self._servers[key] = transaction
        if not request.to_tag and method != "CANCEL":
            # What has come here by another way already is refused (RFC 3261 8.2.2.2).
            origin = f"{method} {request.cseq} {request.from_tag} {request.call_id}"
            if origin in self._origins:
                raise Malformed(482, "")
            self._origins.add(origin)
            transaction.origin = origin
        self.user.request_received(transaction, request)
        if isinstance(transaction, InviteServerTransaction) and transaction.is_silent:
            if not self._silent:
                self._clock.callLater(TIMER_100, self._say_trying)
            self._silent.append((self._clock.seconds() + TIMER_100, transaction))

    def _say_trying(self) -> None:
        """Send a 100 for each INVITE that has had no response for 200 ms (RFC 3261 17.2.1); most have had one."""
        silent, now = self._silent, self._clock.seconds()
        while silent and (silent[0][0] <= now or not silent[0][1].is_silent):
            _, transaction = silent.popleft()
            if transaction.is_silent:
                try:
                    transaction.say_trying()
                except Exception:
                    self._failed("a 100 could not be sent: {what!r}", transaction)
        if silent:
            self._clock.callLater(silent[0][0] - now, self._say_trying)

    def _refused(self, message: Request | Response, fault: Malformed) -> None:
        """Answer what our user refused, in its transaction."""
        self.counts[f"refused {fault.status}"] += 1
        if not isinstance(message, Request) or message.method == "ACK":
            return
        key = server_key(message)
        transaction = self._servers.get(key)
        if transaction is None or transaction.state not in (TRYING, PROCEEDING):
            return
        response = message.response(fault.status, fault.why, tag_of(key), fault.more)
        if transaction.is_silent and self._leaves_nothing(message, fault.status):
            # Who has not proven who it is gets one answer to each packet and costs nothing afterwards: else a forged
            # address would be sent eleven, and a flood would fill the memory (RFC 3261 26.3.2.4).
            self.answer(transaction, response)
        else:
            transaction.respond(response)

    def _leaves_nothing(self, request: Request, status: int) -> bool:
        """Whether a refusal may be made anew for each copy of its request (RFC 3261 8.2.7): not within dialogs, where
        all depends on what came before, nor where credentials were shown, whose nonce is used up.
        """
        assert self.user is not None
        if status in _STATELESS:
            return not self.user.has_dialog(request)
        return not request.to_tag and status not in _STATEFUL and request.first("authorization") is None

    def _failed(self, words: str, what: object) -> None:
        self.counts["failures"] += 1
        _log.failure(words, what=what)

    def _client_ended(self, transaction: ClientTransaction) -> None:
        self._clients.pop(transaction.key, None)
        if self._smaller:
            self._smaller.pop(transaction.key, None)
        if self._repeated:
            self._repeated.discard(transaction.key)

    def _server_ended(self, transaction: ServerTransaction) -> None:
        del self._servers[transaction.key]
        self._occupancy.leave(transaction.flow.remote[0])
        if transaction.origin is not None:
            self._origins.discard(transaction.origin)


def server_key(request: Request, method: str = "") -> Key:
    """What a request's server transaction is found by (RFC 3261 17.2.3).

    :param method: INVITE for an ACK or CANCEL that looks for the INVITE's transaction; else the request's own.
    """
    via = request.via
    method = method or request.method
    branch = via.branch
    if branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE:
        return f"{branch}\n{via.host}:{via.port}\n{method}"
    # An element of RFC 2543, or a branch as good as none (RFC 4475 3.2.1). The To tag is left out: in the ACK it is
    # ours, in the INVITE it is not there yet.
    return "\n".join((branch, str(via), method, request.target, request.from_tag, request.call_id, str(request.cseq)))


def tag_of(key: Key) -> str:
    """The tag of a stateless response: the same each time its request comes (RFC 3261 8.2.7)."""
    return blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
