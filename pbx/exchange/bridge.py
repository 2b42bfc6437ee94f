"""The bridge: one call's sessions and the relay between them (a B2BUA, RFC 7092).

Below it are machines, above it coroutines.

All that passes between the two sides is in `party` and in `crossing`; each side has its own Call-ID, tags, Contact and
session description.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from pbx.exchange.asker import Asker
from pbx.exchange.board import Board, CallUser
from pbx.exchange.caller import Caller, Source
from pbx.exchange.cause import told
from pbx.exchange.crossing import ENDS, crossing
from pbx.exchange.group import Callee
from pbx.exchange.invitation import Invitation
from pbx.exchange.legs import Legs
from pbx.exchange.media_failure import status_of
from pbx.exchange.observer import By, Ending
from pbx.exchange.outcome import Answered, Failed, Outcome
from pbx.exchange.party import Party
from pbx.exchange.passing import is_key, pass_on
from pbx.exchange.ringing import Ringing
from pbx.exchange.sound_watch import SoundWatch
from pbx.exchange.speaking import Speaking
from pbx.exchange.transfer import named, transfer
from pbx.media.side import StreamFacts
from pbx.sip.errors import InvalidState
from pbx.sip.flow import Flow
from pbx.sip.headers import CONTACT, Field
from pbx.sip.information import Information
from pbx.sip.occupancy import AGAIN
from pbx.sip.reasons import NO_PRACK, PLAN_FAILED, TRANSFERRED
from pbx.sip.refer import Referral
from pbx.sip.timers import Clock


class Bridge:
    """One call.

    :param asker: who asked for it, until that has its final response.
    :param party: who calls: by an INVITE, or because it was transferred.
    :param caller: in whose name, and with whose rights.
    :param number: what was dialled.
    :param invitation: what callees are told.
    :param fields: the header fields of the caller's INVITE.
    :param flow: the way from which it came.
    :ivar id: how logs and records name this call.
    :ivar host: the address that it came from.
    :ivar begun_at: when it did, in the clock's seconds.
    :ivar user: whom it tells; set by him.
    :ivar speaking: our own end of the caller's sound.
    :ivar legs: whom it has rung, and connected to nobody yet.
    :ivar answered: whether the asker has its final response, a good one.
    :ivar ended: whether the caller's session is over.
    :ivar last_outcome: of the last `dial`.
    """

    __slots__ = (
        "_asker", "_board", "_dialled", "_flow", "_invitation", "_is_left", "_outcome", "_progress", "_ringing",
        "_sides", "answered", "begun_at", "caller", "ended", "fields", "host", "id", "last_outcome", "legs", "number",
        "party", "speaking", "user",
    )  # fmt: skip

    def __init__(
        self,
        board: Board,
        asker: Asker,
        party: Party,
        caller: Caller,
        number: str,
        invitation: Invitation,
        fields: list[Field],
        flow: Flow,
    ) -> None:
        self._board = board
        self._asker = asker
        self._flow = flow
        self._invitation = invitation
        self.party = party
        party.user = self
        self.speaking = party.speaker = Speaking(board, party, self)
        self.legs = Legs(board.relay)
        self.fields = fields
        self._ringing: Ringing | None = None
        self._dialled: Deferred[Outcome] | None = None
        self._outcome: Outcome | None = None  # of the branch that answered, until it ends
        self._progress = 0
        self._sides = [party.side]  # whose facts belong to the call: the caller's, and of each callee that answered
        self.id = board.agent.identifiers.token()
        party.side.user = SoundWatch(self.id, "caller")
        self.host = flow.remote[0]
        self.caller = caller
        self.number = number
        self.begun_at = board.agent.clock.seconds()
        self.user: CallUser | None = None
        self.answered = False
        self.ended = False
        self._is_left = False  # whether the caller has left the call to others
        self.last_outcome: Outcome | None = None

    @property
    def clock(self) -> Clock:
        """The exchange's time."""
        return self._board.agent.clock

    @property
    def features(self) -> Any:
        """What the dialplan's verbs work with."""
        return self._board.features

    def streams(self) -> Deferred[list[tuple[StreamFacts, ...]]]:
        """The facts of each stream: the caller's, then of each callee that answered. Also when the call is over."""
        return gatherResults([self._board.relay.statistics(side) for side in self._sides])

    # The dialplan's verbs

    def dial(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None = None,
        caller_id: str = "",
        apart: bool = False,
    ) -> Deferred[Outcome]:
        """Ring all targets, connect the first that answers.

        :param timeout: seconds to ring.
        :param progress_within: seconds until each must have shown a sign of progress; None for as long as it rings.
        :param caller_id: the number that callees are shown; "" for the caller's own.
        :param apart: whether the first that answers is not connected but kept as a leg: the `leg` of `Answered`.
        :returns: fires when the attempt failed, or when the callee has hung up; apart, when it has answered.
        :raises InvalidState: while another `dial` goes on.
        """
        dialled = self._dial()
        self._ringing = ringing = Ringing(self._board, self, self.party, self._invitation, caller_id, apart)
        ringing.ring(targets, timeout, progress_within)
        return dialled

    def join(self, leg: Party) -> Deferred[Outcome]:
        """Connect the caller, who is answered first where it is not yet, with a leg.

        :returns: fires when the leg has hung up; never when `separate` ends it.
        :raises InvalidState: while another `dial` goes on.
        """
        dialled = self._dial()
        self._outcome = outcome = Answered()
        if not self.legs.release(leg):
            self._dial_over(outcome)
            return dialled
        self.speaking.answer().addCallback(lambda _: self._join(leg))
        return dialled

    def separate(self) -> Party | None:
        """Connect the caller to nobody: whom it was connected to is a leg from now on. None where nobody is."""
        peer = self.party.part()
        if peer is not None:
            self._dialled = self._outcome = None
            self._board.relay.part(self.party.side)
            self.legs.keep(peer)
        return peer

    def reject(self, status: int, reason: str | None = None, more: tuple[Field, ...] = (), words: str = "") -> None:
        """Refuse the call, which is not answered yet.

        :param words: why, for our own records.
        """
        if self.ended:
            return
        if self.caller.source is Source.INBOUND and status >= 400:
            more = (*more, told(status))
        self._finish(By.PLAN, words or reason or "", status)
        self._asker.reject(status, reason or "", more)

    def forbid(self, event: str) -> None:
        """Refuse the call with 403: nobody like this caller gets where it wants to.

        :param event: its name in the security log.
        """
        self._board.forbidden(self, event, self._flow)
        self.reject(403, words=event)

    def redirect(self, uris: Sequence[str], status: int = 302) -> None:
        """Tell the caller other addresses to call (RFC 3261 8.3, 21.3)."""
        self.reject(status, None, tuple([CONTACT.field(f"<{uri}>") for uri in uris]))

    def hang_up(self, words: str = "") -> None:
        """End the call: with BYE where it was answered, with 480 where it was not.

        :param words: why.
        """
        if self.ended:
            return
        if not self.answered:
            self.reject(480, words=words)
            return
        self._finish(By.PLAN, words)
        self.party.hang_up()

    def end(self, reason: str) -> None:
        """End the call from outside the dialplan: an administrator, or the exchange that stops.

        :param reason: in words.
        """
        last = self.party.hang_up if self.answered else lambda: self._asker.reject(503, "", (AGAIN,))
        self._end_with(last, By.ADMINISTRATOR, reason, 503)

    def is_with(self, number: str) -> bool:
        """Whether an extension takes part: it calls, or has answered."""
        peer = self.party.other
        return self.party.number == number or (peer is not None and peer.answered and peer.number == number)

    def plan_ended(self) -> None:
        """The coroutine is over: so is the call, unless its caller has left it to others."""
        if self._is_left:
            return
        self.user = None
        outcome = self.last_outcome
        if not self.ended and not self.answered and outcome is not None and not outcome.answered:
            self.reject(outcome.status, outcome.text if isinstance(outcome, Failed) else None)
        self.hang_up()

    def plan_failed(self) -> None:
        """The coroutine failed: end this one call."""
        if not self.answered:
            self.reject(500, words=PLAN_FAILED)
        self.plan_ended()

    # What the ringing tells (pbx.exchange.ringing.RingingUser)

    def ringing_progressed(self, status: int, sdp: bytes, more: tuple[Field, ...]) -> None:
        """Tell the caller; one that we have answered hears it ring."""
        if self.party.answered:
            self.speaking.ring()
        self.tell_progress(status, sdp, more)

    def ringing_answered(self, peer: Party, sdp: bytes, outcome: Outcome, more: tuple[Field, ...]) -> None:
        """Connect the callee that answered, unless it was rung apart."""
        apart = self._ringing is not None and self._ringing.apart
        self._ringing = None
        self.speaking.hush()
        self._sides.append(peer.side)
        peer.side.user = SoundWatch(self.id, "callee")
        if apart:
            self.legs.answered(peer, sdp).addCallbacks(
                self._reached, self._not_reached, callbackArgs=(peer, outcome), errbackArgs=(peer, outcome)
            )
            return
        self.party.part()
        self.party.connect(peer)
        self._outcome = outcome
        relay = self._board.relay
        # Where we offered nothing, the 2xx itself has to: a description in a 1xx before it means nothing.
        if not sdp or not (self.party.offer or peer.session.owes_ack):
            self.disconnect(488, "the callee described no session")
        elif peer.settled:
            self._connect(self._asker.agreed, more, sdp)
        elif self.party.answered:
            # The caller heard us so far, now it hears the callee.
            self.take(b"")
            self.party.hear(sdp, self.clock, named(peer))
        else:
            way = relay.offer if peer.session.owes_ack else relay.answer
            described = way(peer.side, self.party.side, sdp)
            described.addCallbacks(self._connect, self.cannot_connect, callbackArgs=(more, sdp))

    def ringing_failed(self, outcome: Outcome) -> None:
        """Nobody answered: it is the dialplan's turn."""
        self._ringing = None
        self.speaking.hush()
        if isinstance(outcome, Failed) and outcome.code == 503 and outcome.by is None and not self.answered:
            # It is we who are overloaded, and the caller may know (RFC 3261 21.5.4).
            self._end_with(lambda: self._asker.reject(503, "", (AGAIN,)), By.EXCHANGE, outcome.text, 503)
        self._dial_over(outcome)

    # What the parties tell (pbx.exchange.party.PartyUser)

    def party_informed(self, party: Party, information: Information) -> None:
        """An INFO or MESSAGE came: the other side gets it as it is; where we are that, it may be a key."""
        other = party.other
        if other is not None or not is_key(information, party.side.voice):
            pass_on(information, other.session if other is not None else None, self._board.agent.layer)

    def party_referred(self, party: Party, referral: Referral) -> None:
        """A REFER came."""
        transfer(self._board.agent, party, referral)

    def party_met(self, party: Party, sdp: bytes) -> None:
        """It says what it offers to the one whom it is to be connected to."""
        if sdp:
            self.party.hear(sdp, self.clock, named(party))
        else:
            self.disconnect(488, "no session is described")

    def leads(self, party: Party) -> bool:
        """Whether it is the caller, or the one to whom the caller has left the call."""
        return party is self.party

    def replace(self, old: Party, new: Party) -> None:
        """Let another party, of another call, take the place of one."""
        kept = old.part()
        assert kept is not None
        if old is self.party:
            self._leave_to(kept)
        old.leave()
        old.dismiss(self.clock)
        new.user = self
        self._sides.append(new.side)
        self.party.connect(new)
        self._board.observer.party_replaced(self, old, new)
        new.ask(self.clock, named(self.party))

    def give_away(self, party: Party) -> None:
        """Let a party go to another call; this one is over."""
        other = party.part()
        by = By.CALLEE if party is self.party else By.CALLER
        if party is self.party:
            assert other is not None
            self._leave_to(other)
        self._end_with(lambda: self.party.dismiss(self.clock), by, TRANSFERRED)

    def party_left(self, party: Party, reason: str) -> None:
        """One side is gone: so is the other; the dialplan goes on when it was the callee."""
        more = crossing(party.session.take_fields(), ENDS)
        if party is self.party:
            self._end_with(None, By.CALLER, reason, 500 if reason == NO_PRACK else 487, more)
            return
        self._board.observer.party_left(self, party, reason)
        party.leave()
        if self.legs.release(party):
            return
        if (outcome := self._outcome) is not None:
            if not self.answered:  # the relay has yet to say how the two are connected
                outcome = Failed(480, "the callee has hung up", by=outcome.by)
            self._callee_left(outcome)

    def cannot_connect(self, failure: Failure) -> None:
        """The two sides have no media in common, or none at all."""
        status, words = status_of(failure)
        # A malformed description is the callee's, and no fault of the caller's request.
        self.disconnect(488 if status == 400 else status, words)

    def disconnect(self, status: int, words: str) -> None:
        """Hang up the callee, who has answered in vain."""
        peer, outcome = self.party.other, self._outcome
        if peer is not None and outcome is not None:
            peer.leave()
            peer.hang_up()
            self._callee_left(Failed(status, words, by=outcome.by))

    def cannot_go_on(self, party: Party, failure: Failure) -> None:
        """Its answer to our own offer is none (RFC 3261 13.2.2.4): nothing can be heard."""
        if not self.ended:
            self._end_with(self.party.hang_up, By.EXCHANGE, status_of(failure)[1])

    # What speaking to the caller asks for (pbx.exchange.speaking.SpeakingUser)

    def tell_progress(self, status: int, sdp: bytes, more: tuple[Field, ...] = ()) -> None:
        """Tell the caller how far it is, unless it knows."""
        news = status * 2 + bool(sdp)
        if news != self._progress and not (self.answered or self.ended):
            self._progress = news
            self._asker.progress(status, sdp, more)

    def take(self, sdp: bytes, more: tuple[Field, ...] = ()) -> None:
        """Answer whoever asked for the call, unless that is done."""
        if not self.answered:
            self.answered = self.party.answered = True
            self._board.observer.call_answered(self)
            self._asker.answer(sdp, more)

    def give_up(self, status: int, words: str) -> None:
        """Nobody can speak to this caller: end the call, with a status where it is not answered."""
        more = (AGAIN,) if status == 503 else ()
        last = self.party.hang_up if self.answered else lambda: self._asker.reject(status, words, more)
        self._end_with(last, By.EXCHANGE, words, status)

    # Inside

    def _dial(self) -> Deferred[Outcome]:
        if self._dialled is not None or self.ended:
            raise InvalidState(f"dial in {self!r}")
        dialled: Deferred[Outcome] = Deferred()
        self._dialled = dialled
        return dialled

    def _reached(self, _: None, peer: Party, outcome: Outcome) -> None:
        """We can speak to a callee that was rung apart."""
        dialled, self._dialled = self._dialled, None
        if dialled is not None and isinstance(outcome, Answered):
            dialled.callback(replace(outcome, leg=peer))

    def _not_reached(self, failure: Failure, peer: Party, outcome: Outcome) -> None:
        self.legs.drop(peer)
        self._dial_over(Failed(*status_of(failure), by=outcome.by))

    def _join(self, leg: Party) -> None:
        if self.ended or leg.side.closed:  # one of them has left while the other was answered
            leg.leave()
            leg.hang_up()
        else:
            self.party.connect(leg)
            leg.ask(self.clock, named(self.party))

    def _leave_to(self, party: Party) -> None:
        """The caller goes, and leaves the call to the other party. The dialplan has nothing to say to that one."""
        user, self.user = self.user, None
        self._is_left = True
        self.speaking.stop()
        self._dialled = None
        self.party.speaker = None
        self.party = party
        if user is not None:
            user.caller_left(TRANSFERRED)

    def _connect(self, shown: bytes, more: tuple[Field, ...], sdp: bytes) -> None:
        """The callee answered.

        :param shown: its description for the caller.
        :param sdp: the same, as the callee gave it.
        """
        peer, agreed = self.party.other, self._asker.agreed
        if self.ended or peer is None:
            return
        self.party.offer = b""
        self.take(shown, more)
        if agreed and shown != agreed:
            # The caller had its answer while it rang; what the callee says now, or another one, is a new offer.
            self.party.hear(sdp, self.clock, named(peer))

    def _end_with(
        self, last: Callable[[], Any] | None, by: By, reason: str, status: int = 200, more: tuple[Field, ...] = ()
    ) -> None:
        """The call is over, and not because the dialplan said so."""
        if self.ended:
            return
        self._finish(by, reason, status, more)
        if last is not None:
            last()
        if self.user is not None:
            self.user.caller_left(reason)

    def _finish(self, by: By, words: str, status: int = 200, more: tuple[Field, ...] = ()) -> None:
        """Let go of everything but the caller's session.

        :param status: the final one that the caller is given; where it was answered, that was a 200.
        """
        self.ended = True
        self.speaking.stop()
        ringing, self._ringing = self._ringing, None
        self._dialled = None
        if ringing is not None:
            ringing.give_up(more)
        peer = self.party.other
        if peer is not None:
            peer.leave()
            peer.hang_up(more)
        self.legs.drop_all(more)
        self.party.leave()
        self._board.observer.call_ended(self, Ending(by, words, 200 if self.answered else status))
        self._board.call_ended(self)

    def _callee_left(self, outcome: Outcome) -> None:
        """Answer to the caller what the callee would have answered; then it is the dialplan's turn."""
        session = self.party.session
        if self.answered and session.offered:
            session.refuse(487)
        if session.owes_ack:
            self.party.answered_to_us(self.party.offer)
        self._dial_over(outcome)

    def _dial_over(self, outcome: Outcome) -> None:
        self.last_outcome = outcome
        self._board.observer.call_dialled(self, outcome)
        dialled, self._dialled = self._dialled, None
        if dialled is not None:
            dialled.callback(outcome)
        elif self._is_left:
            self.hang_up()  # nobody decides any more what comes next

    def __repr__(self) -> str:
        return f"<call {self.id}: {self.caller.number} to {self.number}{', ended' if self.ended else ''}>"
