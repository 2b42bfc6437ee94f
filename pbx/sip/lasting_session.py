"""A session that changes and is kept alive while it lasts: UPDATE (RFC 3311), offers in PRACK (RFC 3262 section 5) and
session timers (RFC 4028), beside the INVITEs and the BYE of `session`.

Small machines stand side by side: those of a `Session`, the `Modification`, the `SessionTimer`.
"""

from __future__ import annotations

from dataclasses import replace

from pbx.sip import session_timer
from pbx.sip.abilities import NONE, abilities_of
from pbx.sip.client_transaction import ClientUser
from pbx.sip.dialog import sdp_of
from pbx.sip.errors import InvalidState, Malformed, Refused
from pbx.sip.headers import REQUIRE, RETRY_AFTER, SUPPORTED, Field
from pbx.sip.message import Request, Response
from pbx.sip.modification import Modification
from pbx.sip.offer_answer import STABLE
from pbx.sip.reasons import EXPIRED, UNANSWERED, UNKNOWN
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.session import ALLOWED, CONFIRMED, EARLY, ENDED, ENDING, Agent, Session, SessionUser
from pbx.sip.session_timer import SessionTimer
from pbx.sip.transaction_layer import ServerTransaction

_RETRY = 10.0  # seconds until a refresh that was refused is tried again
_KNOWS_TIMER = SUPPORTED.field(session_timer.TAG)
_NEEDS_TIMER = REQUIRE.field(session_timer.TAG)


class LastingSession(Session):
    """What inbound and outbound sessions share of this."""

    __slots__ = ("_modification", "_peer", "_since", "_terms", "_timer")

    _called = False  # whether the peer has made the Call-ID

    def __init__(self, agent: Agent, user: SessionUser, neighbour: bool) -> None:
        super().__init__(agent, user, neighbour)
        self._peer = NONE  # what the peer understands
        self._modification: Modification | None = None
        self._timer: SessionTimer | None = None
        self._since = 0.0  # when it was first seen without a timer
        self._terms: tuple[int, bool] | None = None  # the interval for the INVITE that waits, and whether we refresh

    @property
    def offered(self) -> bool:
        """Whether an offer of the peer's waits for `accept` or `refuse`."""
        return self.updating or (self.state is CONFIRMED and self._transaction is not None)

    @property
    def updating(self) -> bool:
        """Whether an UPDATE or PRACK of the peer's waits with an offer."""
        return self._modification is not None and self._modification.waiting is not None

    @property
    def takes_update(self) -> bool:
        """Whether the peer understands UPDATE (RFC 3311 section 4)."""
        return self._peer.update

    @property
    def may_inform(self) -> bool:
        """Whether the peer says that it takes INFO."""
        return self._peer.information

    def inform(self, kind: str, body: bytes, user: ClientUser) -> None:
        """Send an INFO without an Info Package (RFC 2976).

        :param kind: its Content-Type.
        :param user: is told what comes of it.
        :raises InvalidState: without a dialog.
        """
        dialog = self._dialog()
        self._agent.layer.request(dialog.flow, dialog.request("INFO", (), body, kind), user)

    @property
    def may_offer(self) -> bool:
        """Whether a re-INVITE is possible now; if not, the other side's is answered 491."""
        return super().may_offer and (self._modification is None or not self._modification.pending)

    @property
    def may_update(self) -> bool:
        """Whether an UPDATE with an offer is possible now (RFC 3311 5.1), in an early dialog too."""
        return (
            self._peer.update
            and (self.state is CONFIRMED or self.state is EARLY)
            and self.dialog is not None
            and self._negotiation.state is STABLE
            and (self._modification is None or not (self._modification.pending or self.updating))
            and (self.state is EARLY or (self._invite is None and self._transaction is None))
        )

    def update(self, sdp: bytes, more: tuple[Field, ...] = ()) -> None:
        """Send an UPDATE with an offer.

        :raises InvalidState: unless `may_update`.
        """
        if not self.may_update:
            raise InvalidState(f"update in {self!r}")
        self._negotiation.offer_sent()
        self._send_update(sdp, more)

    def renew_contact(self) -> None:
        """Tell the peer our Contact, which has changed (RFC 3311 5.1); one that knows no UPDATE hears of it later."""
        if self.may_offer and self._peer.update:
            self._send_update()

    def identify(self, more: tuple[Field, ...]) -> None:
        """Tell the peer, in an early dialog too, to whom it is connected now: by an UPDATE that offers nothing
        (RFC 3311 5.1). One that knows no UPDATE, or has yet to answer another, hears of it with the next offer.

        :param more: the fields that say so; without any, nothing is sent.
        """
        pending = self._modification is not None and self._modification.pending
        if more and self._peer.update and not pending and self.dialog is not None and self.state in (EARLY, CONFIRMED):
            self._send_update(b"", more)

    def accept(self, sdp: bytes) -> None:
        """Answer the peer's offer that waits, in a re-INVITE, UPDATE or PRACK.

        :raises InvalidState: when none waits.
        """
        if not self.updating:
            self.answer(sdp)
            return
        assert self._modification is not None
        transaction, request = self._modification.taken()
        self._negotiation.settled()
        if self.state is EARLY:
            self._settled_early(sdp_of(request))
        transaction.respond(self._response(request, 200, sdp, self._granted(request)))

    def refuse(self, status: int, reason: str = "", more: tuple[Field, ...] = ()) -> None:
        """Refuse the peer's offer that waits; all is as it was (RFC 3261 14.1, RFC 3311 5.2).

        :raises InvalidState: when none waits.
        """
        if not self.updating:
            self.reject(status, reason, more)
            return
        assert self._modification is not None
        transaction, request = self._modification.taken()
        self._negotiation.settled()
        transaction.respond(request.response(status, reason, self._dialog().local_tag, more))

    def seen(self, now: float) -> None:
        """The session is still there: where neither side has said how long it lasts, we do.

        :param now: seconds since 1970.
        """
        if self._timer is None and self.state is CONFIRMED:
            if not self._since:
                self._since = now
            elif now - self._since >= session_timer.INTERVAL / 2:
                self._keep(session_timer.INTERVAL, True).again(0)

    def _prepared(self, sdp: bytes, more: tuple[Field, ...]) -> tuple[bytes, tuple[Field, ...]] | None:
        if self._modification is not None and self.updating:
            self.refuse(500, "", (RETRY_AFTER.field(self._delay()),))
        terms, self._terms = self._terms, None
        if terms is not None:
            more = (*more, *self._granting(terms))
        return sdp, more

    def _asked(self, transaction: ServerTransaction, request: Request) -> None:
        if request.method == "UPDATE":
            self._updated(transaction, request)
        elif request.method == "PRACK":
            self._pracked(transaction, request)
        else:
            super()._asked(transaction, request)

    def _responded(self, response: Response) -> None:
        if response.cseq_method == "UPDATE" and response.status >= 200:
            self._update_answered(response)

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """One of our requests will have no final response."""
        if method == "UPDATE":
            self._update_unknown(408, f"no answer to our UPDATE: {reason}")
        else:
            super().transaction_failed(method, status, reason)

    # The peer's requests

    def _reinvited(self, transaction: InviteServerTransaction, request: Request) -> None:
        if self.updating:
            raise Refused(500, RETRY_AFTER.field(self._delay()))
        if self._modification is not None and self._modification.pending:
            raise Malformed(491, "")  # RFC 3261 14.2
        if self.state is CONFIRMED:
            self._learn(request)
            self._terms = session_timer.granted(request, self._peer.refreshes)
        super()._reinvited(transaction, request)

    def _updated(self, transaction: ServerTransaction, request: Request) -> None:
        if self.state is ENDING or self.state is ENDED:
            raise Malformed(481, "")
        sdp = sdp_of(request)
        session_timer.granted(request, abilities_of(request.fields).refreshes)
        if sdp:
            self._take_offer(transaction, request)
        self._agent.follow(self._dialog(), request, transaction.flow)
        self._learn(request)
        if sdp:
            self.user.session_offered(self, sdp)
        else:
            transaction.respond(self._response(request, 200, b"", self._granted(request)))

    def _learn(self, request: Request) -> None:
        """What the peer understands; a message that says nothing of it changes nothing."""
        found = abilities_of(request.fields)
        if found is not NONE:
            self._peer = found

    def _take_offer(self, transaction: ServerTransaction, request: Request) -> None:
        """Let an offer that came without INVITE wait, if there may be one."""
        if self._modification is None:
            self._modification = Modification()
        confirmed = self.state is CONFIRMED
        self._modification.received(
            transaction,
            request,
            self._negotiation,
            confirmed and self._invite is not None,
            confirmed and self._transaction is not None,
            self._delay(),
        )

    def _granted(self, request: Request) -> tuple[Field, ...]:
        """Begin the session's time anew, as our 2xx to an UPDATE says."""
        if self.state is not CONFIRMED or request.method != "UPDATE":
            return ()
        return self._granting(session_timer.granted(request, self._peer.refreshes))

    def _granting(self, terms: tuple[int, bool]) -> tuple[Field, ...]:
        """Begin the session's time, and say so to a peer that understands it (RFC 4028 section 9)."""
        self._keep(*terms)
        if not self._peer.timer:
            return ()
        field = session_timer.granting(*terms)
        return (field,) if terms[1] else (field, _NEEDS_TIMER)

    def _settled_early(self, sdp: bytes) -> None:
        """This is what the peer has said last, before the INVITE was answered."""

    def _pracked(self, transaction: ServerTransaction, request: Request) -> None:
        """A PRACK came."""
        raise Malformed(481, "")

    # Our requests

    def _send_update(self, sdp: bytes = b"", more: tuple[Field, ...] = ()) -> None:
        if self._modification is None:
            self._modification = Modification()
        dialog = self._dialog()
        request = dialog.request("UPDATE", (dialog.contact, ALLOWED, *self._timing(), *more), sdp)
        self._modification.sent(bool(sdp))
        self._agent.layer.request(dialog.flow, request, self)

    def _update_answered(self, response: Response) -> None:
        status = response.status
        if status in (408, 481):
            self._update_unknown(status, "the other side no longer knows this call")
            return
        if status >= 300:
            if status in (405, 501):
                self._peer = replace(self._peer, update=False)
            self._not_refreshed(response)
            self._update_refused(status, response.reason)
            return
        try:
            sdp = sdp_of(response)
        except Malformed:
            sdp = b""  # what cannot be read is missing
        offered = self._update_settled()
        if self.state is CONFIRMED or self.state is EARLY:
            self._agent.follow(self._dialog(), response, self._dialog().flow)
            if self.state is CONFIRMED:
                self._keep(*session_timer.agreed(response))
            if offered:
                if self.state is EARLY:
                    self._settled_early(sdp)
                self.user.session_answered(self, sdp)

    def _update_settled(self) -> bool:
        """Our UPDATE has its final response; return whether it had an offer."""
        offered = self._modification.answered() if self._modification is not None else False
        if offered:
            self._negotiation.settled()
        return offered

    def _update_unknown(self, status: int, reason: str) -> None:
        """The peer is not there, or knows no such dialog any more (RFC 3261 12.2.1.2)."""
        if self.state is EARLY:
            self._update_refused(status, "")  # what becomes of the call, the INVITE will tell
        else:
            self._update_settled()
            self._lost(UNKNOWN if status == 481 else f"{UNANSWERED}: {reason}")

    def _update_refused(self, status: int, reason: str) -> None:
        if self._update_settled() and (self.state is CONFIRMED or self.state is EARLY):
            self.user.session_rejected(self, status, reason)

    def _agree(self, response: Response) -> None:
        peer = self._peer = abilities_of(response.fields)
        if self.state is CONFIRMED and (peer.timer or self._timer is not None):
            self._keep(*session_timer.agreed(response))

    def _reinvite_answered(self, response: Response) -> None:
        if response.status >= 300 and self._invite is not None and self._invite.branch == response.via.branch:
            self._not_refreshed(response)
        super()._reinvite_answered(response)

    # The session timer

    def _timing(self) -> tuple[Field, ...]:
        """What our re-INVITE or UPDATE says of it; within an early dialog, nothing."""
        if self._timer is None:
            return ()
        return (_KNOWS_TIMER, *self._timer.fields())

    def _keep(self, interval: int, ours: bool) -> SessionTimer:
        if self._timer is None:
            self._timer = SessionTimer(self._agent.clock, self._refresh, self._neglected)
        self._timer.run(interval, ours)
        return self._timer

    def _refresh(self) -> None:
        """Say that the session goes on: by UPDATE, or by an INVITE with what was agreed upon (RFC 4028 7.4)."""
        assert self._timer is not None
        if not self.may_offer:
            self._timer.again(_RETRY)  # what is under way refreshes the session, too
        elif self._peer.update:
            self._send_update()
        else:
            self.user.session_due(self)

    def _not_refreshed(self, response: Response) -> None:
        """Our re-INVITE or UPDATE was refused; if it was to refresh, that is tried again (RFC 4028 section 10)."""
        timer = self._timer
        if timer is None:
            return
        if response.status == 422:
            timer.shortest = session_timer.shortest_of(response)
        if timer.due:
            timer.again(self._backoff() if response.status == 491 else _RETRY)

    def _backoff(self) -> float:
        """Seconds until an offer that crossed the peer's is made again (RFC 3261 14.1)."""
        chance = int(self._agent.identifiers.token()[:4], 16)
        return chance % 201 / 100 if self._called else 2.1 + chance % 191 / 100

    def _neglected(self) -> None:
        self._lost(EXPIRED)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._modification is not None and self._modification.waiting is not None:
            self.refuse(487)

    def _delay(self) -> int:
        """Seconds after which the peer may try again: at random, up to 10 (RFC 3261 14.2, RFC 3311 5.2)."""
        return int(self._agent.identifiers.token()[:2], 16) % 11
