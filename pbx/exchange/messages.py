"""MESSAGE to an extension (RFC 3428): it goes to all its phones, and has arrived when one of them takes it. For who is
away it is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pbx.exchange.caller import Caller
from pbx.exchange.crossing import INFORMATION, crossing
from pbx.exchange.deliveries import Deliveries
from pbx.exchange.destination import Destination
from pbx.exchange.letter import Letter
from pbx.exchange.letterbox import Letterbox
from pbx.exchange.outcome import Outcome, Unreachable
from pbx.exchange.privacy import withheld
from pbx.exchange.target import ExtensionTarget, Target
from pbx.exchange.text import KeptText, Text
from pbx.sip.errors import Malformed, Refused
from pbx.sip.headers import EXPIRES, RETRY_AFTER
from pbx.sip.message import Request
from pbx.sip.timers import T1, Timer
from pbx.sip.transaction_layer import ServerTransaction
from pbx.sip.user_agent import UserAgent

PATIENCE = 48 * T1
"""Seconds after which the sender hears that nobody took it: before it gives up by itself (RFC 4320 section 4.2)."""

MOST, MOST_OF_ONE = 2000, 16
"""Messages under way at a time, in all and of one sender (RFC 3428 section 8)."""

_LATER = RETRY_AFTER.field(int(PATIENCE))

Keep = Callable[[], KeptText | None]


class Posting:
    """A MESSAGE whose receiver has phones, until all of them have answered (`pbx.exchange.letter.LetterUser`).

    :param keep: keeps it, if that is possible.
    :param told: is called once the sender has its answer.
    """

    __slots__ = ("_agent", "_deliveries", "_expiry", "_keep", "_kept", "_letter", "_tag", "_told", "_transaction")

    def __init__(
        self,
        agent: UserAgent,
        transaction: ServerTransaction,
        deliveries: Deliveries,
        keep: Keep,
        told: Callable[[], None],
    ) -> None:
        self._agent = agent
        self._deliveries = deliveries
        self._keep = keep
        self._told = told
        self._tag = agent.identifiers.token()
        self._transaction: ServerTransaction | None = transaction
        self._letter: Letter | None = None
        self._kept: KeptText | None = None  # while the phones that were asked could still take it
        self._expiry: Timer | None = None

    def start(self, text: Text, phones: list[Destination], forwards: int) -> bool:
        """Send it; return whether any of these phones can get it."""
        self._expiry = self._agent.clock.callLater(PATIENCE, self._expired)
        self._letter = Letter(self._agent, self, text, forwards)
        if self._letter.post(phones):
            return True
        self._expiry.cancel()
        return False

    def letter_taken(self, letter: Letter) -> None:
        """A phone has it, which perhaps was thought to be away."""
        self._answer(letter.taken)
        if self._kept is not None:
            self._deliveries.arrived(self._kept)

    def letter_over(self, letter: Letter) -> None:
        """No phone will say anything more."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self._deliveries.release(kept.number)
            self._deliveries.begin(kept.number)  # it may have registered meanwhile
        elif self._transaction is not None:
            self._answer(480 if letter.refused or self._keep() is None else 202)

    def _expired(self) -> None:
        self._expiry = None
        assert self._letter is not None
        if self._letter.refused or (kept := self._keep()) is None:
            self._answer(480)
            return
        self._kept = kept
        self._deliveries.hold(kept.number)
        self._answer(202)

    def _answer(self, status: int) -> None:
        """Answer the sender, once; what phones say later changes nothing."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            if self._expiry is not None:
                self._expiry.cancel()
                self._expiry = None
            transaction.respond(transaction.request.response(status, "", self._tag))
            self._told()


class _Unheeding:
    """Who does not ask what became of a letter (`pbx.exchange.letter.LetterUser`)."""

    def letter_taken(self, letter: Letter) -> None:
        """It has arrived."""

    def letter_over(self, letter: Letter) -> None:
        """It has not."""


_UNHEEDING = _Unheeding()


class Messages:
    """All messages under way, and those that are kept.

    :param locate: where a target is reached, see `Switchboard.locate`.
    """

    def __init__(
        self, agent: UserAgent, letterbox: Letterbox, locate: Callable[[Target, bool], list[Destination] | Outcome]
    ) -> None:
        self.deliveries = Deliveries(agent, letterbox, locate)
        self._agent = agent
        self._letterbox = letterbox
        self._locate = locate
        self._under_way: Counter[str] = Counter()  # by sender

    def deliver(
        self, transaction: ServerTransaction, request: Request, sender: Caller, target: ExtensionTarget
    ) -> None:
        """Deliver a MESSAGE to the phones of an extension, or keep it.

        :raises Malformed: with the status that tells the sender why that is impossible.
        """
        if request.max_forwards < 1:
            raise Malformed(483, "")
        number = sender.number
        if self._under_way[number] >= MOST_OF_ONE or self._under_way.total() >= MOST:
            raise Refused(503, _LATER)
        secure = request.uri.scheme == "sips"
        fields = crossing(request.fields, INFORMATION)
        if sender.is_private:
            fields = withheld(fields)
        text = Text(sender, fields, request.first("content-type") or "", request.body)
        # What is kept may go over any way, and to any phone.
        may_keep, expires = not (secure or target.instance), request.one(EXPIRES)

        def keep() -> KeptText | None:
            return self._letterbox.keep(target.number, text, expires) if may_keep else None

        found = self._locate(target, secure)
        if isinstance(found, Unreachable) or (may_keep and target.number in self._letterbox):
            # What is kept arrives first, so that all come in their order.
            if keep() is None:
                raise Malformed(480, "")
            transaction.respond(request.response(202, "", self._agent.identifiers.token()))  # RFC 3428 section 7
            self.deliveries.begin(target.number)
            return
        if not isinstance(found, list):
            raise Malformed(found.status, found.text)
        self._under_way[number] += 1
        posting = Posting(self._agent, transaction, self.deliveries, keep, lambda: self._told(number))
        if not posting.start(text, found, request.max_forwards - 1):
            self._told(number)
            raise Malformed(513, "")

    def tell(self, sender: Caller, number: str, words: str) -> None:
        """Tell the phones of an extension something of our own. Nothing is kept for who is away.

        :param sender: in whose name.
        """
        found = self._locate(ExtensionTarget(number), False)
        if isinstance(found, list):
            text = Text(sender, (), "text/plain;charset=utf-8", words.encode("utf-8", "replace"))
            Letter(self._agent, _UNHEEDING, text).post(found)

    def _told(self, number: str) -> None:
        self._under_way[number] -= 1
        if not self._under_way[number]:
            del self._under_way[number]
