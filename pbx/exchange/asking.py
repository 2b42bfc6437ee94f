"""Asking: one request outside of dialogs to one phone, by the flow over which it has registered or through its proxies;
and by its next flow where one has failed (RFC 5626 section 7).
"""

from __future__ import annotations

from typing import Protocol

from pbx.exchange.destination import Destination
from pbx.sip.flow import Flow
from pbx.sip.message import Request, Response
from pbx.sip.uac import Agent, Errand


class AskingUser(Protocol):
    """Whom it asks and tells."""

    def request_to(self, destination: Destination, flow: Flow) -> Request:
        """Make the request as it goes along this way, without Via and Route."""

    def answered(self, asking: Asking, response: Response) -> None:
        """The phone has answered, with a final response."""

    def unanswered(self, asking: Asking, status: int) -> None:
        """There will be no answer, and there is no other way to it."""


class Asking:
    """One such request.

    :ivar destination: the phone, by the way that is tried.
    """

    __slots__ = ("_agent", "_user", "destination")

    def __init__(self, agent: Agent, user: AskingUser, destination: Destination) -> None:
        self._agent = agent
        self._user = user
        self.destination = destination

    def start(self) -> None:
        """Send it."""
        destination = self.destination
        Errand(self._agent, self, destination.policy, destination.uri, flow=destination.flow).start()

    # What the errand asks and tells (pbx.sip.uac.ErrandUser)

    def request_for(self, flow: Flow, target: str, cseq: int) -> Request:
        """The request as it goes along this way."""
        return self._user.request_to(self.destination, flow)

    def errand_done(self, response: Response) -> None:
        """A final response came."""
        if not self._tries_another(response.status):
            self._user.answered(self, response)

    def errand_failed(self, status: int, reason: str) -> None:
        """There will be none."""
        if not self._tries_another(408):
            self._user.unanswered(self, status)

    def _tries_another(self, status: int) -> bool:
        other = self.destination.instead(status)
        if other is None:
            return False
        self.destination = other
        self.start()
        return True
