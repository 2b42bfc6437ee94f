"""A detour: where one of several callees has sent the call on, others are rung in its place, beside all that ring.

Whom, the dialplan says: it does what it does when that callee dials the number, with that callee's rights and limits,
as far as this is to ring somebody. Nobody there speaks to the caller: a machine takes no call for which others ring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from twisted.internet.defer import Deferred

from pbx.exchange.branch import Loss
from pbx.exchange.caller import Caller
from pbx.exchange.diverting import Board, Diverting
from pbx.exchange.group import Callee
from pbx.exchange.hunt import Hunt
from pbx.exchange.invitation import Invitation
from pbx.exchange.outcome import Attempt, Declined, Outcome
from pbx.exchange.party import Party
from pbx.sip.errors import InvalidState
from pbx.sip.headers import Field
from pbx.sip.session import Session
from pbx.sip.timers import Timer


class Led(Protocol):
    """Whom a detour tells: who leads the call there, a coroutine's driver."""

    def caller_left(self, reason: str) -> None:
        """Nobody is to be rung there any more."""


class Guide(Protocol):
    """Who knows the way: the dialplan."""

    def lead(self, detour: Detour) -> Led | None:
        """Begin to do what is done when the callee dials the number: `detour.dial`, as often as needed, and
        `detour.end` as the last thing, perhaps at once. None when the callee cannot dial that."""


class BesideRinging(Protocol):
    """An attempt to reach somebody for a detour."""

    @property
    def rung(self) -> Mapping[str, Session]:
        """A session with a phone of each extension that is rung, by number."""

    def ring(self, targets: Sequence[Callee], timeout: float, progress_within: float | None = None) -> None:
        """Ring all targets."""

    def forsake(self, number: str) -> None:
        """Ring the phones of an extension no longer: it was removed."""

    def hand_over(self, party: Party) -> None:
        """Another party has the place of the one for whom it rings."""

    def stop(self, loss: Loss) -> Sequence[Attempt]:
        """Ring nobody any more, and tell nobody; return all attempts that were made."""


class DetourUser(Protocol):
    """Beside what it goes: a ringing."""

    def beside(self, detour: Detour, caller_id: str, guide: Guide | None) -> BesideRinging:
        """Another attempt for the same party, at the same time; it tells the detour.

        :param caller_id: the number that is shown; "" for the caller's own.
        :param guide: knows the way of what is sent on there.
        """

    def detour_progressed(self, status: int, more: tuple[Field, ...]) -> None:
        """Somebody is reached there so far."""

    def detour_answered(
        self, detour: Detour, peer: Party, sdp: bytes, outcome: Outcome, more: tuple[Field, ...]
    ) -> None:
        """Somebody there has answered."""

    def detour_joined(self, detour: Detour, peer: Party, outcome: Outcome) -> None:
        """Somebody there has answered, or has picked it up, with whom nothing is agreed upon for the party."""

    def detour_ended(self, detour: Detour, outcome: Outcome) -> None:
        """Nobody there takes the call."""


class Detour:
    """One of them (`pbx.exchange.fork.Detour`, `pbx.exchange.ringing.RingingUser`).

    :param user: beside what it goes.
    :param guide: who knows the way.
    :param invitation: what those are told that are rung there; its own.
    :param sent: what the callee's own phones came to.
    :param hunt: of which the callee has its turn; None where it was rung with all others.
    :ivar number: where the callee has sent it.
    :ivar rights: the callee, with its rights; None while it is not known to have any.
    :ivar over: whether nobody is rung there any more: it was in vain, somebody has answered, or others have the call.
    :ivar expiry: until it is given up before the others (the fork's).
    """

    __slots__ = (
        "_board", "_dialled", "_guide", "_led", "_ringing", "_user", "expiry", "hunt", "invitation", "number",
        "over", "rights", "sent",
    )  # fmt: skip

    def __init__(
        self,
        board: Board,
        user: DetourUser,
        guide: Guide,
        invitation: Invitation,
        number: str,
        sent: Outcome,
        hunt: Hunt | None,
    ) -> None:
        self._user = user
        self._guide = guide
        self.invitation = invitation
        self._led: Led | None = None
        self._ringing: BesideRinging | None = None
        self._dialled: Deferred[Outcome] | None = None
        self.over = False
        self._board = board
        self.rights: Caller | None = None
        self.number = number
        self.sent = sent
        self.hunt = hunt
        self.expiry: Timer | None = None

    @property
    def diverting(self) -> Diverting:
        """How the call is sent on from there."""
        return Diverting(self._board, self, self.invitation)

    @property
    def rung(self) -> Mapping[str, Session]:
        """A session with a phone of each extension that is rung, by number."""
        return self._ringing.rung if self._ringing is not None else {}

    def begin(self) -> None:
        """Take it. It may be over at once."""
        led = self._guide.lead(self)
        if led is None:
            self.end(Declined())
        elif not self.over:
            self._led = led

    def forsake(self, number: str) -> None:
        """Ring the phones of an extension no longer: it was removed."""
        if self._ringing is not None:
            self._ringing.forsake(number)

    def hand_over(self, party: Party) -> None:
        """Another party, which is answered, has the place of the one for whom all ring."""
        self.invitation.show(party.identity)
        if self._ringing is not None:
            self._ringing.hand_over(party)

    def stop(self, loss: Loss) -> Sequence[Attempt]:
        """Ring nobody there any more; return all attempts that were made."""
        self.over = True
        ringing, self._ringing = self._ringing, None
        attempts = ringing.stop(loss) if ringing is not None else ()
        led, self._led = self._led, None  # it knows this detour, which would wait with it for the garbage collector
        if led is not None:
            led.caller_left(loss.text)
        return attempts

    # What the guide does

    def dial(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None = None,
        caller_id: str = "",
        guide: Guide | None = None,
    ) -> Deferred[Outcome]:
        """Ring all targets.

        :returns: fires when the attempt failed, or by `conclude`.
        :raises InvalidState: while another `dial` goes on, and when somebody has answered.
        """
        if self._dialled is not None or self.over:
            raise InvalidState("dial on a detour that is over, or is ringing")
        dialled: Deferred[Outcome] = Deferred()
        self._dialled = dialled
        self._ringing = ringing = self._user.beside(self, caller_id, guide)
        ringing.ring(targets, timeout, progress_within)
        return dialled

    def conclude(self, outcome: Outcome) -> None:
        """The conversation with whoever has answered here is over."""
        self._tell(outcome)

    def end(self, found: Outcome | None) -> None:
        """There is nothing more to be done.

        :param found: what came of it; None where nobody was rung.
        """
        self._led = self._dialled = None
        if self.over:
            return
        self.over = True
        sent = self.sent
        if found is None:
            outcome = replace(sent, diversion=None)
        else:
            outcome = replace(found, by=found.by or sent.by, attempts=(*sent.attempts, *found.attempts), diversion=None)
        self._user.detour_ended(self, outcome)

    # What the ringing tells (pbx.exchange.ringing.RingingUser)

    def ringing_progressed(self, status: int, sdp: bytes, more: tuple[Field, ...]) -> None:
        """Somebody is reached so far."""
        self._user.detour_progressed(status, more)

    def ringing_answered(self, peer: Party, sdp: bytes, outcome: Outcome, more: tuple[Field, ...]) -> None:
        """Somebody has answered."""
        self.over, self._ringing = True, None
        self._user.detour_answered(self, peer, sdp, outcome, more)

    def ringing_joined(self, peer: Party, outcome: Outcome) -> None:
        """Somebody has answered, or has picked it up, with whom nothing is agreed upon for the party."""
        self.over, self._ringing = True, None
        self._user.detour_joined(self, peer, outcome)

    def ringing_failed(self, outcome: Outcome) -> None:
        """Nobody has answered: it is the guide's turn."""
        self._ringing = None
        self._tell(outcome)

    # What sending on from there asks for (pbx.exchange.diverting.DivertingUser)

    def tell_progress(self, status: int, sdp: bytes) -> None:
        """The caller, for whom others ring, need not know."""

    def _tell(self, outcome: Outcome) -> None:
        dialled, self._dialled = self._dialled, None
        if dialled is not None:
            dialled.callback(outcome)
