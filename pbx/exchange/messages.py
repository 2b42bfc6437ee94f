"""MESSAGE to an extension (RFC 3428): it goes to all its phones, and has arrived when one of them takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pbx.exchange.caller import Caller
from pbx.exchange.crossing import INFORMATION, crossing
from pbx.exchange.destination import Destination
from pbx.exchange.outcome import Outcome
from pbx.exchange.target import ExtensionTarget, Target
from pbx.sip.correspondence import Correspondence
from pbx.sip.errors import Malformed, Refused
from pbx.sip.flow import hostport_of
from pbx.sip.headers import RETRY_AFTER
from pbx.sip.message import Request, Response
from pbx.sip.timers import T1, Timer
from pbx.sip.transaction_layer import LONGEST_DATAGRAM, ServerTransaction
from pbx.sip.usages import Agent

PATIENCE = 48 * T1
"""Seconds after which the sender hears that nobody took it: before it gives up by itself (RFC 4320 section 4.2)."""

MOST, MOST_OF_ONE = 2000, 16
"""Messages under way at a time, in all and of one sender (RFC 3428 section 8)."""

_LATER = RETRY_AFTER.field(int(PATIENCE))
_VIA = 100  # bytes of the Via that a request has yet to get


class Letter:
    """One MESSAGE on its way to the phones of an extension.

    :param transaction: its sender's.
    :param answered: is called once the sender has it.
    """

    __slots__ = ("_answered", "_expiry", "_tag", "_transaction", "_waiting")

    def __init__(self, agent: Agent, transaction: ServerTransaction, answered: Callable[[], None]) -> None:
        self._answered = answered
        self._tag = agent.identifiers.token()
        self._transaction: ServerTransaction | None = transaction
        self._waiting = 0  # phones that have not answered
        self._expiry: Timer | None = agent.clock.callLater(PATIENCE, self._expired)

    def post(self, agent: Agent, copies: list[tuple[Correspondence, Request]]) -> None:
        """Send a copy to each phone."""
        self._waiting = len(copies)
        for way, copy in copies:
            agent.layer.request(way.flow, copy, self)

    def response_received(self, response: Response) -> None:
        """A phone answered."""
        if 200 <= response.status < 300:
            self._answer(202 if response.status == 202 else 200)
        elif response.status >= 300:
            self._lost()

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """A phone does not answer."""
        self._lost()

    def _lost(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._answer(480)

    def _expired(self) -> None:
        self._expiry = None
        self._answer(480)

    def _answer(self, status: int) -> None:
        """Answer the sender, once; what phones say later changes nothing."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            if self._expiry is not None:
                self._expiry.cancel()
                self._expiry = None
            transaction.respond(transaction.request.response(status, "", self._tag))
            self._answered()


class Messages:
    """All messages under way.

    :param locate: where a target is reached, see `Switchboard.locate`.
    """

    def __init__(self, agent: Agent, locate: Callable[[Target, bool], list[Destination] | Outcome]) -> None:
        self._agent = agent
        self._locate = locate
        self._under_way: Counter[str] = Counter()  # by sender

    def deliver(self, transaction: ServerTransaction, request: Request, sender: Caller) -> None:
        """Deliver a MESSAGE to the phones of the extension that it names.

        :raises Malformed: with the status that tells the sender why that is impossible.
        """
        if request.max_forwards < 1:
            raise Malformed(483, "")
        number = sender.number
        if self._under_way[number] >= MOST_OF_ONE or self._under_way.total() >= MOST:
            raise Refused(503, _LATER)
        uri = request.uri
        found = self._locate(ExtensionTarget(uri.decoded_user), uri.scheme == "sips")
        if not isinstance(found, list):
            raise Malformed(found.status, found.text)
        copies = [self._copy(request, sender, destination) for destination in found]
        copies = [(way, copy) for way, copy in copies if _may_go(way, copy)]
        if not copies:
            raise Malformed(513, "")
        self._under_way[number] += 1
        letter = Letter(self._agent, transaction, lambda: self._answered(number))
        letter.post(self._agent, copies)

    def _copy(self, request: Request, sender: Caller, destination: Destination) -> tuple[Correspondence, Request]:
        flow = destination.flow
        assert flow is not None  # phones are where they registered from
        way = Correspondence(
            self._agent.identifiers,
            flow,
            destination.uri,
            sender.shown_at(hostport_of(flow)),
            destination.callee,
            request.max_forwards - 1,
        )
        kind = request.first("content-type") or ""
        return way, way.request("MESSAGE", crossing(request.fields, INFORMATION), request.body, kind)

    def _answered(self, number: str) -> None:
        self._under_way[number] -= 1
        if not self._under_way[number]:
            del self._under_way[number]


def _may_go(way: Correspondence, request: Request) -> bool:
    """Whether a message is short enough for its way (RFC 3428 section 8)."""
    return way.flow.reliable or way.flow.wider() is not None or len(bytes(request)) + _VIA <= LONGEST_DATAGRAM
