"""Every plan ends: soon after its caller, where it runs in a circle, and after four hours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogEvent, LogLevel, eventAsText, globalLogPublisher

from pbx.dialplan.call import Call
from pbx.dialplan.driver import Driver, HungUp
from pbx.exchange.outcome import Answered, Outcome, Unreachable
from pbx.exchange.target import Target, ext
from tests.dialplan.scripted import Errors, Script, ScriptedBridge, calls


@pytest.fixture
def warnings(request: pytest.FixtureRequest) -> list[str]:
    """The warnings logged so far, as text."""
    texts: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_level") is LogLevel.warn:
            texts.append(eventAsText(event, includeTimestamp=False))

    globalLogPublisher.addObserver(observe)
    request.addfinalizer(lambda: globalLogPublisher.removeObserver(observe))
    return texts


def test_who_swallows_hang_up_and_waits_is_ended_after_ten_seconds(warnings: list[str]) -> None:
    steps = []

    async def script(call: Call) -> None:
        try:
            await call.dial(ext("101"))
        except BaseException:
            pass
        try:
            await Deferred()
        finally:
            steps.append("closed")

    bridge = calls(script)
    bridge.leaves()
    bridge.clock.advance(9.875)
    assert bridge.done == [("dial", "101", 60)]
    bridge.clock.advance(0.125)
    assert steps == ["closed"]
    assert bridge.over == "plan_ended"
    [warning] = warnings
    assert "call c1: the dialplan did not end within 10 s" in warning
    assert f"{__file__}:{script.__code__.co_firstlineno + 6}" in warning


def test_a_loop_that_swallows_everything_does_not_hold_up_the_exchange(warnings: list[str]) -> None:
    turns = 0

    async def script(call: Call) -> None:
        nonlocal turns
        while turns < 80:
            turns += 1
            try:
                await call.sleep(1)
            except BaseException:
                pass

    bridge = calls(script)
    bridge.leaves()
    assert turns < 60
    bridge.clock.advance(10)
    assert bridge.over == "plan_ended"
    assert len(warnings) == 1


def test_clean_up_that_waits_is_pushed_through_when_the_time_is_over() -> None:
    steps = []

    async def script(call: Call) -> None:
        try:
            try:
                await call.dial(ext("101"))
            finally:
                await Deferred()
        finally:
            try:
                await Deferred()
            finally:
                steps.append("last")

    bridge = calls(script)
    bridge.leaves()
    bridge.clock.advance(10)
    assert steps == ["last"]
    assert bridge.over == "plan_ended"


def test_a_coroutine_that_cannot_be_ended_is_given_up_with_a_logged_line(logged_errors: Errors) -> None:
    stubborn = True

    async def script() -> None:
        while stubborn:
            try:
                await Deferred()
            except BaseException:
                pass

    bridge = ScriptedBridge()
    driver = bridge.user = Driver(bridge)
    coroutine = script()
    driver.start(coroutine)
    bridge.leaves()
    bridge.clock.advance(10)
    assert bridge.over == "plan_ended"
    [error] = logged_errors()
    assert "swallows every exception" in eventAsText(error)
    stubborn = False
    coroutine.close()


async def dials_again_and_again(call: Call) -> None:
    while not await call.dial(ext("1001")):
        pass


async def rejects_again_and_again(call: Call) -> None:
    while True:
        with suppress(Exception):
            await call.reject()


async def hangs_up_again_and_again(call: Call) -> None:
    while True:
        await call.hang_up()


async def waits_for_what_it_cannot(call: Call) -> None:
    while True:
        with suppress(RuntimeError):
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "script", [dials_again_and_again, rejects_again_and_again, hangs_up_again_and_again, waits_for_what_it_cannot]
)
def test_a_circle_without_anything_to_wait_for_is_ended_and_told(script: Script, logged_errors: Errors) -> None:
    class Hasty(ScriptedBridge):
        def dial(
            self, targets: Sequence[Target], timeout: float, *given: object, **options: object
        ) -> Deferred[Outcome]:
            return succeed(Unreachable())

    bridge = calls(script, Hasty())
    assert bridge.over == "plan_failed"
    [error] = logged_errors()
    text = eventAsText(error)
    assert "call c1: the dialplan runs in a circle, and is ended; the last of 1000 verbs" in text
    assert ".py:" in text


def test_a_plan_that_waits_now_and_then_runs_in_no_circle() -> None:
    turns = 0

    async def script(call: Call) -> None:
        nonlocal turns
        for _ in range(3):
            await call.sleep(1)
            for _ in range(900):
                turns += 1
                await call.answer()

    bridge = ScriptedBridge()
    calls(script, bridge)
    for _ in range(3):
        bridge.clock.advance(1)
    assert turns == 2700
    assert bridge.over == "plan_ended"


def test_a_call_ends_after_four_hours(warnings: list[str]) -> None:
    steps = []

    async def script(call: Call) -> None:
        try:
            while True:
                await call.sleep(600)
        except HungUp as gone:
            steps.append(gone.reason)
            raise

    bridge = calls(script)
    for _ in range(23):
        bridge.clock.advance(600)
    assert bridge.done == []
    bridge.clock.advance(600)
    assert steps == ["time limit"]
    assert bridge.done == [("hang_up",), ("plan_ended",)]
    assert "call c1: ended after 4 h" in warnings[0]


def test_the_limit_comes_before_what_it_ends() -> None:
    async def script(call: Call) -> None:
        await call.dial(ext("101"))
        await call.dial(ext("102"))

    class Ending(ScriptedBridge):
        def hang_up(self, words: str = "") -> None:
            super().hang_up()
            self.pending.callback(Answered())

    bridge = calls(script, Ending())
    bridge.clock.advance(4 * 3600)
    assert bridge.done == [("dial", "101", 60), ("hang_up",), ("plan_ended",)]
