from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.exchange import allowances as module
from pbx.exchange.allowances import Allowances
from pbx.exchange.thresholds import Thresholds
from pbx.testing.clock import VirtualClock

LIMITS = Thresholds(
    failures=2, account_requests_per_second=2, calls_at_once=2, calls_per_hour=4, destinations_per_hour=3
)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1000.0)


@pytest.fixture
def allowances(clock) -> Allowances:
    return Allowances(clock, LIMITS)


def test_a_minutes_requests_may_come_at_once_and_the_next_one_when_there_is_room(allowances, clock):
    assert [allowances.may_ask("1001") for _ in range(121)] == [True] * 120 + [False]
    assert allowances.may_ask("1002")
    clock.advance(0.5)
    assert [allowances.may_ask("1001") for _ in range(2)] == [True, False]


def test_calls_at_once(allowances):
    for _ in range(2):
        assert allowances.refused("1001", "1002", None) == ""
        allowances.call_began("1001")
    assert allowances.refused("1001", "1002", None) == "calls-at-once"
    assert allowances.refused("1001", "1002", 3) == ""  # the extension's own limit comes first
    allowances.call_ended("1001")
    assert allowances.refused("1001", "1002", None) == ""


def test_calls_per_hour(allowances, clock):
    assert [allowances.refused("1001", "1002", None) for _ in range(5)] == [""] * 4 + ["calls-per-hour"]
    assert allowances.refused("1002", "1001", None) == ""
    clock.advance(900)  # one of four an hour
    assert [allowances.refused("1001", "1002", None) for _ in range(2)] == ["", "calls-per-hour"]


def test_destinations_per_hour(clock):
    allowances = Allowances(clock, Thresholds(destinations_per_hour=3))
    for number in ("1", "2", "3", "1", "2"):
        assert allowances.refused("1001", number, None) == ""
        clock.advance(1)
    assert allowances.refused("1001", "4", None) == "destinations-per-hour"
    assert allowances.refused("1001", "3", None) == ""  # one that it has called before
    assert allowances.refused("1002", "4", None) == ""
    clock.advance(3600)
    assert allowances.refused("1001", "4", None) == ""


def test_refused_call_counts_for_nothing(clock):
    allowances = Allowances(clock, Thresholds(calls_per_hour=2, destinations_per_hour=1))
    assert allowances.refused("1001", "1", None) == ""
    for _ in range(10):
        assert allowances.refused("1001", "2", None) == "destinations-per-hour"
    assert allowances.refused("1001", "1", None) == ""


def test_nought_is_no_limit(clock):
    allowances = Allowances(clock, Thresholds(calls_at_once=0, calls_per_hour=0, destinations_per_hour=0))
    for number in range(2000):
        assert allowances.refused("1001", str(number), None) == ""
        allowances.call_began("1001")
    assert len(allowances) == 1


@pytest.mark.parametrize(
    ("limit", "most"), [("calls-at-once", 20), ("calls-per-hour", 300), ("destinations-per-hour", 100)]
)
def test_each_limit_is_on_by_default(clock, limit, most):
    allowances = Allowances(clock, Thresholds())
    for n in range(most):
        assert allowances.refused("1001", str(n if limit.startswith("destinations") else 1), None) == ""
        if limit == "calls-at-once":
            allowances.call_began("1001")
    assert allowances.refused("1001", "last" if limit.startswith("destinations") else "1", None) == limit


def test_account_is_guarded_after_many_failures_from_anywhere_and_free_again_later(allowances, clock):
    assert [allowances.failed("1001") for _ in range(8)] == [False] * 6 + [True, False]
    assert allowances.is_guarded("1001")
    assert not allowances.is_guarded("1002")
    clock.advance(119.875)
    assert allowances.is_guarded("1001")
    clock.advance(0.125)
    assert not allowances.is_guarded("1001")


def test_of_long_names_no_more_is_remembered_than_a_number_has(allowances):
    for _ in range(7):
        allowances.failed("x" * 60_000)
    assert allowances.is_guarded("x" * 64) and allowances.is_guarded("x" * 60_000)
    assert not allowances.is_guarded("x" * 63)


@given(st.lists(st.integers(0, 40), max_size=200))
def test_memory_is_bounded(numbers):
    most, module.ACCOUNTS = module.ACCOUNTS, 5  # type: ignore[attr-defined]
    try:
        allowances = Allowances(VirtualClock(), LIMITS)
        for number in numbers:
            allowances.failed(str(number))
            allowances.may_ask(str(number))
            assert len(allowances) <= 10
    finally:
        module.ACCOUNTS = most  # type: ignore[attr-defined]
