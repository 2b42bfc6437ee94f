"""What is true of a call, as its script finds it out, to be compared with what the call's record tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pbx.exchange.record import CallRecord

PROMPT = 0.25  # seconds by which a record may be behind the truth, or before it: a few hops
LATE = 64.0  # seconds by which it may be where a datagram of the call was lost meanwhile: it is sent again for so long

Lost = Callable[[float, float], bool]
"""Whether a datagram of the call's phones was lost between two moments."""


class Moment:
    """When something happened.

    :param at: in the clock's seconds.
    :param since: since when a loss may have delayed it.
    :param within: seconds by which it may be later anyhow.
    :param is_seen: whether the script did not do it but saw it at a phone, which a loss may have kept from seeing it.
    """

    def __init__(self, at: float, since: float, within: float = 0.0, is_seen: bool = False) -> None:
        self.at = at
        self.since = since
        self.within = within
        self.is_seen = is_seen

    def agrees(self, told: float | None, lost: Lost) -> bool:
        """Whether a record tells it: what is late must be explained by a loss."""
        if told is None:
            return False
        early = self.at - told
        if early > PROMPT:
            return self.is_seen and early <= LATE and lost(told - PROMPT, self.at)
        late = told - self.at - self.within
        return late <= PROMPT or (late <= LATE and lost(self.since - PROMPT, told))

    def __repr__(self) -> str:
        return f"{self.at:.3f}"


class Truth:
    """One call's.

    :param now: the clock's seconds.
    :param caller: the number that calls; "" for none that is shown.
    :param dialled: what it dials.
    :ivar cause: the name of the cause.
    :ivar by: who ended it.
    :ivar code: the final status that the caller was given.
    :ivar transferred: who talks in the caller's name, whom that has transferred; "" for nobody.
    :ivar reached: whom it talked to; "" for nobody.
    :ivar tried: the target and the final status of each attempt, in any order; None does not matter.
    :ivar rang: when the first sign of progress came; None where none did.
    :ivar answered: when somebody answered the caller; None where nobody did.
    :ivar ended: when it ended; None where nobody but the exchange knows.
    """

    def __init__(self, now: Callable[[], float], caller: str, dialled: str) -> None:
        self._now = now
        self.caller = caller
        self.dialled = dialled
        self.cause = self.by = self.reached = self.transferred = ""
        self.code = 0
        self.tried: Sequence[tuple[str, int]] | None = None
        self.began = self._moment()
        self.rang: Moment | None = None
        self.answered: Moment | None = None
        self.ended: Moment | None = None

    # What its script finds out

    def rings(self) -> None:
        """Somebody's phone begins to ring now."""
        self.rang = self.rang or self._moment()

    def answers(self, number: str) -> None:
        """Somebody answers now."""
        self.reached = number
        self.rings()
        self.answered = self.answered or self._moment()

    def is_answered_here(self) -> None:
        """The exchange itself has answered, as a phone shows now."""
        self.answered = self._moment(is_seen=True)

    def ends(self, cause: str, by: str, code: int = 200, *tried: tuple[str, int]) -> None:
        """It ends now: in this way.

        :param tried: each attempt's target and final status; none does not matter.
        """
        self.cause, self.by, self.code = cause, by, code
        self.tried = tried or None
        self.ended = self._moment()

    def is_over(self, cause: str, by: str, code: int = 200, *tried: tuple[str, int]) -> None:
        """It has ended in this way, as a phone shows now."""
        self.ends(cause, by, code, *tried)
        self.ended = self._moment(is_seen=True)

    def ends_after(self, seconds: float, since: Moment | None, within: float = 0.0) -> None:
        """It is a timer that ends it.

        :param seconds: its duration.
        :param since: when it began.
        :param within: seconds by which it may fire later.
        """
        assert since is not None
        self.ended = Moment(since.at + seconds, since.at, within)

    def _moment(self, is_seen: bool = False) -> Moment:
        now = self._now()
        return Moment(now, now, is_seen=is_seen)

    # What the record tells

    def faults(self, record: CallRecord, lost: Lost) -> list[str]:
        """What a record tells otherwise."""
        facts = ("cause", "by", "code", "reached", "transferred", "caller", "dialled")
        told: tuple[object, ...] = (record.cause, record.ended_by, record.code, record.reached, record.transferred)
        told = (*told, record.caller, record.dialled)
        found = [
            f"{name}: {one!r} is told, {getattr(self, name)!r} is true"
            for name, one in zip(facts, told, strict=True)
            if one != getattr(self, name)
        ]
        for name, moment in (("rang_at", record.rang_at), ("answered_at", record.answered_at)):
            true = getattr(self, name.removesuffix("_at"))
            if name == "rang_at" and moment is None and true and lost(true.at - PROMPT, true.at + PROMPT):
                continue  # nobody repeats a 180 that was lost, but where the INVITE comes again
            if (true is None) != (moment is None) or (true is not None and not true.agrees(moment, lost)):
                found.append(f"{name}: {moment} is told, {true} is true")
        if not self.began.agrees(record.began_at, lost):
            found.append(f"began_at: {record.began_at} is told, {self.began} is true")
        if self.ended is not None and not self.ended.agrees(record.ended_at, lost):
            found.append(f"ended_at: {record.ended_at} is told, {self.ended} is true")
        tried = sorted((attempt.target, attempt.code) for attempt in record.attempts)
        if self.tried is not None and tried != sorted(self.tried):
            found.append(f"attempts: {tried} are told, {sorted(self.tried)} are true")
        return found
