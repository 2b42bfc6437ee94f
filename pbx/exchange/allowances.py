"""Allowances: what one account may do, whoever uses its password: requests, calls, and different numbers called.

A stolen password is worth money for as long as it can call. Each limit has a default, so that an office notices the
theft by what it cannot do, and not by the bill.
"""

from __future__ import annotations

from collections import Counter

from pbx.exchange.thresholds import Thresholds
from pbx.sip.timers import Clock

HOUR = 3600.0
BURST = 60.0
"""Seconds of requests that one account may make at once."""

GUARDED = 3
"""An account is guarded after so many times the failures for which one source is banned: several sources try it, and
each has one guess from then on."""

ACCOUNTS = 20_000
"""Names that are remembered, of accounts that there are and of those that there are not."""

_FORGIVE = 60.0  # seconds after which one failure is forgiven
_LONGEST = 64  # characters that are remembered of a name: no number has more


class _Account:
    """What an account has done. Each bucket is the time at which it will be empty."""

    __slots__ = ("calls", "destinations", "requests")

    def __init__(self) -> None:
        self.requests = self.calls = 0.0
        self.destinations: dict[str, float] = {}  # when each was called last, the latest at the end


class Allowances:
    """What all accounts have done lately."""

    __slots__ = ("_accounts", "_calling", "_clock", "_failures", "_limits")

    def __init__(self, clock: Clock, limits: Thresholds) -> None:
        self._clock = clock
        self._limits = limits
        self._accounts: dict[str, _Account] = {}
        self._failures: dict[str, float] = {}
        self._calling: Counter[str] = Counter()

    def __len__(self) -> int:
        """How much is remembered."""
        return len(self._accounts) + len(self._failures)

    def may_ask(self, number: str) -> bool:
        """Whether an extension may have one more request; if so, it is counted."""
        now = self._clock.seconds()
        account = self._account(number)
        asked = max(account.requests, now) + 1 / self._limits.account_requests_per_second
        if asked - now > BURST:
            return False
        account.requests = asked
        return True

    def refused(self, number: str, destination: str, at_once: int | None) -> str:
        """Say which limit stands against one more call of an extension; "" for none, and then it is counted.

        :param destination: what it has dialled.
        :param at_once: how many calls it may have; None for as many as the configuration allows.
        :returns: "calls-at-once", "calls-per-hour" or "destinations-per-hour".
        """
        limits = self._limits
        now = self._clock.seconds()
        most = limits.calls_at_once if at_once is None else at_once
        if most and self._calling[number] >= most:
            return "calls-at-once"
        account = self._account(number)
        called = 0.0
        if limits.calls_per_hour:
            called = max(account.calls, now) + HOUR / limits.calls_per_hour
            if called - now > HOUR:
                return "calls-per-hour"
        if limits.destinations_per_hour:
            known = account.destinations
            while known and next(iter(known.values())) <= now - HOUR:
                del known[next(iter(known))]
            if destination not in known and len(known) >= limits.destinations_per_hour:
                return "destinations-per-hour"
            known.pop(destination, None)
            known[destination] = now
        account.calls = called
        return ""

    def call_began(self, number: str) -> None:
        """An extension makes one call more."""
        self._calling[number] += 1

    def call_ended(self, number: str) -> None:
        """It makes one less."""
        self._calling[number] -= 1
        if not self._calling[number]:
            del self._calling[number]

    def failed(self, name: str) -> bool:
        """Somebody has failed to be this account, which need not exist; return whether it is guarded only now."""
        now = self._clock.seconds()
        name = name[:_LONGEST]  # a stranger's may be as long as a message
        before = max(self._failures.pop(name, 0.0), now)
        self._failures[name] = before + _FORGIVE
        if len(self._failures) > ACCOUNTS:
            del self._failures[next(iter(self._failures))]
        most = self._most_failures
        return before - now <= most < before + _FORGIVE - now

    def is_guarded(self, name: str) -> bool:
        """Whether so many have failed to be this account that one more failure is enough for a ban."""
        return self._failures.get(name[:_LONGEST], 0.0) - self._clock.seconds() > self._most_failures

    @property
    def _most_failures(self) -> float:
        return GUARDED * self._limits.failures * _FORGIVE

    def _account(self, number: str) -> _Account:
        account = self._accounts.get(number)
        if account is None:
            if len(self._accounts) >= ACCOUNTS:
                del self._accounts[next(iter(self._accounts))]
            account = self._accounts[number] = _Account()
        return account
