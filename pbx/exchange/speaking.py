"""Speaking: how the exchange comes to speak to a caller itself, so that it can be played to, asked and recorded.

The caller is answered first, or hears it as early media (183). One that has agreed upon something else than G.711, with
a callee who has left since, is offered G.711 anew.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from pbx.exchange.caller import Caller
from pbx.exchange.media_failure import status_of
from pbx.exchange.party import Party
from pbx.media.beat import Beat
from pbx.media.library import Library
from pbx.media.port import Tap
from pbx.media.relay import Relay, when
from pbx.media.sources import Loop
from pbx.media.voice import Voice
from pbx.sip.headers import Field
from pbx.sip.timers import T1, Timer
from pbx.sip.user_agent import UserAgent

PATIENCE = 32 * T1  # seconds in which the caller has to agree


class Board(Protocol):
    """What it needs of the exchange: the switchboard."""

    @property
    def agent(self) -> UserAgent: ...
    @property
    def relay(self) -> Relay: ...
    @property
    def library(self) -> Library: ...


class SpeakingUser(Protocol):
    """What it needs of the call: the bridge."""

    ended: bool

    def tell_progress(self, status: int, sdp: bytes) -> None:
        """Tell the caller how far it is."""

    def take(self, sdp: bytes) -> None:
        """Answer whoever asked for the call, unless that is done."""

    def give_up(self, status: int, words: str) -> None:
        """Nobody can speak to this caller: end the call."""


class Speaking:
    """Our own end of one caller's sound.

    :param party: the caller.
    :param user: the call.
    :ivar library: the sounds that there are.
    """

    __slots__ = (
        "_clock", "_echoes", "_is_new", "_moving", "_party", "_relay", "_ringing", "_session", "_side", "_timer",
        "_told", "_until", "_user", "_wanted", "library",
    )  # fmt: skip

    def __init__(self, board: Board, party: Party, user: SpeakingUser) -> None:
        self.library = board.library
        self._relay = board.relay
        self._clock = board.agent.clock
        self._session = party.session
        self._side = party.side
        self._party = party
        self._user: SpeakingUser | None = user
        self._wanted: list[Deferred[Voice | None]] = []
        self._timer: Timer | None = None
        self._until = 0.0
        self._ringing: Voice | None = None
        self._echoes = False
        self._is_new = False  # whether another one has the caller's place, who has yet to agree upon something with us
        self._moving: Voice | None = None  # that spoke to the one before
        self._told: tuple[Field, ...] = ()  # what the new one is told beside our offer

    @property
    def identity(self) -> Caller:
        """Who hears it."""
        return self._party.identity

    @property
    def beat(self) -> Beat:
        """When it speaks."""
        return self._relay.beat

    def answer(self) -> Deferred[None]:
        """Answer the caller; its media ends with us. Fires when the 200 is sent."""
        user = self._user
        if user is None:
            return succeed(None)
        if self._party.answered:
            user.take(b"")
            return succeed(None)
        done: Deferred[None] = Deferred()
        described = self._relay.end(self._side, self._party.offer or None)
        when(described, self._answer, self._cannot_answer, (user, done))
        return done

    def echo(self) -> Deferred[None]:
        """Answer, and send the caller's own voice back to it. Fires never: it lasts until the caller leaves."""
        over: Deferred[None] = Deferred()
        self._echoes = True
        self.answer().addCallback(lambda _: self._relay.echo(self._side))
        return over

    def voice(self, early: bool) -> Deferred[Voice | None]:
        """Our own end of the caller's sound.

        :param early: where the caller is not answered, do not answer it but send a 183.
        :returns: fires with None when that is not possible: who makes no offer in its INVITE has no early media. Never
            when the call ends of it.
        """
        user = self._user
        wanted: Deferred[Voice | None] = Deferred()
        if user is None:
            return wanted
        if self._party.answered:
            if not early:
                user.take(b"")
            self._seek(wanted)
        elif not early:
            self.answer().addCallback(lambda _: self._seek(wanted))
        elif not self._party.offer:
            wanted.callback(None)
        elif (voice := self._relay.voice(self._side)) is not None:
            wanted.callback(voice)
        else:
            described = self._relay.end(self._side, self._party.offer)
            when(described, self._describe_early, self._cannot_answer, (user, wanted))
        return wanted

    def listen_in(self, tap: Tap | None) -> None:
        """Let somebody listen in on what the caller says and hears, whatever it is connected to; None ends that."""
        self._side.listen_in(tap)

    def act_as_focus(self, conference: str) -> None:
        """Tell the caller's phone that we are the focus of a conference, at once where it can be told (RFC 4579 3.1).

        :param conference: the user part of its address; "" for none any more.
        """
        if self._session.dialog is not None:
            self._session.dialog.conference = conference
            self._session.renew_contact()

    def agreed(self) -> None:
        """The caller has agreed upon something with us."""
        if self._is_new:
            self._is_new, self._told = False, ()
            if self._echoes:
                self._relay.echo(self._side)
            self._look()
        elif self._wanted:
            self._look()

    def refused(self, status: int) -> None:
        """The caller refused an offer; one that crossed its own is repeated (RFC 3261 14.1)."""
        if (self._wanted or self._is_new) and status != 491 and self._user is not None:
            self._user.give_up(488, "the caller does not agree upon G.711")

    def ring(self) -> None:
        """Let a caller whom we have answered hear that it rings."""
        if self._ringing is None:
            self._ringing = self._relay.voice(self._side) if self._side.other is None else None
            if self._ringing is not None and self._ringing.source is None:
                self._ringing.play(Loop(self.library.tone("ringback")))

    def hush(self) -> None:
        """It rings no longer."""
        ringing, self._ringing = self._ringing, None
        if ringing is not None:
            ringing.stop()

    def move(self, party: Party, more: tuple[Field, ...]) -> None:
        """Another party, which is answered, has the caller's place, and hears from now on what that one has heard: as
        soon as it has agreed upon it with us, for it may be on hold, or have spoken something else than G.711.

        :param more: what it is told beside our offer.
        """
        before, voice = self._side, self._relay.release(self._side)
        if self._session.dialog is not None and party.session.dialog is not None:
            party.session.dialog.conference = self._session.dialog.conference
        self._party.speaker, party.speaker = None, self
        self._party, self._session, self._side = party, party.session, party.side
        if before.tap is not None:
            party.side.listen_in(before.tap)
        self._moving = voice or self._moving
        if self._moving is not None or self._echoes or self._wanted:
            self._is_new, self._told = True, more
            self._until = self._clock.seconds() + PATIENCE
            self._look()

    def stop(self) -> None:
        """The call is over."""
        self._user = self._ringing = None
        self._wanted.clear()
        self._cancel()
        self._settle()

    def _settle(self) -> None:
        """Who has the caller's place need not hear any more what the one before has heard."""
        self._is_new, self._told = False, ()
        moving, self._moving = self._moving, None
        if moving is not None:
            moving.close()

    def _answer(self, sdp: bytes, user: SpeakingUser, done: Deferred[None]) -> None:
        if not user.ended:
            self._party.own_offer = not self._party.offer
            user.take(sdp)
            done.callback(None)

    def _describe_early(self, sdp: bytes, user: SpeakingUser, wanted: Deferred[Voice | None]) -> None:
        user.tell_progress(183, sdp)
        wanted.callback(self._relay.voice(self._side))

    def _cannot_answer(self, failure: Failure) -> None:
        if self._user is not None and not self._user.ended:
            self._user.give_up(*status_of(failure))

    def _seek(self, wanted: Deferred[Voice | None]) -> None:
        self._wanted.append(wanted)
        self._until = self._clock.seconds() + PATIENCE
        self._look()

    def _look(self) -> None:
        """Speak, or offer, or wait until that is possible: until the ACK of our 200 has come, for example."""
        self._cancel()
        if not self._wanted and self._party.other is not None:
            self._settle()
        if not (self._wanted or self._is_new or self._moving):
            return
        voice = self._relay.voice(self._side, self._moving) if not self._is_new else None
        if voice is not None:
            self._moving = None
            wanted, self._wanted = self._wanted, []
            for one in wanted:
                one.callback(voice)
            return
        if self._clock.seconds() >= self._until and self._user is not None:
            self._user.give_up(488, "the caller does not agree upon any sound")
            return
        self._timer = self._clock.callLater(T1, self._looked)
        if not self._party.own_offer and self._session.may_offer:
            if self._party.other is None:
                self._party.offer_ours(self._told)
            else:
                self._party.session_due(self._session)

    def _looked(self) -> None:
        self._timer = None
        self._look()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
