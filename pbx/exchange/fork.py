"""A fork: several callees rung at once, the first to answer wins (RFC 3261 16.7, by a B2BUA).

It ends once: with the branch that answered, or with the best outcome of all. The losers are told that the call was
completed elsewhere. The members of ring groups may have their turns one after the other. In the place of one who has
sent the call on there may be a detour, which takes as long as it likes and ends with an outcome, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from twisted.python.failure import Failure

from pbx.exchange.branch import (
    DECLINED_FOR_ALL,
    LOST,
    NOT_ANSWERED,
    REMOVED,
    SENT_ON,
    STALLED,
    UNANSWERED,
    Branch,
    Loss,
    Renegotiating,
)
from pbx.exchange.cause import cause_in, understood
from pbx.exchange.destination import Destination
from pbx.exchange.diversion import Diversion
from pbx.exchange.forwarding import diverted
from pbx.exchange.hunt import Hunt
from pbx.exchange.outcome import Answered, Attempt, Failed, NoAnswer, Outcome, Unreachable, best, outcome_of
from pbx.exchange.party import Party
from pbx.exchange.passing import decline
from pbx.exchange.target import ExtensionTarget
from pbx.media.relay import Result, when
from pbx.sip.headers import Field
from pbx.sip.information import Information
from pbx.sip.refer import Referral
from pbx.sip.session import EARLY, Session, SessionUser
from pbx.sip.timers import Clock, Timer


class Detour(Protocol):
    """A way that the call takes in the place of a callee who has sent it on, beside the branches.

    :ivar sent: what that callee's own phones came to.
    :ivar hunt: that of which the callee has its turn; None where it was rung with all others.
    :ivar expiry: until it is given up before the others; None where it may last as long as they ring.
    """

    sent: Outcome
    hunt: Hunt | None
    expiry: Timer | None

    @property
    def rung(self) -> Mapping[str, Session]:
        """A session with a phone of each extension that is rung, by number."""

    def begin(self) -> None:
        """Take it. It may be over at once."""

    def forsake(self, number: str) -> None:
        """Ring the phones of an extension no longer: it was removed."""

    def hand_over(self, party: Party) -> None:
        """Another party has the place of the one for whom all ring."""

    def stop(self, loss: Loss) -> Sequence[Attempt]:
        """Ring nobody there any more; return all attempts that were made."""


class ForkUser(Protocol):
    """Whom a fork tells: the bridge."""

    def branch(self, destination: Destination, user: SessionUser) -> Branch:
        """Make a branch to a destination."""

    def offer(self, branch: Branch) -> Result[bytes]:
        """The caller's offer, as that branch is to see it."""

    def invite(self, sdp: bytes, branch: Branch) -> None:
        """Send the INVITE of a branch, unless that was given up meanwhile."""

    def fork_skipped(self, outcome: Outcome) -> None:
        """A target cannot even be rung."""

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

    def detour(self, outcome: Outcome, hunt: Hunt | None) -> Detour | Outcome | None:
        """What becomes of a call that a callee's phones have not taken: its way to somebody else, or how it ends where
        it may not go there; None where it goes nowhere else.

        :param hunt: that of which the callee has its turn.
        """

    def branch_ended(self, branch: Branch, code: int, text: str) -> None:
        """A branch will not answer; its media can go.

        :param code: the final status; 487 where it was given up.
        :param text: the same in words.
        """

    def failed(self, failure: Failure) -> Outcome:
        """What it means that media failed."""


class Fork:
    """The ringing of all branches.

    :ivar detours: those that are taken at present.
    """

    __slots__ = (
        "_branches", "_clock", "_expiry", "_hunts", "_outcomes", "_over", "_progress", "_starting", "_user", "detours",
    )  # fmt: skip

    def __init__(self, user: ForkUser, clock: Clock) -> None:
        self._user = user
        self._clock = clock
        self._branches: dict[Session, Branch] = {}
        self.detours: list[Detour] = []
        self._outcomes: list[Outcome] = []
        self._expiry: Timer | None = None
        self._progress: Timer | None = None
        self._hunts: Sequence[Hunt] = ()
        self._starting = True
        self._over = False

    def ring(
        self,
        destinations: Sequence[Destination],
        lost: Sequence[Outcome],
        timeout: float,
        progress_within: float | None = None,
        hunts: Sequence[Hunt] = (),
    ) -> None:
        """Ring them all.

        :param lost: outcomes of targets that cannot even be rung.
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
            self._ring(destination, None)
        if lost:
            self._skip(lost, None)
        self._starting = False
        if hunts or not self._branches:
            self._check()

    def lose(self) -> tuple[Attempt, ...]:
        """Cancel all branches: somebody else has answered. Return the attempts that had ended before."""
        attempts = self._attempts()
        self.stop(LOST)
        return attempts

    def stop(self, loss: Loss) -> tuple[Attempt, ...]:
        """Cancel all branches, and tell nobody; return all attempts that were made."""
        self._end()
        branches = self.branches
        given_up = [self._attempt(branch, loss.code, loss.text) for branch in branches]
        self._drop(branches, loss)
        gone = [attempt for detour in self._take_detours() for attempt in detour.stop(loss)]
        return (*self._attempts(), *given_up, *gone)

    def detour_won(self, detour: Detour) -> tuple[Attempt, ...]:
        """Somebody has answered where a callee has sent the call on: as `lose`, for all others."""
        self.detours.remove(detour)
        _settle(detour)
        return (*self.lose(), *detour.sent.attempts)

    def detour_ended(self, detour: Detour, outcome: Outcome) -> None:
        """Where a callee has sent the call on, nobody has answered either."""
        if detour in self.detours:
            self.detours.remove(detour)
            _settle(detour)
            self._outcomes.append(outcome)
            self._check()

    def forsake(self, number: str) -> None:
        """Ring the phones of an extension no longer: it was removed."""
        gone = [branch for branch in self.branches if branch.destination.number == number]
        for branch in gone:
            attempt = self._attempt(branch, REMOVED.code, REMOVED.text)
            self._outcomes.append(Unreachable(by=attempt.target, attempts=(attempt,)))
        self._drop(gone, REMOVED)
        for detour in tuple(self.detours):
            detour.forsake(number)
        if gone:
            self._check()

    @property
    def is_single(self) -> bool:
        """Whether one callee is left that may answer, and is so by one early dialog."""
        branches = self.branches
        return len(branches) == 1 and not (self.detours or branches[0].session.is_forked)

    @property
    def branches(self) -> Sequence[Branch]:
        """Those that are rung."""
        return list(self._branches.values())

    @property
    def rung(self) -> dict[str, Session]:
        """A session with a phone of each extension that is rung, by number."""
        rung: dict[str, Session] = {
            branch.destination.number: branch.session for branch in self.branches if branch.destination.number
        }
        for detour in self.detours:
            rung.update(detour.rung)
        return rung

    def number_of(self, session: Session) -> str:
        """The extension whose phone a branch rings; "" for none."""
        branch = self._branches.get(session)
        return branch.destination.number if branch is not None else ""

    def picked_up(self, session: Session, party: Party) -> None:
        """Somebody else answers what a branch rings for."""
        branch = self._branches[session]
        attempts = (*self.lose(), self._attempt(branch, 200, "picked up"))
        self._user.fork_picked_up(party, Answered(by=branch.destination.target, attempts=attempts))

    def session_progressed(self, session: Session, status: int, sdp: bytes) -> None:
        """A branch has a provisional response."""
        branch = self._branches[session]
        if branch.delay is None:
            branch.delay = self._clock.seconds() - branch.began_at
        branch.early = sdp or branch.early
        self._user.fork_progressed(branch, status, sdp)

    def session_answered(self, session: Session, sdp: bytes) -> None:
        """The first branch answered; or one took an UPDATE before that."""
        branch = self._branches[session]
        if session.state is EARLY:
            party = self._user.fork_renegotiates(branch)
            if party is not None:
                party.session_answered(session, sdp)
            return
        if branch.delay is None:
            branch.delay = self._clock.seconds() - branch.began_at
        del self._branches[session]
        if branch.expiry is not None:
            branch.settle()
        self._end()
        before = self.lose() if self._branches or self.detours or self._outcomes else ()
        target = branch.destination.target
        outcome = Answered(by=target, attempts=(*before, Attempt(target, 200, "OK", branch.delay)))
        self._user.fork_answered(branch, sdp or branch.early, outcome)

    def session_rejected(self, session: Session, status: int, reason: str) -> None:
        """A branch refused; or it refused an UPDATE before that."""
        branch = self._branches[session]
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
        self._user.branch_ended(branch, status, reason)
        other = branch.destination.instead(status) if branch.delay is None else None
        if other is not None:
            self._ring(other, branch.hunt)
        self._lose(outcome_of(status, reason, by=branch.destination.target, attempts=(attempt,)), branch.hunt)
        if status >= 600:
            self._refused_for_all(branch)
        self._check()

    def session_offered(self, session: Session, sdp: bytes) -> None:
        """A branch offers something else than it said at first: the caller is asked, where it hears this one alone."""
        branch = self._branches[session]
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

    def _skip(self, lost: Sequence[Outcome], hunt: Hunt | None) -> None:
        for outcome in lost:
            self._user.fork_skipped(outcome)
            self._lose(outcome, hunt)

    def _ring(self, destination: Destination, hunt: Hunt | None) -> None:
        branch = self._user.branch(destination, self)
        branch.hunt, branch.began_at = hunt, self._clock.seconds()
        self._branches[branch.session] = branch
        patience = destination.patience
        if hunt is not None:
            patience = min(patience or hunt.ring_for, hunt.ring_for)
        if patience:
            branch.expiry = self._clock.callLater(patience, self._given_up, branch)
        user = self._user
        when(user.offer(branch), user.invite, self._not_offered, (branch,), (branch,))

    def _not_offered(self, failure: Failure, branch: Branch) -> None:
        if branch.session in self._branches:
            self._leave(branch)
            outcome = self._user.failed(failure)
            self._user.branch_ended(branch, outcome.code, outcome.text)
            self._outcomes.append(outcome)
            self._check()

    def _expired(self) -> None:
        self._expiry = None
        self._hunts = ()
        branches, detours = self.branches, self._take_detours()
        self._outcomes += [self._not_answered(branch) for branch in branches]
        self._drop(branches, UNANSWERED)
        self._outcomes += [_given_up(detour) for detour in detours]
        self._check()

    def _stalled(self) -> None:
        """Those that have shown no sign of progress are not going to."""
        self._progress = None
        stalled = [branch for branch in self.branches if branch.delay is None and branch.hunt is None]
        self._drop(stalled, STALLED)
        for branch in stalled:
            attempt = self._attempt(branch, STALLED.code, STALLED.text)
            self._lose(Failed(408, attempt.text, by=attempt.target, attempts=(attempt,)), None)
        self._check()

    def _given_up(self, branch: Branch) -> None:
        """One branch has rung for as long as it may, which is shorter than the others."""
        branch.expiry = None
        self._drop([branch], UNANSWERED)
        self._lose(self._not_answered(branch), branch.hunt)
        self._check()

    def _not_answered(self, branch: Branch) -> Outcome:
        # Where nothing came back the phone may be gone; it rang for nobody all the same.
        return NoAnswer(by=branch.destination.target, attempts=(self._attempt(branch, 480, NOT_ANSWERED),))

    def _lose(self, outcome: Outcome, hunt: Hunt | None) -> None:
        """One of a callee's phones will not answer; when that was its last one, the call may go on to somebody else."""
        target, before = outcome.by, []
        if isinstance(target, ExtensionTarget):
            if any(branch.destination.target == target for branch in self.branches):
                self._outcomes.append(outcome)
                return
            before = [one for one in self._outcomes if one.by == target]
        found = self._user.detour(best((*before, outcome)) if before else outcome, hunt)
        if found is None:
            self._outcomes.append(outcome)
            return
        self._outcomes = [one for one in self._outcomes if one not in before]
        if isinstance(found, Outcome):
            self._outcomes.append(found)
            return
        self.detours.append(found)
        if hunt is not None:
            found.expiry = self._clock.callLater(hunt.ring_for, self._detour_overdue, found)
        found.begin()

    def _detour_overdue(self, detour: Detour) -> None:
        detour.expiry = None
        self.detours.remove(detour)
        self._outcomes.append(_given_up(detour))
        self._check()

    def _take_detours(self, hunt: Hunt | None = None) -> list[Detour]:
        """Those of a hunt, or all: they are the fork's no more."""
        taken = [detour for detour in self.detours if hunt is None or detour.hunt is hunt]
        self.detours = [detour for detour in self.detours if detour not in taken]
        for detour in taken:
            _settle(detour)
        return taken

    def _leave(self, branch: Branch) -> None:
        del self._branches[branch.session]
        branch.settle()

    def _redirected(self, branch: Branch, status: int) -> None:
        """A phone sends the call elsewhere: its extension's other phones need not ring any more (RFC 3261 21.3)."""
        target = branch.destination.target
        diversion = self._user.diversion(branch, branch.session.take_fields())
        if diversion is not None and isinstance(target, ExtensionTarget):
            self._user.branch_ended(branch, status, SENT_ON.text)
            others = [other for other in self.branches if other.destination.target == target]
            self._drop(others, SENT_ON)
            self._lose(diverted(target, diversion, status, branch.delay), branch.hunt)
        else:
            attempt = self._attempt(branch, 480, "sent elsewhere, which is not followed")
            self._user.branch_ended(branch, attempt.code, attempt.text)
            self._outcomes.append(NoAnswer(by=target, attempts=(attempt,)))
        self._check()

    def _refused_for_all(self, branch: Branch) -> None:
        """Nobody else is wanted either (RFC 3261 16.7 step 5): of those who have their turn with it, or of all."""
        hunt = branch.hunt
        if hunt is None:
            self._hunts = ()
        self._drop([other for other in self.branches if hunt is None or other.hunt is hunt], DECLINED_FOR_ALL)
        for detour in self._take_detours(hunt):
            detour.stop(DECLINED_FOR_ALL)

    def _check(self) -> None:
        """Give the next ones of each group their turn; tell the user when no branch is left."""
        if self._starting or self._over:
            return
        if self._hunts:
            self._hunt()
        if not (self._branches or self.detours):
            self._end()
            self._user.fork_failed(best(self._outcomes))

    def _hunt(self) -> None:
        self._starting = True  # so that whoever fails at once does not hunt, too
        try:
            for hunt in self._hunts:
                while not any(branch.hunt is hunt for branch in self.branches) and not any(
                    detour.hunt is hunt for detour in self.detours
                ):
                    following = hunt.next()
                    if following is None:
                        break
                    destinations, lost = following
                    for destination in destinations:
                        self._ring(destination, hunt)
                    self._skip(lost, hunt)
        finally:
            self._starting = False

    def _drop(self, branches: Sequence[Branch], loss: Loss) -> None:
        for branch in branches:
            del self._branches[branch.session]
        for branch in branches:
            branch.cancel(loss)
            self._user.branch_ended(branch, loss.code, loss.text)

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
        return Attempt(branch.destination.target, code, text, branch.delay)

    def _attempts(self) -> tuple[Attempt, ...]:
        return tuple([attempt for outcome in self._outcomes for attempt in outcome.attempts])


def _given_up(detour: Detour) -> Outcome:
    """How a detour ends whose time is over."""
    return NoAnswer(by=detour.sent.by, attempts=(*detour.sent.attempts, *detour.stop(UNANSWERED)))


def _settle(detour: Detour) -> None:
    if detour.expiry is not None:
        detour.expiry.cancel()
        detour.expiry = None
