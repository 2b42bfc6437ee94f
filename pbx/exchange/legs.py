"""Legs: the others whom one party's plan has on the line, each by itself. We are the other end of a leg's media
until it is connected with the party, and are so again afterwards.

Two are connected as in RFC 3725 section 4.1: one is asked for an offer, which is made to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from pbx.exchange.board import Board
from pbx.exchange.detour import Guide
from pbx.exchange.group import Callee
from pbx.exchange.invitation import Invitation
from pbx.exchange.media_failure import status_of
from pbx.exchange.observer import Observed
from pbx.exchange.outcome import Failed, Outcome
from pbx.exchange.party import Party, Transferor
from pbx.exchange.passing import pass_on
from pbx.exchange.ringing import Ringing
from pbx.exchange.sound_watch import SoundWatch
from pbx.exchange.speaking import Speaking
from pbx.media.relay import when
from pbx.sip.errors import InvalidState, Malformed
from pbx.sip.headers import Field
from pbx.sip.information import Information
from pbx.sip.refer import Referral
from pbx.sip.timers import Clock

Reached = tuple[Outcome, "CallLeg | None"]


class CallLeg:
    """One leg.

    :param call: the id of the call that it belongs to.
    :param party: whom it reaches.
    :ivar speaking: our own end of its sound.
    :ivar ended: whether it has left.
    """

    __slots__ = ("_clock", "_gone", "ended", "id", "party", "speaking")

    def __init__(self, board: Board, call: str, party: Party) -> None:
        self._clock = board.agent.clock
        self._gone: Deferred[None] | None = None
        self.id = call
        self.party = party
        self.ended = False
        self.speaking = party.speaker = Speaking(board, party, self)

    @property
    def clock(self) -> Clock:
        """The exchange's time."""
        return self._clock

    @property
    def number(self) -> str:
        """Its number, as the exchange knows it."""
        return self.party.identity.number

    def enter(self, place: str) -> None:
        """A leg is let in nowhere by itself."""

    def gone(self) -> Deferred[None]:
        """Fires when it has left, or is to wait for that no longer."""
        gone: Deferred[None] = Deferred()
        self._gone = gone
        if self.ended:
            gone.callback(None)
        return gone

    def hang_up(self) -> None:
        """Hang it up."""
        if not self.ended:
            self.left()
            other = self.party.part()
            self.party.leave()
            if other is not None:
                other.settle()
            self.party.hang_up()

    def release(self) -> None:
        """It is a leg no longer; who waits for its end has other things to hear."""
        self.speaking.stop()
        self._gone = None

    def left(self) -> None:
        """It is no leg of this party any more."""
        self.ended = True
        gone = self._gone
        self.release()
        if gone is not None:
            gone.callback(None)

    # What speaking to it asks for (pbx.exchange.speaking.SpeakingUser)

    @property
    def answered(self) -> bool:
        """Else it would be no leg."""
        return True

    def tell_progress(self, status: int, sdp: bytes) -> None:
        """There is none any more."""

    def take(self, sdp: bytes) -> None:
        """It has none to wait for."""

    def give_up(self, status: int, words: str) -> None:
        """Nobody can speak to it."""
        self.hang_up()


class LegsUser(Protocol):
    """For whom they are: the bridge of a caller, or a consultation."""

    last_outcome: Outcome | None
    """What the caller is told, where the plan ends without having answered it."""

    @property
    def id(self) -> str: ...
    @property
    def ended(self) -> bool:
        """Whether the party has left."""

    @property
    def party(self) -> Party:
        """The party for which the plan runs."""

    @property
    def speaking(self) -> Speaking: ...
    def ringing_progressed(self, status: int, sdp: bytes, more: tuple[Field, ...]) -> None:
        """Somebody was reached so far: let the party know."""

    def parties_agreed(self, party: Party, other: Party) -> None:
        """Two that are connected have agreed anew what they send each other."""

    def replaced_by(self, one: Party, other: Party) -> None:
        """The party leaves the call to these two."""


class Legs:
    """The legs of one party (`pbx.exchange.ringing.RingingUser`, `pbx.exchange.party.PartyUser`).

    :param user: for whom.
    :param call: to which they belong, for observers.
    :param invitation: what those who are rung are told.
    """

    transferable = False

    def __init__(self, board: Board, user: LegsUser, call: Observed, invitation: Invitation) -> None:
        self._board = board
        self._call = call
        self._user = user
        self._invitation = invitation
        self._legs: list[CallLeg] = []
        self._ringing: Ringing | None = None
        self._reached: Deferred[Reached] | None = None

    def ring(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None,
        caller_id: str,
        intercom: bool = False,
        guide: Guide | None = None,
    ) -> Deferred[Reached]:
        """Ring somebody.

        :param timeout: seconds to ring.
        :param progress_within: seconds until each must have shown a sign of progress; None for as long as it rings.
        :param caller_id: the number that they are shown; "" for the party's own.
        :param intercom: whether phones are asked to answer by themselves.
        :param guide: knows the way of what they send on; None where that is not followed.
        :returns: fires with how it ended, and with the leg of whoever answered.
        :raises InvalidState: while somebody else is rung.
        """
        if self._reached is not None:
            raise InvalidState("somebody is rung already")
        reached: Deferred[Reached] = Deferred()
        self._reached = reached
        user = self._user
        self._ringing = ringing = Ringing(
            *(self._board, self._call, self, self, user.party, self._invitation, caller_id),
            apart=True,
            intercom=intercom,
            guide=guide,
        )
        ringing.ring(targets, timeout, progress_within)
        return reached

    def adopt(self, party: Party) -> CallLeg:
        """Make a leg of the one that the party talks to."""
        leg = CallLeg(self._board, self._user.id, party)
        party.user = self
        self._legs.append(leg)
        return leg

    def release(self, leg: CallLeg) -> None:
        """It is a leg no longer, and stays as it is."""
        self._forget(leg)
        leg.release()

    def leg_of(self, party: Party) -> CallLeg | None:
        """The leg that a party is."""
        return next((leg for leg in self._legs if leg.party is party), None)

    def is_with(self, number: str) -> bool:
        """Whether one of them is an extension's."""
        return any(leg.party.number == number for leg in self._legs)

    def connect(self, leg: CallLeg) -> Deferred[None]:
        """Connect the party, which is answered, with a leg. Fires when that has left."""
        gone = leg.gone()
        if not leg.ended:
            self._connect(self._user.party, leg.party)
        return gone

    def part(self, leg: CallLeg) -> bool:
        """Let the two hear each other no more. Returns whether they did."""
        talked = not leg.ended and leg.party.other is self._user.party
        if talked:
            leg.party.part()
            leg.party.settle()
            self._user.party.settle()
            # Who is its own other end hears nobody else.
            for speaking in (leg.speaking, self._user.speaking):
                speaking.voice(False)
        return talked

    def resume(self, leg: CallLeg) -> None:
        """Let the two talk again, unless one has left, or the party talks to somebody else."""
        if not leg.ended and not self._user.ended and self._user.party.other is None:
            self._connect(self._user.party, leg.party)

    def join(self, one: CallLeg, other: CallLeg) -> None:
        """Connect two legs with each other; the party leaves."""
        for leg in (one, other):
            self.release(leg)
        self._user.replaced_by(one.party, other.party)

    def forsake(self, number: str) -> None:
        """Ring the phones of an extension no longer: it was removed."""
        if self._ringing is not None:
            self._ringing.forsake(number)

    def hand_over(self, party: Party) -> None:
        """Another party has the place of the one whose legs they are."""
        if self._ringing is not None:
            self._ringing.hand_over(party)

    def stop(self) -> None:
        """The party leaves: so do all its legs."""
        ringing, self._ringing, self._reached = self._ringing, None, None
        if ringing is not None:
            ringing.give_up()
        for leg in tuple(self._legs):
            self.release(leg)
            leg.hang_up()

    # What the ringing tells

    def ringing_progressed(self, status: int, sdp: bytes, more: tuple[Field, ...]) -> None:
        """Somebody was reached so far."""
        self._user.ringing_progressed(status, b"", more)

    def ringing_answered(self, peer: Party, sdp: bytes, outcome: Outcome, more: tuple[Field, ...]) -> None:
        """Somebody answered."""
        self._ringing = None
        leg = CallLeg(self._board, self._user.id, peer)
        peer.side.user = SoundWatch(self._user.id, "callee", peer)
        self._legs.append(leg)
        if peer.session.owes_ack or not sdp:
            agreed: Deferred[None] | None = fail(Malformed(488, "the callee described no session"))
        else:
            agreed = self._board.relay.set_remote(peer.side, sdp)
        when(agreed, lambda _: self._settle(outcome, leg), self._cannot_speak, (), (outcome, leg))

    def ringing_joined(self, peer: Party, outcome: Outcome) -> None:
        """Somebody has picked it up, whom we have answered ourselves."""
        self._ringing = None
        leg = self.adopt(peer)
        peer.side.user = SoundWatch(self._user.id, "callee", peer)
        self._settle(outcome, leg)

    def ringing_failed(self, outcome: Outcome) -> None:
        """Nobody answered."""
        self._ringing = None
        self._settle(outcome, None)

    # What the legs tell

    def party_left(self, party: Party, reason: str) -> None:
        """A leg has hung up."""
        leg = self.leg_of(party)
        other = party.part()
        if party.side.voice is not None:
            party.side.voice.stop()  # whoever plays it something need not wait for its end
        party.leave()
        if other is not None:
            other.settle()
        if leg is not None:
            self._forget(leg)
            leg.left()

    def party_informed(self, party: Party, information: Information) -> None:
        """An INFO or MESSAGE came."""
        other = party.other
        pass_on(information, other.session if other is not None else None, self._board.agent.layer)

    def party_referred(self, party: Party, referral: Referral) -> None:
        """A REFER came: it is the plan's turn now, not the phone's."""
        referral.refuse(403)

    def party_met(self, party: Party, sdp: bytes) -> None:
        """It says what it offers to the one whom it is to be connected to."""
        other = party.other
        if other is None:
            return
        if sdp:
            other.hear(sdp, self._board.agent.clock, party.named)
        else:
            self.disconnect(488, "no session is described")

    def leads(self, party: Party) -> bool:
        """A leg follows the plan."""
        return False

    def replace(self, old: Party, new: Party) -> None:
        """Nobody transfers a leg."""

    def give_away(self, party: Party) -> None:
        """Nobody transfers a leg."""

    def dissolve(self, by: Party) -> None:
        """Nobody transfers a leg."""

    def dialled(self, party: Party) -> None:
        """It is no caller that waits."""

    def substitute(self, old: Party, new: Party, asker: Transferor | None) -> None:
        """Nobody takes its place."""

    def parties_agreed(self, party: Party, other: Party) -> None:
        """Two that are connected have agreed anew what they send each other."""
        self._user.parties_agreed(party, other)

    def cannot_connect(self, failure: Failure) -> None:
        """The two have no media in common."""
        self.disconnect(*status_of(failure))

    def cannot_go_on(self, party: Party, failure: Failure) -> None:
        """Its answer to our own offer is none."""
        leg = self.leg_of(party)
        if leg is not None:
            self._forget(leg)
            leg.hang_up()

    def disconnect(self, status: int, words: str) -> None:
        """Hang up the leg with which the party cannot talk."""
        other = self._user.party.other
        leg = self.leg_of(other) if other is not None else None
        if leg is not None:
            self._forget(leg)
            leg.hang_up()

    # Inside

    def _connect(self, one: Party, other: Party) -> None:
        one.part()
        other.part()
        one.connect(other)
        other.ask(self._board.agent.clock, one.named)

    def _settle(self, outcome: Outcome, leg: CallLeg | None) -> None:
        reached, self._reached = self._reached, None
        self._user.last_outcome = outcome
        self._user.speaking.hush()
        if reached is not None:
            reached.callback((outcome, leg))

    def _cannot_speak(self, failure: Failure, outcome: Outcome, leg: CallLeg) -> None:
        self._forget(leg)
        leg.hang_up()
        self._settle(Failed(*status_of(failure), by=outcome.by, attempts=outcome.attempts), None)

    def _forget(self, leg: CallLeg) -> None:
        if leg in self._legs:
            self._legs.remove(leg)
