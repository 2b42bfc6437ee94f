"""A story: what has happened to one call so far, from which its record and its cause are made.

It is told later than it happens (`pbx.exchange.history`): of what changes, it is given what it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from pbx.exchange.branch import NOT_ANSWERED
from pbx.exchange.caller import Caller
from pbx.exchange.group import Callee
from pbx.exchange.observer import By, Ending
from pbx.exchange.outcome import Answered, Attempt, Busy, Declined, Failed, NoAnswer, Outcome, Unreachable
from pbx.exchange.record import AttemptRecord, CallRecord
from pbx.exchange.target import ExtensionTarget, Target, TrunkTarget
from pbx.media.rtp import Address
from pbx.sip.errors import Malformed
from pbx.sip.sdp import parse

MOST_ATTEMPTS = 50  # that are kept of one call: a plan may try for as long as a call may last
JOINED = "joined without being rung"  # it has picked up, was parked, or has the call back
ONE_WAY = 250  # packets, five seconds of speech: who hears that, and is not heard at all, has reason to complain


class Story:
    """One call's.

    :ivar record: what is to be kept of it.
    :ivar targets: whom the dialplan has called last.
    :ivar timeout: for how many seconds at most.
    :ivar dialled_at: when; 0.0 before the first time.
    :ivar outcome: what came of that; None while it lasts.
    :ivar skipped: those of them that could not even be rung.
    :ivar callee: the attempt that was answered last; None while nobody is called anew.
    :ivar words: why the call ended, as it has it: of the callee that has left, or of all; "" while it lasts.
    :ivar by: who ended it.
    :ivar left: why that callee has left, in words; "" while it is there.
    :ivar offered: the codecs that the caller offers, where that matters.
    :ivar holder: who has the other one on hold, or had at the end: "caller", "callee", "" for nobody.
    """

    __slots__ = (
        "_branches", "_held_since", "by", "callee", "dialled_at", "holder", "left", "offered", "outcome", "record",
        "skipped", "targets", "timeout", "words",
    )  # fmt: skip

    def __init__(self, id: str, caller: Caller, host: str, number: str, begun_at: float, transferred: str) -> None:
        """
        :param transferred: the number of who is transferred, where the call is made in the name of `caller`.
        """
        named = ("", "") if caller.is_private else (caller.number, caller.name)
        self.record = CallRecord(*(id, caller.source.value, *named, host, number, begun_at, caller.trunk, transferred))
        self.targets: Sequence[Callee] = ()
        self.timeout = 0.0
        self.dialled_at = 0.0
        self.outcome: Outcome | None = None
        self.callee: AttemptRecord | None = None
        self.words = self.by = self.left = self.holder = ""
        self.skipped: tuple[Target, ...] = ()
        self._held_since: dict[str, float] = {}
        self.offered: list[str] = []
        self._branches: dict[int, AttemptRecord] = {}  # by the branches' identities

    # What happens, and when

    def dials(self, now: float, targets: Sequence[Callee], timeout: float) -> None:
        """The dialplan calls somebody."""
        self.targets, self.timeout, self.dialled_at = targets, timeout, now
        self.outcome = self.callee = None
        self.skipped = ()
        self.left = self.holder = ""

    def dialled(self, now: float, outcome: Outcome) -> None:
        """What came of that."""
        self.outcome = outcome

    def skips(self, now: float, target: Target, code: int, text: str) -> None:
        """An attempt that ends before it begins."""
        self.skipped += (target,)
        attempt = self._attempt(target, target.number if isinstance(target, ExtensionTarget) else "", "", now)
        attempt.ended_at, attempt.code, attempt.text = now, code, text

    def begins(self, now: float, branch: int, target: Target, number: str, address: Address | None) -> None:
        """An attempt.

        :param address: where its INVITE goes; None where that is not known yet.
        """
        self._branches[branch] = self._attempt(target, number, shown(address), now)

    def _attempt(self, target: Target, number: str, address: str, now: float) -> AttemptRecord:
        number, trunk = (target.number, target.trunk) if isinstance(target, TrunkTarget) else (number, "")
        return self._noted(AttemptRecord(*(self.record.id, 0, str(target), number, trunk, address, now)))

    def _noted(self, attempt: AttemptRecord) -> AttemptRecord:
        """The same, as the next one that is kept."""
        attempts = self.record.attempts
        attempt.place = len(attempts) + 1
        if len(attempts) < MOST_ATTEMPTS:
            attempts.append(attempt)
        return attempt

    def rings(self, now: float, branch: int, address: Address | None) -> None:
        """It shows a sign of progress.

        :param address: where its INVITE went.
        """
        attempt = self._branches[branch]
        if attempt.rang_at is None:
            attempt.rang_at = now
            attempt.address = attempt.address or shown(address)
        if self.record.rang_at is None:
            self.record.rang_at = now

    def answers(self, now: float, branch: int, address: Address | None) -> None:
        """It answers."""
        self.rings(now, branch, address)
        self.callee = attempt = self._branches.pop(branch)
        attempt.answered_at = now
        attempt.code, attempt.text = 200, "OK"
        self.record.reached = attempt.number or attempt.target
        self.record.trunk_out = attempt.trunk

    def ends(self, now: float, branch: int, code: int, text: str, offer: bytes) -> None:
        """It ends without an answer."""
        attempt = self._branches.pop(branch)
        attempt.ended_at, attempt.code, attempt.text = now, code, text
        if code == 488 and not self.offered:
            self.offered = _codecs(offer)

    def is_answered(self, now: float) -> None:
        """The caller is given a 2xx."""
        if self.record.answered_at is None:
            self.record.answered_at = now

    def enters(self, now: float, place: str) -> None:
        """The caller comes to a place of ours."""
        self.record.place = place

    def leaves(self, now: float, words: str) -> None:
        """The callee leaves."""
        self.left = words
        self.holder = next(iter(self._held_since), "")
        self._resumes_all(now)
        if self.callee is not None:
            self.callee.ended_at = now

    def is_joined(self, now: float, number: str, address: Address | None) -> None:
        """Somebody is the callee who was not rung.

        :param number: its own; "" where it is withheld.
        """
        name = number or "a withheld number"
        attempt = AttemptRecord(*(self.record.id, 0, name, number, "", shown(address), now))
        attempt.answered_at, attempt.code, attempt.text = now, 200, JOINED
        self.callee = self._noted(attempt)
        self.record.reached, self.record.trunk_out = name, ""
        self.left = ""

    def is_transferred(self, now: float, leader: str | None, other: str) -> None:
        """Another party has the place of one: who is there now?

        :param leader: the number of who has the caller's place; None for the caller.
        :param other: that of who has the callee's; "" for nobody.
        """
        if leader is not None:
            self.record.transferred = leader
        self.record.reached = other or self.record.reached
        self._resumes_all(now)
        self.left = ""

    def holds(self, now: float, is_caller: bool, is_held: bool) -> None:
        """One end puts the other one on hold, or resumes."""
        end = "caller" if is_caller else "callee"
        if is_held:
            self._held_since.setdefault(end, now)
        else:
            self._resumes(end, now)

    def _resumes(self, end: str, now: float) -> None:
        since = self._held_since.pop(end, now)
        if end == "caller":
            self.record.caller_held += now - since
        else:
            self.record.callee_held += now - since

    def _resumes_all(self, now: float) -> None:
        for end in list(self._held_since):
            self._resumes(end, now)

    def is_over(self, now: float, ending: Ending) -> None:
        """The call ends."""
        self._branches.clear()
        if self._held_since:
            self.holder = next(iter(self._held_since))
            self._resumes_all(now)
        if self.callee is not None and self.callee.ended_at is None:
            self.callee.ended_at = now
        record = self.record
        record.ended_at, record.code = now, ending.status
        has_left = bool(self.left) and ending.by is By.PLAN  # then the plan has only drawn the conclusion
        record.ended_by = self.by = By.CALLEE.value if has_left else ending.by.value
        self.words = self.left if has_left and not ending.words else ending.words
        last = self.callee or next(reversed(record.attempts), None)
        record.trunk_out = last.trunk if last is not None else next(iter(_trunks(self.targets)), "")

    # What it comes to, for `pbx.exchange.causes`

    @property
    def is_connected(self) -> bool:
        """Whether it was a talk of two, at the end."""
        return self.callee is not None and self.record.answered_at is not None and not self.record.place

    @property
    def failure(self) -> Outcome | None:
        """What came of the last `dial`, where nobody answered it; None where somebody did, or where it goes on."""
        return None if self.outcome is None or isinstance(self.outcome, Answered) else self.outcome

    @property
    def code(self) -> int:
        """The status of that."""
        failure = self.failure
        return 0 if failure is None else failure.code

    @property
    def text(self) -> str:
        """That in words; of a trunk, or of who decided."""
        failure = self.failure
        return "" if failure is None else failure.text

    @property
    def is_skipped(self) -> bool:
        """Whether who has decided so could not even be rung."""
        failure = self.failure
        return failure is not None and failure.by in self.skipped

    @property
    def is_by_callee(self) -> bool:
        """Whether a callee has said so, and not we ourselves."""
        failure = self.failure
        return failure is not None and any(attempt.code == failure.code for attempt in failure.attempts)

    def failed_as(self, *kinds: type[Busy | Declined | NoAnswer | Unreachable | Failed]) -> bool:
        """Whether the last `dial` has failed in one of these ways."""
        return isinstance(self.outcome, kinds)

    @property
    def deciding(self) -> Attempt | None:
        """The attempt that decided the failure."""
        failure = self.failure
        if failure is None:
            return None
        return next((attempt for attempt in failure.attempts if attempt.target == failure.by), None)

    @property
    def is_unanswered(self) -> bool:
        """Whether we have given up the last `dial` ourselves, since it was not answered in time."""
        attempt = self.deciding
        return self.failed_as(NoAnswer) and (attempt is None or attempt.text == NOT_ANSWERED)

    @property
    def trunk(self) -> str:
        """The trunk that decided the failure, or else that of the record; "" for none."""
        failure = self.failure
        deciding = None if failure is None else failure.by
        return deciding.trunk if isinstance(deciding, TrunkTarget) else self.record.trunk_out

    @property
    def silent(self) -> str:
        """Who was heard by nobody, while the other one was heard: "caller" or "callee"; "" for neither."""
        caller, callee = self.record.from_caller.packets, self.record.from_callee.packets
        if not caller and callee >= ONE_WAY:
            return "caller"
        return "callee" if not callee and caller >= ONE_WAY else ""


def codec_named(name: str) -> str:
    """A codec as people write it, from its name in lower case."""
    return name if name == "opus" else name.upper()


def _trunks(targets: Sequence[Callee]) -> list[str]:
    return [target.trunk for target in targets if isinstance(target, TrunkTarget)]


def _codecs(offer: bytes) -> list[str]:
    """The codecs of the audio in an offer, as it names them."""
    try:
        audio = [media for media in parse(offer).media if media.kind == "audio"]
    except Malformed:
        return []
    found = [codec.name for media in audio for codec in media.codecs().values()]
    return [codec_named(name) for name in dict.fromkeys(found) if name not in ("telephone-event", "cn")]


def shown(address: Address | None) -> str:
    """An address as host:port; "" for none."""
    if address is None:
        return ""
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
