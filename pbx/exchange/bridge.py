"""The bridge: one call's sessions and the relay between them (a B2BUA, RFC 7092).

Below it are machines, above it coroutines.

All that passes between the two sides is in `party` and in `crossing`; each side has its own Call-ID, tags, Contact and
session description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed

from pbx.exchange.asker import Asker
from pbx.exchange.board import Board
from pbx.exchange.caller import Caller, Source
from pbx.exchange.cause import told
from pbx.exchange.conversation import Conversation
from pbx.exchange.detour import Guide
from pbx.exchange.diverting import Diverting
from pbx.exchange.group import Callee
from pbx.exchange.invitation import Invitation
from pbx.exchange.legs import Legs
from pbx.exchange.observer import By
from pbx.exchange.outcome import Answered, Failed, Outcome
from pbx.exchange.party import Party, Transferor
from pbx.exchange.pickup import pick_up
from pbx.exchange.ringing import Ringing
from pbx.exchange.sound_watch import SoundWatch
from pbx.exchange.speaking import Speaking
from pbx.exchange.target import ExtensionTarget
from pbx.media.relay import when
from pbx.media.voice import Voice
from pbx.sip.errors import InvalidState
from pbx.sip.headers import CONTACT, Field
from pbx.sip.occupancy import AGAIN
from pbx.sip.reasons import PLAN_FAILED, TRANSFERRED
from pbx.sip.session import Session

RECALL = 30.0  # seconds for which a transferor who has left is rung, when its transfer has failed


class Bridge(Conversation):
    """One call.

    :param asker: who asked for it, until that has its final response.
    :param party: who calls: by an INVITE, or because it was transferred.
    :param caller: in whose name, and with whose rights.
    :param number: what was dialled.
    :param invitation: what callees are told.
    :param fields: the header fields of the caller's INVITE.
    :ivar host: the address that it came from.
    :ivar begun_at: when it did, in the clock's seconds.
    """

    peer = None  # to whom the caller talks, the dialplan learns when they are done

    __slots__ = ("_asker", "_invitation", "_progress", "fields")

    def __init__(
        self,
        board: Board,
        asker: Asker,
        party: Party,
        caller: Caller,
        number: str,
        invitation: Invitation,
        fields: Sequence[Field],
    ) -> None:
        super().__init__(board, party, caller, number, invitation.flow.remote[0])
        self._asker = asker
        self._invitation = invitation
        self._progress = 0
        self.fields = fields

    @property
    def speaking(self) -> Speaking:
        """Our own end of the caller's sound; made at its first use, for in most calls we say nothing."""
        if self._speaking is None:
            self._speaking = Speaking(self._board, self.party, self)
            if self.ended:
                self._speaking.stop()
            else:
                self.party.speaker = self._speaking
        return self._speaking

    @property
    def features(self) -> Any:
        """What the dialplan's verbs work with."""
        return self._board.features

    @property
    def diverting(self) -> Diverting:
        """How an extension sends the call on."""
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
        """Ring all targets, connect the first that answers.

        :param timeout: seconds to ring.
        :param progress_within: seconds until each must have shown a sign of progress; None for as long as it rings.
        :param caller_id: the number that callees are shown; "" for the caller's own.
        :param intercom: whether phones are asked to answer by themselves.
        :param guide: knows the way of what callees send on while others ring; None where that is not followed.
        :returns: fires when the attempt failed, or when the callee has hung up.
        :raises InvalidState: while another `dial` goes on.
        """
        dialled = self._dial()
        self._ringing = ringing = Ringing(
            *(self._board, self, self, self, self.party, self._invitation, caller_id), intercom=intercom, guide=guide
        )
        ringing.ring(targets, timeout, progress_within)
        return dialled

    @property
    def legs(self) -> Legs:
        """Those whom the dialplan has rung for the caller, to go on with them as it likes."""
        if self._legs is None:
            self._legs = Legs(self._board, self, self, self._invitation)
        return self._legs

    def withhold(self) -> None:
        """Name the caller to nobody from now on."""
        self._invitation.withhold()

    def may_pick_up(self, number: str) -> bool:
        """Whether a phone rings for which the caller may answer.

        :param number: of the extension at which it rings; "" for any.
        """
        return self._board.ringing_for(self.caller, number) is not None

    def pick_up(self, number: str) -> bool:
        """Let the caller, whom we have answered, answer for a phone that rings. It leaves this call, which is over.

        :returns: False where there is none any more.
        """
        session = self._board.ringing_for(self.caller, number)
        return session is not None and pick_up(session, self.leave())

    def tell(self, number: str, words: str) -> None:
        """Tell the phones of an extension something about this call, in the name of what was dialled."""
        self._board.tell(Caller(self.number, "", Source.INTERNAL), number, words)

    def keep_transferor(self) -> Voice | None:
        """Let whoever has transferred the caller stay until that is answered, to hear us.

        :returns: our own end of its sound; None where it has left, or does not listen.
        """
        party = self.transferor.transferor if self.transferor is not None else None
        if self.transferor is None or party is None or party.side.is_holding:
            return None
        voice = self._board.relay.voice(party.side)
        self.transferor.stays = voice is not None
        return voice

    def leave(self) -> Party:
        """Let the caller, whom we have answered, go to another call; this one is over."""
        party = self.party
        self.dissolve(party)
        return party

    def adopt(self, party: Party) -> Deferred[Outcome]:
        """Connect the caller, whom we have answered, with a party that has left its own call.

        :returns: fires when that has hung up.
        """
        dialled = self._dial()
        self._outcome = Answered()
        party.user = self
        self._sides.append(party.side)
        self._keep(party)
        self._board.observer.party_joined(self, party)
        self._join(party)
        return dialled

    def transfer(self, number: str) -> Deferred[bool]:
        """The caller talks to nobody whom it could transfer."""
        return succeed(False)

    def reject(self, status: int, reason: str | None = None, more: tuple[Field, ...] = (), words: str = "") -> None:
        """Refuse the call, which is not answered yet.

        :param words: why, for our own records.
        """
        if self.ended:
            return
        if self.transferor is not None:
            self._give_back(self.transferor, status, reason or "")
            return
        if self.caller.source is Source.INBOUND and status >= 400:
            more = (*more, told(status))
        self._finish(By.PLAN, words or reason or "", status)
        self._asker.reject(status, reason or "", more)

    def forbid(self, event: str) -> None:
        """Refuse the call with 403: nobody like this caller gets where it wants to.

        :param event: its name in the security log.
        """
        self._board.forbidden(self, event, self._invitation.flow)
        self.reject(403, words=event)

    def redirect(self, uris: Sequence[str], status: int = 302) -> None:
        """Tell the caller other addresses to call (RFC 3261 8.3, 21.3)."""
        self.reject(status, None, tuple([CONTACT.field(f"<{uri}>") for uri in uris]))

    def hang_up(self, words: str = "") -> None:
        """End the call: with BYE where it was answered, with 480 where it was not."""
        if self.ended:
            return
        if not self.answered:
            self.reject(480, words=words)
            return
        self._finish(By.PLAN, words, last=self.party.hang_up)

    def end(self, reason: str) -> None:
        """End the call from outside the dialplan: an administrator, or the exchange that stops.

        :param reason: in words.
        """
        self._end_with(partial(self._dismiss, 503, "", (AGAIN,)), By.ADMINISTRATOR, reason, 503)

    def enter(self, place: str) -> None:
        """The dialplan lets the caller into a place of ours.

        :param place: in words: "voicemail 1002".
        """
        self._board.observer.call_entered(self, place)

    @property
    def rung(self) -> Mapping[str, Session]:
        """A session with a phone of each extension that is rung, by number."""
        return self._ringing.rung if self._ringing is not None else {}

    def is_with(self, number: str) -> bool:
        """Whether an extension takes part: it calls, or has answered."""
        if self._legs is not None and self._legs.is_with(number):
            return True
        peer, leaving = self.party.other, self.transferor.transferor if self.transferor is not None else None
        return self.party.number == number or any(
            party is not None and party.answered and party.number == number for party in (peer, leaving)
        )

    def forsake(self, number: str) -> None:
        """Ring the phones of an extension no longer: it was removed."""
        for ringing in (self._ringing, self._legs):
            if ringing is not None:
                ringing.forsake(number)

    def plan_ended(self) -> None:
        """The coroutine is over: so is the call, unless its caller has left it to others."""
        if self._is_left:
            return
        self.user = None
        outcome = self.last_outcome
        if not self.ended and not self.answered and outcome is not None and not outcome.answered:
            self.reject(outcome.status, outcome.text if isinstance(outcome, Failed) else None)
        if not (self.ended or self._is_left):
            self.hang_up()

    def plan_failed(self) -> None:
        """The coroutine failed: end this one call."""
        if not self.answered:
            self.reject(500, words=PLAN_FAILED)
        self.plan_ended()

    def substitute(self, old: Party, new: Party, asker: Transferor | None) -> None:
        """Let another party, of another call, take the place of the caller, who talks to nobody, and leaves. The
        dialplan goes on with what it does, in the name of who has dialled.

        :param new: it is answered.
        :param asker: who hears what comes of the call, and has it back when nobody answers; None where the one before
            was answered, or was transferred here itself.
        """
        rings = self._progress >= 180 * 2
        speaking = self.speaking  # that of the old one
        old.part()
        self.party, new.user = new, self
        self._sides[0] = new.side
        new.side.user = SoundWatch(self.id, "caller", new)
        self._invitation.show(new.identity)
        if asker is not None:
            assert asker.transferor is not None
            self._asker = self.transferor = asker
            self._progress = 0
            asker.transferor.user = self
        for ringing in (self._ringing, self._legs):
            if ringing is not None:
                ringing.hand_over(new)
        dialled = self._board.extension(self.number) or Caller(self.number, "", Source.INTERNAL)
        speaking.move(new, new.naming(dialled))
        if self.keys is not None:
            self.keys.watch(new)
        self._board.observer.caller_replaced(self, old, new)
        if old.answered:
            old.leave()
            old.dismiss(self.clock)
        else:
            old.session.reject(487)
            old.leave()
        if rings:
            self.ringing_progressed(180, b"", ())

    # What the ringing tells (pbx.exchange.ringing.RingingUser)

    def ringing_progressed(self, status: int, sdp: bytes, more: tuple[Field, ...]) -> None:
        """Tell the caller; one that we have answered hears it ring."""
        if self.party.answered:
            self.speaking.ring()
        self.tell_progress(status, sdp, more)

    def ringing_answered(self, peer: Party, sdp: bytes, outcome: Outcome, more: tuple[Field, ...]) -> None:
        """Connect the callee that answered."""
        self._ringing = None
        if self._speaking is not None:
            self._speaking.hush()
        self._sides.append(peer.side)
        self._keep(peer)
        if self.party.other is not peer:
            if self.party.answered or self.party.other is not None:
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
            self.party.hear(sdp, self.clock, peer.named)
        else:
            owes_ack = peer.session.owes_ack
            peer.offer = sdp if owes_ack else b""
            way = relay.offer if owes_ack else relay.answer
            when(way(peer.side, self.party.side, sdp), self._connect, self.cannot_connect, (more, sdp))

    def ringing_joined(self, peer: Party, outcome: Outcome) -> None:
        """Connect whoever has answered without having been offered what the caller offers; that is answered for it."""
        self._ringing = None
        self.speaking.hush()
        self._outcome = outcome
        self._sides.append(peer.side)
        self._keep(peer)
        self.party.part()
        self.party.connect(peer)  # whoever has picked up goes with a caller that cannot be answered
        self.speaking.answer().addCallback(lambda _: self._join(peer))

    def ringing_failed(self, outcome: Outcome) -> None:
        """Nobody answered: it is the dialplan's turn."""
        self._ringing = None
        self.speaking.hush()
        if isinstance(outcome, Failed) and outcome.code == 503 and outcome.by is None and not self.party.answered:
            # It is we who are overloaded, and the caller may know (RFC 3261 21.5.4).
            self._end_with(partial(self._dismiss, 503, "", (AGAIN,)), By.EXCHANGE, outcome.text, 503)
        self._dial_over(outcome)

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
            self.transferor = None
            self._asker.answer(sdp, more)
            self._board.observer.call_answered(self)

    def give_up(self, status: int, words: str) -> None:
        """Nobody can speak to this caller: end the call, with a status where it is not answered."""
        more = (AGAIN,) if status == 503 else ()
        self._end_with(partial(self._dismiss, status, words, more), By.EXCHANGE, words, status)

    # Inside

    def _give_back(self, transferor: Transferor, status: int, reason: str) -> None:
        """Whom the caller was transferred to has not answered: the transferor has the call again (RFC 5589 6.3), or is
        rung where it has left."""
        self._asker.reject(status, reason)
        self.answered = self._is_left = True
        self.speaking.hush()
        user, self.user = self.user, None
        transferor.when_told(partial(self._given_back, transferor))
        if user is not None:
            user.caller_left(TRANSFERRED)

    def _given_back(self, transferor: Transferor) -> None:
        if self.ended:
            return
        self.transferor, peer = None, transferor.transferor
        if peer is None:
            self.dial((ExtensionTarget(transferor.number),), RECALL).addCallback(lambda _: self.hang_up())
            return
        self._outcome = Answered()
        self._sides.append(peer.side)
        self._board.observer.party_joined(self, peer)
        self.party.connect(peer)
        peer.ask(self.clock, self.party.named)

    def _dismiss(self, status: int, words: str = "", more: tuple[Field, ...] = ()) -> None:
        """The last that the caller, and whoever asked for the call, hear: a status where they have none yet, or BYE."""
        if not self.answered:
            self._asker.reject(status, words, more)
        self.party.hang_up()

    def _dial(self) -> Deferred[Outcome]:
        if self._dialled is not None or self.ended:
            raise InvalidState(f"dial in {self!r}")
        dialled: Deferred[Outcome] = Deferred()
        self._dialled = dialled
        return dialled

    def _keep(self, peer: Party) -> None:
        """Somebody has answered: its sound is the call's, and its keys."""
        peer.side.user = SoundWatch(self.id, "callee", peer)
        if self.keys is not None:
            self.keys.watch(peer)

    def _join(self, peer: Party) -> None:
        """The caller is answered, for whoever has picked up the call."""
        if self.ended or peer.side.closed:  # one of them has left meanwhile
            peer.leave()
            peer.hang_up()
            if not self.ended and self._outcome is not None:
                self._callee_left(self._outcome)
        else:
            self.reunite(self.party, peer)

    def _connect(self, shown: bytes, more: tuple[Field, ...], sdp: bytes) -> None:
        """The callee answered.

        :param shown: its description for the caller.
        :param sdp: the same, as the callee gave it.
        """
        peer, agreed = self.party.other, self._asker.agreed
        if self.ended or peer is None:
            return
        if peer.number != self.number and self.party.number:
            more = (*more, *peer.named)  # somebody else than the extension has called
        self.party.offer = b""
        self.take(shown, more)
        if agreed and shown != agreed:
            # The caller had its answer while it rang; what the callee says now, or another one, is a new offer.
            self.party.hear(sdp, self.clock, peer.named)

    def __repr__(self) -> str:
        return f"<call {self.id}: {self.caller.number} to {self.number}{', ended' if self.ended else ''}>"
