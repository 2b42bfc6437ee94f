"""A letter: one text on its way to all phones of an extension (RFC 3428); it has arrived when one of them takes it."""

from __future__ import annotations

from typing import Protocol

from pbx.exchange.asking import Asking
from pbx.exchange.destination import Destination
from pbx.exchange.text import Text
from pbx.sip.correspondence import FORWARDS, Correspondence
from pbx.sip.flow import Flow, hostport_of
from pbx.sip.message import Request, Response
from pbx.sip.transaction_layer import LONGEST_DATAGRAM
from pbx.sip.user_agent import UserAgent

_VIA = 100  # bytes of the Via that a request has yet to get


class LetterUser(Protocol):
    """Whom a letter tells."""

    def letter_taken(self, letter: Letter) -> None:
        """A phone takes it, the first one."""

    def letter_over(self, letter: Letter) -> None:
        """Every phone has answered, or will not answer any more."""


class Letter:
    """One such letter.

    :param user: whom it tells.
    :param forwards: Max-Forwards.
    :ivar taken: the status with which the first phone took it; 0 as long as none has.
    :ivar refused: the status with which the last one refused it; 0 where none has.
    """

    __slots__ = ("_agent", "_forwards", "_text", "_user", "_waiting", "refused", "taken")

    def __init__(self, agent: UserAgent, user: LetterUser, text: Text, forwards: int = FORWARDS) -> None:
        self._agent = agent
        self._user = user
        self._text = text
        self._forwards = forwards
        self._waiting = 0  # phones that have not answered
        self.taken = 0
        self.refused = 0

    def post(self, phones: list[Destination]) -> bool:
        """Send a copy to each phone that it is not too long for (RFC 3428 section 8); return whether there is one."""
        reached = [phone for phone in phones if phone.flow is None or self._may_go(phone, phone.flow)]
        self._waiting = len(reached)
        for phone in reached:
            Asking(self._agent, self, phone).start()
        return bool(reached)

    def request_to(self, destination: Destination, flow: Flow) -> Request:
        """The copy for one phone."""
        text = self._text
        shown = text.sender.shown_at(hostport_of(flow))
        way = Correspondence(self._agent.identifiers, flow, destination.uri, shown, destination.callee, self._forwards)
        return way.request("MESSAGE", text.fields, text.body, text.kind)

    def answered(self, asking: Asking, response: Response) -> None:
        """A phone answered."""
        if response.status >= 300:
            self.refused = response.status
        elif not self.taken:
            self.taken = 202 if response.status == 202 else 200
            self._user.letter_taken(self)
        self._one_less()

    def unanswered(self, asking: Asking, status: int) -> None:
        """A phone does not answer."""
        self._one_less()

    def _one_less(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._user.letter_over(self)

    def _may_go(self, phone: Destination, flow: Flow) -> bool:
        if flow.reliable or flow.wider() is not None:
            return True
        return len(bytes(self.request_to(phone, flow))) + _VIA <= LONGEST_DATAGRAM
