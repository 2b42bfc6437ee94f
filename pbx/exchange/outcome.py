"""How an attempt to call somebody ended, as a value. No way of ending is an exception.

The mapping from SIP status codes to outcomes, and from outcomes back to the status that the caller gets, is here and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from pbx.exchange.diversion import Diversion
from pbx.exchange.leg import GONE, Leg
from pbx.exchange.target import Target
from pbx.sip.status import reason_of, recognised


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one callee.

    :param target: whom it was for.
    :param code: the final status it ended with.
    :param text: the reason in words.
    :param delay: seconds until the first sign of progress (180, 183 or 2xx); None when there was none.
    """

    target: Target
    code: int
    text: str
    delay: float | None


@dataclass(frozen=True, slots=True)
class _Ending:
    """What every outcome tells. `code` is what happened, `status` what the caller gets when the plan ends so.

    :param by: the target that decided the outcome; None when nobody did.
    :param attempts: every try that led to it, in the order in which they ended.
    :param diversion: who wants somebody else to be called instead; None when nobody does.
    """

    answered: ClassVar[bool] = False

    by: Target | None = field(default=None, kw_only=True)
    attempts: tuple[Attempt, ...] = field(default=(), kw_only=True)
    diversion: Diversion | None = field(default=None, kw_only=True, repr=False)

    def __bool__(self) -> bool:
        return self.answered


@dataclass(frozen=True, slots=True)
class Answered(_Ending):
    """Somebody answered. The only outcome that is true.

    :param leg: who, where `ring` has reached him; of a `dial`, one that is gone.
    """

    leg: Leg = field(default=GONE, kw_only=True, compare=False, repr=False)

    answered: ClassVar[bool] = True
    code: ClassVar[int] = 200
    status: ClassVar[int] = 200
    text: ClassVar[str] = "answered"


@dataclass(frozen=True, slots=True)
class Busy(_Ending):
    """The callee is in another call."""

    code: ClassVar[int] = 486
    status: ClassVar[int] = 486
    text: ClassVar[str] = "busy"


@dataclass(frozen=True, slots=True)
class NoAnswer(_Ending):
    """It rang, and nobody answered in time."""

    code: ClassVar[int] = 480
    status: ClassVar[int] = 480
    text: ClassVar[str] = "no answer"


@dataclass(frozen=True, slots=True)
class Declined(_Ending):
    """The callee does not want this call."""

    code: ClassVar[int] = 603
    status: ClassVar[int] = 603
    text: ClassVar[str] = "declined"


@dataclass(frozen=True, slots=True)
class Unreachable(_Ending):
    """No phone is registered."""

    code: ClassVar[int] = 480
    status: ClassVar[int] = 480
    text: ClassVar[str] = "not registered"


@dataclass(frozen=True, slots=True)
class Failed(_Ending):
    """Something went wrong on the way.

    :param code: the status that tells what.
    :param text: the same in words.
    """

    code: int
    text: str = ""

    def network(self) -> bool:
        """Whether it was the way that failed, and another one may lead to the callee: no response, or 5xx."""
        return self.code == 408 or 500 <= self.code <= 599

    @property
    def status(self) -> int:
        """The status for the caller; a 503 would say that we are overloaded ourselves (RFC 3261 16.7)."""
        return self.code if 400 <= self.code <= 699 and self.code != 503 else 500


Outcome = Answered | Busy | NoAnswer | Declined | Unreachable | Failed

_OUTCOMES: dict[int, type[Busy | NoAnswer | Declined]] = {
    480: NoAnswer,
    486: Busy,
    487: NoAnswer,
    600: Busy,
    603: Declined,
    607: Declined,
    608: Declined,
}

_WORDS = {404: "there is no such number", 408: "no response", 488: "no common codec", 604: "there is no such number"}


def outcome_of(status: int, text: str = "", *, by: Target | None = None, attempts: tuple[Attempt, ...] = ()) -> Outcome:
    """Return the outcome that a final status means (the table in docs/dialplan).

    :param status: the callee's final status, 200 or more; 408 when there was no response or no way to send.
    :param text: the reason phrase that came with it, if any.
    :param by: the target it came from.
    :raises ValueError: when the status is not final.
    """
    if status < 200:
        raise ValueError(f"{status} is not a final status")
    if status < 300:
        return Answered(by=by, attempts=attempts)
    known = _OUTCOMES.get(recognised(status))
    if known is not None:
        return known(by=by, attempts=attempts)
    if status in (401, 407):
        # The challenge was for us, not for the caller, who must never see it.
        return Failed(500, "the callee asked for a password", by=by, attempts=attempts)
    words = text or _WORDS.get(status) or reason_of(status)
    return Failed(404 if status == 604 else status, words, by=by, attempts=attempts)


def best(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the best of several callees' outcomes, with the attempts of all of them.

    Answered, then a refusal for all (6xx), then Busy before NoAnswer before Unreachable, then the Failed of the lowest
    class (RFC 3261 16.7); of two equal ones the first. Of those who want somebody else to be called the first counts.

    :raises ValueError: when there is none.
    """
    outcomes = list(outcomes)
    if not outcomes:
        raise ValueError("best() needs at least one outcome")
    attempts = tuple(attempt for outcome in outcomes for attempt in outcome.attempts)
    diversion = next((outcome.diversion for outcome in outcomes if outcome.diversion is not None), None)
    return replace(min(outcomes, key=_rank), attempts=attempts, diversion=diversion)


def _rank(outcome: Outcome) -> int:
    match outcome:
        case Answered():
            return 0
        case Declined():
            return 1
        case Busy():
            return 2
        case NoAnswer():
            return 3
        case Unreachable():
            return 4
        case Failed(code=code):
            return 1 if code >= 600 else 5 + code // 100
