"""A party: one phone's session in a call, its media, and the party that it is connected to.

What one party offers is the other's to answer (RFC 3261 14, RFC 3264 8). Who is connected to nobody is answered by us.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.python.failure import Failure

from pbx.exchange.asker import Asker
from pbx.exchange.caller import Caller, Source
from pbx.exchange.cause import NORMAL, with_cause
from pbx.exchange.handover import Handover
from pbx.exchange.link import Link
from pbx.exchange.media_failure import status_of
from pbx.exchange.outcome import outcome_of
from pbx.exchange.passing import decline, key_in
from pbx.exchange.presentation import asserted, asserted_to_network
from pbx.exchange.telling import Telling
from pbx.media.relay import Relay, when
from pbx.media.side import Side
from pbx.sip.flow import hostport_of
from pbx.sip.headers import Field
from pbx.sip.information import Information
from pbx.sip.lasting_session import LastingSession
from pbx.sip.refer import Referral
from pbx.sip.session import Session
from pbx.sip.timers import T1, Clock


class Transferor(Asker, Protocol):
    """Who asks for a call by transferring somebody."""

    number: str
    """Its extension."""
    transferor: Party | None
    """Its party, connected to nobody; None once it has left."""
    stays: bool
    """Whether it is to hear something before it leaves, though it would not wait otherwise."""

    def when_told(self, then: Callable[[], None]) -> None:
        """After the final response, go on when it has that."""

    def release(self, at_once: bool = False) -> None:
        """It is over: hang it up, if it is there.

        :param at_once: whether it need not hear of the end before.
        """


class PartyUser(Protocol):
    """Whom a party tells: the bridge."""

    transferable: bool
    """Whether its phone may transfer it now."""

    def party_left(self, party: Party, reason: str) -> None:
        """Its session is over, and we did not end it. It is connected to whom it was."""

    def party_informed(self, party: Party, information: Information) -> None:
        """An INFO or MESSAGE came: pass it on, or answer it."""

    def leads(self, party: Party) -> bool:
        """Whether it is the caller, or the one to whom the caller has left the call."""

    def party_referred(self, party: Party, referral: Referral) -> None:
        """A REFER came: accept or refuse it."""

    def party_met(self, party: Party, sdp: bytes) -> None:
        """It says what it offers to the one whom it is to be connected to."""

    def replace(self, old: Party, new: Party) -> None:
        """Let another party, of another call, take the place of one."""

    def give_away(self, party: Party) -> None:
        """Let a party go to another call; this one is over."""

    def dissolve(self, by: Party) -> None:
        """Let both parties go to another call, one of whom has asked for that; this one is over."""

    def dialled(self, party: Party) -> str | None:
        """What it has dialled, where it is the caller and talks to nobody: it waits, or hears the plan. Else None."""

    def substitute(self, old: Party, new: Party, asker: Transferor | None) -> None:
        """Let another party, of another call, take the place of that caller, who leaves."""

    def parties_agreed(self, party: Party, other: Party) -> None:
        """Two that are connected have agreed anew what they send each other."""

    def cannot_connect(self, failure: Failure) -> None:
        """The two parties have no media in common, or none at all."""

    def cannot_go_on(self, party: Party, failure: Failure) -> None:
        """Its answer to an offer of our own is none."""

    def disconnect(self, status: int, words: str) -> None:
        """The callee has answered in vain: hang it up."""


class Speaker(Protocol):
    """Who speaks to a party in place of another one."""

    def agreed(self) -> None:
        """It took an offer of our own."""

    def refused(self, status: int) -> None:
        """It refused an offer."""


class Nobody:
    """The user of parties that have left."""

    __slots__ = ()

    transferable = False

    def party_left(self, party: Party, reason: str) -> None: ...
    def party_informed(self, party: Party, information: Information) -> None:
        decline(information)

    def party_referred(self, party: Party, referral: Referral) -> None:
        referral.refuse(403)

    def party_met(self, party: Party, sdp: bytes) -> None: ...
    def leads(self, party: Party) -> bool:
        return False

    def replace(self, old: Party, new: Party) -> None: ...
    def give_away(self, party: Party) -> None: ...
    def dissolve(self, by: Party) -> None: ...
    def dialled(self, party: Party) -> str | None:
        return None

    def substitute(self, old: Party, new: Party, asker: Transferor | None) -> None: ...
    def parties_agreed(self, party: Party, other: Party) -> None: ...
    def cannot_connect(self, failure: Failure) -> None: ...
    def cannot_go_on(self, party: Party, failure: Failure) -> None: ...
    def disconnect(self, status: int, words: str) -> None: ...


NOBODY = Nobody()
LINGER = 8 * T1  # seconds; phones hang up as soon as they have heard (RFC 5589 section 6)


class Party:
    """One party (`pbx.sip.session.SessionUser`).

    :param session: its session. Whose user that is decides what this hears of it.
    :param side: its media.
    :param user: whom it tells.
    :param identity: who it is, as far as that is known for certain.
    :ivar number: that of its extension; "" where it has none.
    :ivar lingers: whether it is to hang up by itself, once it has heard how its transfer ended.
    :ivar offer: what it offers to whom it is to be connected to; b"" where that one is asked for an offer instead.
    :ivar other: the party that it is connected to, or is to be connected to.
    :ivar answered: whether it has answered, or was.
    :ivar speaker: who speaks to it, where we do that ourselves.
    :ivar settled: whether one of the two has offered something else before the answer: so the first offer had its own
        before that, and the 2xx brings none (RFC 3261 13.2.1).
    :ivar handover: while it has yet to be offered what the other party says.
    :ivar link: the trunk that it has come by, or by which it has answered; None for none.
    :ivar holds: whether it has put the other one on hold.
    :ivar pressed: who wants to know the keys that it presses while it talks; None for nobody.
    :ivar own_offer: whether it has yet to answer an offer that is our own.
    :ivar orphaned: whether it has yet to answer an offer of a party that it is connected to no longer.
    """

    __slots__ = (
        "_relay", "_telling", "answered", "handover", "holds", "identity", "lingers", "link", "number", "offer",
        "orphaned", "other", "own_offer", "pressed", "session", "settled", "side", "speaker", "user",
    )  # fmt: skip

    def __init__(self, relay: Relay, session: LastingSession, side: Side, user: PartyUser, identity: Caller) -> None:
        self._relay = relay
        self.session = session
        self.side = side
        self.user = user
        self.identity = identity
        self.number = identity.number if identity.source is Source.INTERNAL else ""
        self.other: Party | None = None
        self.answered = False
        self.handover: Handover | None = None
        self.link: Link | None = None
        self.offer = b""
        self.own_offer = False
        self.orphaned = False
        self.settled = False
        self.lingers = False
        self.holds = False
        self.speaker: Speaker | None = None
        self.pressed: Callable[[str], None] | None = None
        self._telling: Telling | None = None
        side.may_inform = session.may_inform

    @property
    def named(self) -> tuple[Field, ...]:
        """Who it is, as the one that it is connected to is told from now on."""
        return self.other.naming(self.identity) if self.other is not None else ()

    def naming(self, who: Caller) -> tuple[Field, ...]:
        """With whom it is connected, as it is told: extensions are, providers as they trust us, and nobody else."""
        dialog = self.session.dialog
        if self.link is not None:
            return asserted_to_network(who, self.link.trunk)
        return asserted(who, hostport_of(dialog.flow)) if self.number and dialog is not None else ()

    # What the session tells

    def session_progressed(self, session: Session, status: int, sdp: bytes) -> None:
        """A re-INVITE is under way."""

    def session_offered(self, session: Session, sdp: bytes) -> None:
        """A re-INVITE, UPDATE or PRACK came: the other party is asked, in the same way if it understands that."""
        mine, other, relay = self.session, self.other, self._relay
        if self.side.closed:
            mine.refuse(488)  # it has left, but has not hung up yet
        elif not self.answered and (other is None or not other.session.takes_update):
            mine.refuse(504)  # nobody is there who could be asked at once (RFC 3311 5.2)
        elif other is None or self.handover is not None:
            self.own_offer = not sdp
            when(relay.end(self.side, sdp or None), self._accept, self._cannot_answer)
        elif other.handover is not None or not _may_be_asked(other.session, mine):
            mine.refuse(491)
        elif not sdp:
            other.session.offer(b"")
        else:
            self.settled = other.settled = not (self.answered and other.answered)
            when(relay.offer(self.side, other.side, sdp), self._pass_on, self._cannot_answer, (other,))

    def session_answered(self, session: Session, sdp: bytes) -> None:
        """Our offer was taken, or the ACK of our 200 brought its answer: the other party gets it."""
        mine, other, relay = self.session, self.other, self._relay
        if self.side.closed:
            return  # it has left, but has not hung up yet
        if other is None or self.own_offer or self.orphaned or self._waits or other._waits:
            self.answered_to_us(sdp)
            return
        if self.handover is not None and self.handover.asks:
            self._end_handover()
            self.offer = sdp
            self.user.party_met(self, sdp)
            return
        theirs = other.session
        if not sdp and (theirs.offered or not mine.owes_ack):
            # The answer is missing, or the offer that was asked for (RFC 3261 13.2.1).
            self.session_rejected(session, 488, "")
        elif not theirs.offered:
            self._end_handover()
            go_on = other._acknowledge if theirs.owes_ack else lambda sdp: None
            when(relay.answer(self.side, other.side, sdp), self._told, self.user.cannot_connect, (other, go_on))
        elif mine.owes_ack:
            self.offer = sdp
            when(relay.offer(self.side, other.side, sdp), other._accept, self._cannot_go_on)
        else:
            described = relay.answer(self.side, other.side, sdp)
            when(described, self._told, other._cannot_answer, (other, other._accept))

    def session_rejected(self, session: Session, status: int, reason: str) -> None:
        """Our offer was refused: all is as it was, and the other party is told."""
        other, handover = self.other, self.handover
        self._relay.withdraw(self.side)
        if handover is not None and handover.offered:
            if status != 491 or not handover.try_again():
                handover.stop()
                self.user.disconnect(status, reason)
        elif other is None or self.own_offer or self.orphaned:
            self.own_offer = self.orphaned = False
        elif other.session.offered:
            outcome = outcome_of(status, reason)  # neither a challenge nor "overloaded" is for the other side
            other.session.refuse(outcome.status, reason if outcome.status == status else "")
        if self.speaker is not None:
            self.speaker.refused(status)

    def session_due(self, session: Session) -> None:
        """Its session is to be refreshed by an offer: the one that it has agreed to already."""
        if self.other is None:
            self.offer_ours()
        elif self.handover is None and self.other.handover is None and not self.other.session.offered:
            # These would refresh it, too.
            described = self._relay.renew(self.other.side, self.side)
            when(described, self._refresh, self.user.cannot_connect)

    def session_informed(self, session: Session, information: Information) -> None:
        """An INFO or MESSAGE came."""
        key = key_in(information)
        if key is None:
            self.user.party_informed(self, information)
        elif not self.side.informed(key):
            information.answer(200)  # it tells of its keys in another form, too
        else:
            if self.pressed is not None:
                self.pressed(key)
            self._press(key, information)

    def session_referred(self, session: Session, referral: Referral) -> None:
        """A REFER came."""
        self.user.party_referred(self, referral)

    def session_ended(self, session: Session, reason: str) -> None:
        """It is gone."""
        self.user.party_left(self, reason)

    # What the bridge asks for

    def tell_key(self, key: str) -> None:
        """Tell its phone by INFO of a key that was pressed at the other one."""
        if self._telling is None:
            self._telling = Telling(self.session)
        self._telling.tell(key)

    def connect(self, other: Party) -> None:
        """Let what one of the two offers be the other's to answer from now on."""
        self.other, other.other = other, self

    def ask(self, clock: Clock, more: tuple[Field, ...]) -> None:
        """Ask it, as soon as that is possible, what it offers to the other (RFC 3725 4.1).

        :param more: further fields of the INVITE.
        """
        relay, session, side = self._relay, self.session, self.side
        self.handover = Handover(relay, clock, session, side, None, b"", self._cannot_connect, more)
        self.handover.start()

    def hear(self, sdp: bytes, clock: Clock, more: tuple[Field, ...]) -> None:
        """Offer it, as soon as that is possible, what the other says.

        :param more: further fields of the INVITE.
        """
        assert self.other is not None
        relay, session, callee = self._relay, self.session, self.other.side
        self.handover = Handover(relay, clock, session, self.side, callee, sdp, self._cannot_connect, more)
        self.handover.start()

    def offer_ours(self, more: tuple[Field, ...] = ()) -> None:
        """Offer what we can say ourselves.

        :param more: further fields of the INVITE.
        """
        self.own_offer = True
        described = self._relay.end(self.side, None)
        when(described, self.session.offer, self._cannot_go_on, (more,))

    def answered_to_us(self, sdp: bytes) -> None:
        """It took an offer that was our own, or that of a party which has left meanwhile."""
        if self.orphaned:
            self.orphaned = False
            self._relay.withdraw(self.side)
        if self.own_offer:
            self.own_offer = False
            agreed = self._relay.set_remote(self.side, sdp)
            when(agreed, self._agreed, self._cannot_go_on)
        elif self.session.owes_ack:
            when(self._relay.end(self.side, sdp), self._acknowledge, self._cannot_go_on)

    def settle(self) -> None:
        """Whom it was connected to is gone: what that one had yet to answer, we answer."""
        session = self.session
        if self.answered and session.offered:
            session.refuse(487)
        if session.owes_ack and not self.side.closed:
            # What cannot be answered comes to nothing: whoever it is connected to next will not be told of it.
            described = self._relay.end(self.side, self.offer)
            when(described, self._acknowledge, lambda _: self._acknowledge(b""))

    def part(self) -> Party | None:
        """Connect it to nobody; return the one that it was connected to. What either had yet to answer, we answer."""
        other = self._lose()
        self.settle()
        if other is not None:
            other.settle()
        return other

    def leave(self) -> None:
        """It is no party of the call any more. Its media goes, and its user, who would wait with it for the garbage
        collector."""
        if self.other is not None or self.handover is not None:
            self._lose()
        self.user, self.speaker, self.pressed, self._telling = NOBODY, None, None, None
        self._relay.close(self.side)
        if self.link is not None:
            self.link.call_ended()
            self.link = None

    def dismiss(self, clock: Clock) -> None:
        """Hang it up, who has left. Where it is to hear how its transfer ended, in its own dialog, the BYE comes later:
        it must not arrive before that."""
        if self.lingers:
            clock.callLater(LINGER, self.hang_up)
        else:
            self.hang_up()

    def hang_up(self, more: tuple[Field, ...] = ()) -> None:
        """End its session. The telephone network is told by a cause that this is how calls end (RFC 3326).

        :param more: further fields of the BYE.
        """
        self.session.hang_up(with_cause(more, NORMAL) if self.identity.trunk else more)

    @property
    def _waits(self) -> bool:
        """Whether it cannot be offered yet what the other party says."""
        return self.handover is not None and not self.handover.offered

    def _lose(self) -> Party | None:
        other = self.other
        for party in (self,) if other is None else (self, other):
            party.other = None
            if party.handover is not None:
                party._end_handover()
            if party.answered and not party.own_offer and party.session.asks:
                party.orphaned = True
        return other

    def _end_handover(self) -> None:
        handover, self.handover = self.handover, None
        if handover is not None:
            handover.stop()

    def _press(self, key: str, information: Information) -> None:
        """Its phone has told by INFO of a key."""
        if self.other is not None:
            self._pressed(self._relay.press(self.side, key), information)
        elif self.side.voice is not None:
            information.answer(200)
        else:
            decline(information)

    def _pressed(self, in_rtp: bool, information: Information) -> None:
        """The other phone has it in its sound; or it may take it as it is."""
        if in_rtp:
            information.answer(200)
        else:
            self.user.party_informed(self, information)

    # What the relay tells, which may have taken its time: another process may be behind it

    def _pass_on(self, sdp: bytes, other: Party) -> None:
        mine, theirs = self.session, other.session
        if mine.updating and theirs.may_update:
            theirs.update(sdp)
        elif theirs.may_offer:
            theirs.offer(sdp)
        else:
            self._relay.withdraw(other.side)
            if mine.offered:
                mine.refuse(491)

    def _told(self, sdp: bytes, other: Party, go_on: Callable[[bytes], None]) -> None:
        self.user.parties_agreed(self, other)
        go_on(sdp)

    def _accept(self, sdp: bytes) -> None:
        if self.session.offered:
            self.session.accept(sdp)

    def _acknowledge(self, sdp: bytes) -> None:
        self.offer = b""
        if self.session.owes_ack:
            self.session.ack(sdp)

    def _refresh(self, sdp: bytes) -> None:
        if self.session.may_offer:
            self.session.offer(sdp)

    def _agreed(self, _: None) -> None:
        if self.speaker is not None:
            self.speaker.agreed()

    def _cannot_connect(self, failure: Failure) -> None:
        self.user.cannot_connect(failure)

    def _cannot_answer(self, failure: Failure) -> None:
        if self.session.offered:
            self.session.refuse(*status_of(failure))

    def _cannot_go_on(self, failure: Failure) -> None:
        self.user.cannot_go_on(self, failure)


def _may_be_asked(session: LastingSession, asking: LastingSession) -> bool:
    return session.may_offer or (asking.updating and session.may_update)
