"""Offer and answer (RFC 3264, RFC 6337): who may offer now. One offer at a time, and an answer to every offer."""

from __future__ import annotations

from enum import Enum

from pbx.sip.errors import InvalidState, Malformed


class State(Enum):
    """Where the exchange of descriptions stands."""

    STABLE = "stable"
    LOCAL_OFFER = "our offer waits for its answer"
    REMOTE_OFFER = "the peer's offer waits for our answer"


STABLE, LOCAL_OFFER, REMOTE_OFFER = State.STABLE, State.LOCAL_OFFER, State.REMOTE_OFFER


class OfferAnswer:
    """The exchange of session descriptions of one session."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = STABLE

    def offer_sent(self) -> None:
        """Our offer went out.

        :raises InvalidState: while another waits for its answer.
        """
        if self.state is not STABLE:
            raise InvalidState(f"an offer while {self.state.value}")
        self.state = LOCAL_OFFER

    def offer_received(self) -> None:
        """The peer's offer came.

        :raises Malformed: 491 while another waits for its answer (RFC 3261 14.2, RFC 3311 5.2).
        """
        if self.state is not STABLE:
            raise Malformed(491, "")
        self.state = REMOTE_OFFER

    def settled(self) -> None:
        """The answer went or came, or the request that carried the offer was refused (RFC 3261 14.1)."""
        self.state = STABLE
