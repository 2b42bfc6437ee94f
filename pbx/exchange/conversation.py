"""A conversation: the parties of one call, who of them is connected to whom, and how all of it ends.

One party leads: the caller, or who is left when the caller has transferred the call. It may be connected to one other;
those that wait are legs. When the leading one leaves, the others are hung up; when the other one does, it is for others
to decide what comes next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pbx.exchange import music
from pbx.exchange.board import Board, CallUser, KeysUser
from pbx.exchange.caller import Caller
from pbx.exchange.consultation import Consultation
from pbx.exchange.crossing import ENDS, crossing
from pbx.exchange.legs import Legs
from pbx.exchange.media_failure import status_of
from pbx.exchange.observer import By, Ending
from pbx.exchange.outcome import Answered, Failed, Outcome
from pbx.exchange.party import Party, Transferor
from pbx.exchange.passing import pass_on
from pbx.exchange.ringing import Ringing
from pbx.exchange.sound_watch import SoundWatch
from pbx.exchange.speaking import Speaking
from pbx.exchange.transferring import transfer
from pbx.media.relay import Result
from pbx.media.side import StreamFacts
from pbx.sip.headers import Field
from pbx.sip.information import Information
from pbx.sip.reasons import NO_PRACK, TRANSFERRED
from pbx.sip.refer import Referral
from pbx.sip.timers import Clock


class Conversation:
    """What of a call knows nothing of how it came to be.

    :ivar id: how logs and records name this call.
    :ivar user: whom it tells of its caller; set by him.
    :ivar party: who leads.
    :ivar keys: who wants to know the keys that are pressed meanwhile; set by him.
    :ivar clock: the exchange's time.
    :ivar transferor: who has transferred the caller, and has it back if the call is not answered; None for nobody.
    :ivar answered: whether who asked for the call has an answer.
    :ivar ended: whether the call is over.
    :ivar last_outcome: of the last `dial`.
    """

    __slots__ = (
        "_board", "_consultation", "_dialled", "_is_left", "_legs", "_outcome", "_ringing", "_sides", "_speaking",
        "answered", "begun_at", "caller", "clock", "ended", "host", "id", "keys", "last_outcome", "number", "party",
        "transferor", "user",
    )  # fmt: skip

    transferable = True

    def __init__(self, board: Board, party: Party, caller: Caller, number: str, host: str) -> None:
        self._board = board
        self.party = party
        party.user = self
        self._legs: Legs | None = None
        self._consultation: Consultation | None = None
        self.keys: KeysUser | None = None
        self.transferor: Transferor | None = None
        self._ringing: Ringing | None = None
        self._speaking: Speaking | None = None
        self._dialled: Deferred[Outcome] | None = None
        self._outcome: Outcome | None = None  # of the branch that answered, until it ends
        self._sides = [party.side]  # whose facts belong to the call: the caller's, and of each callee that answered
        self._is_left = False  # whether no dialplan decides any more what comes next
        self.id = board.agent.identifiers.token()
        party.side.user = SoundWatch(self.id, "caller", party)
        self.host = host
        self.caller = caller
        self.number = number
        self.clock: Clock = board.agent.clock
        self.begun_at = self.clock.seconds()
        self.user: CallUser | None = None
        self.answered = False
        self.ended = False
        self.last_outcome: Outcome | None = None

    def streams(self) -> Result[list[tuple[StreamFacts, ...]]]:
        """The facts of each stream: the caller's, then of each callee that answered. Also when the call is over."""
        return self._board.relay.statistics(self._sides)

    @property
    def speaking(self) -> Speaking:
        """Our own end of the caller's sound."""
        raise NotImplementedError

    def hang_up(self, words: str = "") -> None:
        """End the call: with BYE where it was answered, with 480 where it was not.

        :param words: why.
        """
        raise NotImplementedError

    # What the dialplan does with several parties

    def consult(self, party: Party, keys: str) -> Consultation | None:
        """Let the dialplan do for a party what it asks for by keys; None when that is not possible now.

        :param party: an extension's, in conversation.
        """
        if not self.ended and (self._consultation is None or self._consultation.over):
            self.speaking.hush()  # so there is one: the consultation gives back to the parties who spoke to them before
            self._consultation = Consultation.begin(self._board, self, party, keys)
            return self._consultation
        return None

    def reunite(self, party: Party, peer: Party) -> None:
        """Connect two parties of the call with each other, whatever they hear at present."""
        if peer is self.party:
            party, peer = peer, party
        party.part()
        peer.part()
        party.connect(peer)
        peer.ask(self.clock, party.named)

    def replaced_by(self, one: Party, other: Party) -> None:
        """The caller, who is answered, leaves the call to two legs."""
        caller = self.party
        caller.part()
        self._leave_to(one)
        caller.leave()
        caller.dismiss(self.clock)
        one.user = other.user = self
        self._outcome = Answered()
        self._sides += [one.side, other.side]
        self.reunite(one, other)
        self._board.observer.party_replaced(self, caller, one)

    # What the parties tell (pbx.exchange.party.PartyUser)

    def party_informed(self, party: Party, information: Information) -> None:
        """An INFO or MESSAGE came: the other side gets it as it is."""
        other = party.other
        pass_on(information, other.session if other is not None else None, self._board.agent.layer)

    def party_referred(self, party: Party, referral: Referral) -> None:
        """A REFER came."""
        transfer(self._board, party, referral)

    def party_met(self, party: Party, sdp: bytes) -> None:
        """It says what it offers to the one whom it is to be connected to."""
        if sdp and party.other is not None:
            party.other.hear(sdp, self.clock, party.named)
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
        if self.keys is not None:
            self.keys.watch(new)
        self._sides.append(new.side)
        self.party.connect(new)
        self._board.observer.party_replaced(self, old, new)
        new.ask(self.clock, self.party.named)

    def give_away(self, party: Party) -> None:
        """Let a party go to another call; this one is over."""
        other = party.part()
        by = By.CALLEE if party is self.party else By.CALLER
        if party is self.party:
            assert other is not None
            self._leave_to(other)
        self._end_with(lambda: self.party.dismiss(self.clock), by, TRANSFERRED)

    def dissolve(self, by: Party) -> None:
        """Let both parties go to another call, one of whom has asked for that; this one is over."""
        kept = self.party
        other = kept.part()
        self._board.relay.part(kept.side)
        for party in (kept, other):
            if party is not None and party.side.voice is not None:
                party.side.voice.stop()  # who was on hold is so no longer
        if other is not None and self._legs is not None and (leg := self._legs.leg_of(other)) is not None:
            self._legs.release(leg)  # else it would be hung up with the others
        user, self.user = self.user, None
        if self._ringing is not None:
            self._ringing.give_up()
        self._close(By.CALLER if by is kept else By.CALLEE, TRANSFERRED)
        if user is not None:
            user.caller_left(TRANSFERRED)

    def dialled(self, party: Party) -> str | None:
        """What it has dialled, where it is the caller and talks to nobody: it waits, or hears the plan. Else None."""
        waits = party is self.party and not (self.ended or self._is_left)
        return self.number if waits and (party.other is None or not party.other.answered) else None

    def substitute(self, old: Party, new: Party, asker: Transferor | None) -> None:
        """Let another party, of another call, take the place of that caller, who leaves."""
        raise NotImplementedError

    def party_left(self, party: Party, reason: str) -> None:
        """One side is gone: so is the other; the dialplan goes on when it was the callee."""
        if self.ended:
            party.leave()  # which was on its way to another call
            return
        more = crossing(party.session.take_fields(), ENDS)
        if party is self.party:
            self._finish(By.CALLER, reason, 500 if reason == NO_PRACK else 487, more)
            if self.user is not None:
                self.user.caller_left(reason)
            return
        self._board.observer.party_left(self, party, reason)
        if party.side.voice is not None:
            party.side.voice.stop()  # whoever plays it something need not wait for its end
        party.leave()
        if self.transferor is not None and self.transferor.transferor is party:
            self.transferor.transferor = None  # it need not wait for the end
            return
        if (outcome := self._outcome) is not None:
            if not self.answered:  # the relay has yet to say how the two are connected
                outcome = Failed(480, "the callee has hung up", by=outcome.by)
            self._callee_left(outcome)

    def parties_agreed(self, party: Party, other: Party) -> None:
        """Who is put on hold hears music, unless both are."""
        held = None
        for holder, hearer in ((party, other), (other, party)):
            holds = holder.side.is_holding
            if holds != holder.holds:
                holder.holds = holds
                self._board.observer.party_held(self, holder, holds)
            if holds and not hearer.side.is_holding:
                held = hearer
        if held is not None:
            music.play(self._board.relay, self._board.library, held)

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

    # Inside

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

    def _end_with(self, last: Callable[[], Any], by: By, reason: str, status: int = 200) -> None:
        """The call is over, and not because the dialplan or the caller said so."""
        if self.ended:
            return
        self._finish(by, reason, status)
        last()
        if self.user is not None:
            self.user.caller_left(reason)

    def _finish(
        self,
        by: By,
        words: str,
        status: int = 200,
        more: tuple[Field, ...] = (),
        last: Callable[[], None] | None = None,
    ) -> None:
        """Let go of everything but the caller's session. What phones wait for is sent first.

        :param status: the final one that the caller is given; where it was answered, that was a 200.
        :param last: hangs the caller up, who is still there.
        """
        consultation, self._consultation = self._consultation, None
        if consultation is not None:
            consultation.stop()
        self.ended = True
        if self._ringing is not None:
            self._ringing.give_up(more)
        peer = self.party.other
        if peer is not None:
            peer.hang_up(more)
        if last is not None:
            last()
        if peer is not None:
            peer.leave()
        self.party.leave()
        self._close(by, words, status)

    def _close(self, by: By, words: str, status: int = 200) -> None:
        """Let go of all that is not a party of the conversation, and say that the call is over."""
        self.ended = True
        self._ringing = self._dialled = None
        if self._speaking is not None:
            self._speaking.stop()
        legs, self._legs = self._legs, None  # they know this call, which would wait with them for the garbage collector
        if legs is not None:
            legs.stop()
        transferor, self.transferor = self.transferor, None
        if transferor is not None:
            transferor.release(at_once=by in (By.ADMINISTRATOR, By.EXCHANGE))
        self._board.observer.call_ended(self, Ending(by, words, 200 if self.answered else status))
        self._board.call_ended(self)

    def _callee_left(self, outcome: Outcome) -> None:
        """Answer to the caller what the callee would have answered; then it is the dialplan's turn."""
        self.party.settle()
        self._dial_over(outcome)

    def _dial_over(self, outcome: Outcome) -> None:
        self.last_outcome = outcome
        if not self.ended:
            self._board.observer.call_dialled(self, outcome)
        dialled, self._dialled = self._dialled, None
        if dialled is not None:
            dialled.callback(outcome)
        elif self._is_left:
            self.hang_up()  # nobody decides any more what comes next
