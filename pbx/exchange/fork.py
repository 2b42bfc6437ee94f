"""A fork: several callees rung at once, the first to answer wins (RFC 3261 16.7, by a B2BUA).

It ends once: with the branch that answered, or with the best outcome of all. The losers are told that the call was
completed elsewhere. The members of ring groups may have their turns one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pbx.exchange.cause import NO_ANSWER, NORMAL, NOT_SELECTED, OVERDUE, cause_in, understood, with_cause
from pbx.exchange.destination import Destination
from pbx.exchange.diversion import Diversion
from pbx.exchange.forwarding import diverted
from pbx.exchange.hunt import Hunt
from pbx.exchange.outcome import Attempt, Failed, NoAnswer, Outcome, Unreachable, best, outcome_of
from pbx.exchange.party import Party
from pbx.exchange.passing import decline
from pbx.exchange.target import ExtensionTarget, Target
from pbx.media.relay import Relay
from pbx.media.side import Side
from pbx.sip.headers import REASON, Field
from pbx.sip.information import Information
from pbx.sip.outbound_session import OutboundSession
from pbx.sip.refer import Referral
from pbx.sip.session import EARLY, Session, SessionUser
from pbx.sip.timers import Clock, Timer

ELSEWHERE = REASON.field('SIP;cause=200;text="Call completed elsewhere"')

# How an attempt ends that its callee has not ended, in words.
NOT_ANSWERED = "no answer"
NO_PROGRESS = "no sign of progress"
GIVEN_UP = "given up"
ANSWERED_ELSEWHERE = "answered elsewhere"
DECLINED_FOR_ALL = "declined elsewhere for all"
SENT_ON = "sent on by a phone"
GONE = "removed meanwhile"


class Branch:
    """One callee that is rung.

    :ivar destination: where it is rung.
    :ivar session: the session with it.
    :ivar side: its media.
    :ivar early: the session description of its last provisional response.
    :ivar expiry: until it is given up before the others; None where it is rung as long as they are.
    :ivar hunt: that of which it has its turn; None where it is rung with all others.
    :ivar described: fires with our first offer to it; None where that is known at once, and afterwards.
    """

    __slots__ = ("began_at", "delay", "described", "destination", "early", "expiry", "hunt", "session", "side")

    def __init__(self, destination: Destination, session: OutboundSession, side: Side) -> None:
        self.destination = destination
        self.session = session
        self.side = side
        self.early = b""
        self.described: Deferred[bytes] | None = None
        self.expiry: Timer | None = None
        self.hunt: Hunt | None = None
        self.began_at = 0.0
        self.delay: float | None = None  # seconds to the first sign of progress
        if destination.link is not None:
            destination.link.call_began()

    def close(self, relay: Relay) -> None:
        """The call that it was is over: its media can go, and its trunk carries one less."""
        relay.close(self.side)
        if self.destination.link is not None:
            self.destination.link.call_ended()

    def cancel(self, more: tuple[Field, ...], cause: int) -> None:
        """Ring it no longer.

        :param more: fields of the CANCEL.
        :param cause: why, as the telephone network is told (Q.850).
        """
        self.settle()
        self.session.cancel(with_cause(more, cause) if self.destination.link is not None else more)

    def settle(self) -> None:
        """It has ended, one way or the other."""
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None


class Renegotiating(Protocol):
    """Who takes part in a branch's offers and answers before it has answered the call."""

    def session_offered(self, session: Session, sdp: bytes) -> None:
        """An UPDATE came."""

    def session_answered(self, session: Session, sdp: bytes) -> None:
        """Our UPDATE was taken."""

    def session_rejected(self, session: Session, status: int, reason: str) -> None:
        """Our UPDATE was refused."""


class ForkUser(Protocol):
    """Whom a fork tells: the bridge."""

    def branch(self, destination: Destination, user: SessionUser) -> Branch:
        """Make a branch to a destination."""

    def offer(self, branch: Branch) -> Deferred[bytes]:
        """The caller's offer, as that branch is to see it."""

    def invite(self, branch: Branch, sdp: bytes) -> None:
        """Send the INVITE of a branch."""

    def fork_progressed(self, branch: Branch, status: int, sdp: bytes) -> None:
        """A branch has a provisional response."""

    def fork_renegotiates(self, branch: Branch) -> Renegotiating | None:
        """Who takes part in the offers of a branch that has not answered yet; None for nobody."""

    def fork_answered(self, branch: Branch, sdp: bytes, outcome: Outcome) -> None:
        """A branch answered; its session is the bridge's now. The others are cancelled."""

    def fork_picked_up(self, party: Party, outcome: Outcome) -> None:
        """Somebody else has answered in the place of a branch; all are cancelled."""

    def fork_failed(self, outcome: Outcome) -> None:
        """No branch answered."""

    def diversion(self, branch: Branch, fields: Sequence[Field]) -> Diversion | None:
        """Where the phone of an extension sends the call, by the fields of its 3xx; None for who is no extension."""

    def branch_ended(self, branch: Branch, code: int, text: str) -> None:
        """A branch will not answer; its media can go.

        :param code: the final status; 487 where it was given up.
        :param text: the same in words.
        """

    def failed(self, failure: Failure) -> Outcome:
        """What it means that media failed."""


class Fork:
    """The ringing of all branches.

    :param lost: outcomes of targets that could not even be rung.
    :param timeout: seconds to ring.
    """

    __slots__ = ("_branches", "_clock", "_expiry", "_hunts", "_outcomes", "_over", "_progress", "_starting", "_user")

    def __init__(self, user: ForkUser, clock: Clock, lost: Sequence[Outcome]) -> None:
        self._user = user
        self._clock = clock
        self._branches: list[Branch] = []
        self._outcomes: list[Outcome] = list(lost)
        self._expiry: Timer | None = None
        self._progress: Timer | None = None
        self._hunts: Sequence[Hunt] = ()
        self._starting = True
        self._over = False

    def ring(
        self,
        destinations: Sequence[Destination],
        timeout: float,
        progress_within: float | None = None,
        hunts: Sequence[Hunt] = (),
    ) -> None:
        """Ring them all.

        :param timeout: seconds after which those that did not answer are given up.
        :param progress_within: seconds after which those are given up that have shown no sign of progress; not those
            who have turns, which are over soon enough.
        :param hunts: who is rung in turn, beside them.
        """
        self._expiry = self._clock.callLater(timeout, self._expired)
        if progress_within is not None and progress_within < timeout:
            self._progress = self._clock.callLater(progress_within, self._stalled)
        self._hunts = hunts
        for destination in destinations:
            self._ring(destination)
        self._starting = False
        if not self._over:
            self._check()

    def give_up(self, more: tuple[Field, ...] = ()) -> None:
        """Cancel all branches: the caller left.

        :param more: fields of the CANCELs.
        """
        self._end()
        self._cancel(more, NORMAL, 487, GIVEN_UP)

    def forsake(self, number: str) -> None:
        """Ring the phones of an extension no longer: it was removed."""
        gone = [branch for branch in self._branches if branch.destination.number == number]
        for branch in gone:
            attempt = self._attempt(branch, 480, GONE)
            self._outcomes.append(Unreachable(by=attempt.target, attempts=(attempt,)))
        self._drop(gone, (), NORMAL, 480, GONE)
        if gone:
            self._check()

    @property
    def is_single(self) -> bool:
        """Whether one callee is left that may answer, and is so by one early dialog."""
        return len(self._branches) == 1 and not self._branches[0].session.is_forked

    @property
    def rung(self) -> dict[str, Session]:
        """A session with a phone of each extension that is rung, by number."""
        return {branch.destination.number: branch.session for branch in self._branches if branch.destination.number}

    def number_of(self, session: Session) -> str:
        """The extension whose phone a branch rings; "" for none."""
        return next((branch.destination.number for branch in self._branches if branch.session is session), "")

    def picked_up(self, session: Session, party: Party) -> None:
        """Somebody else answers what a branch rings for."""
        branch = self._branch_of(session)
        attempt = self._attempt(branch, 200, "picked up")
        outcome = outcome_of(200, by=branch.destination.target, attempts=(*self._attempts(), attempt))
        self._end()
        self._cancel((ELSEWHERE,), NOT_SELECTED, 487, ANSWERED_ELSEWHERE)
        self._user.fork_picked_up(party, outcome)

    def session_progressed(self, session: Session, status: int, sdp: bytes) -> None:
        """A branch has a provisional response."""
        branch = self._branch_of(session)
        if branch.delay is None:
            branch.delay = self._clock.seconds() - branch.began_at
        branch.early = sdp or branch.early
        self._user.fork_progressed(branch, status, sdp)

    def session_answered(self, session: Session, sdp: bytes) -> None:
        """The first branch answered; or one took an UPDATE before that."""
        branch = self._branch_of(session)
        if session.state is EARLY:
            party = self._user.fork_renegotiates(branch)
            if party is not None:
                party.session_answered(session, sdp)
            return
        if branch.delay is None:
            branch.delay = self._clock.seconds() - branch.began_at
        self._end()
        self._leave(branch)
        attempt = self._attempt(branch, 200, "OK")
        outcome = outcome_of(200, by=branch.destination.target, attempts=(*self._attempts(), attempt))
        if self._branches:
            self._cancel((ELSEWHERE,), NOT_SELECTED, 487, ANSWERED_ELSEWHERE)
        self._user.fork_answered(branch, sdp or branch.early, outcome)

    def session_rejected(self, session: Session, status: int, reason: str) -> None:
        """A branch refused; or it refused an UPDATE before that."""
        branch = self._branch_of(session)
        if session.state is EARLY:
            party = self._user.fork_renegotiates(branch)
            if party is not None:
                party.session_rejected(session, status, reason)
            return
        self._leave(branch)
        if branch.destination.link is not None:
            # A trunk that sends the call elsewhere has not carried it.
            status = understood(status, cause_in(session.take_fields())) if status >= 400 else 502
        elif status < 400:
            self._redirected(branch, status)
            return
        attempt = self._attempt(branch, status, reason)
        self._outcomes.append(outcome_of(status, reason, by=branch.destination.target, attempts=(attempt,)))
        self._user.branch_ended(branch, status, reason)
        other = branch.destination.instead(status) if branch.delay is None else None
        if other is not None:
            self._ring(other, branch.hunt)
        if status >= 600:
            self._refused_for_all(branch)
        self._check()

    def session_offered(self, session: Session, sdp: bytes) -> None:
        """A branch offers something else than it said at first: the caller is asked, where it hears this one alone."""
        branch = self._branch_of(session)
        party = self._user.fork_renegotiates(branch)
        if party is not None:
            party.session_offered(session, sdp)
        else:
            branch.session.refuse(504)  # RFC 3311 5.2

    def session_informed(self, session: Session, information: Information) -> None:
        """A branch tells something before it has answered: nobody listens."""
        decline(information)

    def session_referred(self, session: Session, referral: Referral) -> None:
        """A branch cannot transfer what it has not answered."""
        referral.refuse(403)

    def session_due(self, session: Session) -> None:
        """A branch has no session yet that would have to be refreshed."""

    def session_ended(self, session: Session, reason: str) -> None:
        """A branch ended what it never answered."""
        self.session_rejected(session, 480, reason)

    def _ring(self, destination: Destination, hunt: Hunt | None = None) -> None:
        branch = self._user.branch(destination, self)
        branch.hunt, branch.began_at = hunt, self._clock.seconds()
        self._branches.append(branch)
        patience = destination.patience
        if hunt is not None:
            patience = min(patience or hunt.ring_for, hunt.ring_for)
        if patience:
            branch.expiry = self._clock.callLater(patience, self._given_up, branch)
        self._user.offer(branch).addCallbacks(
            self._invite, self._not_offered, callbackArgs=(branch,), errbackArgs=(branch,)
        )

    def _invite(self, sdp: bytes, branch: Branch) -> None:
        if branch in self._branches:
            self._user.invite(branch, sdp)

    def _not_offered(self, failure: Failure, branch: Branch) -> None:
        if branch in self._branches:
            self._leave(branch)
            outcome = self._user.failed(failure)
            self._user.branch_ended(branch, outcome.code, outcome.text)
            self._outcomes.append(outcome)
            self._check()

    def _expired(self) -> None:
        self._expiry = None
        self._hunts = ()
        for branch in self._branches:
            self._not_answered(branch)
        self._cancel((), NO_ANSWER, 480, NOT_ANSWERED)
        self._check()

    def _stalled(self) -> None:
        """Those that have shown no sign of progress are not going to."""
        self._progress = None
        for branch in [branch for branch in self._branches if branch.delay is None and branch.hunt is None]:
            self._branches.remove(branch)
            attempt = self._attempt(branch, 408, NO_PROGRESS)
            self._outcomes.append(Failed(408, attempt.text, by=attempt.target, attempts=(attempt,)))
            branch.cancel((), OVERDUE)
            self._user.branch_ended(branch, attempt.code, attempt.text)
        self._check()

    def _given_up(self, branch: Branch) -> None:
        """One branch has rung for as long as it may, which is shorter than the others."""
        branch.expiry = None
        self._branches.remove(branch)
        self._not_answered(branch)
        branch.cancel((), NO_ANSWER)
        self._user.branch_ended(branch, 480, NOT_ANSWERED)
        self._check()

    def _not_answered(self, branch: Branch) -> None:
        attempt = self._attempt(branch, 480, NOT_ANSWERED)
        # Where nothing came back the phone may be gone; it rang for nobody all the same.
        self._outcomes.append(NoAnswer(by=branch.destination.target, attempts=(attempt,)))

    def _leave(self, branch: Branch) -> None:
        self._branches.remove(branch)
        branch.settle()

    def _redirected(self, branch: Branch, status: int) -> None:
        """A phone sends the call elsewhere: its extension's other phones need not ring any more (RFC 3261 21.3)."""
        target = branch.destination.target
        diversion = self._user.diversion(branch, branch.session.take_fields())
        if diversion is not None and isinstance(target, ExtensionTarget):
            self._outcomes.append(diverted(target, diversion, status, branch.delay))
            self._user.branch_ended(branch, status, SENT_ON)
            others = [other for other in self._branches if other.destination.target == target]
            self._drop(others, (), NOT_SELECTED, 487, SENT_ON)
        else:
            attempt = self._attempt(branch, 480, "sent elsewhere, which is not followed")
            self._outcomes.append(NoAnswer(by=target, attempts=(attempt,)))
            self._user.branch_ended(branch, attempt.code, attempt.text)
        self._check()

    def _refused_for_all(self, branch: Branch) -> None:
        """Nobody else is wanted either (RFC 3261 16.7 step 5): of those who have their turn with it, or of all."""
        if branch.hunt is None:
            self._end()
            self._cancel((), NOT_SELECTED, 487, DECLINED_FOR_ALL)
        else:
            others = [other for other in self._branches if other.hunt is branch.hunt]
            self._drop(others, (), NOT_SELECTED, 487, DECLINED_FOR_ALL)

    def _check(self) -> None:
        """Give the next ones of each group their turn; tell the user when no branch is left."""
        if self._starting:
            return
        if self._hunts:
            self._hunt()
        if not self._branches:
            self._end()
            self._user.fork_failed(best(self._outcomes))

    def _hunt(self) -> None:
        self._starting = True  # so that whoever fails at once does not hunt, too
        for hunt in self._hunts:
            while not any(branch.hunt is hunt for branch in self._branches):
                following = hunt.next()
                if following is None:
                    break
                destinations, lost = following
                self._outcomes += lost
                for destination in destinations:
                    self._ring(destination, hunt)
        self._starting = False

    def _cancel(self, more: tuple[Field, ...], cause: int, code: int, text: str) -> None:
        self._drop(self._branches, more, cause, code, text)

    def _drop(self, branches: Sequence[Branch], more: tuple[Field, ...], cause: int, code: int, text: str) -> None:
        self._branches = [branch for branch in self._branches if branch not in branches]
        for branch in branches:
            branch.cancel(more, cause)
            self._user.branch_ended(branch, code, text)

    def _end(self) -> None:
        self._over = True
        self._hunts = ()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._progress is not None:
            self._progress.cancel()
            self._progress = None

    def _attempt(self, branch: Branch, code: int, text: str) -> Attempt:
        target: Target = branch.destination.target
        return Attempt(target, code, text, branch.delay)

    def _attempts(self) -> tuple[Attempt, ...]:
        return tuple([attempt for outcome in self._outcomes for attempt in outcome.attempts])

    def _branch_of(self, session: Session) -> Branch:
        return next(branch for branch in self._branches if branch.session is session)
