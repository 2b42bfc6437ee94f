"""Whatever a plan raises is logged with where it began, and fails its own call only."""

from __future__ import annotations

import asyncio

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import eventAsText

from pbx.dialplan.call import Call
from pbx.exchange.outcome import Answered
from pbx.exchange.target import ext
from tests.dialplan.scripted import Errors, ScriptedBridge, calls


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
