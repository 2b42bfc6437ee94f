"""Modification: what a dialog's UPDATEs may do, the peer's and ours (RFC 3311 section 5), beside its INVITEs.

A PRACK that brings an offer (RFC 3262 section 5) waits for its answer in the same way.
"""

from __future__ import annotations

from pbx.sip.errors import InvalidState, Malformed, Refused
from pbx.sip.headers import RETRY_AFTER
from pbx.sip.message import Request
from pbx.sip.offer_answer import LOCAL_OFFER, OfferAnswer
from pbx.sip.transaction_layer import ServerTransaction


class Modification:
    """The requests of one dialog that change the session without INVITE: one of the peer's and one of ours at a time.

    :ivar waiting: the peer's, whose offer waits for our answer.
    :ivar pending: whether the final response to ours is awaited.
    """

    __slots__ = ("_offered", "pending", "waiting")

    def __init__(self) -> None:
        self.waiting: tuple[ServerTransaction, Request] | None = None
        self.pending = False
        self._offered = False

    def sent(self, offered: bool) -> None:
        """Our UPDATE goes out.

        :param offered: whether it has an offer.
        :raises InvalidState: while another is unanswered (RFC 3311 5.1).
        """
        if self.pending:
            raise InvalidState("an UPDATE while another is unanswered")
        self.pending = True
        self._offered = offered

    def answered(self) -> bool:
        """The final response to our UPDATE came; return whether that had an offer."""
        offered, self.pending, self._offered = self._offered, False, False
        return offered

    def received(
        self,
        transaction: ServerTransaction,
        request: Request,
        negotiation: OfferAnswer,
        inviting: bool,
        invited: bool,
        delay: int,
    ) -> None:
        """The peer's UPDATE came with an offer; one without is always welcome.

        :param inviting: whether an INVITE of ours may still bring an offer.
        :param invited: whether an INVITE of the peer's waits for us within the session.
        :param delay: seconds after which the peer may try again.
        :raises Refused: 500 with Retry-After while an earlier offer of the peer's is unanswered, 491 while ours is
            (RFC 3311 5.2).
        """
        if self.waiting is not None:
            raise Refused(500, RETRY_AFTER.field(delay))
        if negotiation.state is LOCAL_OFFER or inviting or self.pending:
            raise Malformed(491, "")
        if invited:
            raise Refused(500, RETRY_AFTER.field(delay))
        try:
            negotiation.offer_received()
        except Malformed:
            raise Refused(500, RETRY_AFTER.field(delay)) from None
        self.waiting = (transaction, request)

    def taken(self) -> tuple[ServerTransaction, Request]:
        """The one that waits, which is answered now.

        :raises InvalidState: when none waits.
        """
        waiting, self.waiting = self.waiting, None
        if waiting is None:
            raise InvalidState("no UPDATE waits")
        return waiting

    def __repr__(self) -> str:
        theirs, ours = (
            "theirs waits" if self.waiting else "none waits",
            "ours is pending" if self.pending else "none is",
        )
        return f"<modification: {theirs}, {ours}>"
