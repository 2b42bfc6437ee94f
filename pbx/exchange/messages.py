"""MESSAGE to an extension (RFC 3428): it goes to all its phones, and has arrived when one of them takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pbx.exchange.asking import Asking
from pbx.exchange.caller import Caller
from pbx.exchange.crossing import INFORMATION, crossing
from pbx.exchange.destination import Destination
from pbx.exchange.outcome import Outcome
from pbx.exchange.privacy import withheld
from pbx.exchange.target import ExtensionTarget, Target
from pbx.sip.correspondence import Correspondence
from pbx.sip.errors import Malformed, Refused
from pbx.sip.flow import Flow, hostport_of
from pbx.sip.headers import RETRY_AFTER
from pbx.sip.message import Request, Response
from pbx.sip.timers import T1, Timer
from pbx.sip.transaction_layer import LONGEST_DATAGRAM, ServerTransaction
from pbx.sip.user_agent import UserAgent

PATIENCE = 48 * T1
"""Seconds after which the sender hears that nobody took it: before it gives up by itself (RFC 4320 section 4.2)."""

MOST, MOST_OF_ONE = 2000, 16
"""Messages under way at a time, in all and of one sender (RFC 3428 section 8)."""

Copy = Callable[[Destination, Flow], Request]

_LATER = RETRY_AFTER.field(int(PATIENCE))
_VIA = 100  # bytes of the Via that a request has yet to get


class Letter:
    """One MESSAGE on its way to the phones of an extension.

    :param transaction: its sender's.
    :param copy: makes the request for one phone.
    :param told: is called once the sender has its answer.
    """

    __slots__ = ("_copy", "_expiry", "_tag", "_told", "_transaction", "_waiting")

    def __init__(self, agent: UserAgent, transaction: ServerTransaction, copy: Copy, told: Callable[[], None]) -> None:
        self._copy = copy
        self._told = told
        self._tag = agent.identifiers.token()
        self._transaction: ServerTransaction | None = transaction
        self._waiting = 0  # phones that have not answered
        self._expiry: Timer | None = agent.clock.callLater(PATIENCE, self._expired)

    def post(self, agent: UserAgent, phones: list[Destination]) -> None:
        """Send a copy to each phone."""
        self._waiting = len(phones)
        for phone in phones:
            Asking(agent, self, phone).start()

    def request_to(self, destination: Destination, flow: Flow) -> Request:
        """The copy for one phone."""
        return self._copy(destination, flow)

    def answered(self, asking: Asking, response: Response) -> None:
        """A phone answered."""
        if response.status < 300:
            self._answer(202 if response.status == 202 else 200)
        else:
            self._lost()

    def unanswered(self, asking: Asking, status: int) -> None:
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
            self._told()


class Messages:
    """All messages under way.

    :param locate: where a target is reached, see `Switchboard.locate`.
    """

    def __init__(self, agent: UserAgent, locate: Callable[[Target, bool], list[Destination] | Outcome]) -> None:
        self._agent = agent
        self._locate = locate
        self._under_way: Counter[str] = Counter()  # by sender

    def deliver(
        self, transaction: ServerTransaction, request: Request, sender: Caller, target: ExtensionTarget
    ) -> None:
        """Deliver a MESSAGE to the phones of an extension.

        :raises Malformed: with the status that tells the sender why that is impossible.
        """
        if request.max_forwards < 1:
            raise Malformed(483, "")
        number = sender.number
        if self._under_way[number] >= MOST_OF_ONE or self._under_way.total() >= MOST:
            raise Refused(503, _LATER)
        found = self._locate(target, request.uri.scheme == "sips")
        if not isinstance(found, list):
            raise Malformed(found.status, found.text)
        forwards = request.max_forwards - 1
        fields, kind, body = crossing(request.fields, INFORMATION), request.first("content-type") or "", request.body
        if sender.is_private:
            fields = withheld(fields)

        def copy(destination: Destination, flow: Flow) -> Request:
            shown = sender.shown_at(hostport_of(flow))
            identifiers = self._agent.identifiers
            way = Correspondence(identifiers, flow, destination.uri, shown, destination.callee, forwards)
            return way.request("MESSAGE", fields, body, kind)

        phones = [phone for phone in found if phone.flow is None or _may_go(phone.flow, copy(phone, phone.flow))]
        if not phones:
            raise Malformed(513, "")
        self._under_way[number] += 1
        letter = Letter(self._agent, transaction, copy, lambda: self._told(number))
        letter.post(self._agent, phones)

    def _told(self, number: str) -> None:
        self._under_way[number] -= 1
        if not self._under_way[number]:
            del self._under_way[number]


def _may_go(flow: Flow, request: Request) -> bool:
    """Whether a message is short enough for its way (RFC 3428 section 8)."""
    return flow.reliable or flow.wider() is not None or len(bytes(request)) + _VIA <= LONGEST_DATAGRAM
