"""The watchdog names the line that holds up the reactor: once a minute, and as an alarm after two seconds."""

from __future__ import annotations

import sys
import threading
from time import monotonic
from types import FrameType
from typing import Any

from pytest import approx

from pbx.dialplan.stint import Stint
from pbx.watchdog import LONG, Watchdog
from tests.eventually import eventually


def watched(stint: Stint | None = None) -> tuple[Watchdog, list[dict[str, Any]]]:
    told: list[dict[str, Any]] = []

    def tell(log: Any, words: str, **facts: Any) -> None:
        told.append({"level": log.__name__, **facts})

    return Watchdog(lambda file: file == __file__, tell, stint or Stint()), told


def frame() -> FrameType:
    return sys._getframe(1)


def test_a_frame_that_stays_is_named_once_a_minute_and_alarms_after_two_seconds() -> None:
    watchdog, told = watched()
    here = frame()
    for tick in range(500):
        watchdog.look(here, tick * 0.02)
    assert [one["level"] for one in told] == ["warn", "critical"]
    assert told[0]["place"].startswith(f"{__file__}:")
    watchdog.look(None, 10.0)
    for tick in range(10):
        watchdog.look(here, 20 + tick * 0.02)
    assert len(told) == 2
    watchdog.look(None, 60.0)
    for tick in range(10):
        watchdog.look(here, 70 + tick * 0.02)
    assert [one["level"] for one in told] == ["warn", "critical", "warn"]


def test_what_comes_and_goes_or_is_no_plan_is_left_alone() -> None:
    watchdog, told = watched()
    here = frame()
    for tick in range(200):
        watchdog.look(here if tick % 3 else None, tick * 0.02)
    other, none = Watchdog(lambda file: False, lambda *args, **facts: told.append(facts), Stint()), frame()
    for tick in range(200):
        other.look(none, tick * 0.02)
    assert told == []


def test_of_a_call_is_known_since_when_it_holds() -> None:
    stint = Stint()
    watchdog, told = watched(stint)
    here = frame()
    stint.since = monotonic()
    assert watchdog.look(here, stint.since + 0.03) == approx(0.02)
    assert told == []
    assert watchdog.look(here, stint.since + 0.051) == LONG
    assert [one["level"] for one in told] == ["warn"]
    watchdog.look(here, stint.since + 2.0)
    assert [one["level"] for one in told] == ["warn", "critical"]


def test_a_call_that_comes_and_goes_has_held_nothing() -> None:
    stint = Stint()
    watchdog, told = watched(stint)
    here = frame()
    for _ in range(200):
        stint.since = monotonic()
        watchdog.look(here, stint.since + 0.04)
        stint.since = 0.0
    assert told == []


def test_the_real_thread_sees_this_one() -> None:
    watchdog, told = watched()
    watchdog.start()
    try:
        eventually(lambda: told, within=10)
    finally:
        watchdog.stop()
    assert told[0]["level"] == "warn"
    assert threading.main_thread().is_alive()


def test_an_endless_loop_of_a_call_is_named_while_it_holds() -> None:
    stint = Stint()
    watchdog, told = watched(stint)
    watchdog.start()
    stint.since = monotonic()
    try:
        eventually(lambda: len(told) == 2, within=20)
    finally:
        watchdog.stop()
    assert [one["level"] for one in told] == ["warn", "critical"]
    assert told[1]["place"].startswith(f"{__file__}:")


def test_while_the_reactor_sleeps_nothing_holds_it_up() -> None:
    asked: list[bool] = []
    stint = Stint()
    stint.since = monotonic()
    told: list[str] = []
    watchdog = Watchdog(
        lambda file: file == __file__,
        lambda log, words, **facts: told.append(words),
        stint,
        lambda: not asked.append(True),  # type: ignore[func-returns-value]
    )
    watchdog.start()
    try:
        eventually(lambda: len(asked) >= 3, within=10)
    finally:
        watchdog.stop()
    assert told == []
