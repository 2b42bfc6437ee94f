"""A coroutine is stepped to its end, whatever it waits for; hang-up reaches every await; its bugs stay its own."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import gc
import types
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, eventAsText, globalLogPublisher

from pbx.dialplan.call import Call
from pbx.dialplan.driver import Driver, HungUp
from pbx.dialplan.plan import Plan
from pbx.exchange.outcome import Answered, Busy, Outcome, Unreachable
from pbx.exchange.target import Target, ext
from tests.dialplan.scripted import ScriptedBridge

Errors = Callable[[], list[LogEvent]]
Script = Callable[[Call], Coroutine[Any, Any, None]]


def calls(script: Script, bridge: ScriptedBridge | None = None) -> ScriptedBridge:
    """Put a call through to a script, and return its bridge."""
    bridge = ScriptedBridge() if bridge is None else bridge
    plan = Plan()
    plan.internal("600")(script)
    plan.run(bridge)
    return bridge


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


def test_a_deferred_gives_its_result_whether_it_has_fired_or_not() -> None:
    later: Deferred[str] = Deferred()
    seen: list[object] = []

    async def script(call: Call) -> None:
        seen.append(await succeed("at once"))
        seen.append(await later)
        seen.append(await DeferredList([succeed(1)]))

    bridge = calls(script)
    assert (seen, bridge.done) == (["at once"], [])
    later.callback("later")
    assert seen == ["at once", "later", [(True, 1)]]
    assert bridge.over == "plan_ended"


def test_a_failure_is_raised_where_it_is_awaited() -> None:
    later: Deferred[str] = Deferred()
    seen: list[str] = []

    async def script(call: Call) -> None:
        for deferred in (fail(KeyError("at once")), later):
            try:
                await deferred
            except KeyError as error:
                seen.append(error.args[0])

    bridge = calls(script)
    later.errback(KeyError("later"))
    assert seen == ["at once", "later"]
    assert bridge.over == "plan_ended"


def test_the_result_stays_for_those_who_wait_for_the_same_deferred() -> None:
    shared: Deferred[str] = Deferred()
    seen: list[str] = []

    async def script(call: Call) -> None:
        seen.append(await shared)

    calls(script)
    calls(script)
    shared.callback("all")
    assert seen == ["all", "all"]


def test_many_awaits_of_what_has_fired_do_not_deepen_the_stack() -> None:
    @types.coroutine
    def yielding(deferred: Deferred[int]) -> Generator[Deferred[int], int, int]:
        return (yield deferred)

    total = 0

    async def script(call: Call) -> None:
        nonlocal total
        for _ in range(20_000):
            total += await succeed(1)
            total += await yielding(succeed(1))

    assert calls(script).over == "plan_ended"
    assert total == 40_000


def test_the_end_of_the_coroutine_ends_the_plan_once() -> None:
    async def script(call: Call) -> None:
        await call.dial(ext("101"), timeout=5)

    bridge = calls(script)
    bridge.ends(Busy())
    assert bridge.over == "plan_ended"
    bridge.leaves()
    assert bridge.over == "plan_ended"


# Hang-up


def test_hang_up_during_dial_reaches_nested_coroutines_and_cleans_up_from_the_inside() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def held(name: str) -> AsyncIterator[None]:
        try:
            yield
        finally:
            steps.append(name)

    async def inner(call: Call) -> None:
        try:
            async with held("inner hold"):
                await call.dial(ext("101"))
        except HungUp as gone:
            steps.append(gone.reason)
            raise

    async def script(call: Call) -> None:
        try:
            async with held("outer hold"):
                await inner(call)
        finally:
            steps.append("finally")

    bridge = calls(script)
    bridge.leaves("cancelled")
    assert steps == ["inner hold", "cancelled", "outer hold", "finally"]
    assert bridge.over == "plan_ended"


def test_hang_up_during_sleep_leaves_no_timer() -> None:
    async def script(call: Call) -> None:
        await call.sleep(100)

    bridge = calls(script)
    bridge.leaves()
    assert bridge.over == "plan_ended"


def test_hang_up_is_no_exception_and_passes_except_exception() -> None:
    swallowed = []

    async def script(call: Call) -> None:
        try:
            await call.dial(ext("101"))
        except Exception as error:
            swallowed.append(error)
        await call.dial(ext("102"))

    bridge = calls(script)
    bridge.leaves()
    assert not swallowed
    assert bridge.done == [("dial", "101", 60), ("plan_ended",)]


def test_what_was_awaited_is_left_alone_and_comes_too_late() -> None:
    cancelled: list[object] = []
    foreign: Deferred[str] = Deferred(cancelled.append)

    async def script(call: Call) -> None:
        await foreign

    bridge = calls(script)
    bridge.leaves()
    assert bridge.over == "plan_ended"
    foreign.callback("late")
    assert not cancelled
    assert bridge.over == "plan_ended"


def test_a_failure_that_comes_too_late_is_not_logged() -> None:
    foreign: list[Deferred[None]] = [Deferred()]

    async def script(call: Call) -> None:
        await foreign[0]

    bridge = calls(script)
    bridge.leaves()
    foreign.pop().errback(OSError("late"))
    gc.collect()
    assert bridge.over == "plan_ended"


def test_clean_up_may_wait_for_others_and_then_ends() -> None:
    closing: Deferred[None] = Deferred()
    steps = []

    async def script(call: Call) -> None:
        try:
            await call.dial(ext("101"))
        finally:
            await closing
            steps.append("closed")

    bridge = calls(script)
    bridge.leaves()
    bridge.pending.callback(Busy())
    bridge.clock.advance(9.875)
    assert not steps
    closing.callback(None)
    assert steps == ["closed"]
    assert bridge.over == "plan_ended"


def test_the_caller_may_leave_during_a_step() -> None:
    steps: list[str] = []

    async def script(call: Call) -> None:
        bridge.leaves()
        steps.append("not interrupted between awaits")
        try:
            await Deferred()
        except HungUp:
            steps.append("at the next await")
            raise

    bridge = ScriptedBridge()
    calls(script, bridge)
    assert steps == ["not interrupted between awaits", "at the next await"]
    assert bridge.over == "plan_ended"


def test_the_caller_may_leave_during_a_step_before_a_verb() -> None:
    async def script(call: Call) -> None:
        bridge.leaves()
        try:
            await call.answer()
        finally:
            await cleaning

    cleaning: Deferred[None] = Deferred()
    bridge = ScriptedBridge()
    calls(script, bridge)
    cleaning.callback(None)
    assert bridge.done == [("plan_ended",)]


def test_who_swallows_hang_up_gets_it_again_at_the_next_verb() -> None:
    caught = []

    async def script(call: Call) -> None:
        for verb in (call.dial(ext("101")), call.answer(), call.sleep(1), call.reject(), call.hang_up(), call.echo()):
            try:
                await verb
            except BaseException as error:
                caught.append(type(error))
        call.log("still allowed")

    bridge = calls(script)
    bridge.leaves()
    assert caught == [HungUp] * 6
    assert bridge.done == [("dial", "101", 60), ("plan_ended",)]


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


# Bugs in the plan


def test_an_exception_is_logged_with_its_traceback_and_fails_this_call_only(logged_errors: Errors) -> None:
    async def broken(call: Call) -> None:
        await call.dial(ext("101"))
        raise LookupError("in the plan")

    async def sound(call: Call) -> None:
        await call.dial(ext("101"))

    first, second = calls(broken, ScriptedBridge(id="c7")), calls(sound)
    first.ends(Answered())
    assert first.over == "plan_failed"
    [error] = logged_errors()
    text = eventAsText(error)
    assert "call c7: the dialplan failed" in text
    assert "in the plan" in text
    assert f'{__file__}", line {broken.__code__.co_firstlineno + 2}' in text
    second.ends(Answered())
    assert second.over == "plan_ended"


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration(), asyncio.CancelledError()]
)
def test_nothing_that_a_plan_raises_gets_out(error: BaseException, logged_errors: Errors) -> None:
    async def script(call: Call) -> None:
        raise error

    assert calls(script).over == "plan_failed"
    assert len(logged_errors()) == 1


def test_an_exception_in_finally_fails_the_call_that_was_hung_up(logged_errors: Errors) -> None:
    async def script(call: Call) -> None:
        try:
            await call.dial(ext("101"))
        finally:
            raise ValueError("in finally")

    bridge = calls(script)
    bridge.leaves()
    assert bridge.over == "plan_failed"
    [error] = logged_errors()
    assert "in finally" in eventAsText(error)


def test_an_exception_in_finally_of_a_plan_that_is_ended_is_logged(logged_errors: Errors) -> None:
    async def script(call: Call) -> None:
        try:
            await call.dial(ext("101"))
        finally:
            try:
                await Deferred()
            finally:
                raise ValueError("at last")

    bridge = calls(script)
    bridge.leaves()
    bridge.clock.advance(10)
    [error] = logged_errors()
    assert "at last" in eventAsText(error)
    assert bridge.over == "plan_ended"


def test_a_failure_that_nobody_catches_is_logged_with_where_it_began(logged_errors: Errors) -> None:
    def reading_the_disk(_: object) -> None:
        raise OSError("no disk")

    async def script(call: Call) -> None:
        await later

    later: Deferred[None] = Deferred()
    later.addCallback(reading_the_disk)
    bridge = calls(script)
    later.callback(None)
    assert bridge.over == "plan_failed"
    [error] = logged_errors()
    assert "in reading_the_disk" in eventAsText(error)


def test_an_asyncio_future_gets_one_clear_error(logged_errors: Errors) -> None:
    async def script(call: Call) -> None:
        await future

    loop = asyncio.new_event_loop()
    try:
        future = loop.create_future()
        assert calls(script).over == "plan_failed"
    finally:
        loop.close()
    [error] = logged_errors()
    assert "Twisted's Deferreds, but not for _asyncio.Future" in eventAsText(error)


def test_a_plan_may_catch_that_error_and_go_on() -> None:
    async def script(call: Call) -> None:
        try:
            await asyncio.sleep(0)
        except RuntimeError:
            await call.reject(500)

    assert calls(script).done == [("reject", 500, None), ("plan_ended",)]


# Limits and isolation


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


def test_context_variables_of_one_call_are_not_those_of_another() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="untouched")
    seen = []

    async def script(call: Call) -> None:
        seen.append(variable.get())
        variable.set(call.id)
        decimal.setcontext(decimal.Context(prec=3))
        await call.dial(ext("101"))
        seen.append(variable.get())

    first, second = calls(script, ScriptedBridge(id="first")), calls(script, ScriptedBridge(id="second"))
    first.ends(Busy())
    second.ends(Busy())
    assert seen == ["untouched", "untouched", "first", "second"]
    assert variable.get() == "untouched"
    assert decimal.getcontext().prec != 3


def test_a_call_that_is_over_is_forgotten() -> None:
    class Big:
        pass

    plan = Plan(state=Big)
    left = []

    @plan.internal("600")
    async def script(call: Call[Big]) -> None:
        left.append(weakref.ref(call.state))
        await call.dial(ext("101"))

    bridge = ScriptedBridge(clock=Clock())
    plan.run(bridge)
    bridge.leaves()
    del bridge
    gc.collect()
    assert left[0]() is None
