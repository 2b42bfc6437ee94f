"""Transferring: what comes of a REFER in a call (RFC 3515, RFC 5589). The transferor sends the other party to where it
may call itself, if the dialplan has nothing against that; or it connects the two whom it talks to in two calls; or it
lets the other party take its own place in a call of its, in which it rings yet, or which has come to the dialplan.

Who is transferred blindly calls the target in the transferor's name. The transferor hears how far that is, and has the
call back if it fails (RFC 5589 section 6).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pbx.exchange.board import Board
from pbx.exchange.caller import Caller, Source
from pbx.exchange.party import Party
from pbx.exchange.transfer import Transfer, TransferTarget
from pbx.sip.headers import REPLACES, REQUIRE, Field
from pbx.sip.refer import Referral
from pbx.sip.timers import Clock

_NEEDS_REPLACES = REQUIRE.field(
    "replaces"
)  # who does not know it would ring for a call of its own (RFC 3891 section 4)

_log = Logger(namespace="pbx.call")


class Told(Protocol):
    """How a transferor hears of its transfer: by the NOTIFYs of its REFER."""

    def progress(self, status: int) -> None:
        """The target rings, say."""

    def end(self, status: int, reason: str = "") -> None:
        """This is how it ended."""

    def when_told(self, then: Callable[[], None]) -> None:
        """After `end`, go on when it has heard."""


class ByKeys:
    """A transferor that has asked by pressing keys hears nothing."""

    def progress(self, status: int) -> None:
        """It hears nothing."""

    def end(self, status: int, reason: str = "") -> None:
        """It hears nothing."""

    def when_told(self, then: Callable[[], None]) -> None:
        """At once."""
        then()


class Transferring:
    """A blind transfer that goes on (`pbx.exchange.asker.Asker`).

    :param referral: what the transferor asked for; it is accepted.
    :ivar transferor: who has, connected to nobody; None once it has left.
    :ivar number: its extension.
    :ivar stays: whether it is to hear something before it leaves.
    """

    __slots__ = ("_clock", "_over", "_referral", "number", "stays", "transferor")

    agreed = b""

    def __init__(self, referral: Told, transferor: Party, clock: Clock) -> None:
        self._referral = referral
        self._over = False
        self._clock = clock
        self.transferor: Party | None = transferor
        self.number = transferor.number
        self.stays = False

    def progress(self, status: int, sdp: bytes = b"", more: tuple[Field, ...] = ()) -> None:
        """The target rings, say."""
        self._referral.progress(status)

    def answer(self, sdp: bytes, more: tuple[Field, ...] = ()) -> None:
        """The target has answered: the transferor has nothing more to do here."""
        self.reject(200)
        self.release()

    def reject(self, status: int, reason: str = "", more: tuple[Field, ...] = ()) -> None:
        """The target has not answered."""
        if not self._over:
            self._over = True
            self._referral.end(status, reason)

    def when_told(self, then: Callable[[], None]) -> None:
        """After the final response, go on when the transferor has that."""
        self._referral.when_told(then)

    def release(self, at_once: bool = False) -> None:
        """It is over: hang up the transferor, in a while, for it must hear of that before.

        :param at_once: whether there is no time for that.
        """
        self.reject(487)
        transferor, self.transferor = self.transferor, None
        if transferor is not None:
            transferor.lingers = not at_once
            transferor.leave()
            transferor.dismiss(self._clock)


def transfer(board: Board, party: Party, referral: Referral) -> None:
    """Do what a party asks for with a REFER in its call, or refuse it; the calls go on then."""
    by = board.extension(party.number) if party.number else None
    wanted = referral.replaces
    key = (wanted.call_id, wanted.to_tag, wanted.from_tag) if wanted is not None else None
    session = board.agent.session_of(key) if key is not None else None
    if by is None or referral.method != "INVITE" or not party.answered:
        referral.refuse(403)
    elif session is not None:
        _connect(board, by, party, session.user, referral)
    elif key is not None and board.agent.was_ended(key):
        referral.refuse(481)  # RFC 3891 section 3
    elif not _is_talking(party):
        referral.refuse(403, "nobody has answered that call")
    else:
        _send(board, by, party, referral)


def _connect(board: Board, by: Caller, party: Party, consulting: object, referral: Referral) -> None:
    """The transferor has two calls, and both are ours (RFC 5589 section 7). In one it talks; in the other too, or it
    has called somebody who has not answered yet, or hears the dialplan."""
    if not isinstance(consulting, Party):
        referral.refuse(481)  # it is called itself: that early dialog is not its own to give (RFC 3891 section 3)
        return
    remaining, target = _far_end(party), _far_end(consulting)
    if consulting in (party, party.other) or consulting.number != party.number:
        referral.refuse(403, "that call is not yours")
    elif isinstance(remaining, str) and isinstance(target, Caller):  # its colleague comes to where it is itself
        _ask(board, Transfer(by, target, _shown(board, remaining, referral), True), party, consulting, referral)
    elif not isinstance(remaining, Caller) or target is None:
        referral.refuse(403, "nobody has answered that call")
    elif target == remaining.number:
        referral.refuse(403, "that is where the call is")
    else:
        _ask(board, Transfer(by, remaining, _shown(board, target, referral), True), party, consulting, referral)


def _far_end(party: Party) -> Caller | str | None:
    """Whom a party talks to, or what it has dialled where nobody has answered yet, or the dialplan itself; or None."""
    if _is_talking(party):
        assert party.other is not None
        return party.other.identity
    return party.user.dialled(party)


def _ask(board: Board, asked: Transfer, party: Party, consulting: Party, referral: Referral) -> None:
    ends = _far_end(party), _far_end(consulting)
    decided = _decide(board, asked, party, referral)
    decided.addCallback(_connected, ends, board.agent.clock, party, consulting, referral)


def _connected(
    allowed: bool,
    ends: tuple[Caller | str | None, Caller | str | None],
    clock: Clock,
    party: Party,
    consulting: Party,
    referral: Referral,
) -> None:
    """It may be; but somebody may have left, or have answered, while the dialplan thought about it.

    :param ends: whom the dialplan was asked about.
    """
    if not allowed:
        return
    now = _far_end(party), _far_end(consulting)
    if any(isinstance(end, Caller) and other is not end for end, other in zip(ends, now, strict=True)):
        referral.refuse(481)  # it talks to somebody else by now
    elif _is_talking(party) and _is_talking(consulting) and consulting.other is not party:
        _join(party, consulting, referral)
    elif _is_talking(party) and consulting.user.dialled(consulting) is not None:
        _put_in(party, consulting, clock, party, referral)
    elif _is_talking(consulting) and party.answered and party.user.dialled(party) is not None:
        _put_in(consulting, party, clock, party, referral)
    else:
        referral.refuse(481)


def _put_in(talking: Party, waiting: Party, clock: Clock, asking: Party, referral: Referral) -> None:
    """Whom the transferor talks to in one call takes its place in the other. Where that rings, it is as with a blind
    transfer: it hears what comes of it, and has the call back where nobody answers.

    :param asking: in whose dialog it has asked for that.
    """
    heir = talking.other
    assert heir is not None
    transferring: Transferring | None = None
    referral.accept()
    if waiting.answered:
        asking.lingers = True
        referral.end(200)
    else:
        transferring = Transferring(referral, talking, clock)
    talking.user.dissolve(talking)
    waiting.user.substitute(waiting, heir, transferring)
    if transferring is None:
        talking.leave()
        talking.dismiss(clock)


def _join(party: Party, consulting: Party, referral: Referral) -> None:
    """All four talk."""
    remaining, target = party.other, consulting.other
    assert remaining is not None and target is not None
    party.lingers = True
    referral.accept()
    referral.end(200)
    if target.user.leads(target) and not remaining.user.leads(remaining):
        # The call goes on whose caller stays: its dialplan has still something to say.
        party, consulting, target = consulting, party, remaining
    consulting.user.give_away(target)
    party.user.replace(party, target)


def _send(board: Board, by: Caller, party: Party, referral: Referral) -> None:
    """The other party is to call somebody (RFC 5589 section 6); or to take the transferor's place in a dialog that is
    not ours."""
    remaining, dialog = party.other, party.session.dialog
    assert remaining is not None and dialog is not None
    place = board.place_of(referral.target, dialog.flow)
    number = place[0] if place is not None else ""
    if number and number in (by.number, remaining.number):
        referral.refuse(403, "that is where the call is")
        return
    asked = Transfer(by, remaining.identity, _shown(board, number, referral))
    _decide(board, asked, party, referral).addCallback(_sent, board, by, party, remaining, place, referral)


def _sent(
    allowed: bool,
    board: Board,
    by: Caller,
    party: Party,
    remaining: Party,
    place: tuple[str, str] | None,
    referral: Referral,
) -> None:
    if not allowed:
        return
    if party.other is not remaining or not _is_talking(party):
        referral.refuse(481)
        return
    more, wanted = referral.fields, referral.replaces
    if wanted is not None:
        early = ";early-only" if wanted.early_only else ""
        named = f"{wanted.call_id};to-tag={wanted.to_tag};from-tag={wanted.from_tag}{early}"
        more = (*more, REPLACES.field(named), _NEEDS_REPLACES)
    referral.accept()
    party.user.dissolve(party)
    transferring = Transferring(referral, party, board.agent.clock)
    board.transferred(transferring, remaining, by, place or str(referral.target), more)


def _shown(board: Board, target: Caller | str, referral: Referral) -> TransferTarget:
    """The target for the dialplan's policy: somebody in a call, or a number; whoever comes from outside may name the
    number of an extension as its own."""
    number, is_internal = (
        (target, True) if isinstance(target, str) else (target.number, target.source is Source.INTERNAL)
    )
    is_internal = is_internal and bool(number) and board.extension(number) is not None
    return TransferTarget(number, str(referral.target), is_internal)


def _decide(board: Board, asked: Transfer, party: Party, referral: Referral) -> Deferred[bool]:
    """Whether a transfer may be. Where it may not, the REFER is refused."""
    assert party.session.dialog is not None
    decided = board.may_transfer(asked, party.session.dialog.flow)
    return decided.addCallbacks(_decided, _undecided, callbackArgs=(referral,), errbackArgs=(asked, referral))


def _decided(allowed: bool, referral: Referral) -> bool:
    if not allowed:
        referral.refuse(403)
    return allowed


def _undecided(failure: Failure, asked: Transfer, referral: Referral) -> bool:
    """The dialplan's own policy has failed: nobody is transferred by mistake."""
    _log.failure(
        "the dialplan's policy of transfers failed for {by} to {target}",
        failure,
        by=asked.by.number,
        target=asked.target,
    )
    referral.refuse(500)
    return False


def _is_talking(party: Party) -> bool:
    return party.answered and party.other is not None and party.other.answered and party.user.transferable
