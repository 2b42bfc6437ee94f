"""A consultation: what a party of a call does by pressing keys during the conversation, as the plan says. Meanwhile the
plan speaks for this party, and has the one that it talked to as its first leg.

It ends with the coroutine. Then the two talk again, unless one has left; what happened to them meanwhile is told to the
bridge now. A party that hangs up while it talks to somebody whom it has rung connects the two others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from pbx.exchange.board import Board, CallUser
from pbx.exchange.caller import Caller
from pbx.exchange.detour import Guide
from pbx.exchange.diverting import Diverting
from pbx.exchange.group import Callee
from pbx.exchange.invitation import Invitation
from pbx.exchange.legs import Legs, Reached
from pbx.exchange.observer import Observed
from pbx.exchange.outcome import NoAnswer, Outcome
from pbx.exchange.party import Party, PartyUser, Transferor
from pbx.exchange.speaking import Speaking
from pbx.exchange.transfer import Transfer, TransferTarget
from pbx.exchange.transferring import ByKeys, Transferring
from pbx.media.voice import Voice
from pbx.sip.errors import InvalidState
from pbx.sip.headers import Field
from pbx.sip.information import Information
from pbx.sip.reasons import HUNG_UP, TRANSFERRED
from pbx.sip.refer import Referral
from pbx.sip.timers import Clock

_log = Logger(namespace="pbx.call")

MAX_FORWARDS = 70  # RFC 3261 8.1.1.6


class ConsultedCall(PartyUser, Observed, Protocol):
    """The call in which the keys are pressed: the bridge."""

    ended: bool

    def reunite(self, party: Party, peer: Party) -> None:
        """Connect its two parties with each other again."""


class Consultation:
    """One such consultation.

    :param conversation: the call.
    :param party: who has pressed the keys. It is connected to another one.
    :param caller: the same, as somebody who calls.
    :param keys: that it has pressed.
    :ivar user: whom it tells of the party.
    :ivar party: see above.
    :ivar peer: the one that it talked to.
    :ivar speaking: our own end of the party's sound.
    :ivar ended: whether the party has left.
    :ivar over: whether the coroutine, and with it the consultation, is over.
    """

    transferable = False
    answered = True
    fields: tuple[Field, ...] = ()

    def __init__(self, board: Board, conversation: ConsultedCall, party: Party, caller: Caller, keys: str) -> None:
        assert party.other is not None
        self._board = board
        self._conversation = conversation
        self._speakers = [(one, one.speaker) for one in (party, party.other)]
        self._pressed, party.pressed = party.pressed, None
        self._left: list[tuple[Party, str]] = []
        self.over = False
        self.id = conversation.id
        self.party = party
        self.caller = caller
        self.number = keys
        self.user: CallUser | None = None
        self.ended = False
        self.last_outcome: Outcome | None = None
        dialog = party.session.dialog
        assert dialog is not None
        self._invitation = Invitation(caller, caller, (), dialog.flow, MAX_FORWARDS, secure=False, only=("", ""))
        self.legs = Legs(board, self, conversation, self._invitation)
        self.peer = self.legs.adopt(party.other)
        party.user = self
        self.speaking = party.speaker = Speaking(board, party, self)

    @classmethod
    def begin(cls, board: Board, conversation: ConsultedCall, party: Party, keys: str) -> Consultation | None:
        """Begin one; None when the party talks to nobody, or is no extension any more."""
        talks = party.answered and party.other is not None and party.other.answered
        caller = board.extension(party.number) if talks else None
        return cls(board, conversation, party, caller, keys) if caller is not None else None

    @property
    def clock(self) -> Clock:
        """The exchange's time."""
        return self._board.agent.clock

    @property
    def features(self) -> Any:
        """What the dialplan's verbs work with."""
        return self._board.features

    @property
    def diverting(self) -> Diverting:
        """What becomes of the party's calls that are sent on."""
        return Diverting(self._board, self, self._invitation)

    # The dialplan's verbs

    def dial(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None = None,
        caller_id: str = "",
        *,
        intercom: bool = False,
        guide: Guide | None = None,
    ) -> Deferred[Outcome]:
        """Ring all targets, connect the first that answers; fires when that has left, or nobody answered."""
        done: Deferred[Outcome] = Deferred()

        def talk(reached: Reached) -> None:
            outcome, leg = reached
            if leg is None:
                done.callback(outcome)
            else:
                self.legs.connect(leg).addCallback(lambda _: done.callback(outcome))

        self.legs.ring(targets, timeout, progress_within, caller_id, intercom, guide).addCallback(talk)
        return done

    def transfer(self, number: str) -> Deferred[bool]:
        """Send the other one to a number, where the party may call itself; then this one is hung up.

        Where nobody answers there, the party is rung.

        :returns: fires with whether that may be.
        """
        peer, dialog = self.peer.party, self.party.session.dialog
        if self.ended or self.peer.ended or dialog is None or number in (self.caller.number, peer.number):
            return succeed(False)
        target = TransferTarget(number, "", self._board.extension(number) is not None)
        asked = Transfer(self.caller, peer.identity, target)
        decided = self._board.may_transfer(asked, dialog.flow)
        return decided.addCallbacks(self._transfer, self._undecided, callbackArgs=(number,))

    def enter(self, place: str) -> None:
        """It is let into a place of ours."""

    def reject(self, status: int, reason: str | None = None, *, words: str = "") -> None:
        """It is answered: there is nothing to reject but itself."""
        self.hang_up()

    def redirect(self, uris: Sequence[str], status: int) -> None:
        """It is answered."""
        self.hang_up()

    def forbid(self, event: str) -> None:
        """It may not do that."""

    def withhold(self) -> None:
        """Name the party to nobody from now on."""
        self._invitation.withhold()

    def may_pick_up(self, number: str) -> bool:
        """It talks, and picks up nothing meanwhile."""
        return False

    def pick_up(self, number: str) -> bool:
        """It talks, and picks up nothing meanwhile."""
        return False

    def tell(self, number: str, words: str) -> None:
        """Nobody is parked meanwhile of whom there would be something to tell."""

    def keep_transferor(self) -> Voice | None:
        """Nobody has transferred it."""
        return None

    def leave(self) -> Party:
        """It stays: nothing is picked up or retrieved meanwhile.

        :raises InvalidState: always.
        """
        raise InvalidState("a party that talks cannot go to another call; this is not for @plan.in_call")

    def adopt(self, party: Party) -> Deferred[Outcome]:
        """It talks: whoever comes from another call is hung up."""
        party.leave()
        party.hang_up()
        return succeed(NoAnswer())

    def hang_up(self, words: str = "") -> None:
        """Hang up the party."""
        if not self.ended:
            self._leave("hung up by the plan")
            self.party.hang_up()

    def plan_ended(self) -> None:
        """The coroutine is over."""
        self._finish()

    def plan_failed(self) -> None:
        """The coroutine failed; the two go on with their conversation."""
        self._finish()

    def stop(self) -> None:
        """The call ends, and with it this: the two parties are its own again, as they were."""
        user, self.user = self.user, None
        if self._release() and not self._left:
            self.party.connect(self.peer.party)
        self.ended = True
        if user is not None:
            user.caller_left("the call has ended")

    # What the legs tell (pbx.exchange.legs.LegsUser)

    def ringing_progressed(self, status: int, sdp: bytes, more: tuple[Field, ...]) -> None:
        """The party hears it ring, unless it talks meanwhile."""
        self.speaking.ring()

    def replaced_by(self, one: Party, other: Party) -> None:
        """The party leaves the call to these two, one of whom is in it."""
        if one is not self.peer.party:
            one, other = other, one
        party = self.party
        party.part()
        other.part()
        self.ended = True
        self._release()
        party.connect(one)
        self._conversation.replace(party, other)
        user, self.user = self.user, None
        if user is not None:
            user.caller_left("transferred")

    # What the party tells (pbx.exchange.party.PartyUser)

    def party_left(self, party: Party, reason: str) -> None:
        """It has hung up; two who are connected by that stay so."""
        other = self.legs.leg_of(party.other) if party.other is not None else None
        if other is not None and other is not self.peer and not self.peer.ended:
            self.legs.join(self.peer, other)
        else:
            self._leave(reason)

    def party_informed(self, party: Party, information: Information) -> None:
        """An INFO or MESSAGE came."""
        self.legs.party_informed(party, information)

    def party_referred(self, party: Party, referral: Referral) -> None:
        """A REFER came: it is the plan's turn now, not the phone's."""
        self.legs.party_referred(party, referral)

    def party_met(self, party: Party, sdp: bytes) -> None:
        """It says what it offers to the one whom it is to be connected to."""
        self.legs.party_met(party, sdp)

    def leads(self, party: Party) -> bool:
        """It may be the caller, but the call is not its own at present."""
        return False

    def replace(self, old: Party, new: Party) -> None:
        """Nobody transfers it meanwhile."""

    def give_away(self, party: Party) -> None:
        """Nobody transfers it meanwhile."""

    def dissolve(self, by: Party) -> None:
        """Nobody transfers it meanwhile."""

    def dialled(self, party: Party) -> None:
        """It is no caller that waits."""

    def substitute(self, old: Party, new: Party, asker: Transferor | None) -> None:
        """Nobody takes its place."""

    def parties_agreed(self, party: Party, other: Party) -> None:
        """Two that are connected have agreed anew what they send each other."""
        self._conversation.parties_agreed(party, other)

    def cannot_connect(self, failure: Failure) -> None:
        """It has no media in common with the one whom it is to be connected to."""
        self.legs.cannot_connect(failure)

    def cannot_go_on(self, party: Party, failure: Failure) -> None:
        """Its answer to our own offer is none."""
        self.hang_up()

    def disconnect(self, status: int, words: str) -> None:
        """It cannot talk to the one whom it is connected to."""
        self.legs.disconnect(status, words)

    # What speaking to it asks for (pbx.exchange.speaking.SpeakingUser)

    def tell_progress(self, status: int, sdp: bytes) -> None:
        """It is answered."""

    def take(self, sdp: bytes) -> None:
        """It is answered."""

    def give_up(self, status: int, words: str) -> None:
        """Nobody can speak to it."""
        self.hang_up()

    # Inside

    def _transfer(self, allowed: bool, number: str) -> bool:
        """It is decided whether the other one may be sent to a number."""
        if not allowed or self.ended or self.peer.ended or self.over:
            return False
        party, peer = self.party, self.peer.party
        self.ended = True
        self._release()
        party.part()
        party.connect(peer)
        self._conversation.dissolve(party)
        transferring = Transferring(ByKeys(), party, self.clock)
        self._board.transferred(transferring, peer, self.caller, (number, ""), ())
        if transferring.transferor is not None and not transferring.stays:
            transferring.transferor = None  # it does not wait for the end
            party.leave()
            party.hang_up()
        user, self.user = self.user, None
        if user is not None:
            user.caller_left(TRANSFERRED)
        return True

    def _undecided(self, failure: Failure) -> bool:
        """The dialplan's own policy has failed: nobody is transferred by mistake."""
        _log.failure("call {call}: the dialplan's policy of transfers failed", failure, call=self.id)
        return False

    def _leave(self, reason: str) -> None:
        """The party has left, and nobody is connected by that."""
        self.ended = True
        self._left.append((self.party, reason))
        user, self.user = self.user, None
        if user is not None:
            user.caller_left(reason)

    def _finish(self) -> None:
        """The two parties are the bridge's own again; it hears now who has left meanwhile."""
        if not self._release():
            return
        if self.peer.ended:
            self._left.append((self.peer.party, HUNG_UP))
        conversation, party, peer = self._conversation, self.party, self.peer.party
        if self._left:
            party.connect(peer)  # for the bridge to know who is left
        elif not self._talks():
            conversation.reunite(party, peer)
        for one, reason in self._left:
            if not conversation.ended:
                conversation.party_left(one, reason)

    def _talks(self) -> bool:
        """Whether the two talk, or are about to: no voice of ours is between them."""
        party, peer = self.party, self.peer.party
        spoken_to = party.side.voice is not None or peer.side.voice is not None
        is_connected = party.handover is not None or peer.handover is not None or not spoken_to
        return party.other is peer and is_connected

    def _release(self) -> bool:
        """Give the two back, and end all else. False where that is done."""
        if self.over:
            return False
        self.over = True
        self.legs.release(self.peer)
        self.legs.stop()
        self.speaking.stop()
        for one, speaker in self._speakers:
            one.user, one.speaker = self._conversation, speaker
        self.party.pressed = self._pressed
        return True
